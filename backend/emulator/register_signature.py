"""Signatures that pass everything in registers, and how few of them drivers are needed for.

Most generated functions have all arguments and results in registers. Then only the number of a
register says where a value goes, and one driver will do for many signatures: it passes 64-bit
integers and 128-bit vectors in all registers of arguments, and takes the results in the same way.
The tables of arguments and results have a column for each register. What is open stays garbage: the
bits above a narrow integer or float, and the registers that pass nothing. Above a narrow vector are
zeros, as a driver that loads it has them there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from backend.emulator.convention import Convention
from backend.emulator.tables import Layout, Place
from clif.function import AbiParam, Signature
from clif.types import I64, by_name

_INTEGER: Final = AbiParam(I64)
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


def register_signature(
    convention: Convention, signature: Signature, *, extends_results: bool
) -> RegisterSignature | None:
    """Return what a driver passes for a signature; None if not everything is in registers."""
    passed, results = convention.passed, convention.returned or convention.results
    if passed is None:
        return None
    params = _Registers.of(signature.params, even=passed.even)
    returns = _Registers.of(signature.returns, even=passed.even)
    if params is None or returns is None:
        return None
    if params.integers > passed.integers or params.others > passed.others:
        return None
    if returns.integers > results.integers or returns.others > results.others:
        return None
    if returns.integers + returns.others > results.total:
        return None
    vectors = _at_least(params.others, passed.others)
    integers, others = returns.integers, returns.others
    if results.total == results.integers + results.others:  # all of them can be taken
        integers, others = results.integers, _at_least(others, results.others)
    return RegisterSignature(
        Signature(
            (_INTEGER,) * passed.integers + (_VECTOR,) * vectors,
            (_INTEGER,) * integers + (_VECTOR,) * others,
            signature.call_conv,
        ),
        params.layout(passed.integers, vectors, extended=True),
        returns.layout(integers, others, extended=extends_results),
    )


def _at_least(count: int, most: int) -> int:
    """Return how many vectors a driver passes where ``count`` are asked for."""
    return min(each for each in (*_VECTOR_COUNTS, most) if each >= count)


@dataclass(slots=True)
class _Registers:
    """The registers that values are passed in.

    Attributes:
        integers, others: how many are used of each kind, those included that are left out.
        first: for each value whether it is an integer, and its first register among these.
    """

    values: Sequence[AbiParam]
    integers: int = 0
    others: int = 0
    first: list[tuple[bool, int]] = field(default_factory=list)

    @classmethod
    def of(cls, values: Sequence[AbiParam], *, even: bool) -> _Registers | None:
        """Return the registers of values; None if one of them has a place of its own."""
        found = cls(values)
        for value in values:
            if value.purpose != "normal":
                return None
            found._add(value, even=even)
        return found

    def _add(self, value: AbiParam, *, even: bool) -> None:
        type_ = value.type
        if not type_.is_int or type_.is_vector:
            self.first.append((False, self.others))
            self.others += 1
            return
        wide = type_.bits > 64
        if wide and even:
            self.integers += self.integers % 2
        self.first.append((True, self.integers))
        self.integers += 1 + wide

    def layout(self, integers: int, others: int, *, extended: bool) -> Layout:
        """Return where the values lie in rows of so many columns, integers before the others."""
        places = []
        for value, (is_integer, number) in zip(self.values, self.first, strict=True):
            split = is_integer and value.type.bits > 64
            column = number if is_integer else integers + number
            narrow = is_integer and value.type.bits < 64 and value.extension is not None
            zeroed = value.type.is_vector and value.type.bits < 128
            places.append(Place(value, column, split, extended and narrow, zeroed))
        return Layout(integers + others, tuple(places))
