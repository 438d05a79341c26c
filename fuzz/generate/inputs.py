"""Drawing the inputs of a case, and the region's contents, with NumPy.

Half of the values are special ones, which code generators get wrong. Special values also meet: in
some inputs all arguments are special, in some they are equal. And some values are next to the
constants in the functions, extended or truncated to the argument's width, since that is where
comparisons and rules with constants change what they do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from clif.function import Function
from clif.outcome import Inputs, Region, Words, word_count, word_dtype
from clif.types import F16, F32, F64, Type
from fuzz.cases.case import Case
from fuzz.entropy import Entropy
from fuzz.generate.constants import special_lanes

U64 = npt.NDArray[np.uint64]
#: How many of 256 words are special values, and the number up to which the others are small.
_SPECIAL, _SMALL = 128, 176
#: How many of 256 words are near a constant of the functions, if these have any.
_NEAR = 32
#: One input in so many has special arguments only, and one in so many has equal ones.
_ALL_SPECIAL, _ALL_EQUAL = 8, 16
#: At most so many constants of the functions are looked at.
_MOST_CONSTANTS = 8
_FLOAT_CONSTANTS = {"f16const": F16, "f32const": F32, "f64const": F64}


_MASK = (1 << 64) - 1
_ZERO, _ONE = np.uint64(0), np.uint64(1)


@cache
def _special_words(type_: Type, high: bool) -> U64:
    """Return a type's special lanes as words; of lanes of 128 bits the high or the low words."""
    shift = 64 if high else 0
    return np.array([lane >> shift & _MASK for lane in special_lanes(type_.lane)], np.uint64)


@lru_cache(maxsize=512)  # those of the signature pool; others occur once
def _layout(types: tuple[Type, ...]) -> tuple[U64, U64, U64, npt.NDArray[np.intp]]:
    """Return the tables from which the words of a row are drawn.

    Returns:
        All tables one after the other; per word the start and the length of its table; and the
        index of the word that makes its choices, which is the low word for the high word of a lane.
    """
    columns = [(t, t.lane_bits > 64 and n % 2 == 1) for t in types for n in range(word_count(t))]
    tables = [_special_words(*column) for column in columns]
    lengths = np.array([len(table) for table in tables], np.uint64)
    starts = np.cumsum(lengths) - lengths
    deciding = np.array([n - high for n, (_, high) in enumerate(columns)], np.intp)
    return np.concatenate(tables), starts.astype(np.uint64), lengths, deciding


def _draw_rows(raw: U64, types: tuple[Type, ...]) -> U64:
    """Make rows of words from random words in an array of shape (2, rows, words)."""
    table, starts, lengths, deciding = _layout(types)
    words, choice = raw[0], raw[1][:, deciding]
    kind = choice >> np.uint64(56)
    kind[: len(kind) // _ALL_SPECIAL] = 0
    special = table[choice % lengths + starts]
    small = words >> (choice >> np.uint64(48) & np.uint64(63))
    drawn: U64 = np.where(kind < _SPECIAL, special, np.where(kind < _SMALL, small, words))
    return drawn


def constants_of(functions: Iterable[Function]) -> list[tuple[Type, int]]:
    """Return the scalar constants of functions, each with its type; of many the first ones."""
    found: dict[tuple[Type, int], None] = {}
    for function in functions:
        for block in function.blocks:
            for inst in block.instructions:
                if inst.opcode.name == "iconst":
                    found[inst.result.type, inst.imm] = None
                elif inst.opcode.name in _FLOAT_CONSTANTS:
                    found[_FLOAT_CONSTANTS[inst.opcode.name], inst.imm] = None
        if len(found) >= _MOST_CONSTANTS:
            break
    return list(found)[:_MOST_CONSTANTS]


def near_constants(type_: Type, constants: Iterable[tuple[Type, int]]) -> list[int]:
    """Return the lanes of a type that are next to constants.

    Integers are extended to the lane in both ways, or truncated. Floats are near floats of the same
    type only, and have either sign.
    """
    lane = type_.lane
    mask, values = lane.mask, []
    for of, bits in constants:
        if of is lane and lane.is_float:
            near = (bits, bits + 1, max(bits - 1, 0))
            values += [value ^ sign for value in near for sign in (0, lane.sign_bit)]
        elif not (of.is_float or lane.is_float):
            for value in (bits, bits + 1, bits - 1):
                value &= of.mask
                values.append(value & mask)
                if value & of.sign_bit and lane.bits > of.bits:
                    values.append(value - of.mask - 1 & mask)
    return list(dict.fromkeys(values))


def draw_inputs(
    entropy: Entropy,
    types: Sequence[Type],
    count: int,
    region: tuple[int, int] | None,
    constants: Sequence[tuple[Type, int]] = (),
) -> Inputs:
    """Draw ``count`` inputs for parameters of ``types``.

    A single 64-bit draw seeds them, so that they do not use up a fuzzer's bytes.

    Args:
        region: the index of the parameter that takes the region's address, and the region's size.
        constants: of the functions (``constants_of``).
    """
    source = np.random.PCG64(entropy.bits(64))
    sizes = [word_count(type_) for type_ in types]
    raw = source.random_raw(2 * count * sum(sizes)).reshape(2, count, sum(sizes))
    rows = _draw_rows(raw, tuple(types))
    if constants:
        rows = _put_near_constants(raw[1], rows, types, constants)
    args: list[Words] = []
    start = 0
    for type_, size in zip(types, sizes, strict=True):
        args.append(rows[:, start : start + size].astype(word_dtype(type_)))
        start += size
    _correlate(entropy, types, args)
    _equate(types, args)
    if region is None:
        return Inputs(count, args)
    param, size = region
    contents = source.random_raw(size // 8 + 1).tobytes()[:size]
    return Inputs(count, args, Region(param, _thin(entropy, contents)))


def _put_near_constants(
    choice: U64, rows: U64, types: Sequence[Type], constants: Sequence[tuple[Type, int]]
) -> U64:
    """Replace some words, one in eight of those of integers, by what is next to a constant.

    Args:
        choice: random words that choose the values.
    """
    deciding, starts, lengths = _layout(tuple(types))[3], [], []
    table: list[int] = []
    places: dict[tuple[Type, bool], tuple[int, int]] = {}
    for type_ in types:
        for number in range(word_count(type_)):
            high = type_.lane_bits > 64 and number % 2 == 1
            if (type_.lane, high) not in places:
                near = near_constants(type_, constants)
                places[type_.lane, high] = len(table), len(near)
                table += [value >> 64 if high else value & _MASK for value in near]
            start, length = places[type_.lane, high]
            starts.append(start)
            lengths.append(length)
    if not table:
        return rows
    table.append(0)  # for columns without any
    counts = np.array(lengths, np.uint64)
    choice = choice[:, deciding]
    at = np.where(counts, choice % np.maximum(counts, _ONE) + np.array(starts, np.uint64), _ZERO)
    chosen = (choice >> np.uint64(40) & np.uint64(255) < _NEAR) & (counts > _ZERO)
    replaced: U64 = np.where(chosen, np.array(table, np.uint64)[at], rows)
    return replaced


def _equate(types: Sequence[Type], args: list[Words]) -> None:
    """Give the last rows of all parameters of a type the same value."""
    first: dict[Type, Words] = {}
    for type_, words in zip(types, args, strict=True):
        last = len(words) - len(words) // _ALL_EQUAL
        words[last:] = first.setdefault(type_, words)[last:]


def redraw_inputs(entropy: Entropy, case: Case) -> None:
    """Draw other inputs for a case, as many as it has."""
    region = case.inputs.region
    case.inputs = draw_inputs(
        entropy,
        case.main.signature.param_types,
        case.inputs.count,
        None if region is None else (region.param, region.size),
        constants_of(case.functions),
    )


def _correlate(entropy: Entropy, types: Sequence[Type], args: list[Words]) -> None:
    """Make some rows of a parameter equal to another parameter's: drawn ones rarely are."""
    for index, type_ in enumerate(types):
        twin = entropy.below(len(types))
        if twin < index and types[twin] is type_ and len(args[index]) >= 4:
            quarter = len(args[index]) // 4
            start = entropy.below(quarter)
            args[index][start : start + quarter] = args[twin][start : start + quarter]


def _thin(entropy: Entropy, contents: bytes) -> bytes:
    """Sometimes clear half of the region, or set it to ones."""
    half = len(contents) // 2
    kind = entropy.below(4)
    if kind == 0:
        return contents
    if kind == 1:
        return bytes(half) + contents[half:]
    if kind == 2:
        return contents[:half] + b"\xff" * (len(contents) - half)
    return bytes(byte if byte & 3 else 0 for byte in contents)
