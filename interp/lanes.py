"""Values as the interpreter holds them: one array for each SSA value, with one row for each input.

Scalars of up to 64 bits have shape ``(n,)`` and the unsigned dtype of their width, vectors
``(n, lanes)``. 128-bit scalars have shape ``(n,)`` and hold Python ints (dtype object), which need
no carries. Floats are bit patterns, viewed as IEEE numbers only inside an operation. An array is
never changed once it is a value: block arguments share it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from clif.outcome import Words, word_dtype, words_from_ints
from clif.types import ALL, Type

Lanes = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
DType = np.dtype[Any]

MASK_64: Final = (1 << 64) - 1
MASK_128: Final = (1 << 128) - 1
SIGN_128: Final = 1 << 127

_OBJECT: Final[DType] = np.dtype(object)


def _dtype(kind: str, type_: Type) -> DType:
    return np.dtype(f"{kind}{type_.lane_bits // 8}") if type_.lane_bits <= 64 else _OBJECT


#: The dtype of a type's lanes viewed as unsigned, as signed, or (of floats) as IEEE numbers.
UINT: Final[dict[Type, DType]] = {t: _dtype("u", t) for t in ALL}
INT: Final[dict[Type, DType]] = {t: _dtype("i", t) for t in ALL}
FLOAT: Final[dict[Type, DType]] = {t: _dtype("f", t) for t in ALL if t.is_float}
BOOL_BYTES: Final[DType] = np.dtype("u1")


@lru_cache(4096)
def constant(type_: Type, bits: int, n: int) -> Lanes:
    """Return a scalar constant for ``n`` inputs, the same array each time."""
    array = np.empty(n, UINT[type_])
    array.fill(bits & type_.mask)
    return array


@lru_cache(1024)
def vector_constant(type_: Type, bits: int, n: int) -> Lanes:
    """Return a vector constant for ``n`` inputs, the same array each time."""
    return np.repeat(words_from_ints(type_, [bits]), n, axis=0)


@lru_cache(1024)
def uniform_address(address: int, n: int) -> Lanes:
    """Return one address for all inputs. Loads and stores recognise it by its stride of 0."""
    return np.ndarray((n,), np.uint64, np.array(address, np.uint64), strides=(0,))


def from_words(type_: Type, words: Words) -> Lanes:
    """Return the lanes of words of shape ``(n, k)`` (see ``clif.outcome``)."""
    if type_.lane_bits == 128:
        return wide(words[:, 0], words[:, 1])
    return words if type_.is_vector else words[:, 0]


def to_words(type_: Type, value: Lanes) -> Words:
    """Return the words of a value, of shape ``(n, k)``."""
    if type_.lane_bits == 128:
        words = np.empty((len(value), 2), np.uint64)
        words[:, 0] = value & MASK_64
        words[:, 1] = value >> 64
        return words
    return value if type_.is_vector else value.reshape(-1, 1)


def wide(low: Lanes, high: Lanes) -> Lanes:
    """Return 128-bit integers, made of their 64-bit halves."""
    whole: Lanes = low.astype(object) | high.astype(object) << 64
    return whole


def signed_wide(x: Lanes) -> Lanes:
    """Return unsigned 128-bit integers as the signed ones of the same bits."""
    seen: Lanes = (x ^ SIGN_128) - SIGN_128
    return seen


def integers(type_: Type, x: Lanes, *, signed: bool) -> Lanes:
    """Return lanes of an integer type as exact Python ints (dtype object)."""
    if type_.lane_bits == 128:
        return signed_wide(x) if signed else x
    return (x.view(INT[type_]) if signed else x).astype(object)


def from_integers(type_: Type, x: Lanes) -> Lanes:
    """Return Python ints as lanes of an integer type, wrapped to its width."""
    wrapped: Lanes = x & type_.mask
    return wrapped.astype(UINT[type_])


def flag(condition: Mask) -> Lanes:
    """Return an i8 that is 1 where a condition holds, else 0."""
    return condition.view(BOOL_BYTES)


def truth(type_: Type, condition: Mask) -> Lanes:
    """Return the result of a comparison: 1 or 0; of vectors, lanes of all ones or zeros."""
    if type_.is_vector:
        lanes: Lanes = np.negative(condition.astype(UINT[type_]))
        return lanes
    return condition.view(BOOL_BYTES)


def per_lane(x: Lanes, like: Lanes) -> Lanes:
    """Return a scalar in the shape that NumPy combines with every lane of ``like``."""
    return x[:, None] if like.ndim == 2 else x


def choose(condition: Mask, x: Lanes, y: Lanes) -> Lanes:
    """Return a new array: the rows of ``x`` where a condition holds, else those of ``y``."""
    return np.where(condition[:, None] if x.ndim == 2 else condition, x, y)


def reinterpret(from_: Type, to: Type, x: Lanes) -> Lanes:
    """Return a value as another type of the same size: the same bytes in little-endian memory."""
    words = np.ascontiguousarray(to_words(from_, x))
    return from_words(to, words.view(word_dtype(to)))
