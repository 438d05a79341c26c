//! What is known of a function's calls: where their exceptions are handled, and their stack maps.

use cranelift_codegen::CompiledCode;
use cranelift_codegen::binemit::CodeOffset;
use cranelift_codegen::{ExceptionContextLoc, FinalizedMachExceptionHandler};

/// An entry of an exception table, in the order in which entries are tried: `("tag", tag, offset of
/// the handler)`, `("default", 0, offset)`, or where the context is that later tags belong to:
/// `("stack", offset from the stack pointer at the call, 0)`, `("register", its number, 0)`.
pub type Entry = (&'static str, u32, CodeOffset);

/// `(offset behind the call, bytes from the stack pointer at the call to the frame pointer,
/// entries)`.
pub type HandlerSite = (CodeOffset, Option<u32>, Vec<Entry>);

/// A call's return address, the size of its frame, and the type and place of each value in it.
pub type StackMap = (CodeOffset, u32, Vec<(String, u32)>);

/// The calls that have an exception table, in the order of the code.
pub fn handler_sites(code: &CompiledCode) -> Vec<HandlerSite> {
    let sites = code.buffer.call_sites();
    sites
        .filter(|site| !site.exception_handlers.is_empty())
        .map(|site| {
            let entries = site.exception_handlers.iter().map(entry).collect();
            (site.ret_addr, site.frame_offset, entries)
        })
        .collect()
}

fn entry(handler: &FinalizedMachExceptionHandler) -> Entry {
    match *handler {
        FinalizedMachExceptionHandler::Tag(tag, offset) => ("tag", tag.as_u32(), offset),
        FinalizedMachExceptionHandler::Default(offset) => ("default", 0, offset),
        FinalizedMachExceptionHandler::Context(ExceptionContextLoc::SPOffset(offset)) => {
            ("stack", offset, 0)
        }
        FinalizedMachExceptionHandler::Context(ExceptionContextLoc::GPR(number)) => {
            ("register", u32::from(number), 0)
        }
    }
}

/// The stack maps, in the order of the code.
pub fn stack_maps(code: &CompiledCode) -> Vec<StackMap> {
    let maps = code.buffer.user_stack_maps().iter();
    maps.map(|(address, span, map)| {
        let entries = map.entries().map(|(kind, at)| (kind.to_string(), at));
        (*address, *span, entries.collect())
    })
    .collect()
}
