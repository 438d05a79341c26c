"""Indices that are computed with wrapping arithmetic, for addresses.

Instruction selection folds sums, shifts and extensions into addressing modes. That is right only if
nothing is lost on the way: an i32 sum that wraps is another one in 64 bits, and so is a shifted
value whose upper bits are shifted out. Here that happens for every input, and the index is in
bounds all the same.
"""

from __future__ import annotations

from collections.abc import Callable

from clif.function import Value
from clif.types import I8, I16, I32, I64, Type
from fuzz.generate.operands import pick
from fuzz.generate.writer import Writer

_NARROW = (I32, I32, I32, I16, I8)
_AMOUNTS = (I8, I32, I64)


def wrapping_index(w: Writer, span: int, size: int) -> tuple[Value, int]:
    """Return a number within ``0..span`` of an address' type, and the greatest that it may be.

    Args:
        size: of the access, in bytes; addressing modes may scale an index by it.
    """
    most = (1 << (span + 1).bit_length() - 1) - 1
    kinds = _KINDS
    if w.function.name == "main":
        # Ranges of values do not show that these are in bounds. Mutating protects all that they
        # depend on, which in another function is the whole case.
        kinds += _UNPROVABLE
    index = w.entropy.choice(kinds)(w, most, size)
    return index if w.address is I64 else w.op("ireduce", index, type=w.address), most


def _masked(w: Writer, type_: Type, most: int) -> Value:
    return w.op("band", pick(w, type_), w.constant(type_, most))


def _above(w: Writer, type_: Type, most: int) -> int:
    """Draw a number whose bits up to those of ``most`` are 0, and another one is not."""
    bits = most.bit_length()
    return (w.entropy.bits(type_.bits - bits) | 1 << w.entropy.below(type_.bits - bits)) << bits


def _wide(w: Writer, value: Value, most: int) -> Value:
    """Extend a value within ``0..most`` to an i64."""
    if value.type is I64:
        return value
    fits = most < value.type.sign_bit
    extend = w.entropy.choice(("uextend", "sextend")) if fits else "uextend"
    return w.op(extend, value, type=I64)


def _sum(w: Writer, type_: Type, most: int) -> Value:
    """Return a sum, or a difference, that wraps into ``0..most``."""
    far = _above(w, type_, most)
    value = w.op("bor", _masked(w, type_, most), w.constant(type_, far))
    if w.entropy.below(3) == 0:
        return w.op("isub", value, w.constant(type_, far))
    operands = [value, w.constant(type_, -far & type_.mask)]
    if w.entropy.below(4) == 0:
        operands.reverse()
    return w.op("iadd", *operands)


def _narrow_type(w: Writer, most: int) -> Type:
    return w.entropy.choice([t for t in _NARROW if t.mask > most])


def _amount(w: Writer, shift: int, type_: Type) -> Value:
    """Return the constant, which the type's width is sometimes added to: amounts are masked."""
    return w.constant(w.entropy.choice(_AMOUNTS), shift + type_.bits * (w.entropy.below(4) == 0))


# --- within bounds as ranges show ---


def _narrow_sum(w: Writer, most: int, size: int) -> Value:
    return _wide(w, _sum(w, _narrow_type(w, most), most), most)


def _wide_sum(w: Writer, most: int, size: int) -> Value:
    return _sum(w, I64, most)


def _scaled_sum(w: Writer, most: int, size: int) -> Value:
    """Return an extended sum that is shifted, in 64 bits or before."""
    shift = w.entropy.below(most.bit_length() + 1)
    type_ = _narrow_type(w, most)
    part = _sum(w, type_, most >> shift)
    if w.entropy.below(2):
        part = w.op("ishl", part, _amount(w, shift, type_))
        return _wide(w, part, most)
    return w.op("ishl", _wide(w, part, most >> shift), _amount(w, shift, I64))


def _shifted(w: Writer, most: int, size: int) -> Value:
    shift = w.entropy.below(most.bit_length() + 1)
    return w.op("ishl", _masked(w, I64, most >> shift), _amount(w, shift, I64))


def _cut(w: Writer, most: int, size: int) -> Value:
    """Return the extended low bits of an i64 that has others above them, which are constant."""
    type_ = _narrow_type(w, most)
    value = w.op("bor", _masked(w, I64, most), w.constant(I64, _above(w, I64, type_.mask)))
    return _wide(w, w.op("ireduce", value, type=type_), most)


# --- within bounds as well, but ranges do not show it ---


def _shifted_out(w: Writer, most: int, size: int) -> Value:
    """Return a value whose upper bits, which depend on data, are shifted out to the left."""
    type_ = w.entropy.choice((I64, _narrow_type(w, most)))
    scale = size.bit_length() - 1
    scales = scale and w.entropy.below(2)
    shift = min(scale, type_.bits - 1) if scales else 1 + w.entropy.below(type_.bits - 1)
    low = _masked(w, type_, most >> shift)
    high = w.op("ishl", pick(w, type_), w.constant(I8, type_.bits - shift))
    return _wide(w, w.op("ishl", w.op("bor", low, high), _amount(w, shift, type_)), most)


def _shifted_back(w: Writer, most: int, size: int) -> Value:
    """Return a value that is shifted to the left, which cuts it, and back."""
    shift = 1 + w.entropy.below(63 - most.bit_length())
    high = w.op("ishl", pick(w, I64), w.constant(I8, 64 - shift))
    cut = w.op("ishl", w.op("bor", _masked(w, I64, most), high), w.constant(I8, shift))
    return w.op("ushr", cut, _amount(w, shift, I64))


def _reduced(w: Writer, most: int, size: int) -> Value:
    """Return the extended low bits of an i64 whose upper bits depend on data."""
    type_ = _narrow_type(w, most)
    high = w.op("ishl", pick(w, I64), w.constant(I8, type_.bits))
    value = w.op("bor", _masked(w, I64, most), high)
    return _wide(w, w.op("ireduce", value, type=type_), most)


_KINDS: tuple[Callable[[Writer, int, int], Value], ...] = (
    _narrow_sum,
    _narrow_sum,
    _wide_sum,
    _scaled_sum,
    _scaled_sum,
    _shifted,
    _cut,
)
_UNPROVABLE: tuple[Callable[[Writer, int, int], Value], ...] = (
    _shifted_out,
    _shifted_out,
    _shifted_back,
    _reduced,
)
