"""Which memory functions expect behind a parameter: objects, their sizes, and the pointers in them.

This is guessed from what the functions do. A word that is loaded from an object and then used as an
address points to another object. An object that is accessed at an offset which the functions
compute is an array, and what lies behind a pointer to one is taken for its length, as in Wasmtime's
descriptions of memories and tables, if it is compared with anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from clif.function import External, Function, Inst, Value
from clif.memory_access import access_of
from clif.outcome import POINTER_BYTES
from clif.stack_limit import StackLimitError, limit_path
from clif.types import I64
from clif.uses import targets

#: Passes over the functions: enough for pointers that go through a few loops and calls.
_PASSES: Final = 6
_EXTENSIONS: Final = frozenset({"uextend", "sextend", "ireduce"})
_CHOICES: Final = {"select": (1, 2), "select_spectre_guard": (1, 2)}


@dataclass(slots=True, eq=False)
class MemoryObject:
    """A piece of memory.

    Attributes:
        size: the bytes that are accessed at known offsets.
        fields: the words that are loaded from known offsets, by their offset.
        is_array: whether it is accessed at offsets that are computed.
        scale: the distance of its elements, as far as that is known.
    """

    size: int = 0
    fields: dict[int, Field] = field(default_factory=dict)
    is_array: bool = False
    scale: int = 1

    def field_at(self, offset: int) -> Field:
        """Return the word at an offset; there is one after that."""
        self.size = max(self.size, offset + POINTER_BYTES)
        return self.fields.setdefault(offset, Field())


@dataclass(slots=True, eq=False)
class Field:
    """A word of an object.

    Attributes:
        pointee: what it points to; None if it is not used as an address.
        is_compared: whether it is compared with anything.
        is_limit: whether it is a stack limit.
        is_constant: whether loads of it have the flag ``readonly`` or ``can_move``.
    """

    pointee: MemoryObject | None = None
    is_compared: bool = False
    is_limit: bool = False
    is_constant: bool = False

    def object(self) -> MemoryObject:
        """Return what it points to, and note that it is an address."""
        if self.pointee is None:
            self.pointee = MemoryObject()
        return self.pointee


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Where a value points to, if it is used as an address.

    Attributes:
        base: the object, or the word that would be its address.
        offset: None if it is computed.
        scale: what the computed offset is a multiple of.
    """

    base: MemoryObject | Field
    offset: int | None = 0
    scale: int = 1

    def object(self) -> MemoryObject:
        return self.base if isinstance(self.base, MemoryObject) else self.base.object()


_Rule: TypeAlias = "Callable[[_Follower, Inst], _Place | None]"


def memory_shape(functions: Sequence[Function], purpose: str) -> MemoryObject:
    """Return the object that the parameters of a purpose are addresses of.

    Args:
        functions: all of a case, the main function first.
        purpose: ``vmctx`` or ``sret``. Parameters that have it, in any function, are taken for
            the same address.
    """
    follower = _Follower(functions, purpose)
    for _ in range(_PASSES):
        for function in functions:
            follower.follow(function)
    return follower.root


class _Follower:
    """Follows addresses from the parameters through functions."""

    def __init__(self, functions: Sequence[Function], purpose: str) -> None:
        self.root = MemoryObject()
        self.by_name = {function.name: function for function in functions}
        self.places: dict[Value, _Place] = {}
        self.constants: dict[Value, int] = {}
        self.scales: dict[Value, int] = {}
        for function in functions:
            params = zip(function.entry.params, function.signature.params, strict=True)
            found = (value for value, param in params if param.purpose == purpose)
            self.places.update((value, _Place(self.root)) for value in found)
            if purpose == "vmctx" and function.stack_limit is not None:
                self._follow_limit(function)

    def _follow_limit(self, function: Function) -> None:
        try:
            *loads, _ = limit_path(function)
        except StackLimitError:
            return
        found: MemoryObject = self.root
        for number, offset in enumerate(loads):
            if offset < 0:
                return
            word = found.field_at(offset)
            if number + 1 < len(loads):
                found = word.object()
            else:
                word.is_limit = True

    def follow(self, function: Function) -> None:
        """Follow the addresses in a function once, from its first instruction to its last."""
        for inst in function.instructions():
            self._note_access(inst)
            rule = _RULES.get(inst.opcode.name)
            place = None if rule is None else rule(self, inst)
            if place is not None and inst.results:
                self.places.setdefault(inst.results[0], place)
            for param, value in _passed(inst, self.by_name):
                if value in self.places:
                    self.places.setdefault(param, self.places[value])

    def _note_access(self, inst: Inst) -> None:
        access = access_of(inst)
        place = None if access is None else self.places.get(access.address)
        if access is None or place is None:
            return
        found = place.object()
        if place.offset is None:
            found.is_array = True
            found.scale = max(found.scale, place.scale)
            return
        offset = place.offset + access.offset
        if offset < 0:
            return
        found.size = max(found.size, offset + access.size)
        if "can_load" in inst.opcode.flags and inst.results and inst.results[0].type.is_int:
            self._note_load(inst, found, offset)

    def _note_load(self, inst: Inst, found: MemoryObject, offset: int) -> None:
        result = inst.results[0]
        if result.type is I64 or offset in found.fields:
            word = found.field_at(offset)
            word.is_constant |= inst.flags.readonly or inst.flags.can_move
            self.places.setdefault(result, _Place(word))

    # --- the rules of opcodes ---

    def constant(self, inst: Inst) -> None:
        type_ = inst.results[0].type
        value = inst.imm & type_.mask
        self.constants[inst.results[0]] = value - (value >> type_.bits - 1 << type_.bits)

    def multiply(self, inst: Inst) -> None:
        factor = next((self.constants[a] for a in inst.args if a in self.constants), 1)
        self.scales[inst.results[0]] = max(1, abs(factor))

    def shift(self, inst: Inst) -> None:
        self.scales[inst.results[0]] = 1 << (self.constants.get(inst.args[1], 0) & 15)

    def add(self, inst: Inst) -> _Place | None:
        base, index = inst.args
        if self._points_rather(index, base):
            base, index = index, base
        return self._moved(base, index, 1)

    def subtract(self, inst: Inst) -> _Place | None:
        return self._moved(inst.args[0], inst.args[1], -1)

    def _points_rather(self, one: Value, other: Value) -> bool:
        """Return whether ``one`` is more likely than ``other`` to be the address of a sum."""
        return self._likelihood(one) > self._likelihood(other)

    def _likelihood(self, value: Value) -> int:
        place = self.places.get(value)
        if place is None:
            return 0
        if isinstance(place.base, MemoryObject) or place.base.pointee is not None:
            return 3
        return 2 if place.base.is_constant else 1

    def _moved(self, base: Value, index: Value, sign: int) -> _Place | None:
        place = self.places.get(base)
        if place is None:
            return None
        if place.offset is None:
            return place
        if index in self.constants:
            return _Place(place.base, place.offset + sign * self.constants[index])
        return _Place(place.base, None, self.scales.get(index, 1))

    def choose(self, inst: Inst) -> _Place | None:
        chosen = (inst.args[n] for n in _CHOICES[inst.opcode.name])
        return next((self.places[value] for value in chosen if value in self.places), None)

    def compare(self, inst: Inst) -> None:
        for value in inst.args:
            place = self.places.get(value)
            if place is not None and isinstance(place.base, Field):
                place.base.is_compared = True

    def extend(self, inst: Inst) -> None:
        self.scales[inst.results[0]] = self.scales.get(inst.args[0], 1)


_RULES: Final[dict[str, _Rule]] = {
    "iconst": _Follower.constant,
    "imul": _Follower.multiply,
    "ishl": _Follower.shift,
    "iadd": _Follower.add,
    "isub": _Follower.subtract,
    "icmp": _Follower.compare,
    **dict.fromkeys(_CHOICES, _Follower.choose),
    **dict.fromkeys(_EXTENSIONS, _Follower.extend),
}


def _passed(inst: Inst, by_name: dict[str, Function]) -> Iterator[tuple[Value, Value]]:
    """Yield the parameters of blocks and functions that an instruction passes values to."""
    for target in targets(inst):
        for param, value in zip(target.block.params, target.args, strict=False):
            if isinstance(value, Value):
                yield param, value
    callee = by_name.get(inst.ref.name) if isinstance(inst.ref, External) else None
    if callee is not None and "is_call" in inst.opcode.flags and callee.blocks:
        yield from zip(callee.entry.params, inst.args, strict=False)
