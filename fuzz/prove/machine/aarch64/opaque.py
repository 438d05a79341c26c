"""What the operations do that SLEIGH leaves opaque."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import z3

from fuzz.prove import floats
from fuzz.prove.lane_operations import (
    clipped_unsigned,
    narrowed,
    pairwise,
    rounded_average,
    rounded_product,
    saturating,
    signed_maximum,
    signed_minimum,
    unsigned_maximum,
    unsigned_minimum,
)
from fuzz.prove.machine.description import OpaqueOperation, do_nothing, known_number
from fuzz.prove.terms import (
    Term,
    choose,
    clipped,
    const,
    join,
    lanes,
    lanewise,
    low,
    negative,
    part,
    resized,
    sext,
    zext,
)

OPAQUE: Final[dict[str, OpaqueOperation]] = {}


for _name in ("LOAcquire", "LORelease", "DataMemoryBarrier", "DataSynchronizationBarrier"):
    OPAQUE[_name] = do_nothing

# An exclusive store succeeds: where nothing else runs, the loop around it is left at once.
OPAQUE["ExclusiveMonitorPass"] = lambda _, bits, __: const(1, bits)
OPAQUE["ExclusiveMonitorsStatus"] = lambda _, bits, __: const(0, bits)


# --- operations on lanes, the last operand of which is a lane's size in bytes ---


def _define(name: str, operation: Callable[..., Term]) -> None:
    def meaning(_: Any, bits: int, operands: Sequence[Term]) -> Term:
        *values, size = operands
        return resized(lanewise(operation, 8 * known_number(size), *values), bits)

    OPAQUE[f"NEON_{name}"] = meaning


def _shifted_by_register(
    right: Callable[[Term, Term], Term],
) -> Callable[[Term, Term], Term]:
    """Return a shift to the left by the signed low byte of a lane, to the right if negative."""

    def shifted(x: Term, y: Term) -> Term:
        bits = x.size()
        wide = max(bits, 16)
        amount = sext(low(y, 8), wide)
        back = low(right(_widened(right, x, wide), -amount), bits)
        return choose(negative(amount), back, low(zext(x, wide) << amount, bits))

    return shifted


def _arithmetic(x: Term, amount: Term) -> Term:
    return x >> amount


def _widened(right: Callable[[Term, Term], Term], x: Term, bits: int) -> Term:
    return (sext if right is _arithmetic else zext)(x, bits)


LANEWISE: Final[dict[str, Callable[..., Term]]] = {
    "smin": signed_minimum,
    "smax": signed_maximum,
    "umin": unsigned_minimum,
    "umax": unsigned_maximum,
    "fmin": floats.minimum,
    "fmax": floats.maximum,
    "uqadd": saturating(lambda x, y: x + y, signed=False),
    "sqadd": saturating(lambda x, y: x + y, signed=True),
    "uqsub": saturating(lambda x, y: x - y, signed=False),
    "sqsub": saturating(lambda x, y: x - y, signed=True),
    "urhadd": rounded_average,
    "sqrdmulh": lambda x, y: clipped(rounded_product(x, y), x.size(), signed=True),
    "sshl": _shifted_by_register(_arithmetic),
    "ushl": _shifted_by_register(z3.LShR),
    "scvtf": lambda x: floats.from_integer(x, x.size(), signed=True),
    "ucvtf": lambda x: floats.from_integer(x, x.size(), signed=False),
    "fsqrt": lambda x: floats.arithmetic("sqrt", x),
}
for _name, _operation in LANEWISE.items():
    _define(_name, _operation)


def _reversed(container: int) -> OpaqueOperation:
    """Return what reverses the lanes in each container of so many bits."""

    def meaning(_: Any, bits: int, operands: Sequence[Term]) -> Term:
        x, size = operands
        lane = 8 * known_number(size)
        return resized(lanewise(lambda c: join(lanes(c, lane)[::-1]), container, x), bits)

    return meaning


for _bits in (16, 32, 64):
    OPAQUE[f"NEON_rev{_bits}"] = _reversed(_bits)


def _narrowing(clip: Callable[[Term, int], Term], *, upper: bool) -> OpaqueOperation:
    """Return what narrows each lane of the second operand to half, into the lower or the upper half
    of the register that the first operand is."""

    def meaning(_: Any, bits: int, operands: Sequence[Term]) -> Term:
        old, x, size = operands
        narrow = narrowed(clip, 8 * known_number(size), x)
        return resized(z3.Concat(narrow, low(old, 64)) if upper else narrow, bits)

    return meaning


for _name, _clip in (
    ("uqxtn", clipped_unsigned),
    ("sqxtn", lambda x, bits: clipped(x, bits, signed=True)),
    ("sqxtun", lambda x, bits: clipped(x, bits, signed=False)),
):
    OPAQUE[f"NEON_{_name}"] = _narrowing(_clip, upper=False)
    OPAQUE[f"NEON_{_name}2"] = _narrowing(_clip, upper=True)


def _extracted(_: Any, bits: int, operands: Sequence[Term]) -> Term:
    x, y, index, _size = operands
    return part(z3.Concat(y, x), 8 * known_number(index), bits)


OPAQUE["NEON_ext"] = _extracted


def _table(_: Any, bits: int, operands: Sequence[Term]) -> Term:
    """Look up bytes; an index outside of the table gives that of the first operand."""
    other, *tables, indices = operands
    table = [byte for each in tables for byte in lanes(each, 8)]

    def found(index: Term, otherwise: Term) -> Term:
        result = otherwise
        for at, byte in enumerate(table):
            result = choose(index == const(at, 8), byte, result)
        return result

    return resized(lanewise(found, 8, indices, low(other, indices.size())), bits)


OPAQUE["a64_TBL"] = _table


def _long_product(extended: Callable[[Term, int], Term]) -> OpaqueOperation:
    def meaning(_: Any, bits: int, operands: Sequence[Term]) -> Term:
        x, y, size = operands
        lane = 8 * known_number(size)
        pairs = zip(lanes(x, lane), lanes(y, lane), strict=True)
        return resized(
            join([extended(a, 2 * lane) * extended(b, 2 * lane) for a, b in pairs]), bits
        )

    return meaning


OPAQUE["NEON_umull"] = _long_product(zext)
OPAQUE["NEON_smull"] = _long_product(sext)


def _across(better: Callable[[Term, Term], Term]) -> OpaqueOperation:
    """Return what reduces all lanes to one."""

    def meaning(_: Any, bits: int, operands: Sequence[Term]) -> Term:
        x, size = operands
        first, *others = lanes(x, 8 * known_number(size))
        for other in others:
            first = better(first, other)
        return resized(first, bits)

    return meaning


def _pairwise(better: Callable[[Term, Term], Term]) -> OpaqueOperation:
    def meaning(_: Any, bits: int, operands: Sequence[Term]) -> Term:
        x, y, size = operands
        return resized(pairwise(better, 8 * known_number(size), x, y), bits)

    return meaning


for _name in ("smin", "smax", "umin", "umax"):
    OPAQUE[f"NEON_{_name}v"] = _across(LANEWISE[_name])
    OPAQUE[f"NEON_{_name}p"] = _pairwise(LANEWISE[_name])


def _splatted(_: Any, bits: int, operands: Sequence[Term]) -> Term:
    x, size = operands
    lane = 8 * known_number(size)
    return join([resized(x, lane)] * (bits // lane))


OPAQUE["NEON_fmov"] = _splatted
