"""What a case may be made of: every supported ``TypedInstruction``, found by tables.

An instruction set is built from the opcode table and the supported names. The parts of the
generator look up what they need; none of them lists opcodes that the constraints already describe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

from clif.byte_order import BYTE_ORDERS, ByteOrder, has_order, in_order
from clif.nan_payload import NanEffect
from clif.opcodes import Format, Opcode
from clif.typed_instructions import (
    InstructionKey,
    InstructionName,
    OpcodeType,
    TypedInstruction,
    has_settled_meaning,
    typed_instructions,
)
from clif.types import I8, I64, Type
from fuzz.generate.options import PLAIN_TYPES

#: What is supported, by the names of ``TypedInstruction.names``.
Supported = Set[InstructionName]

_PURE_FORMATS = frozenset(
    {
        Format.UNARY,
        Format.BINARY,
        Format.TERNARY,
        Format.BINARY_IMM8,
        Format.TERNARY_IMM8,
        Format.INT_COMPARE,
        Format.FLOAT_COMPARE,
        Format.LOAD_NO_OFFSET,
        Format.SHUFFLE,
    }
)
#: Opcodes that convert from one type to another, in the order of preference for an empty pool.
_CONVERSIONS = (
    "uextend",
    "sextend",
    "ireduce",
    "fcvt_from_sint",
    "fcvt_from_uint",
    "bitcast",
    "fpromote",
    "fdemote",
    "fcvt_to_sint_sat",
    "fcvt_to_uint_sat",
    "splat",
    "extractlane",
)


#: For how many sets of types the instructions of an opcode are remembered: all sets of plain types
#: fit in, other sets occur once.
_MOST_KEPT = 16


def _is_pure(opcode: Opcode) -> bool:
    return opcode.format in _PURE_FORMATS and not opcode.flags and bool(opcode.results)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A typed instruction that may be supported, with the names of its variants."""

    instruction: TypedInstruction
    names: tuple[InstructionName, ...]

    def narrowed(self, supported: Supported) -> TypedInstruction | None:
        """Return the instruction with its supported variants; None if none is supported.

        An instruction may be supported only with a byte order of its own.
        """
        if not self.instruction.variants:
            return self.instruction if self._is_supported(supported) else None
        usable = tuple(name[3] for name in self.names if name in supported)
        return replace(self.instruction, variants=usable) if usable else None

    def _is_supported(self, supported: Supported) -> bool:
        (name,) = self.names
        return name in supported or (
            has_order(self.instruction.opcode)
            and any(in_order(name, order) in supported for order in BYTE_ORDERS)
        )


@lru_cache(maxsize=8)
def _candidates(
    opcodes: tuple[Opcode, ...], types: tuple[Type, ...], address: Type
) -> tuple[_Candidate, ...]:
    """Return every instruction with a settled meaning; all instruction sets share them."""
    return tuple(
        _Candidate(instruction, instruction.names())
        for opcode in opcodes
        for instruction in typed_instructions(opcode, types, address)
        if has_settled_meaning(instruction)
    )


def all_names(
    opcodes: Mapping[str, Opcode], types: Sequence[Type], address: Type = I64
) -> Iterator[InstructionName]:
    """Yield the names of all instructions with a settled meaning, supported or not."""
    for candidate in _candidates(tuple(opcodes.values()), tuple(types), address):
        yield from candidate.names


def _bits(types: Sequence[Type], bit: Mapping[Type, int]) -> int:
    bits = 0
    for type_ in types:
        if type_ is not I8:
            bits |= bit[type_]
    return bits


def _bit_of(types: Sequence[Type]) -> dict[Type, int]:
    return {type_: 1 << n for n, type_ in enumerate(types)}


class _Choice:
    """The instructions of one opcode, indexed by the types that a case has."""

    def __init__(self, instructions: Sequence[TypedInstruction], types: Sequence[Type]) -> None:
        bit = _bit_of(types)
        self._needs = [
            (_bits(instruction.signature, bit), instruction) for instruction in instructions
        ]
        self._concerned = 0
        for bits, _ in self._needs:
            self._concerned |= bits
        self._over: dict[int, tuple[TypedInstruction, ...]] = {}

    def over(self, active: int) -> tuple[TypedInstruction, ...]:
        """Return the instructions whose types are all in a set."""
        active &= self._concerned
        found = self._over.get(active)
        if found is None:
            if len(self._over) >= _MOST_KEPT:
                self._over.clear()
            found = tuple(instruction for bits, instruction in self._needs if not bits & ~active)
            self._over[active] = found
        return found


@lru_cache(maxsize=4096)
def _choice(instructions: tuple[TypedInstruction, ...], types: tuple[Type, ...]) -> _Choice:
    """Return a choice that all instruction sets with the same instructions of an opcode share."""
    return _Choice(instructions, types)


_Likeness = tuple[tuple[Type, ...], tuple[Type, ...], NanEffect]


def _likeness(instruction: TypedInstruction) -> _Likeness:
    return instruction.operands, instruction.results, instruction.nan_effect


class InstructionSet:
    """The supported instructions, indexed.

    Attributes:
        types: all types that values may have.
        address: the type of addresses.
        by_key: the instructions by opcode, controlling type and operand types.
        by_name: the instructions by opcode.
        pure: the instructions without effects and traps by opcode, in a fixed order.
        opcode_types: every opcode with each of its controlling types, in a fixed order.
        pure_opcodes: the names of the pure opcodes; ``plain_opcodes`` those with instructions over
            plain types.
        conversions: by result type, the unary instructions that convert another type to it.
        opcodes: the whole opcode table, for control flow, calls and constants.
        orders: the byte orders that an instruction may have of its own, by its key; those that are
            not there have none.
        needed_orders: by key, the byte order of an instruction that is not supported without one.

    Args:
        supported: the names of the supported instructions, also with byte orders of their own.
        types: the types to choose from.
        only: the pure opcodes to choose from; None for all.
        any_order: instructions may have any byte order, since no ISA generates code for them.
        address: the type of addresses.
    """

    def __init__(
        self,
        supported: Supported,
        opcodes: Mapping[str, Opcode],
        types: Sequence[Type],
        only: frozenset[str] | None = None,
        *,
        any_order: bool = False,
        address: Type = I64,
    ) -> None:
        self.opcodes = opcodes
        self.address = address
        self.orders: dict[InstructionKey, tuple[ByteOrder, ...]] = {}
        self.needed_orders: dict[InstructionKey, ByteOrder] = {}
        self.by_key: dict[InstructionKey, TypedInstruction] = {}
        by_name: dict[str, list[TypedInstruction]] = {}
        for candidate in _candidates(tuple(opcodes.values()), tuple(types), address):
            instruction = candidate.narrowed(supported)
            if instruction is None:
                continue
            self.by_key[instruction.key] = instruction
            by_name.setdefault(instruction.name, []).append(instruction)
            if has_order(instruction.opcode):
                self.orders[instruction.key] = orders = tuple(
                    order
                    for order in BYTE_ORDERS
                    if any_order
                    or all(in_order(n, order) in supported for n in instruction.names())
                )
                if any(name not in supported for name in instruction.names()):
                    self.needed_orders[instruction.key] = orders[0]
        self._settle_uncomparable(by_name)
        self.by_name = {name: tuple(instructions) for name, instructions in by_name.items()}
        self.pure = {
            name: instructions
            for name, instructions in self.by_name.items()
            if _is_pure(opcodes[name]) and (only is None or name in only)
        }
        self.opcode_types: tuple[OpcodeType, ...] = tuple(
            dict.fromkeys((f[0], f[1]) for f in self.by_key)
        )
        self.types = tuple(t for t in types if self._makeable(t))
        self.conversions = self._conversions()
        self.pure_opcodes = tuple(self.pure)
        self._alike: dict[_Likeness, list[TypedInstruction]] = {}
        self._bit = _bit_of(types)
        self._choices = {
            name: _choice(instructions, tuple(types)) for name, instructions in self.pure.items()
        }
        plain = self.type_bits([t for t in types if t in PLAIN_TYPES])
        self.plain_opcodes = tuple(
            name for name, choice in self._choices.items() if choice.over(plain)
        )

    def _settle_uncomparable(self, by_name: dict[str, list[TypedInstruction]]) -> None:
        """Let instructions whose results cannot be compared expose NaNs.

        Such results cannot be canonicalised, so no nondeterministic NaN may get into them.
        """
        for instructions in by_name.values():
            for at, instruction in enumerate(instructions):
                if instruction.nan_effect is NanEffect.PROPAGATES and not all(
                    map(self._comparable, instruction.results)
                ):
                    instructions[at] = exposing = replace(instruction, nan_effect=NanEffect.EXPOSES)
                    self.by_key[instruction.key] = exposing

    def _comparable(self, type_: Type) -> bool:
        return not type_.is_float or ("fcmp", type_, (type_, type_)) in self.by_key

    def _makeable(self, type_: Type) -> bool:
        """Return whether a value of the type can be loaded, without which the type is of no use."""
        return ("load", type_, (self.address,)) in self.by_key

    def _conversions(self) -> dict[Type, tuple[TypedInstruction, ...]]:
        found: dict[Type, list[TypedInstruction]] = {type_: [] for type_ in self.types}
        for name in _CONVERSIONS:
            for instruction in self.by_name.get(name, ()):
                (result,) = instruction.results
                if instruction.operands[0] is not result and result in found:
                    found[result].append(instruction)
        return {type_: tuple(instructions) for type_, instructions in found.items()}

    def type_bits(self, types: Sequence[Type]) -> int:
        """Return a set of types as an integer, without i8, which comparisons always provide."""
        return _bits(types, self._bit)

    def pure_over(self, name: str, active: int) -> tuple[TypedInstruction, ...]:
        """Return the pure instructions of an opcode whose types are all in the set ``active``."""
        return self._choices[name].over(active)

    def alike(self, instruction: TypedInstruction) -> Sequence[TypedInstruction]:
        """Return the pure instructions of the same signature that treat NaNs in the same way.

        The instruction itself, which must be pure, is among them.
        """
        if not self._alike:
            for each in chain.from_iterable(self.pure.values()):
                self._alike.setdefault(_likeness(each), []).append(each)
        return self._alike[_likeness(instruction)]

    def find(self, name: str, ctrl: Type | None, *operands: Type) -> TypedInstruction | None:
        """Return the instruction, or None if it is not supported."""
        return self.by_key.get((name, ctrl, operands))

    def has_order(self, order: str | None, name: str, ctrl: Type | None, *operands: Type) -> bool:
        """Return whether the instruction may have a byte order of its own."""
        return order in self.orders.get((name, ctrl, operands), ())

    def has(self, name: str, ctrl: Type | None, *operands: Type) -> bool:
        """Return whether the instruction is supported."""
        return (name, ctrl, operands) in self.by_key
