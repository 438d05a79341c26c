//! Which features of an x86-64 CPU code needs, by a decoder that is not Cranelift's.

use cranelift_codegen::CompiledCode;
use cranelift_codegen::binemit::CodeOffset;
use iced_x86::{CpuidFeature, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};
use pyo3::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;

/// The name of the feature that bytes are given which are no instruction.
const NONE: &str = "none";

/// A feature, and the mnemonic and the offset of the first instruction that needs it.
pub type Need = (String, String, CodeOffset);

/// A function's code, and what tells its instructions from jump tables and constants.
pub struct Code<'a> {
    bytes: &'a [u8],
    /// Offsets at which there are instructions: blocks and traps.
    starts: Vec<CodeOffset>,
    relocated: BTreeSet<CodeOffset>,
}

impl<'a> Code<'a> {
    /// What Cranelift says of a function's code. `blocks` are starts of blocks that no instruction need
    /// lead to.
    pub fn of(code: &'a CompiledCode, blocks: &[CodeOffset]) -> Self {
        let traps = code.buffer.traps().iter().map(|trap| trap.offset);
        let relocations = code.buffer.relocs().iter();
        Self {
            bytes: code.code_buffer(),
            starts: blocks.iter().copied().chain(traps).collect(),
            relocated: relocations.map(|relocation| relocation.offset).collect(),
        }
    }

    /// Hands every instruction to `visit`, block by block: what is decoded starts where there is code,
    /// follows branches, and ends where an instruction never goes on to the next one.
    pub fn for_each(&self, mut visit: impl FnMut(&Instruction)) {
        let mut seen = vec![false; self.bytes.len()];
        let mut starts = vec![0];
        starts.extend(&self.starts);
        let mut decoder = Decoder::new(64, self.bytes, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        while let Some(start) = starts.pop() {
            if decoder.set_position(start as usize).is_err() {
                continue;
            }
            decoder.set_ip(u64::from(start));
            while decoder.can_decode() && !mem::replace(&mut seen[decoder.position()], true) {
                decoder.decode_out(&mut instruction);
                visit(&instruction);
                starts.extend(self.target(&instruction));
                if instruction.is_invalid() || !goes_on(&instruction) {
                    break;
                }
            }
        }
    }

    /// Each feature that an instruction needs, and the first that needs it.
    pub fn features(&self) -> Vec<Need> {
        let mut found: BTreeMap<Option<CpuidFeature>, (Mnemonic, u64)> = BTreeMap::new();
        self.for_each(|instruction| {
            let place = (instruction.mnemonic(), instruction.ip());
            let mut need = |feature| {
                let first = found.entry(feature).or_insert(place);
                if place.1 < first.1 {
                    *first = place;
                }
            };
            if instruction.is_invalid() {
                need(None);
            }
            for &feature in instruction.cpuid_features() {
                need(Some(feature));
            }
        });
        let needs = found.into_iter().map(|(feature, (mnemonic, offset))| {
            let name = feature.map_or(NONE.to_owned(), |feature| format!("{feature:?}"));
            let mnemonic = format!("{mnemonic:?}").to_lowercase();
            (name, mnemonic, offset as CodeOffset)
        });
        needs.collect()
    }

    /// Where a branch within the function goes. One with a relocation leaves it.
    fn target(&self, instruction: &Instruction) -> Option<CodeOffset> {
        let branches = matches!(
            instruction.flow_control(),
            FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch
        );
        let start = CodeOffset::try_from(instruction.ip()).ok()?;
        let end = CodeOffset::try_from(instruction.next_ip()).ok()?;
        if !branches || self.relocated.range(start..end).next().is_some() {
            return None;
        }
        CodeOffset::try_from(instruction.near_branch_target()).ok()
    }
}

fn goes_on(instruction: &Instruction) -> bool {
    !matches!(
        instruction.flow_control(),
        FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch
            | FlowControl::Return
            | FlowControl::Exception
            | FlowControl::Interrupt
    )
}

/// The features that code needs which something else than this Cranelift has made for a triple.
/// Nothing for another ISA than x86-64.
#[pyfunction]
pub fn cpu_features(
    triple: &str,
    code: &[u8],
    starts: Vec<CodeOffset>,
    relocated: BTreeSet<CodeOffset>,
) -> Vec<Need> {
    if !triple.starts_with("x86_64-") {
        return Vec::new();
    }
    let code = Code {
        bytes: code,
        starts,
        relocated,
    };
    code.features()
}
