"""Chains: every unary opcode, conversion and comparison, each on the result of the one before.

What looks through a chain by recursion overflows the stack of a thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from clif.typed_instructions import FLOAT_CONDITIONS, INT_CONDITIONS
from fuzz.cases.casefile import read_case
from fuzz.differential.oracle import interpreter
from fuzz.survey.sizes.shape import INPUTS, Program, Run, Shape, function

#: Steps of a chain, in any number, after which what it computes comes again and again, and a
#: multiple of every period (tests/fuzz/survey/test_sizes.py).
_SETTLED: Final = 240
_PERIOD: Final = 12
_DEEP: Final = (1_000, 10_000, 100_000)

#: By name: the instructions of a step with ``{x}`` for the value that it takes, ``{y}`` for another
#: of its type, ``{a}`` and ``{b}`` for values between, and ``{r}`` for its result; its type.
Step = tuple[tuple[str, ...], str]

_INTEGER_UNARY: Final = ("ineg", "bnot", "iabs", "popcnt", "clz", "ctz", "cls", "bitrev", "bswap")
_FLOAT_UNARY: Final = ("fneg", "fabs", "sqrt", "ceil", "floor", "trunc", "nearest")


def _steps() -> Iterator[tuple[str, Step]]:
    for name in (*_INTEGER_UNARY, "bmask"):
        yield name, ((f"{{r}} = {name}.i64 {{x}}",), "i64")
    for name in _FLOAT_UNARY:
        yield name, ((f"{{r}} = {name} {{x}}",), "f64")
    for name in ("uextend", "sextend"):
        yield name, (("{a} = ireduce.i32 {x}", f"{{r}} = {name}.i64 {{a}}"), "i64")
    for name in ("sint", "uint"):
        steps = f"{{a}} = fcvt_to_{name}_sat.i64 {{x}}", f"{{r}} = fcvt_from_{name}.f64 {{a}}"
        yield f"fcvt_{name}", (steps, "f64")
    yield "fpromote", (("{a} = fdemote.f32 {x}", "{r} = fpromote.f64 {a}"), "f64")
    yield "bitcast", (("{a} = bitcast.f64 {x}", "{r} = bitcast.i64 {a}"), "i64")
    yield "iconcat", (("{a} = iconcat {x}, {x}", "{b}, {r} = isplit {a}"), "i64")
    yield "splat", (("{a} = splat.i64x2 {x}", "{r} = extractlane {a}, 1"), "i64")
    yield "select", (("{a} = icmp ult {x}, {y}", "{r} = select {a}, {x}, {y}"), "i64")
    yield "bitselect", (("{r} = bitselect {x}, {y}, {x}",), "i64")
    for condition in INT_CONDITIONS:
        yield f"icmp_{condition}", ((f"{{r}} = icmp {condition} {{x}}, {{y}}",), "i8")
    for condition in FLOAT_CONDITIONS:
        steps = f"{{a}} = fcmp {condition} {{x}}, {{y}}", "{r} = fcvt_from_uint.f64 {a}"
        yield f"fcmp_{condition}", (steps, "f64")


STEPS: Final = dict(_steps())
#: How an argument becomes a value of a type, and a value of that becomes the result.
_IN: Final = {"i8": "ireduce.i8", "f64": "bitcast.f64"}
_OUT: Final = {"i8": "uextend.i64", "f64": "bitcast.i64"}


def chain_text(name: str, steps: int) -> str:
    """Return a function with so many steps of a chain."""
    lines, type_ = STEPS[name]
    body = ["block0(v0: i64, v1: i64):"]
    x, y, number = "v0", "v1", 2
    if type_ != "i64":
        body += [f"v{2 + k} = {_IN[type_]} v{k}" for k in range(2)]
        x, y, number = "v2", "v3", 4
    for _ in range(steps):
        names = {key: f"v{number + k}" for k, key in enumerate("abr")}
        number += 3
        body += [line.format(x=x, y=y, **names) for line in lines]
        x = names["r"]
    if type_ != "i64":
        body.append(f"v{number} = {_OUT[type_]} {x}")
        x = f"v{number}"
    return function([*body, f"return {x}"])


@cache
def _runs(name: str, steps: int) -> tuple[Run, ...]:
    """Return what the interpreter makes of a chain."""
    calls = "\n".join(f"; print: %main({x:#x}, {y:#x})" for x, y in INPUTS)
    outcomes = interpreter(read_case(f"{chain_text(name, steps)}{calls}\n").case)
    results = outcomes.results[0][:, 0].tolist()
    return tuple(zip(INPUTS, results, strict=True))


def runs_of_chain(name: str, steps: int) -> tuple[Run, ...]:
    """Return what a chain does, by one that is as far in its period and short."""
    if steps > _SETTLED:
        steps = _SETTLED + (steps - _SETTLED) % _PERIOD
    return _runs(name, steps)


def _shape(name: str) -> Shape:
    def make(steps: int) -> Program:
        return Program(chain_text(name, steps), runs_of_chain(name, steps))

    return Shape(f"chain_{name}", "steps", _DEEP, make)


SHAPES: Final = tuple(map(_shape, STEPS))
