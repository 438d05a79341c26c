"""Puts objects, references to them and calls that collect them into the functions of a case.

An object is two words on the stack, a mark and a content. A function keeps references to its
objects in stack slots, and each of its calls has a stack map that names those which are live. To
the case's own outcome all of this makes no difference: ``%collect`` does nothing. Where stack maps
are checked (``backend.emulator.collector``), it moves what the maps name and destroys all else. A
function looks at its objects behind calls and before it returns, and traps if one is not as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from backend.cranelift.opcodes import OPCODES
from backend.emulator.collector import COLLECT
from backend.emulator.objects import MARK, OBJECT_SIZE
from clif.builder import FunctionBuilder
from clif.function import (
    Annotations,
    Block,
    Function,
    Inst,
    Signature,
    StackMapEntry,
    StackSlot,
    Value,
)
from clif.types import I64
from fuzz.cases.case import Case, ExtraCheck, with_check
from fuzz.differential.alias_regions import drop_regions
from fuzz.entropy import Entropy

#: The trap of an object that is not as it was.
LOST: Final = "user77"
_MOST_REFERENCES: Final = 5
_MOST_COLLECTIONS: Final = 3
_CALLS: Final = ("call", "call_indirect")
_TRY_CALLS: Final = ("try_call", "try_call_indirect")
_LEAVING: Final = ("return", "return_call", "return_call_indirect")
_WORD: Final = 8
_NO_VALUES: Final = Signature((), (), "system_v")


class Kept(Enum):
    """Where a function keeps its references."""

    SLOTS = "in stack slots that its calls name in their stack maps"
    VALUES = "in values, which are spilled by whoever translates the function"


def with_references(case: Case, entropy: Entropy, kept: Kept = Kept.SLOTS) -> Case:
    """Return a case with objects in its functions, of which the stack maps are checked.

    The accesses have no alias regions, as those of the objects have none. A case that keeps its
    references in values has no stack maps yet.
    """
    functions = [function.clone() for function in case.functions]
    for function in functions:
        drop_regions(function)
        function.alias_regions.clear()
        _Rewriter(function, entropy, kept).rewrite()
    case = replace(case, functions=[*functions, _collector()])
    return with_check(case, ExtraCheck.STACK_MAPS) if kept is Kept.SLOTS else case


def _collector() -> Function:
    function = Function(COLLECT, _NO_VALUES)
    builder = FunctionBuilder(function, OPCODES)
    builder.block = builder.create_block()
    builder.ins("return")
    return function


@dataclass(slots=True)
class _Reference:
    """A reference to an object of a function.

    Attributes:
        value: the reference itself.
        slot: the stack slot that holds it, at ``offset``; None if it is kept as a value.
        content: what is in the object.
        dies: the instruction of the entry block in front of which the function looks at the object
            for the last time; None if it does so wherever it returns.
    """

    value: Value
    slot: StackSlot | None
    offset: int
    content: Value
    dies: Inst | None = None


class _Rewriter:
    """Gives one function its objects."""

    def __init__(self, function: Function, entropy: Entropy, kept: Kept) -> None:
        self.function = function
        self.entropy = entropy
        self.kept = kept
        self.builder = FunctionBuilder(function, OPCODES)
        self.references: list[_Reference] = []

    def rewrite(self) -> None:
        if self.kept is Kept.VALUES and self._has_try_calls():
            return  # nothing translates it
        self._add_collections()
        entry = self.function.entry.instructions
        begin = self._create_objects()
        for reference in self.references:
            if self.entropy.below(3) == 0:
                reference.dies = self.entropy.choice(entry)
        dead: set[int] = set()
        for block in self.function.blocks:
            self._rewrite_block(block, dead)
        entry = self.function.entry.instructions
        entry[:0] = begin

    def _has_try_calls(self) -> bool:
        return any(inst.opcode.name in _TRY_CALLS for inst in self.function.instructions())

    def _add_collections(self) -> None:
        for _ in range(1 + self.entropy.below(_MOST_COLLECTIONS)):
            block = self.entropy.choice(self.function.blocks)
            at = self.entropy.below(len(block.instructions))
            block.instructions[at:at] = self._collect()

    def _collect(self) -> list[Inst]:
        external = self.builder.external(COLLECT, _NO_VALUES)
        if self.entropy.below(2):
            return self._emitted(lambda b: b.ins("call", ref=external))
        # Nothing inlines it.
        return self._emitted(
            lambda b: b.ins(
                "call_indirect",
                b.ins("func_addr", type=I64, ref=external).result,
                ref=_NO_VALUES,
            )
        )

    def _create_objects(self) -> list[Inst]:
        count = 1 + self.entropy.below(_MOST_REFERENCES)
        heap = self.builder.stack_slot(OBJECT_SIZE * count, _WORD)
        shared = self.builder.stack_slot(_WORD * (count + self.entropy.below(3)), _WORD)
        words = [each for each in self.function.entry.params if each.type is I64]

        def create(b: FunctionBuilder) -> None:
            mark = b.ins("iconst", type=I64, imm=MARK).result
            for number in range(count):
                own = self.entropy.below(2)
                slot = b.stack_slot(_WORD, _WORD) if own else shared
                offset = 0 if own else _WORD * number
                if words and self.entropy.below(2):
                    content = self.entropy.choice(words)
                else:
                    content = b.ins("iconst", type=I64, imm=1000 + number).result
                address = b.ins(
                    "stack_addr", type=I64, ref=heap, offset=OBJECT_SIZE * number
                ).result
                b.ins("store", mark, address)
                b.ins("store", content, address, offset=_WORD)
                if self.kept is Kept.VALUES:
                    self.references.append(_Reference(address, None, 0, content))
                    continue
                place = b.ins("stack_addr", type=I64, ref=slot, offset=offset).result
                b.ins("store", address, place)
                self.references.append(_Reference(address, slot, offset, content))

        return self._emitted(create)

    def _rewrite_block(self, block: Block, dead: set[int]) -> None:
        result: list[Inst] = []
        for inst in block.instructions:
            for number, reference in enumerate(self.references):
                if reference.dies is inst:
                    result += self._look(reference)
                    dead.add(number)
            living = [r for n, r in enumerate(self.references) if n not in dead]
            if inst.opcode.name in _LEAVING:
                for reference in living:
                    result += self._look(reference)
            result.append(inst)
            if inst.opcode.name in (*_CALLS, *_TRY_CALLS):
                inst.annotations = Annotations(stack_map=_entries(living))
            if inst.opcode.name in _CALLS:
                for reference in living:
                    if self.entropy.below(3) == 0:
                        result += self._look(reference)
        block.instructions = result

    def _look(self, reference: _Reference) -> list[Inst]:
        """Return instructions that trap if an object is not as it was."""

        def look(b: FunctionBuilder) -> None:
            address = reference.value
            if reference.slot is not None:
                slot = b.ins("stack_addr", type=I64, ref=reference.slot, offset=reference.offset)
                address = b.ins("load", slot.result, type=I64).result
            found = b.ins("load", address, type=I64, offset=_WORD).result
            wrong = b.ins("icmp", found, reference.content, cond="ne").result
            b.ins("trapnz", wrong, trap=LOST)

        return self._emitted(look)

    def _emitted(self, emit: Callable[[FunctionBuilder], object]) -> list[Inst]:
        block = Block(-1)
        self.builder.block = block
        emit(self.builder)
        return block.instructions


def _entries(references: Iterable[_Reference]) -> tuple[StackMapEntry, ...]:
    return tuple(
        StackMapEntry(I64, each.slot, each.offset) for each in references if each.slot is not None
    )
