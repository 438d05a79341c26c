//! Debug information: in which place of the code a value is, and what the code of an instruction is.

use cranelift_codegen::binemit::CodeOffset;
use cranelift_codegen::ir::{
    Function, Inst, RelSourceLoc, SourceLoc, Value, ValueLabel, ValueLabelAssignments,
    ValueLabelStart,
};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::{CompiledCode, LabelValueLoc};

/// The number of a value; where its range starts and ends; DWARF's number of the register that holds it,
/// or, if it is in memory, nothing and the offset from the frame's address (the CFA).
pub type Location = (u32, CodeOffset, CodeOffset, Option<u16>, i64);

/// Labels every value with its own number, and gives every instruction its number in the order of the
/// text, counted from 1, as its source location, unless it has one.
pub fn label(function: &mut Function) {
    let blocks: Vec<_> = function.layout.blocks().collect();
    let instructions: Vec<Inst> = blocks
        .iter()
        .flat_map(|block| function.layout.block_insts(*block))
        .collect();
    for (inst, number) in instructions.iter().zip(1..) {
        if function.srcloc(*inst).is_default() {
            function.set_srcloc(*inst, SourceLoc::new(number));
        }
    }
    let dfg = &mut function.dfg;
    let params = blocks.iter().flat_map(|block| dfg.block_params(*block));
    let results = instructions.iter().flat_map(|inst| dfg.inst_results(*inst));
    let values: Vec<Value> = params.chain(results).copied().collect();
    dfg.collect_debug_info();
    if let Some(labels) = &mut dfg.values_labels {
        labels.extend(values.into_iter().map(|value| {
            let start = ValueLabelStart {
                from: RelSourceLoc::default(),
                label: ValueLabel::from_u32(value.as_u32()),
            };
            (value, ValueLabelAssignments::Starts(vec![start]))
        }));
    }
}

/// Where the code has the labelled values, by number and start. What DWARF has no number for is left out.
pub fn value_locations(code: &CompiledCode, isa: &dyn TargetIsa) -> Vec<Location> {
    let mut found: Vec<Location> = Vec::new();
    for (label, ranges) in &code.value_labels_ranges {
        for range in ranges {
            let (register, offset) = match range.loc {
                LabelValueLoc::Reg(register) => match isa.map_regalloc_reg_to_dwarf(register) {
                    Ok(number) => (Some(number), 0),
                    Err(_) => continue,
                },
                LabelValueLoc::CFAOffset(offset) => (None, offset),
            };
            found.push((label.as_u32(), range.start, range.end, register, offset));
        }
    }
    found.sort_unstable();
    found
}

/// The source locations of a function's code, `(start, end, location)`; what Cranelift added by
/// itself has none.
pub fn source_locations(code: &CompiledCode) -> Vec<(CodeOffset, CodeOffset, u32)> {
    let places = code.buffer.get_srclocs_sorted().iter();
    places
        .filter_map(|at| {
            #[cfg(finalized_source_locations)]
            let location = at.loc;
            #[cfg(not(finalized_source_locations))]
            let location = at.loc.as_abs();
            (!location.is_default()).then(|| (at.start, at.end, location.bits()))
        })
        .collect()
}
