"""Counts: arguments, results, blocks and values, up to and over what Cranelift documents."""

from __future__ import annotations

from typing import Final

from fuzz.survey.sizes.shape import Filler, Program, Shape, function, runs_of

_BLOCK: Final = "block0(v0: i64, v1: i64):"
_SOME: Final = (1 << 10, 1 << 12, 1 << 14, 1 << 16)


def _weighed(n: int, first: int, number: int) -> tuple[list[str], str]:
    """Return lines that make one value of ``n``, whose order matters, and that value."""
    lines, total = [f"v{number} = iconst.i64 3"], f"v{first}"
    for k in range(1, n):
        at = number + 2 * k
        lines += [f"v{at} = imul {total}, v{number}", f"v{at + 1} = iadd v{at}, v{first + k}"]
        total = f"v{at + 1}"
    return lines, total


def _weigh(values: list[int]) -> int:
    total = values[0]
    for value in values[1:]:
        total = total * 3 + value & (1 << 64) - 1
    return total


def arguments(n: int) -> Program:
    """Return a call with ``n`` arguments, of which each counts by its place."""
    types = ", ".join(["i64"] * n)
    lines, total = _weighed(n, 0, n)
    params = ", ".join(f"v{k}: i64" for k in range(n))
    body = [f"block0({params}):", *lines, f"return {total}"]
    callee = function(body, "callee", f"({types}) -> i64")
    passed, main_lines, number = [], [], 2
    for k in range(n):
        main_lines += [f"v{number} = iconst.i64 {k}", f"v{number + 1} = bxor v{k % 2}, v{number}"]
        passed.append(f"v{number + 1}")
        number += 2
    main_lines += [f"v{number} = call fn0({', '.join(passed)})", f"return v{number}"]
    main = function(
        [_BLOCK, *main_lines], preamble=[f"fn0 = colocated %callee({types}) -> i64 system_v"]
    )

    def compute(x: int, y: int) -> int:
        return _weigh([(y if k % 2 else x) ^ k for k in range(n)])

    return Program(f"{callee}\n{main}", runs_of(compute))


def results(n: int) -> Program:
    """Return a call with ``n`` results, of which each counts by its place."""
    types = ", ".join(["i64"] * n)
    body, returned, number = [_BLOCK], [], 2
    for k in range(n):
        body += [f"v{number} = iconst.i64 {k}", f"v{number + 1} = bxor v{k % 2}, v{number}"]
        returned.append(f"v{number + 1}")
        number += 2
    callee = function([*body, f"return {', '.join(returned)}"], "callee", f"(i64, i64) -> {types}")
    lines, total = _weighed(n, 2, n + 2)
    called = f"{', '.join(f'v{k + 2}' for k in range(n))} = call fn0(v0, v1)"
    main = function(
        [_BLOCK, called, *lines, f"return {total}"],
        preamble=[f"fn0 = colocated %callee(i64, i64) -> {types} system_v"],
    )

    def compute(x: int, y: int) -> int:
        return _weigh([(y if k % 2 else x) ^ k for k in range(n)])

    return Program(f"{callee}\n{main}", runs_of(compute))


def structure_argument(size: int) -> Program:
    """Return a call that hands over a structure of a size in its frame."""
    callee = function(
        ["block0(v0: i64, v1: i64):", "v2 = load.i64 notrap v0", "v3 = isub v2, v1", "return v3"],
        "callee",
        f"(i64 sarg({size}), i64) -> i64",
    )
    body = [_BLOCK, "v2 = stack_addr.i64 ss0", "store notrap v0, v2"]
    body += ["v3 = call fn0(v2, v1)", "return v3"]
    preamble = [
        f"ss0 = explicit_slot {size}",
        f"fn0 = colocated %callee(i64 sarg({size}), i64) -> i64 system_v",
    ]
    return Program(f"{callee}\n{function(body, preamble=preamble)}", runs_of(lambda x, y: x - y))


def block_parameters(n: int) -> Program:
    """Return a jump with ``n`` values to a block, of which each counts by its place."""
    body, passed, number = [_BLOCK], [], 2
    for k in range(n):
        body += [f"v{number} = iconst.i64 {k}", f"v{number + 1} = bxor v{k % 2}, v{number}"]
        passed.append(f"v{number + 1}")
        number += 2
    params = ", ".join(f"v{number + k}: i64" for k in range(n))
    body += [f"jump block1({', '.join(passed)})", f"block1({params}):"]
    lines, total = _weighed(n, number, number + n)

    def compute(x: int, y: int) -> int:
        return _weigh([(y if k % 2 else x) ^ k for k in range(n)])

    return Program(function([*body, *lines, f"return {total}"]), runs_of(compute))


def blocks(n: int) -> Program:
    """Return ``n`` blocks, each with a conditional branch to the next or the one behind it."""
    body = [_BLOCK, "jump block1(v0)"]
    for k in range(1, n + 1):
        value = 3 * k
        body += [f"block{k}(v{value}: i64):", f"v{value + 1} = iadd v{value}, v1"]
        body += [f"brif v{value + 1}, block{k + 1}(v{value + 1}), block{min(k + 2, n + 1)}(v1)"]
    end = 3 * (n + 1)

    def compute(x: int, y: int) -> int:
        at, value = 1, x
        while at <= n:
            value = value + y & (1 << 64) - 1
            at, value = (at + 1, value) if value else (min(at + 2, n + 1), y)
        return value

    return Program(
        function([*body, f"block{n + 1}(v{end}: i64):", f"return v{end}"]), runs_of(compute)
    )


def values(n: int) -> Program:
    """Return ``n`` instructions in one block."""
    filler = Filler()
    body = [_BLOCK, *filler.lines(0, n), f"return v{filler.value}"]
    return Program(function(body), runs_of(lambda x, y: Filler.compute(x, n, x, y)))


def wide_values(n: int) -> Program:
    """Return ``n`` instructions on 128 bits, each of which needs several virtual registers."""
    mask = (1 << 128) - 1
    body = [_BLOCK, "v2 = uextend.i128 v0", "v3 = uextend.i128 v1"]
    body += [f"v{k + 4} = {'imul' if k % 2 else 'iadd'} v{k + 3}, v2" for k in range(n)]
    body += [f"v{n + 4} = ireduce.i64 v{n + 3}", f"return v{n + 4}"]

    def compute(x: int, y: int) -> int:
        for k in range(n):
            y = (y * x if k % 2 else y + x) & mask
        return y

    return Program(function(body), runs_of(compute))


_MIB: Final = 1 << 20
SHAPES: Final = (
    Shape("arguments", "arguments", _SOME, arguments),
    Shape(
        "results",
        "results",
        (1 << 10, 1 << 12),
        results,
        {"enable_multi_ret_implicit_sret": "true"},
    ),
    Shape(
        "structure_argument",
        "bytes",
        (_MIB, 16 * _MIB, 128 * _MIB - 64, 128 * _MIB, 256 * _MIB, (1 << 31) - 64),
        structure_argument,
        {"enable_probestack": "false"},
        ("speed",),
        optional=True,
    ),
    Shape("block_parameters", "parameters", (1 << 10, 1 << 12), block_parameters),
    Shape("blocks", "blocks", (1 << 12, 1 << 15), blocks),
    Shape("values", "instructions", tuple(1 << k for k in range(15, 20)), values),
    Shape(
        "wide_values", "instructions", (1 << 15, 1 << 17, 900_000), wide_values, levels=("none",)
    ),
)
