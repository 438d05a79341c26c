//! Compiles CLIF with whichever release of Cranelift it is built with: one request as JSON on stdin,
//! machine code or what came in the way of it as JSON on stdout. `backend/cranelift/releases.py` is the other
//! side. Only what the executors need is asked of Cranelift, so that the same source serves all
//! releases; `build.rs` names what they differ in.

#[cfg(call_details)]
#[path = "../src/call_sites.rs"]
mod call_sites;
#[path = "../src/failure.rs"]
mod failure;
#[cfg(nested_inlining)]
#[path = "../src/inline.rs"]
mod inline;
#[cfg(call_details)]
#[path = "../src/labels.rs"]
mod labels;
#[path = "../src/names.rs"]
mod names;
#[path = "../src/panics.rs"]
mod panics;
mod timing;
#[cfg(chosen_unwind_info)]
#[path = "../src/unwind.rs"]
mod unwind;

#[cfg(chosen_unwind_info)]
use cranelift_codegen::CodegenResult;
#[cfg(all(relocation_targets, finalized_relocations))]
use cranelift_codegen::FinalizedRelocTarget as RelocTarget;
#[cfg(all(relocation_targets, not(finalized_relocations)))]
use cranelift_codegen::RelocTarget;
#[cfg(chaos_mode)]
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::{self, TargetIsa};
use cranelift_codegen::settings::{self, Configurable, SetError};
use cranelift_codegen::{CodegenError, CompiledCode, Context};
use failure::Failure;
use panics::Panic;
use serde_json::{Value, json};
use std::fmt::Display;
use std::io::Read;
use std::ops::Deref;
use std::str::FromStr;
use timing::Phase;

fn main() {
    panics::install_hook();
    let mut request = String::new();
    let answer = match std::io::stdin().read_to_string(&mut request) {
        Ok(_) => answer(&request),
        Err(error) => failure("request", error.to_string()),
    };
    println!("{answer}");
}

fn answer(request: &str) -> Value {
    let request: Value = match serde_json::from_str(request) {
        Ok(request) => request,
        Err(error) => return failure("request", error.to_string()),
    };
    compile_all(&request).unwrap_or_else(|error| error)
}

fn failure(kind: &str, message: String) -> Value {
    json!({"error": {"kind": kind, "message": message}})
}

fn failed(failure: Failure) -> Value {
    match failure {
        Failure::Panic { panic, function } => panicked(&panic, &function),
        Failure::Codegen { error, function } => codegen_error(error, &function),
    }
}

fn panicked(panic: &Panic, function: &str) -> Value {
    json!({"error": {
        "kind": "panic",
        "message": panic.message,
        "location": panic.location,
        "phase": panic.phase,
        "function": function,
    }})
}

/// Every function's code, in the order of the text, or the error of the first that fails.
fn compile_all(request: &Value) -> Result<Value, Value> {
    let text = request["text"].as_str().unwrap_or_default();
    let isa = target(request).map_err(|message| failure("settings", message))?;
    let mut control = control(request["chaos"].as_str().unwrap_or_default())
        .map_err(|message| failure("settings", message))?;
    timing::enter(Phase::Read);
    let functions = panics::catch(|| cranelift_reader::parse_functions(text))
        .map_err(|panic| panicked(&panic, ""))?
        .map_err(|error| {
            json!({"error": {
                "kind": "read",
                "message": error.message,
                "line": error.location.line_number,
            }})
        })?;
    timing::enter(Phase::Other);
    let mut functions = inlined(functions, request["inlining"].as_str().unwrap_or_default())?;
    if request["labels"] == true {
        label(&mut functions)?;
    }
    let compiled: Result<Vec<Value>, Value> = functions
        .into_iter()
        .map(|function| compile(function, &*isa, &mut control, request["tables"] == true))
        .collect();
    Ok(json!({"functions": compiled?}))
}

/// The functions with those calls inlined that `backend/src/inline.rs` chooses by these bytes.
fn inlined(functions: Vec<Function>, decisions: &str) -> Result<Vec<Function>, Value> {
    if decisions.is_empty() {
        return Ok(functions);
    }
    #[cfg(nested_inlining)]
    let made = bytes(decisions)
        .map_err(|message| failure("settings", message))
        .and_then(|decisions| inline::inline_calls(&functions, &decisions).map_err(failed));
    #[cfg(not(nested_inlining))]
    let made = Err(lacking("inline calls"));
    made
}

/// What is asked of a release that has not the API for it.
#[cfg(not(all(nested_inlining, call_details)))]
fn lacking(what: &str) -> Value {
    failure("settings", format!("its program cannot {what}"))
}

#[cfg(call_details)]
fn label(functions: &mut [Function]) -> Result<(), Value> {
    functions.iter_mut().for_each(labels::label);
    Ok(())
}

#[cfg(not(call_details))]
fn label(_: &mut [Function]) -> Result<(), Value> {
    Err(lacking("label values"))
}

/// The target of a request. Settings named in `optional` have their default value, so that a
/// release without them does the same. In a box or an `Arc`, which is another matter of releases.
fn target(request: &Value) -> Result<impl Deref<Target = dyn TargetIsa> + use<>, String> {
    let mut own = isa::lookup(parse(request["triple"].as_str().unwrap_or_default())?)
        .map_err(|error| error.to_string())?;
    configure(&mut own, &request["flags"], &request["optional"])?;
    let mut shared = settings::builder();
    configure(&mut shared, &request["settings"], &request["optional"])?;
    // It changes no code: it notes where blocks start, so that code can be told from data.
    configure(
        &mut shared,
        &json!({"machine_code_cfg_info": "true"}),
        &request["optional"],
    )?;
    own.finish(settings::Flags::new(shared))
        .map_err(|error| error.to_string())
}

/// Parses a triple: a type of whatever version of target-lexicon Cranelift uses.
fn parse<T: FromStr<Err: Display>>(triple: &str) -> Result<T, String> {
    triple.parse().map_err(|error: T::Err| error.to_string())
}

fn configure(
    builder: &mut impl Configurable,
    values: &Value,
    optional: &Value,
) -> Result<(), String> {
    for (name, value) in values.as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        let result = match builder.set(name, value) {
            // A preset cannot be set to a value, only be switched on.
            Err(SetError::BadName(_)) if value == "true" => builder.enable(name),
            result => result,
        };
        match result {
            Err(SetError::BadName(_)) if optional[name] == true => {}
            Err(error) => return Err(format!("{name}={value}: {error}")),
            Ok(()) => {}
        }
    }
    Ok(())
}

/// What chaos mode draws its decisions from, as `backend/src/compile.rs` makes it of the same bytes.
#[cfg(chaos_mode)]
type Control = ControlPlane;

#[cfg(not(chaos_mode))]
type Control = ();

#[cfg(chaos_mode)]
fn control(chaos: &str) -> Result<Control, String> {
    use arbitrary::{Arbitrary, Unstructured};

    let bytes = bytes(chaos)?;
    if bytes.is_empty() {
        return Ok(ControlPlane::default());
    }
    let encoded: Vec<u8> = bytes.into_iter().flat_map(|byte| [1, byte]).collect();
    ControlPlane::arbitrary(&mut Unstructured::new(&encoded)).map_err(|error| error.to_string())
}

#[cfg(not(chaos_mode))]
fn control(chaos: &str) -> Result<Control, String> {
    if chaos.is_empty() {
        Ok(())
    } else {
        Err("chaos mode, which is not built for releases before 0.134".into())
    }
}

/// The bytes of their hexadecimal digits.
#[cfg(any(chaos_mode, nested_inlining))]
fn bytes(digits: &str) -> Result<Vec<u8>, String> {
    let pairs = digits.as_bytes().chunks(2).map(String::from_utf8_lossy);
    pairs
        .map(|two| u8::from_str_radix(&two, 16).map_err(|error| format!("{two}: {error}")))
        .collect()
}

/// One function's code. With `tables` the tables of its frames belong to it, where this release can
/// make those that are asked for.
fn compile(
    function: Function,
    isa: &dyn TargetIsa,
    control: &mut Control,
    tables: bool,
) -> Result<Value, Value> {
    let name = names::name(&function);
    let mut context = Context::for_function(function);
    let result = panics::catch(|| {
        run(&mut context, isa, control)?;
        Ok(describe(&name, &context, isa))
    });
    let mut described = Failure::of(result, &name).map_err(failed)?;
    if tables && let Some(found) = unwind_tables(&context, isa, &name) {
        described["tables"] = found;
    }
    Ok(described)
}

/// The tables in hexadecimal, null where the ISA has none, or why they could not be made.
#[cfg(chosen_unwind_info)]
fn unwind_tables(context: &Context, isa: &dyn TargetIsa, function: &str) -> Option<Value> {
    let code = context.compiled_code().expect("it was compiled");
    let table = |make: fn(&CompiledCode, &dyn TargetIsa) -> CodegenResult<Option<Vec<u8>>>| {
        let made = panics::catch(|| make(code, isa));
        let made = Failure::of(made, function);
        made.map_or_else(failed, |bytes| json!(bytes.map(|b| hex(&b))))
    };
    Some(json!({
        "debug_frame": table(unwind::debug_frame),
        "windows": table(unwind::windows),
    }))
}

#[cfg(not(chosen_unwind_info))]
fn unwind_tables(_: &Context, _: &dyn TargetIsa, _: &str) -> Option<Value> {
    None
}

fn run(
    context: &mut Context,
    isa: &dyn TargetIsa,
    control: &mut Control,
) -> Result<(), CodegenError> {
    #[cfg(chaos_mode)]
    let result = context.compile(isa, control);
    #[cfg(not(chaos_mode))]
    let _ = control;
    #[cfg(all(control_plane, not(chaos_mode)))]
    let result = context.compile(isa, &mut Default::default());
    #[cfg(not(control_plane))]
    let result = context.compile(isa);
    result.map(|_| ()).map_err(|error| error.inner)
}

fn codegen_error(error: CodegenError, function: &str) -> Value {
    let (kind, message, location) = match error {
        CodegenError::Verifier(errors) => {
            let lines: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
            let location = errors.0.first().map(|error| error.location.to_string());
            ("verifier", lines.join("; "), location)
        }
        CodegenError::Unsupported(what) => ("unsupported", what, None),
        other => ("compile", other.to_string(), None),
    };
    json!({"error": {
        "kind": kind,
        "message": message,
        "function": function,
        "location": location.unwrap_or_default(),
    }})
}

fn describe(name: &str, context: &Context, isa: &dyn TargetIsa) -> Value {
    let code = context.compiled_code().expect("it was compiled");
    let layout = &context.func.layout;
    let instructions: usize = layout
        .blocks()
        .map(|block| layout.block_insts(block).count())
        .sum();
    let traps = code.buffer.traps().iter();
    json!({
        "name": name,
        "code": hex(code.code_buffer()),
        "relocations": relocations(code, &context.func),
        "traps": traps.map(|trap| json!([trap.offset, trap.code.to_string()])).collect::<Vec<_>>(),
        "alignment": alignment(code),
        "block_starts": code.bb_starts,
        "instructions": instructions,
        "clif": context.func.display().to_string(),
        "details": details(code, &context.func, isa),
    })
}

/// What is known of the code besides: null where this release does not say all of it.
#[cfg(call_details)]
fn details(code: &CompiledCode, function: &Function, isa: &dyn TargetIsa) -> Value {
    json!({
        "convention": function.signature.call_conv.to_string(),
        "handler_sites": call_sites::handler_sites(code),
        "stack_maps": call_sites::stack_maps(code),
        "source_locations": labels::source_locations(code),
        "value_locations": labels::value_locations(code, isa),
    })
}

#[cfg(not(call_details))]
fn details(_: &CompiledCode, _: &Function, _: &dyn TargetIsa) -> Value {
    Value::Null
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(all(function_alignment, finalized_alignment))]
fn alignment(code: &CompiledCode) -> u32 {
    code.buffer.alignment
}

#[cfg(all(function_alignment, not(finalized_alignment)))]
fn alignment(code: &CompiledCode) -> u32 {
    code.buffer.min_alignment
}

#[cfg(not(function_alignment))]
fn alignment(_: &CompiledCode) -> u32 {
    16 // the linker's own, which was enough then
}

fn relocations(code: &CompiledCode, function: &Function) -> Vec<Value> {
    let relocations = code.buffer.relocs().iter();
    relocations
        .map(|relocation| {
            #[cfg(relocation_targets)]
            let target = match &relocation.target {
                RelocTarget::ExternalName(name) => names::relocated(name, function),
                #[cfg(finalized_relocations)]
                RelocTarget::Func(offset) => format!("func+{offset}"),
                #[cfg(not(finalized_relocations))]
                RelocTarget::Label(label) => format!("func+{}", label.as_offset()),
            };
            #[cfg(not(relocation_targets))]
            let target = names::relocated(&relocation.name, function);
            let kind = format!("{:?}", relocation.kind);
            json!([relocation.offset, kind, target, relocation.addend])
        })
        .collect()
}
