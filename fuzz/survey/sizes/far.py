"""Branches, constants, traps and tables that are far from what refers to them.

An ISA's branches and loads reach so far and no further; beyond that there must be veneers, islands
of constants, or other instructions. Sizes count instructions of the filler between.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import Final

from fuzz.survey.sizes.shape import INPUTS, Filler, Program, Shape, function, runs_of

_BLOCK: Final = "block0(v0: i64, v1: i64):"
#: From the reach of the shortest branches, 4 KiB, to beyond that of all but the longest.
_FAR: Final = tuple(1 << k for k in (10, 13, 15, 17, 19))
#: The same up to the largest functions that there are, where time does not grow faster than they.
_FARTHER: Final = (*_FAR, 1 << 20, 1 << 21)
#: Filler is the same at each level of optimisation.
_LEVELS: Final = ("speed",)
#: Instructions of the filler between two things that repeat.
_STRIDE: Final = 64
_FEW: Final = 256
_MASK: Final = (1 << 64) - 1


def far_branch(n: int, bit: bool = False) -> Program:
    """Return a branch over ``n`` instructions, on a comparison or on a single bit."""
    filler = Filler(3)
    condition = ["v2 = icmp ult v0, v1", "v3 = iconst.i64 5"]
    if bit:
        condition = ["v3 = iconst.i64 4", "v2 = band v0, v3"]
    body = [_BLOCK, *condition, "brif v2, block2(v0), block1", "block1:"]
    body += filler.lines(1, n)
    last = filler.value
    body += [f"jump block2(v{last})", f"block2(v{last + 1}: i64):"]
    body += [f"v{last + 2} = bxor v{last + 1}, v3", f"return v{last + 2}"]

    def compute(x: int, y: int) -> int:
        taken = x & 4 if bit else x < y
        return (x if taken else Filler.compute(y, n, x, y)) ^ (4 if bit else 5)

    return Program(function(body), runs_of(compute))


def far_loop(n: int) -> Program:
    """Return a loop of three turns whose body has ``n`` instructions."""
    filler = Filler(5)
    body = [_BLOCK, "v2 = iconst.i64 3", "v3 = iconst.i64 1", "jump block1(v0, v2)"]
    body += ["block1(v4: i64, v5: i64):", *filler.lines(4, n)]
    last = filler.value
    body += [f"v{last + 1} = isub v5, v3"]
    body += [f"brif v{last + 1}, block1(v{last}, v{last + 1}), block2", "block2:"]

    def compute(x: int, y: int) -> int:
        value = x
        for _ in range(3):
            value = Filler.compute(value, n, x, y)
        return value

    return Program(function([*body, f"return v{last}"]), runs_of(compute))


def far_exits(n: int) -> Program:
    """Return ``n`` instructions with many branches to one block behind all of them."""
    filler, value, parts = Filler(2), 1, max(1, n // _STRIDE)
    body = [_BLOCK]
    for k in range(parts):
        constant, equal = filler.take(), filler.take()
        body += [f"v{constant} = iconst.i64 {k}", f"v{equal} = icmp eq v0, v{constant}"]
        body += [f"brif v{equal}, block{parts + 1}(v{value}), block{k + 1}", f"block{k + 1}:"]
        body += filler.lines(value, _STRIDE)
        value = filler.value
    result = filler.take()
    body += [f"jump block{parts + 1}(v{value})", f"block{parts + 1}(v{result}: i64):"]

    def compute(x: int, y: int) -> int:
        return _chain(x if x < parts else parts, x, y)

    runs = [((x, y), compute(x, y)) for x, y in (*((k, 5) for k in _some(parts)), INPUTS[0])]
    return Program(function([*body, f"return v{result}"]), runs)


def _some(parts: int) -> list[int]:
    """Return numbers below ``parts``: many if there are few, so that most places are reached."""
    if parts <= _FEW:
        return list(range(0, parts, max(1, parts // 64)))
    return [0, parts // 2, parts - 1]


def _chain(parts: int, x: int, y: int) -> int:
    value = y
    for _ in range(parts):
        value = Filler.compute(value, _STRIDE, x, y)
    return value


def far_traps(n: int) -> Program:
    """Return ``n`` instructions with many traps among them, whose code lies behind all."""
    filler, value, parts = Filler(2), 1, max(1, n // _STRIDE)
    body = [_BLOCK]
    for k in range(parts):
        constant, equal = filler.take(), filler.take()
        body += [f"v{constant} = iconst.i64 {k}", f"v{equal} = icmp eq v0, v{constant}"]
        body += [f"trapnz v{equal}, user{k % 200 + 1}", *filler.lines(value, _STRIDE)]
        value = filler.value
    traps = [((k, 5), f"user{k % 200 + 1}") for k in _some(parts)]
    x, y = INPUTS[0]
    return Program(function([*body, f"return v{value}"]), [*traps, ((x, y), _chain(parts, x, y))])


def far_constants(n: int, vectors: bool = False) -> Program:
    """Return ``n`` instructions with constants among them that lie in a pool."""
    filler, value, parts = Filler(2), 1, max(1, n // _STRIDE)
    words = [_bits(1.1 + k) for k in range(parts)]
    body = [_BLOCK]
    for k, word in enumerate(words):
        constant, number, sum_ = filler.take(), filler.take(), filler.take()
        if vectors:
            body += [f"v{constant} = vconst.i64x2 {_vector(word)}"]
            body += [f"v{number} = extractlane v{constant}, {k % 2}"]
        else:
            literal = (1.1 + k).hex().replace("p+", "p")
            body += [f"v{constant} = f64const {literal}"]
            body += [f"v{number} = bitcast.i64 v{constant}"]
        body += [f"v{sum_} = iadd v{value}, v{number}", *filler.lines(sum_, _STRIDE)]
        value = filler.value

    def compute(x: int, y: int) -> int:
        found = y
        for k, word in enumerate(words):
            lane = ~word & _MASK if vectors and k % 2 else word
            found = Filler.compute(found + lane & _MASK, _STRIDE, x, y)
        return found

    return Program(function([*body, f"return v{value}"]), runs_of(compute))


def _bits(number: float) -> int:
    (word,) = struct.unpack("<Q", struct.pack("<d", number))
    return int(word)


def _vector(word: int) -> str:
    """Return a constant of two lanes: a word and its complement, the higher lane first."""
    return f"0x{~word & _MASK:016x}{word:016x}"


def far_table(n: int) -> Program:
    """Return a table of branches whose 32 targets are far apart."""
    parts, each = 32, max(1, n // 32)
    filler = Filler(3)
    entries = ", ".join(f"block{k + 1}" for k in range(parts))
    body = [_BLOCK, "v2 = ireduce.i32 v0", f"br_table v2, block{parts + 1}, [{entries}]"]
    for k in range(parts):
        body += [f"block{k + 1}:", *_marked(filler, k, each)]
        body += [f"jump block{parts + 2}(v{filler.value})"]
    body += [f"block{parts + 1}:", f"jump block{parts + 2}(v1)"]
    result = filler.take()
    body += [f"block{parts + 2}(v{result}: i64):", f"return v{result}"]

    def compute(x: int, y: int) -> int:
        return Filler.compute(y ^ x, each, x, y) if x < parts else y

    cases = [(k, 0x55) for k in (0, 1, parts // 2, parts - 1, parts)]
    return Program(function(body), [((x, y), compute(x, y)) for x, y in cases])


def _marked(filler: Filler, mark: int, count: int) -> list[str]:
    """Return filler that starts from a number of its own, so that blocks differ."""
    constant, start = filler.take(), filler.take()
    lines = [f"v{constant} = iconst.i64 {mark}", f"v{start} = bxor v1, v{constant}"]
    return lines + filler.lines(start, count)


def large_table(n: int) -> Program:
    """Return a table of branches with ``n`` entries for 16 blocks."""
    entries = ", ".join(f"block{1 + k % 16}" for k in range(n))
    body = [_BLOCK, "v2 = ireduce.i32 v0", f"br_table v2, block17, [{entries}]"]
    for k in range(1, 18):
        body += [f"block{k}:", f"v{k + 2} = iconst.i64 {k}", f"return v{k + 2}"]
    runs = [((x, 0), 1 + x % 16) for x in (0, 1, n // 2, n - 1)]
    return Program(function(body), [*runs, ((n, 0), 17), ((0xFFFFFFFF, 0), 17)])


SHAPES: Final = (
    Shape("far_branch", "instructions", _FARTHER, far_branch, levels=_LEVELS),
    Shape("far_bit_branch", "instructions", _FAR, partial(far_branch, bit=True), levels=_LEVELS),
    Shape("far_loop", "instructions", _FARTHER, far_loop, levels=_LEVELS),
    Shape("far_exits", "instructions", _FAR, far_exits, levels=_LEVELS),
    Shape("far_traps", "instructions", _FARTHER, far_traps, levels=_LEVELS),
    Shape("far_constants", "instructions", _FAR, far_constants, levels=_LEVELS),
    Shape(
        "far_vectors",
        "instructions",
        _FAR,
        partial(far_constants, vectors=True),
        levels=_LEVELS,
        optional=True,
    ),
    Shape("far_table", "instructions", _FARTHER, far_table, levels=_LEVELS),
    Shape("large_table", "entries", (1 << 10, 1 << 13, 1 << 16), large_table, levels=_LEVELS),
)
