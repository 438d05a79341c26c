"""Operations that trap for some operands, with operands for which they do not trap.

Guards hide the rules under test, so constants and values of a known range serve as often.
"""

from __future__ import annotations

from collections.abc import Callable

from clif.floats import fraction_bits
from clif.function import Value
from clif.types import F32, F64, I8, I64, Type
from fuzz.generate.constants import draw_int
from fuzz.generate.operands import pick, solid
from fuzz.generate.options import TRAP_CODES
from fuzz.generate.writer import Writer

DIVISIONS = ("udiv", "sdiv", "urem", "srem")


def binary_types(w: Writer, name: str) -> list[Type]:
    """Return the types of the case that support the operation on two operands of the type."""
    return [t for t in w.swarm.types if w.instruction_set.has(name, t, t, t)]


def draw_division(w: Writer) -> tuple[str, Type] | None:
    """Draw a division, and a type that the case has it for; None if there is no such type."""
    name = w.entropy.choice(DIVISIONS)
    types = binary_types(w, name)
    return (name, w.entropy.choice(types)) if types else None


def division(w: Writer) -> bool:
    """Emit a division that cannot trap. Returns False if the case has no type for one."""
    drawn = draw_division(w)
    if drawn is not None:
        divide(w, *drawn)
    return drawn is not None


def divide(w: Writer, name: str, type_: Type) -> None:
    """Emit a division with operands for which it cannot trap."""
    dividend = pick(w, type_)
    divisor = positive(w, type_) if name == "sdiv" else nonzero(w, type_)
    w.keep(w.op(name, dividend, divisor))


def nonzero(w: Writer, type_: Type) -> Value:
    """Return a value that is never 0: a constant, guarded, or of a known range."""
    kind = w.entropy.below(5)
    if kind == 0:
        return solid(w, type_)
    if kind == 1 and _has_bitwise(w, type_):
        return w.op("bor", pick(w, type_), w.constant(type_, _odd(w, type_)))
    if kind == 2 and w.instruction_set.has("umax", type_, type_, type_):
        return w.op("umax", pick(w, type_), solid(w, type_))
    return _from_narrower(w, type_, "uextend") or positive(w, type_)


def positive(w: Writer, type_: Type) -> Value:
    """Return a value that is greater than 0 if signed, or a constant other than 0 and -1."""
    kind = w.entropy.below(4)
    if kind == 0:
        return solid(w, type_)
    if kind == 1 and _has_bitwise(w, type_):
        half = w.op("ushr", pick(w, type_), w.constant(type_, 1 + w.entropy.below(type_.bits - 2)))
        return w.op("bor", half, w.constant(type_, 1))
    if kind == 2 and w.instruction_set.has("smax", type_, type_, type_):
        return w.op("smax", pick(w, type_), w.constant(type_, 1 + w.entropy.below(100)))
    narrow = _from_narrower(w, type_, "uextend")
    if narrow is not None:
        return narrow
    if not _has_bitwise(w, type_):
        return solid(w, type_)
    mask = w.constant(type_, (type_.mask >> 1) & ~1)
    return w.op("bor", w.op("band", pick(w, type_), mask), w.constant(type_, 1))


def _has_bitwise(w: Writer, type_: Type) -> bool:
    """Whether bits of a type can be masked and set: an ISA may lack that for i128."""
    return all(w.instruction_set.has(name, type_, type_, type_) for name in ("band", "bor"))


def _from_narrower(w: Writer, type_: Type, extend: str) -> Value | None:
    """Return a zero-extended narrower value plus a small constant, which is positive."""
    narrower = [
        t
        for t in w.swarm.types
        if t.is_int and t.bits < type_.bits and w.instruction_set.has(extend, type_, t)
    ]
    if not narrower:
        return None
    wide = w.op(extend, pick(w, w.entropy.choice(narrower)), type=type_)
    return w.op("iadd", wide, w.constant(type_, 1 + w.entropy.below(7)))


def _odd(w: Writer, type_: Type) -> int:
    return draw_int(w.entropy, type_.bits) | 1 if w.entropy.below(4) == 0 else 1


def to_integer(w: Writer) -> bool:
    """Emit a conversion of a float in range to an integer. Returns False if there is none."""
    name = w.entropy.choice(("fcvt_to_sint", "fcvt_to_uint"))
    instructions = [
        (t, f)
        for f in w.swarm.types
        if f in (F32, F64)
        for t in w.instruction_set.types
        if w.instruction_set.has(name, t, f)
    ]
    if not instructions:
        return False
    convert_in_range(w, name, *w.entropy.choice(instructions))
    return True


def convert_in_range(w: Writer, name: str, type_: Type, float_: Type) -> None:
    """Emit a conversion of a float for which it cannot trap."""
    signed = name == "fcvt_to_sint"
    ranged = _converted(w, type_, float_, signed) if w.entropy.below(2) else None
    w.keep(w.op(name, ranged or clamped(w, type_, float_, signed), type=type_))


def _converted(w: Writer, type_: Type, float_: Type, signed: bool) -> Value | None:
    """Return a float that was converted from a narrower integer."""
    name = "fcvt_from_sint" if signed else "fcvt_from_uint"
    sources = [
        t
        for t in w.swarm.types
        if t.is_int and t.bits < type_.bits and w.instruction_set.has(name, float_, t)
    ]
    if not sources:
        return None
    value = w.op(name, pick(w, w.entropy.choice(sources)), type=float_)
    if w.entropy.below(2) and w.instruction_set.has("trunc", float_, float_):
        value = w.op("trunc", value)
    return value


def clamped(w: Writer, type_: Type, float_: Type, signed: bool) -> Value:
    """Return a float that is no NaN and lies within bounds that the conversion accepts."""
    value = pick(w, float_)
    is_nan = w.op("fcmp", value, value, cond="uno")
    value = w.op("select", is_nan, w.constant(float_, 0), value)
    low, high = _bounds(w, type_, float_, signed)
    return w.op("fmin", w.op("fmax", value, w.constant(float_, low)), w.constant(float_, high))


def _bounds(w: Writer, type_: Type, float_: Type, signed: bool) -> tuple[int, int]:
    """Return the bits of the least and the greatest float to convert.

    They are the exact limits, or closer.
    """
    most = type_.bits - signed
    if w.entropy.below(2):
        most -= w.entropy.below(min(4, most))
    # Everything above -1 is converted to an unsigned 0.
    low = _power(float_, most) if signed else _power(float_, 0) - 1
    return low | float_.sign_bit, _power(float_, most) - 1


def _power(float_: Type, exponent: int) -> int:
    """Return the bits of 2**exponent, or of the greatest finite power of 2."""
    bias = (1 << (float_.lane_bits - 2 - fraction_bits(float_))) - 1
    return (min(exponent, bias) + bias) << fraction_bits(float_)


def checked_add(w: Writer) -> bool:
    """Emit ``uadd_overflow_trap`` of operands whose highest bit is 0."""
    types = binary_types(w, "uadd_overflow_trap")
    if not types:
        return False
    add_in_range(w, w.entropy.choice(types))
    return True


def add_in_range(w: Writer, type_: Type) -> None:
    """Emit ``uadd_overflow_trap`` of operands for which it cannot trap."""
    one = w.constant(type_, 1 + w.entropy.below(type_.bits - 2))
    left = w.op("ushr", pick(w, type_), one)
    if w.entropy.below(2):
        right = w.constant(type_, w.entropy.bits(type_.bits - 2) | 2)
    else:
        right = _from_narrower(w, type_, "uextend") or w.op("ushr", pick(w, type_), one)
    w.keep(w.op("uadd_overflow_trap", left, right, trap=w.entropy.choice(TRAP_CODES)))


def checked_condition(w: Writer) -> bool:
    """Emit a ``trapz`` or ``trapnz`` that never traps."""
    types = [t for t in w.swarm.types if w.instruction_set.has("trapz", t, t)]
    if not types:
        return False
    check_condition(w, w.entropy.choice(("trapnz", "trapz")), w.entropy.choice(types))
    return True


def check_condition(w: Writer, name: str, type_: Type) -> None:
    """Emit a conditional trap on a value for which it does not trap."""
    if not w.instruction_set.has("bor", type_, type_, type_):
        type_ = I64  # an ISA may lack all else of a wide integer
    value = nonzero(w, type_)
    if name == "trapnz":
        zero = w.op("icmp", value, w.constant(type_, 0), cond="eq")
        value = zero if type_ is I8 else w.op("uextend", zero, type=type_)
    w.emit(name, value, type=type_, trap=w.entropy.choice(TRAP_CODES))


GUARDED: tuple[Callable[[Writer], bool], ...] = (
    division,
    division,
    division,
    to_integer,
    to_integer,
    checked_add,
    checked_condition,
)


def guarded_operation(w: Writer) -> bool:
    """Emit one of these operations. Returns False if the case does not support it."""
    return w.entropy.choice(GUARDED)(w)
