//! What differs between the versions of Cranelift that the extension builds with, and nothing else.
//! `backend/build/cranelift_sources.rs` finds out which `cfg`s hold.

use cranelift_codegen::binemit::CodeOffset;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::dominator_tree::DominatorTree;
use cranelift_codegen::ir::{ExternalName, Function};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::{CodegenResult, CompiledCode};
#[cfg(lent_regalloc_context)]
use std::any::Any;
#[cfg(lent_regalloc_context)]
use std::cell::RefCell;

#[cfg(finalized_relocations)]
pub use cranelift_codegen::FinalizedRelocTarget as RelocTarget;
#[cfg(not(finalized_relocations))]
pub use cranelift_codegen::RelocTarget;

/// What a relocation refers to: a name outside of the function, or an offset within it.
pub enum Referent<'a> {
    Name(&'a ExternalName),
    Offset(CodeOffset),
}

pub fn referent(target: &RelocTarget) -> Referent<'_> {
    match target {
        RelocTarget::ExternalName(name) => Referent::Name(name),
        #[cfg(finalized_relocations)]
        RelocTarget::Func(offset) => Referent::Offset(*offset),
        #[cfg(not(finalized_relocations))]
        RelocTarget::Label(label) => Referent::Offset(label.as_offset()),
    }
}

pub fn alignment(code: &CompiledCode) -> u32 {
    #[cfg(finalized_alignment)]
    let alignment = code.buffer.alignment;
    #[cfg(not(finalized_alignment))]
    let alignment = code.buffer.min_alignment;
    alignment
}

/// Lowers an optimised function to machine code.
pub fn compile_function(
    isa: &dyn TargetIsa,
    function: &Function,
    domtree: &DominatorTree,
    control: &mut ControlPlane,
) -> CodegenResult<CompiledCode> {
    let disassembly = false;
    #[cfg(lent_regalloc_context)]
    let stencil = with_scratch(|scratch| {
        isa.compile_function(function, domtree, scratch, disassembly, control)
    })?;
    #[cfg(not(lent_regalloc_context))]
    let stencil = isa.compile_function(function, domtree, disassembly, control)?;
    Ok(stencil.apply_params(&function.params))
}

#[cfg(lent_regalloc_context)]
thread_local! {
    // Kept for its allocations.
    static SCRATCH: RefCell<Box<dyn Any>> = RefCell::new(Box::new(()));
}

/// Lends the register allocator's scratch memory of this thread. Its type is left to inference:
/// naming it would tie this crate to one version of regalloc2.
#[cfg(lent_regalloc_context)]
fn with_scratch<S: Default + 'static, R>(body: impl FnOnce(&mut S) -> R) -> R {
    SCRATCH.with_borrow_mut(|any| {
        if let Some(scratch) = any.downcast_mut::<S>() {
            return body(scratch);
        }
        let mut scratch = S::default();
        let result = body(&mut scratch);
        *any = Box::new(scratch);
        result
    })
}

/// Throws away what a panic of the compiler may have left in the middle of something.
pub fn reset() {
    #[cfg(lent_regalloc_context)]
    SCRATCH.set(Box::new(()));
}
