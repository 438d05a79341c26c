"""Conversions of values between any two types.

A pair of types without a conversion instruction is bridged by ``bitcast`` and the integer of the
same width; where there is no such ``bitcast`` for vectors, by their halves.
"""

from __future__ import annotations

from typing import Final

from clif.function import AbiParam, Value
from clif.types import F32, F64, I16, I32, I64, Type, by_name
from fuzz.generate.writer import SCALAR_OF_BITS, Writer

I64X2: Final = by_name("i64x2")


def canonicalise(w: Writer, value: Value) -> Value:
    """Return the value with every nondeterministic NaN replaced by the canonical one."""
    type_ = value.type
    if value not in w.nondeterministic_nans or not w.instruction_set.has(
        "fcmp", type_, type_, type_
    ):
        return value
    is_nan = w.op("fcmp", value, value, cond="uno")
    nan = w.canonical_nan(type_)
    if not type_.is_vector:
        canonical = w.op("select", is_nan, nan, value)
    elif w.instruction_set.has("bitselect", type_, type_, type_, type_):
        canonical = w.op("bitselect", w.op("bitcast", is_nan, type=type_), nan, value)
    else:
        kept = w.op("band", w.op("bitcast", value, type=type_.as_int), w.op("bnot", is_nan))
        put = w.op("band", w.op("bitcast", nan, type=type_.as_int), is_nan)
        canonical = w.op("bitcast", w.op("bor", kept, put), type=type_)
    # In general the result of a selection may be a nondeterministic NaN; this one is not.
    w.nondeterministic_nans.discard(canonical)
    return canonical


def as_type(w: Writer, value: Value, type_: Type) -> Value:
    """Convert a value to a type, losing as little of it as possible."""
    if value.type is type_:
        return value
    if type_.is_int and not type_.is_vector:
        return _resize(w, as_int(w, value, type_), type_)
    if type_ is F32 or type_ is F64:
        same = SCALAR_OF_BITS[type_.bits]
        return w.op("fcvt_from_sint", as_type(w, value, same), type=type_)
    if type_.is_vector and w.entropy.below(2) and w.instruction_set.has("splat", type_, type_.lane):
        return w.op("splat", as_type(w, value, type_.lane), type=type_)
    same = SCALAR_OF_BITS[type_.bits]
    if value.type.bits <= I64.bits and not w.instruction_set.has("bitcast", type_, same):
        both = w.op("splat", as_type(w, value, I64), type=I64X2)
        return both if type_ is I64X2 else w.op("bitcast", both, type=type_)
    return from_bits(w, as_type(w, value, same), type_)


def from_bits(w: Writer, bits: Value, type_: Type) -> Value:
    """Return the vector or float with the bits of an integer of the same width."""
    if w.instruction_set.has("bitcast", type_, bits.type):
        return w.op("bitcast", bits, type=type_)
    low, high = w.emit("isplit", bits, type=bits.type, results=(I64, I64)).results
    halves = w.op("insertlane", w.op("splat", low, type=I64X2), high, imm=1)
    return halves if type_ is I64X2 else w.op("bitcast", halves, type=type_)


def to_bits(w: Writer, value: Value) -> Value:
    """Return the bits of a vector or float as an integer of the same width."""
    same = SCALAR_OF_BITS[value.type.bits]
    if w.instruction_set.has("bitcast", same, value.type):
        return w.op("bitcast", value, type=same)
    halves = value if value.type is I64X2 else w.op("bitcast", value, type=I64X2)
    return w.op("iconcat", *(w.op("extractlane", halves, imm=lane) for lane in range(2)))


def extend_again(w: Writer, value: Value, param: AbiParam) -> None:
    """Sometimes extend what a signature says is extended: that may be thought to be superfluous."""
    if param.extension is not None and w.plan.options.stage_parts and w.entropy.below(2):
        wider = [t for t in (I16, I32, I64) if t.bits > value.type.bits]
        extend = "uextend" if param.extension == "uext" else "sextend"
        w.keep(w.op(extend, value, type=w.entropy.choice(wider)))


def as_int(w: Writer, value: Value, wanted: Type | None = None) -> Value:
    """Return the bits of a value as a scalar integer of the same width.

    Args:
        wanted: the type that is needed in the end; if it is narrower, a single lane may be
            returned.
    """
    type_ = value.type
    if type_.is_int and not type_.is_vector:
        return value
    if value in w.nondeterministic_nans and type_ in (F32, F64) and w.entropy.below(2):
        return w.op("fcvt_to_sint_sat", value, type=I32 if type_ is F32 else I64)
    value = canonicalise(w, value)
    if wanted is not None and wanted.bits < type_.bits and w.entropy.below(4):
        lane = _lane(w, value, wanted)
        if lane is not None:
            return lane
    return to_bits(w, value)


def _lane(w: Writer, value: Value, type_: Type) -> Value | None:
    """Return a drawn lane of the value, seen as a vector of ``type_``.

    Returns:
        None if the case does not support that.
    """
    lanes = value.type.bits // type_.bits
    instruction = w.instruction_set.by_key.get(("extractlane", type_.by(lanes), (type_.by(lanes),)))
    if instruction is None or len(instruction.variants) < 2:
        return None
    vector = instruction.operands[0]
    if value.type is not vector:
        if not w.instruction_set.has("bitcast", vector, value.type):
            return None
        value = w.op("bitcast", value, type=vector)
    return w.apply(instruction, [value], imm=w.entropy.below(lanes))[0]


def _resize(w: Writer, value: Value, type_: Type) -> Value:
    if value.type is type_:
        return value
    if value.type.bits > type_.bits:
        return w.op("ireduce", value, type=type_)
    return w.op(w.entropy.choice(("uextend", "sextend")), value, type=type_)
