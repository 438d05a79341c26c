//! Replaces calls by the bodies of what they call, before compiling, by Cranelift's inliner.

use crate::failure::Failure;
use crate::names;
use crate::panics;
use cranelift_codegen::Context;
use cranelift_codegen::inline::{Inline, InlineCommand};
use cranelift_codegen::ir::{FuncRef, Function, Inst, Opcode, Value};
use std::borrow::Cow;

/// A function that would have more instructions than this is given no further body: bodies in bodies
/// grow exponentially.
const MOST_INSTRUCTIONS: usize = 20_000;

/// What a byte says about a call: nothing if it is even.
const INLINE: u8 = 1;
/// The calls of the body are considered as well.
const VISIT: u8 = 2;
/// The body is the one into which calls were inlined before, if it has been made.
const NESTED: u8 = 4;

/// Returns the functions with some of their direct calls inlined. Each call that may be inlined takes the
/// next byte of `decisions`, which says what becomes of it; when there are none left, calls are kept.
/// Functions are worked on from the last to the first, as callees mostly come behind their callers.
pub fn inline_calls(functions: &[Function], decisions: &[u8]) -> Result<Vec<Function>, Failure> {
    let mut decisions = decisions.iter().copied();
    let mut done: Vec<Option<Function>> = vec![None; functions.len()];
    for (number, function) in functions.iter().enumerate().rev() {
        let inliner = Inliner {
            functions,
            done: &done,
            caller: number,
            instructions: function.dfg.num_insts(),
            decisions: &mut decisions,
        };
        let mut context = Context::for_function(function.clone());
        let result = panics::catch(|| context.inline(inliner).map(|_| context.func));
        done[number] = Some(Failure::of(result, &names::name(function))?);
    }
    Ok(done.into_iter().flatten().collect())
}

/// Decides for each call of one function.
struct Inliner<'a, D> {
    functions: &'a [Function],
    done: &'a [Option<Function>],
    caller: usize,
    instructions: usize,
    decisions: &'a mut D,
}

impl<D: Iterator<Item = u8>> Inliner<'_, D> {
    /// The function that a call calls, if it may be inlined: another one than the caller, with the
    /// signature that the caller declares.
    fn callee(&self, caller: &Function, reference: FuncRef) -> Option<usize> {
        let declared = &caller.dfg.ext_funcs[reference];
        let called = names::external(&declared.name, caller);
        let number = self
            .functions
            .iter()
            .position(|function| function.name.to_string() == called)?;
        let same = caller.dfg.signatures[declared.signature] == self.functions[number].signature;
        (same && number != self.caller).then_some(number)
    }
}

impl<D: Iterator<Item = u8>> Inline for Inliner<'_, D> {
    fn inline(
        &mut self,
        caller: &Function,
        _: Inst,
        _: Opcode,
        reference: FuncRef,
        _: &[Value],
    ) -> InlineCommand<'_> {
        let Some(number) = self.callee(caller, reference) else {
            return InlineCommand::KeepCall;
        };
        let Some(decision) = self.decisions.next() else {
            return InlineCommand::KeepCall;
        };
        let nested = self.done[number]
            .as_ref()
            .filter(|_| decision & NESTED != 0);
        let body = nested.unwrap_or(&self.functions[number]);
        let instructions = self.instructions + body.dfg.num_insts();
        if decision & INLINE == 0 || instructions > MOST_INSTRUCTIONS {
            return InlineCommand::KeepCall;
        }
        self.instructions = instructions;
        InlineCommand::Inline {
            callee: Cow::Borrowed(body),
            visit_callee: decision & VISIT != 0,
        }
    }
}
