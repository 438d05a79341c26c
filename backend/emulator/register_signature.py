"""Signatures that pass everything in registers, and how few of them drivers are needed for.

Most generated functions have all arguments and results in registers. Then only the number of a
register says where a value goes, and one driver will do for many signatures: it passes 64-bit
integers and 128-bit vectors in all registers of arguments, and takes the results in the same way.
The tables of arguments and results have a column for each register. What is open stays garbage: the
bits above a narrow integer or float, and the registers that pass nothing. Above a narrow vector are
zeros, as a driver that loads it has them there. Where floats and vectors have registers of their
own each, floats are passed as f64, and narrower ones with ones above them if instructions ask for
that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from backend.emulator.byte_order import ByteOrder
from backend.emulator.convention import ArgumentRegisters, Convention, ResultRegisters
from backend.emulator.isa import order_of
from backend.emulator.tables import Layout, Place
from clif.function import AbiParam, Signature
from clif.types import F64, F128, I64, Type, by_name

_INTEGER: Final = AbiParam(I64)
_FLOAT: Final = AbiParam(F64)
_VECTOR: Final = AbiParam(by_name("i8x16"))
#: A driver passes so many vectors, or all: the least number that is enough.
_VECTOR_COUNTS: Final = (0, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class RegisterSignature:
    """What a driver passes for a signature, one value for each register.

    Attributes:
        signature: what the driver calls.
        params, returns: where in the rows of its tables the values of the real signature lie.
    """

    signature: Signature
    params: Layout
    returns: Layout


class _Kind(Enum):
    """Kinds of registers, in the order of their columns.

    Attributes:
        passed: what a driver passes in one.
    """

    INTEGER = _INTEGER
    FLOAT = _FLOAT
    VECTOR = _VECTOR

    @property
    def passed(self) -> AbiParam:
        return self.value


def register_signature(
    convention: Convention,
    signature: Signature,
    byte_order: ByteOrder,
    float_order: ByteOrder | None = None,
    *,
    extends_results: bool,
    word_bits: int = 64,
) -> RegisterSignature | None:
    """Return what a driver passes for a signature; None if not everything is in registers.

    Args:
        float_order: as in ``Isa``.
        word_bits: values that are to be extended are so to a word of so many bits.
    """
    passed, results = convention.passed, convention.returned or convention.results
    if passed is None:
        return None
    params = _Registers.of(signature.params, passed, even=passed.even)
    returns = _Registers.of(signature.returns, results, even=passed.even)
    if params is None or returns is None or returns.used.total() > results.total:
        return None
    given = _Counts.of(passed).least(params.used)
    taken = Counter(returns.used)
    if results.total == _Counts.of(results).counts.total():  # all of them can be taken
        taken = _Counts.of(results).least(returns.used)

    def order(type_: Type) -> ByteOrder:
        if type_.is_vector and convention.little_lanes:
            return "little"
        return order_of(type_, byte_order, float_order)

    return RegisterSignature(
        Signature(_passed(given), _passed(taken), signature.call_conv),
        params.layout(given, order, word_bits, extended=True, boxed=passed.boxed),
        returns.layout(taken, order, word_bits, extended=extends_results),
    )


def _passed(counts: Counter[_Kind]) -> tuple[AbiParam, ...]:
    return tuple(kind.passed for kind in _Kind for _ in range(counts[kind]))


@dataclass(frozen=True, slots=True)
class _Counts:
    """How many registers of each kind there are for arguments, or for results."""

    counts: Counter[_Kind]

    @classmethod
    def of(cls, registers: ArgumentRegisters | ResultRegisters) -> _Counts:
        found = Counter({_Kind.INTEGER: registers.integers})
        if registers.vectors is None:
            found[_Kind.VECTOR] = registers.others
        else:
            found[_Kind.FLOAT], found[_Kind.VECTOR] = registers.others, registers.vectors
        return cls(found)

    def least(self, used: Counter[_Kind]) -> Counter[_Kind]:
        """Return how many a driver passes where these are used: of vectors, not always all."""
        found, most = Counter(self.counts), self.counts[_Kind.VECTOR]
        wanted = used[_Kind.VECTOR]
        found[_Kind.VECTOR] = min(each for each in (*_VECTOR_COUNTS, most) if each >= wanted)
        return found


@dataclass(slots=True)
class _Registers:
    """The registers that values are passed in.

    Attributes:
        registers: those that there are.
        used: how many are used of each kind, those included that are left out.
        first: for each value the kind, and its first register among these.
    """

    values: Sequence[AbiParam]
    registers: ArgumentRegisters | ResultRegisters
    used: Counter[_Kind] = field(default_factory=Counter)
    first: list[tuple[_Kind, int]] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        values: Sequence[AbiParam],
        registers: ArgumentRegisters | ResultRegisters,
        *,
        even: bool,
    ) -> _Registers | None:
        """Return the registers of values; None if one of them has a place of its own."""
        found = cls(values, registers)
        for value in values:
            wide = value.type.bits > 64 and not value.type.is_vector
            if value.purpose != "normal" or (wide and not registers.wide):
                return None
            found._add(value.type, even=even)
        there = _Counts.of(registers).counts
        return found if all(there[kind] >= found.used[kind] for kind in _Kind) else None

    def _kind(self, type_: Type) -> _Kind:
        if in_integers(type_, self.registers):
            return _Kind.INTEGER
        own = self.registers.vectors is not None and not type_.is_vector
        return _Kind.FLOAT if own else _Kind.VECTOR

    def _add(self, type_: Type, *, even: bool) -> None:
        kind = self._kind(type_)
        wide = kind is _Kind.INTEGER and type_.bits > 64
        if wide and even:
            self.used[kind] += self.used[kind] % 2
        self.first.append((kind, self.used[kind]))
        self.used[kind] += 1 + wide

    def layout(
        self,
        counts: Counter[_Kind],
        order: Callable[[Type], ByteOrder],
        word_bits: int,
        *,
        extended: bool,
        boxed: bool = False,
    ) -> Layout:
        """Return where the values lie in rows of so many columns, kind by kind."""
        starts = {_Kind.INTEGER: 0, _Kind.FLOAT: counts[_Kind.INTEGER]}
        starts[_Kind.VECTOR] = starts[_Kind.FLOAT] + counts[_Kind.FLOAT]
        places = []
        for value, (kind, number) in zip(self.values, self.first, strict=True):
            type_, is_integer = value.type, kind is _Kind.INTEGER
            narrow = is_integer and type_.bits < word_bits and value.extension is not None
            places.append(
                Place(
                    value,
                    starts[kind] + number,
                    split=is_integer and type_.bits > 64,
                    extended=extended and narrow,
                    filler=_filler(type_, boxed=boxed),
                    byte_order=order(type_),
                )
            )
        return Layout(counts.total(), tuple(places))


def _filler(type_: Type, *, boxed: bool) -> int | None:
    """Return the byte that fills what a value leaves of its register; None for garbage."""
    if type_.is_vector and type_.bits < 128:
        return 0
    return 0xFF if boxed and type_.is_float and type_.bits < 64 else None


def in_integers(type_: Type, registers: ArgumentRegisters | ResultRegisters) -> bool:
    """Return whether values of a type are in integer registers."""
    return (type_.is_int and not type_.is_vector) or (registers.integer_f128 and type_ is F128)
