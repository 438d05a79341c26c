//! Whole CLIF files for Python: headers, functions and comments as plain dictionaries and lists.
//! `backend/cranelift/reader.py` makes objects of them.

use crate::bounds;
use crate::errors;
use crate::names::{external, name};
use crate::panics;
use crate::timing::{self, Phase};
use cranelift_codegen::ir::{
    AbiParam, ArgumentExtension, ArgumentPurpose, Block, BlockArg, BlockCall, DebugTag, Endianness,
    ExceptionTable, ExceptionTableItem, Function, GlobalValueData, Inst, InstructionData,
    MemFlagsData, Signature, Value,
};
use cranelift_reader::{Comment, Details, Feature, ParseOptions, TestFile, TestOption};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

/// Reads a CLIF file, with or without header lines. What `target` lines say is returned as words;
/// whether there are such ISAs and flags is for those to say who compile for them.
#[pyfunction]
pub fn read<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyDict>> {
    bounds::check(py, text)?;
    let header = header_lines(text);
    let blanked = without_targets(text);
    let text = blanked.as_str();
    let file = py
        .detach(|| {
            panics::catch(|| {
                let _phase = timing::enter(Phase::Read);
                cranelift_reader::parse_test(text, ParseOptions::default())
            })
        })
        .map_err(|panic| errors::compiler_panic(py, panic, ""))?
        .map_err(|error| errors::read_error(py, &error))?;
    test_file(py, text, &header, &file)
}

/// The text with blanks in place of its `target` lines: Cranelift's reader refuses settings before one
/// that names an ISA which this build lacks.
fn without_targets(text: &str) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut inside = true;
    for line in text.split_inclusive('\n') {
        let word = line.split_whitespace().next().unwrap_or_default();
        inside &= word != "function";
        if inside && word == "target" {
            blanked.extend(line.chars().map(|c| if c == '\n' { c } else { ' ' }));
        } else {
            blanked.push_str(line);
        }
    }
    blanked
}

fn test_file<'py>(
    py: Python<'py>,
    text: &str,
    header: &[Vec<&str>],
    file: &TestFile<'_>,
) -> PyResult<Bound<'py, PyDict>> {
    let commands = PyList::empty(py);
    for command in &file.commands {
        let options: Vec<String> = command
            .options
            .iter()
            .map(|option| match option {
                TestOption::Flag(flag) => (*flag).to_owned(),
                TestOption::Value(name, value) => format!("{name}={value}"),
            })
            .collect();
        commands.append((command.command, options))?;
    }
    let words_of = |first: &str| -> Vec<Vec<&str>> {
        let lines = header.iter().filter(|line| line[0] == first);
        lines.map(|line| line[1..].to_vec()).collect()
    };
    let settings: Vec<&str> = words_of("set").concat();
    let targets: Vec<(&str, Vec<&str>)> = words_of("target")
        .into_iter()
        .filter_map(|words| {
            words
                .split_first()
                .map(|(target, own)| (*target, own.to_vec()))
        })
        .collect();
    let features: Vec<(&str, bool)> = file
        .features
        .iter()
        .map(|feature| match feature {
            Feature::With(name) => (*name, true),
            Feature::Without(name) => (*name, false),
        })
        .collect();
    let functions = PyList::empty(py);
    for (raw, details) in &file.functions {
        functions.append(function(py, text, raw, details)?)?;
    }
    let dict = PyDict::new(py);
    dict.set_item("commands", commands)?;
    dict.set_item("settings", settings)?;
    dict.set_item("targets", targets)?;
    dict.set_item("features", features)?;
    dict.set_item("preamble_comments", comments(text, &file.preamble_comments))?;
    dict.set_item("functions", functions)?;
    Ok(dict)
}

/// The words of each header line. The reader turns `set` and `target` lines into ISAs and forgets
/// those that are not part of this build, so they are looked at here once more.
fn header_lines(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| line.split(';').next().unwrap_or_default())
        .map(|line| line.split_whitespace().collect::<Vec<&str>>())
        .filter(|words| !words.is_empty())
        .take_while(|words| words[0] != "function")
        .collect()
}

/// `(text, line)` of each comment.
fn comments<'a>(text: &str, comments: &[Comment<'a>]) -> Vec<(&'a str, usize)> {
    let mut line = 1;
    let mut seen = 0;
    comments
        .iter()
        .map(|comment| {
            // A comment is a slice of the text.
            let offset = comment.text.as_ptr() as usize - text.as_ptr() as usize;
            line += text.as_bytes()[seen..offset]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            seen = offset;
            (comment.text, line)
        })
        .collect()
}

fn function<'py>(
    py: Python<'py>,
    text: &str,
    function: &Function,
    details: &Details<'_>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("name", name(function))?;
    dict.set_item("line", details.location.line_number)?;
    dict.set_item("signature", signature(py, &function.signature)?)?;
    dict.set_item(
        "stack_limit",
        function.stack_limit.map(|limit| limit.to_string()),
    )?;
    preamble(py, function, &dict)?;
    let blocks = PyList::empty(py);
    for block in function.layout.blocks() {
        blocks.append(self::block(py, function, details, block)?)?;
    }
    dict.set_item("blocks", blocks)?;
    dict.set_item("comments", comments(text, &details.comments))?;
    Ok(dict)
}

fn signature<'py>(py: Python<'py>, signature: &Signature) -> PyResult<Bound<'py, PyDict>> {
    let params = |params: &[AbiParam]| -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for param in params {
            let dict = PyDict::new(py);
            dict.set_item("type", param.value_type.to_string())?;
            dict.set_item(
                "extension",
                match param.extension {
                    ArgumentExtension::None => None,
                    ArgumentExtension::Uext => Some("uext"),
                    ArgumentExtension::Sext => Some("sext"),
                },
            )?;
            dict.set_item("purpose", purpose(param.purpose))?;
            list.append(dict)?;
        }
        Ok(list)
    };
    let dict = PyDict::new(py);
    dict.set_item("call_conv", signature.call_conv.to_string())?;
    dict.set_item("params", params(&signature.params)?)?;
    dict.set_item("returns", params(&signature.returns)?)?;
    Ok(dict)
}

fn purpose(purpose: ArgumentPurpose) -> String {
    purpose.to_string()
}

/// What is declared before the first block.
fn preamble(py: Python<'_>, function: &Function, dict: &Bound<'_, PyDict>) -> PyResult<()> {
    let slots = PyList::empty(py);
    for (slot, data) in &function.sized_stack_slots {
        let entry = PyDict::new(py);
        entry.set_item("name", slot.to_string())?;
        entry.set_item("size", data.size)?;
        entry.set_item("align", 1_u32 << data.align_shift)?;
        entry.set_item("kind", data.kind.to_string())?;
        entry.set_item("key", data.key.map(|key| key.bits()))?;
        slots.append(entry)?;
    }
    dict.set_item("stack_slots", slots)?;

    let globals = PyList::empty(py);
    for (global, data) in &function.global_values {
        globals.append(global_value(py, function, &global.to_string(), data)?)?;
    }
    dict.set_item("global_values", globals)?;

    let signatures = PyList::empty(py);
    for (reference, data) in &function.dfg.signatures {
        let entry = signature(py, data)?;
        entry.set_item("name", reference.to_string())?;
        signatures.append(entry)?;
    }
    dict.set_item("signatures", signatures)?;

    let externals = PyList::empty(py);
    for (reference, data) in &function.dfg.ext_funcs {
        let entry = PyDict::new(py);
        entry.set_item("name", reference.to_string())?;
        entry.set_item("target", external(&data.name, function))?;
        entry.set_item("signature", data.signature.to_string())?;
        entry.set_item("colocated", data.colocated)?;
        entry.set_item("patchable", data.patchable)?;
        externals.append(entry)?;
    }
    dict.set_item("externals", externals)?;

    let regions = PyList::empty(py);
    for (region, data) in function.dfg.alias_regions.iter() {
        let entry = PyDict::new(py);
        entry.set_item("number", region.as_u32())?;
        entry.set_item("user_id", data.user_id)?;
        entry.set_item("description", data.description.to_string())?;
        regions.append(entry)?;
    }
    dict.set_item("alias_regions", regions)?;

    let constants = PyList::empty(py);
    for (constant, data) in function.dfg.constants.iter() {
        constants.append((constant.to_string(), integer(py, data.as_slice())?))?;
    }
    dict.set_item("constants", constants)
}

fn global_value<'py>(
    py: Python<'py>,
    function: &Function,
    name: &str,
    data: &GlobalValueData,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("name", name)?;
    dict.set_item("text", data.display(&function.dfg.mem_flags).to_string())?;
    let kind = match data {
        GlobalValueData::VMContext => "vmctx",
        GlobalValueData::Load { .. } => "load",
        GlobalValueData::IAddImm { .. } => "iadd_imm",
        GlobalValueData::DynScaleTargetConst { .. } => "dyn_scale_target_const",
        GlobalValueData::Symbol {
            name,
            offset,
            colocated,
            tls,
        } => {
            // Cranelift's own text says `userextname0` for a name like `u0:1`.
            let name = external(name, function);
            let colocated_word = if *colocated { "colocated " } else { "" };
            let tls_word = if *tls { "tls " } else { "" };
            let offset_text = match offset.bits() {
                0 => String::new(),
                bits => format!("{bits:+}"),
            };
            let text = format!("symbol {colocated_word}{tls_word}{name}{offset_text}");
            dict.set_item("text", text)?;
            dict.set_item("symbol", name)?;
            dict.set_item("offset", offset.bits())?;
            dict.set_item("colocated", colocated)?;
            dict.set_item("tls", tls)?;
            "symbol"
        }
    };
    dict.set_item("kind", kind)?;
    Ok(dict)
}

fn block<'py>(
    py: Python<'py>,
    function: &Function,
    details: &Details<'_>,
    block: Block,
) -> PyResult<Bound<'py, PyDict>> {
    let instructions = PyList::empty(py);
    for inst in function.layout.block_insts(block) {
        instructions.append(instruction(py, function, details, inst)?)?;
    }
    let dict = PyDict::new(py);
    dict.set_item("name", block.to_string())?;
    dict.set_item("number", block.as_u32())?;
    dict.set_item("params", typed(function, function.dfg.block_params(block)))?;
    dict.set_item("cold", function.layout.is_cold(block))?;
    dict.set_item("instructions", instructions)?;
    Ok(dict)
}

fn typed(function: &Function, values: &[Value]) -> Vec<(u32, String)> {
    values
        .iter()
        .map(|value| (value.as_u32(), function.dfg.value_type(*value).to_string()))
        .collect()
}

fn instruction<'py>(
    py: Python<'py>,
    function: &Function,
    details: &Details<'_>,
    inst: Inst,
) -> PyResult<Bound<'py, PyDict>> {
    let dfg = &function.dfg;
    let data = &dfg.insts[inst];
    let controlling = dfg.ctrl_typevar(inst);
    let args: Vec<u32> = data
        .arguments(&dfg.value_lists)
        .iter()
        .map(|value| dfg.resolve_aliases(*value).as_u32())
        .collect();

    let dict = PyDict::new(py);
    dict.set_item("opcode", data.opcode().to_string())?;
    dict.set_item(
        "type",
        (!controlling.is_invalid()).then(|| controlling.to_string()),
    )?;
    dict.set_item("args", args)?;
    dict.set_item("results", typed(function, dfg.inst_results(inst)))?;
    dict.set_item(
        "line",
        details.map.location(inst.into()).map(|at| at.line_number),
    )?;
    operands(py, function, data, &dict)?;
    annotations(py, function, inst, &dict)?;
    let targets = data.branch_destination(&dfg.jump_tables, &dfg.exception_tables);
    if let Some(table) = data.exception_table() {
        exception_table(py, function, table, &dict)?;
    } else if !targets.is_empty() {
        let list = PyList::empty(py);
        for target in targets {
            list.append(block_call(py, function, target)?)?;
        }
        dict.set_item("targets", list)?;
    }
    Ok(dict)
}

/// What is said of an instruction beside what it does, where there is any: its source location, its
/// debug tags (numbers, or names of stack slots), its stack map (`(type, slot, offset)` each).
fn annotations(
    py: Python<'_>,
    function: &Function,
    inst: Inst,
    dict: &Bound<'_, PyDict>,
) -> PyResult<()> {
    let location = function.srcloc(inst);
    if !location.is_default() {
        dict.set_item("location", location.bits())?;
    }
    let tags = function.debug_tags.get(inst);
    if !tags.is_empty() {
        let list = PyList::empty(py);
        for tag in tags {
            match tag {
                DebugTag::User(number) => list.append(number)?,
                DebugTag::StackSlot(slot) => list.append(slot.to_string())?,
            }
        }
        dict.set_item("tags", list)?;
    }
    if let Some(entries) = function.dfg.user_stack_map_entries(inst) {
        let entries: Vec<(String, String, u32)> = entries
            .iter()
            .map(|entry| (entry.ty.to_string(), entry.slot.to_string(), entry.offset))
            .collect();
        dict.set_item("stack_map", entries)?;
    }
    Ok(())
}

/// The operands that are not values: which there are follows from the format.
fn operands(
    py: Python<'_>,
    function: &Function,
    data: &InstructionData,
    dict: &Bound<'_, PyDict>,
) -> PyResult<()> {
    let dfg = &function.dfg;
    if let Some(flags) = data.memflags() {
        dict.set_item("flags", mem_flags(py, dfg.mem_flags[flags])?)?;
    }
    if let Some(code) = data.trap_code() {
        dict.set_item("trap", code.to_string())?;
    }
    if let Some(offset) = data.load_store_offset() {
        dict.set_item("offset", offset)?;
    }
    match data {
        InstructionData::UnaryImm { imm, .. } => dict.set_item("imm", imm.bits()),
        InstructionData::BinaryImm8 { imm, .. } | InstructionData::TernaryImm8 { imm, .. } => {
            dict.set_item("imm", imm)
        }
        InstructionData::UnaryIeee16 { imm, .. } => dict.set_item("imm", imm.bits()),
        InstructionData::UnaryIeee32 { imm, .. } => dict.set_item("imm", imm.bits()),
        InstructionData::UnaryIeee64 { imm, .. } => dict.set_item("imm", imm.bits()),
        InstructionData::UnaryConst {
            constant_handle, ..
        } => {
            let bytes = dfg.constants.get(*constant_handle).as_slice();
            dict.set_item("imm", integer(py, bytes)?)
        }
        InstructionData::Shuffle { imm, .. } => {
            dict.set_item("imm", integer(py, dfg.immediates[*imm].as_slice())?)
        }
        InstructionData::ExceptionHandlerAddress { block, imm, .. } => {
            dict.set_item("block", block.as_u32())?;
            dict.set_item("imm", imm.bits())
        }
        InstructionData::IntCompare { cond, .. } => dict.set_item("cond", cond.to_string()),
        InstructionData::FloatCompare { cond, .. } => dict.set_item("cond", cond.to_string()),
        InstructionData::AtomicRmw { op, .. } => dict.set_item("rmw", op.to_string()),
        InstructionData::StackAddr { stack_slot, .. } => {
            dict.set_item("slot", stack_slot.to_string())
        }
        InstructionData::DynamicStackAddr {
            dynamic_stack_slot, ..
        } => dict.set_item("slot", dynamic_stack_slot.to_string()),
        InstructionData::Call { func_ref, .. }
        | InstructionData::FuncAddr { func_ref, .. }
        | InstructionData::TryCall { func_ref, .. } => {
            dict.set_item("callee", func_ref.to_string())
        }
        InstructionData::CallIndirect { sig_ref, .. } => {
            dict.set_item("signature", sig_ref.to_string())
        }
        InstructionData::UnaryGlobalValue { global_value, .. } => {
            dict.set_item("global_value", global_value.to_string())
        }
        _ => Ok(()),
    }
}

fn mem_flags<'py>(py: Python<'py>, flags: MemFlagsData) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("trap", flags.trap_code().map(|code| code.to_string()))?;
    dict.set_item("aligned", flags.aligned())?;
    dict.set_item("readonly", flags.readonly())?;
    dict.set_item("can_move", flags.can_move())?;
    dict.set_item(
        "endianness",
        flags
            .explicit_endianness()
            .map(|endianness| match endianness {
                Endianness::Little => "little",
                Endianness::Big => "big",
            }),
    )?;
    dict.set_item(
        "alias_region",
        flags.alias_region().map(|region| region.as_u32()),
    )?;
    Ok(dict)
}

/// `(block number, arguments)`: numbers of values, or the words `ret0`, `exn0`.
fn block_call<'py>(
    py: Python<'py>,
    function: &Function,
    call: &BlockCall,
) -> PyResult<Bound<'py, PyTuple>> {
    let pool = &function.dfg.value_lists;
    let args = PyList::empty(py);
    for arg in call.args(pool) {
        match arg {
            BlockArg::Value(value) => {
                args.append(function.dfg.resolve_aliases(value).as_u32())?;
            }
            word => args.append(word.to_string())?,
        }
    }
    (call.block(pool).as_u32(), args).into_pyobject(py)
}

/// The normal return as the only target; the entries of the table as `handlers`, in their order:
/// `("tag", tag, target)`, `("default", None, target)` or `("context", value, None)`.
fn exception_table(
    py: Python<'_>,
    function: &Function,
    table: ExceptionTable,
    dict: &Bound<'_, PyDict>,
) -> PyResult<()> {
    let table = &function.dfg.exception_tables[table];
    let handlers = PyList::empty(py);
    for item in table.items() {
        match item {
            ExceptionTableItem::Tag(tag, target) => {
                handlers.append(("tag", tag.as_u32(), block_call(py, function, &target)?))?;
            }
            ExceptionTableItem::Default(target) => {
                handlers.append(("default", py.None(), block_call(py, function, &target)?))?;
            }
            ExceptionTableItem::Context(value) => {
                let value = function.dfg.resolve_aliases(value).as_u32();
                handlers.append(("context", value, py.None()))?;
            }
        }
    }
    dict.set_item("signature", table.signature().to_string())?;
    dict.set_item(
        "targets",
        [block_call(py, function, table.normal_return())?].into_bound_py_any(py)?,
    )?;
    dict.set_item("handlers", handlers)
}

/// Little-endian bytes as one integer.
fn integer<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let mut low = [0; 16];
    match low.get_mut(..bytes.len()) {
        Some(part) => {
            part.copy_from_slice(bytes);
            u128::from_le_bytes(low).into_bound_py_any(py)
        }
        None => py
            .get_type::<pyo3::types::PyInt>()
            .call_method1("from_bytes", (bytes, "little")),
    }
}
