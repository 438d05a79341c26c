"""Follows a CLIF function along all its paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import z3

from clif.byte_order import ByteOrder
from clif.function import Block, BlockCall, External, Function, Inst, MemFlags, StackSlot, Value
from clif.outcome import Region
from clif.types import Type
from fuzz.prove.memory import ADDRESS_BITS, Memory, Place
from fuzz.prove.paths import Exploration, Path, PathEnd, Summary, explore
from fuzz.prove.semantics import EFFECTS, PURE, UndecidedError
from fuzz.prove.terms import (
    TRUE,
    Condition,
    Term,
    const,
    lanewise,
    nonzero,
    reversed_bytes,
    truth_of,
)

#: How often a block may be entered on one path: a loop is unrolled so far.
MOST_VISITS: Final = 40


def argument_terms(function: Function) -> list[Term]:
    """Return the symbols of a function's arguments, which both sides of a proof share."""
    types = function.signature.param_types
    return [z3.BitVec(f"arg{number}", type_.bits) for number, type_ in enumerate(types)]


def summarize(
    function: Function,
    order: ByteOrder = "little",
    region: Region | None = None,
    arguments: Sequence[Term] | None = None,
    memory: Memory | None = None,
) -> Summary:
    """Return what a function does.

    Args:
        order: the byte order of memory.
        region: the memory that it may access, beside its own stack slots; None for any.
        arguments: None for symbols.
        memory: what it begins with; None for anything.

    Raises:
        UndecidedError: that cannot be told in terms, or has too many paths.
    """
    arguments = argument_terms(function) if arguments is None else arguments
    first = ClifPath(Exploration(), memory or Memory.shared(), function, order)
    if region is not None:
        first.region = (arguments[region.param], region.size)
    first.enter(function.entry, arguments)
    return explore(first)


class ClifPath(Path):
    """A path through a CLIF function.

    Attributes:
        values: by SSA value, its term.
        block: where it is.
        region: the address and the size of the memory that it may access; None for any.
    """

    def __init__(
        self, exploration: Exploration, memory: Memory, function: Function, order: ByteOrder
    ) -> None:
        super().__init__(exploration, memory)
        self.function = function
        self.order = order
        self.values: dict[Value, Term] = {}
        self.block: Block = function.entry
        self.region: tuple[Term, int] | None = None
        self._visits: dict[Block, int] = {}
        self._accesses: list[tuple[int, Term, int]] = []

    def fork(self, condition: Condition) -> ClifPath:
        """Return a path that goes another way from here on, where a condition holds."""
        self.exploration.count_path()
        other = ClifPath(self.exploration, self.memory, self.function, self.order)
        self.copy_to(other)
        other.values = self.values.copy()
        other.block, other.region = self.block, self.region
        other._visits = self._visits.copy()
        other._accesses = self._accesses.copy()
        other.conditions.append(condition)
        return other

    # --- going on ---

    def enter(self, block: Block, args: Sequence[Term]) -> None:
        """Go to a block.

        Raises:
            PathEnd: no input goes there.
            UndecidedError: it was entered too often.
        """
        visits = self._visits[block] = self._visits.get(block, 0) + 1
        if visits > 1 and not self.is_possible():
            raise PathEnd
        if visits > MOST_VISITS:
            raise UndecidedError("a loop that is too long")
        self.block = block
        self.values.update(zip(block.params, args, strict=True))

    def jump(self, target: BlockCall) -> None:
        """Go where a branch goes."""
        args = []
        for arg in target.args:
            if isinstance(arg, str):
                raise UndecidedError("exceptions")
            args.append(self.values[arg])
        self.enter(target.block, args)

    def run(self) -> list[ClifPath]:
        """Execute instructions up to a branch, and take it.

        Returns:
            The paths that go on.

        Raises:
            PathEnd: none does.
        """
        for inst in self.block.instructions:
            self.exploration.count_step()
            terms = [self.values[arg] for arg in inst.args]
            name = inst.opcode.name
            control = _CONTROL.get(name)
            if control is not None:
                return control(self, inst, terms)
            if name in PURE:
                found = PURE[name](inst, *terms)
            elif name in EFFECTS:
                found = EFFECTS[name](self, inst, *terms)
            else:
                raise UndecidedError(f"{name} has no meaning in terms")
            results = found if isinstance(found, (tuple, list)) else [found]
            if inst.results:
                self.values.update(zip(inst.results, results, strict=True))
        raise AssertionError("a block without a terminator")

    def branch(self, ways: Sequence[tuple[BlockCall, Condition]]) -> list[ClifPath]:
        """Go each of several ways, where its condition holds."""
        found = []
        for target, condition in ways:
            if truth_of(condition) is False:
                continue
            path = self.fork(condition)
            try:
                path.jump(target)
            except PathEnd:
                continue
            found.append(path)
        return found

    # --- memory ---

    def slot_base(self, slot: StackSlot) -> Term:
        """Return the address of a stack slot, which is a segment apart."""
        number = self.function.stack_slots.index(slot)
        base = z3.BitVec(f"slot{number}", ADDRESS_BITS)
        if f"slot{number}" not in self.memory.segments:
            self.memory.add_segment(base, f"slot{number}")
        return base

    def load(self, flags: MemFlags, type_: Type, address: Term) -> Term:
        """Load a value."""
        self._access(flags, address, type_.bytes)
        value = self.memory.load(address, type_.bytes)
        return self._ordered(flags, type_, value)

    def store(self, flags: MemFlags, type_: Type, address: Term, value: Term) -> None:
        """Store a value."""
        self._access(flags, address, type_.bytes)
        self.memory.store(address, self._ordered(flags, type_, value))

    def _ordered(self, flags: MemFlags, type_: Type, value: Term) -> Term:
        big = (flags.endianness or self.order) == "big"
        return lanewise(reversed_bytes, type_.lane_bits, value) if big else value

    def _access(self, flags: MemFlags, address: Term, size: int) -> None:
        """Take for granted what an access promises: accesses of different alias regions touch
        different memory, and none goes round the end of the address space."""
        self._bound(address, size)
        if flags.aligned:
            self.assume(address & const(size - 1, ADDRESS_BITS) == const(0, ADDRESS_BITS))
        if flags.alias_region is None:
            return
        for region, other, width in self._accesses:
            if region != flags.alias_region:
                apart = z3.Or(
                    z3.UGE(address, other + const(width, ADDRESS_BITS)),
                    z3.UGE(other, address + const(size, ADDRESS_BITS)),
                )
                self.assume(apart)
        self._accesses.append((flags.alias_region, address, size))

    def _bound(self, address: Term, size: int) -> None:
        """Take for granted that an access is in the region."""
        if self.memory.segment_of(Place.of(address)) != Memory.MAIN:
            return
        if self.region is None:
            self.assume(z3.ULE(address, const(-size, ADDRESS_BITS)))
            return
        base, room = self.region
        self.assume(z3.ULE(address - base, const(room - size, ADDRESS_BITS)))
        self.assume(z3.ULE(base, const(-room, ADDRESS_BITS)))


# --- control flow ---

Control = Callable[[ClifPath, Inst, list[Term]], list[ClifPath]]


def _jump(path: ClifPath, inst: Inst, _: list[Term]) -> list[ClifPath]:
    path.jump(inst.targets[0])
    return [path]


def _brif(path: ClifPath, inst: Inst, terms: list[Term]) -> list[ClifPath]:
    condition = nonzero(terms[0])
    then, otherwise = inst.targets
    return path.branch([(then, condition), (otherwise, z3.Not(condition))])


def _br_table(path: ClifPath, inst: Inst, terms: list[Term]) -> list[ClifPath]:
    (index,) = terms
    default, *table = inst.targets
    ways = [(to, index == const(at, index.size())) for at, to in enumerate(table)]
    above = z3.UGE(index, const(len(table), index.size()))
    return path.branch([*ways, (default, above)])


def _return(path: ClifPath, _: Inst, terms: list[Term]) -> list[ClifPath]:
    path.end("", terms)
    raise PathEnd


def _trap(path: ClifPath, inst: Inst, _: list[Term]) -> list[ClifPath]:
    path.trap(TRUE, inst.trap)
    raise PathEnd


_CONTROL: Final[dict[str, Control]] = {
    "jump": _jump,
    "brif": _brif,
    "br_table": _br_table,
    "return": _return,
    "trap": _trap,
}


def _trapz(path: ClifPath, inst: Inst, x: Term) -> None:
    path.trap(z3.Not(nonzero(x)), inst.trap)


def _trapnz(path: ClifPath, inst: Inst, x: Term) -> None:
    path.trap(nonzero(x), inst.trap)


def _call(path: ClifPath, inst: Inst, *args: Term) -> Any:
    assert isinstance(inst.ref, External)
    return path.called(inst.ref.name, args, [result.type.bits for result in inst.results])


EFFECTS["trapz"] = _trapz
EFFECTS["trapnz"] = _trapnz
EFFECTS["call"] = _call
