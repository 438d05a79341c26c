"""Faults of the inliner: the body of a callee does not become part of its caller as it should.

Every call of a case is inlined, and the result is changed where main got a body. Functions that are
compiled without inlining are never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, Final, TypeVar

from backend.cranelift.compiler import CompileError, CompilerPanic, Functions
from backend.cranelift.reader import read_file
from clif.function import Block, BlockCall, Function, Inst, StackSlot, Value
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.target import target_of
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.editing import definitions, in_cycle, pairs_of_one_type
from fuzz.selfcheck.registry import fault

T = TypeVar("T")
#: Inlines the first calls of a case, and the calls in what was inlined.
_EVERY_CALL: Final = bytes([3]) * 16


class InlinedBody:
    """A function into which calls were inlined, and what came from them.

    Attributes:
        function: the function, as the inliner left it.
        blocks: the blocks that it did not have before: bodies, and what is behind the calls.
        slots: the stack slots of the bodies.
        slots_before: those of the function itself.
    """

    def __init__(self, function: Function, before: Function) -> None:
        known = {block.number for block in before.blocks}
        self.function = function
        self.blocks = [block for block in function.blocks if block.number not in known]
        self.slots = function.stack_slots[len(before.stack_slots) :]
        self.slots_before = function.stack_slots[: len(before.stack_slots)]

    def instructions(self) -> Iterator[tuple[Block, int, Inst]]:
        """Yield the instructions of the new blocks, with the block and the index in it."""
        for block in self.blocks:
            for index, inst in enumerate(block.instructions):
                yield block, index, inst


def inlining_fault(
    name: str, summary: str, find: Callable[[InlinedBody], Sequence[T]]
) -> Callable[[Callable[[T], None]], Callable[[T], None]]:
    """Register a function that changes an inlined body at a place.

    Args:
        find: lists the places where the fault is possible.
    """

    def register(apply: Callable[[T], None]) -> Callable[[T], None]:
        def inject(case: Case, rng: Random) -> Injection | None:
            functions = _inlined(case)
            if functions is None:
                return None
            places = find(InlinedBody(functions[0], case.main))
            if not places:
                return None
            apply(rng.choice(places))
            changed = Functions(print_functions(functions))
            return Injection(code=lambda case, isa, _: target_of(case, isa).compile(changed))

        fault(name, summary)(inject)
        return apply

    return register


def _inlined(case: Case) -> list[Function] | None:
    """Return the functions of a case with calls inlined; None if there are none in main."""
    try:
        text = Functions(print_functions(case.functions)).inline(_EVERY_CALL)
    except (CompileError, CompilerPanic):
        return None
    functions = [function for function, _ in read_file(text).functions]
    return functions if len(functions[0].blocks) > len(case.main.blocks) else None


def _calls_of_blocks(body: InlinedBody) -> list[tuple[BlockCall, int, int]]:
    """List pairs of arguments of jumps to new blocks that are not in a loop."""
    new = set(map(id, body.blocks))
    jumps = [
        target
        for block in body.function.blocks
        if not in_cycle(block)
        for inst in block.instructions
        if inst.opcode.name == "jump"
        for target in inst.targets
        if id(target.block) in new
    ]
    return [(target, *pair) for target in jumps for pair in pairs_of_one_type(target.args)]


@inlining_fault(
    "inlined-arguments-swapped", "arguments or results of an inlined call change", _calls_of_blocks
)
def inlined_arguments_swapped(choice: tuple[BlockCall, int, int]) -> None:
    target, left, right = choice
    target.args[left], target.args[right] = target.args[right], target.args[left]


def _slots_for_another(body: InlinedBody) -> list[tuple[InlinedBody, StackSlot, StackSlot]]:
    return [
        (body, slot, other)
        for slot in body.slots
        for other in body.slots_before
        if other.size >= slot.size
    ]


@inlining_fault("inlined-slot-shared", "a body uses a stack slot of the caller", _slots_for_another)
def inlined_slot_shared(choice: tuple[InlinedBody, StackSlot, StackSlot]) -> None:
    body, slot, other = choice
    for _, _, inst in body.instructions():
        if inst.ref is slot:
            inst.ref = other


def _constants(body: InlinedBody) -> list[tuple[Inst, Any]]:
    """List constants of bodies, each with another constant of its type in the function."""
    every = [inst for inst in body.function.instructions() if inst.opcode.name in _CONSTANTS]
    return [
        (inst, other.imm)
        for _, _, inst in body.instructions()
        if inst.opcode.name in _CONSTANTS
        for other in every
        if other.opcode is inst.opcode and other.type is inst.type and other.imm != inst.imm
    ]


_CONSTANTS: Final = ("iconst", "f32const", "f64const", "f128const", "vconst")


@inlining_fault(
    "inlined-constant-of-caller", "a body has another constant of the function", _constants
)
def inlined_constant_of_caller(choice: tuple[Inst, Any]) -> None:
    inst, value = choice
    inst.imm = value


def _operands(body: InlinedBody) -> list[tuple[Inst, int, Value]]:
    """List operands in bodies, each with a parameter of the caller that has its type.

    Addresses are left out: with another one, the case would be another case.
    """
    params = body.function.blocks[0].params
    defined = definitions(body.function)
    return [
        (inst, index, param)
        for _, _, inst in body.instructions()
        if inst.opcode.name in ("iadd", "isub", "band", "bor", "bxor", "imul", "fadd", "fmul")
        for index, argument in enumerate(inst.args)
        for param in params
        if param.type is argument.type and param is not argument and argument in defined
    ]


@inlining_fault(
    "inlined-operand-of-caller", "a value of a body is one of the caller instead", _operands
)
def inlined_operand_of_caller(choice: tuple[Inst, int, Value]) -> None:
    inst, index, value = choice
    inst.args[index] = value


def _lost_instructions(body: InlinedBody) -> list[tuple[Block, int]]:
    stores = ("store", "istore8", "istore16", "istore32", "atomic_rmw")
    return [
        (block, index)
        for block, index, inst in body.instructions()
        if inst.opcode.name in stores and not inst.results
    ]


@inlining_fault("inlined-store-lost", "a store of a body is left out", _lost_instructions)
def inlined_store_lost(choice: tuple[Block, int]) -> None:
    block, index = choice
    del block.instructions[index]
