"""Measures compile throughput of one or more builds of the extension, side by side.

    python -m scripts.benchmarks.compile_throughput [--rounds N] [FILE.so ...]

Without files it measures the build that this Python imports. Each function has 50 instructions, all
of them live. A round compiles every function once for each ISA. Builds take turns by round, so that
other load slows all of them down alike. Printed is CPU time per function, of the fastest round.
"""

from __future__ import annotations

import importlib.util
import random
import time
from pathlib import Path
from typing import Any

import click

_BINARY = (
    *("iadd", "isub", "imul", "band", "bor", "bxor", "ishl", "ushr", "sshr", "rotl", "rotr"),
    *("smin", "smax", "umin", "umax"),
)
_CONDITIONS = ("eq", "ne", "slt", "sge", "sgt", "sle", "ult", "uge", "ugt", "ule")
_FUNCTIONS = 300
_INSTRUCTIONS = 50


def _function(rng: random.Random) -> str:
    """Make a function whose every value is used, so that optimising deletes little of it."""
    lines = ["function %f(i64, i64, i32, i32) -> i64 system_v {"]
    lines.append("block0(v0: i64, v1: i64, v2: i32, v3: i32):")
    unused = {"i64": [0, 1], "i32": [2, 3]}
    values = {"i64": [0, 1], "i32": [2, 3]}

    def take(type_: str) -> str:
        pool = unused[type_]
        number = pool.pop(rng.randrange(len(pool))) if pool else rng.choice(values[type_])
        return f"v{number}"

    for number in range(4, 4 + _INSTRUCTIONS):
        type_ = rng.choice(("i64", "i32"))
        choice = rng.random()
        if choice < 0.12:
            text = f"iconst.{type_} {rng.randrange(-(2**31), 2**31)}"
        elif choice < 0.2:
            text = f"uextend.i64 {take('i32')}"
            type_ = "i64"
        elif choice < 0.28:
            text = f"ireduce.i32 {take('i64')}"
            type_ = "i32"
        elif choice < 0.4:
            compare = f"v{1000 + number}"
            left, right = take(type_), take(type_)
            lines.append(f"  {compare} = icmp.{type_} {rng.choice(_CONDITIONS)} {left}, {right}")
            text = f"select.{type_} {compare}, {take(type_)}, {take(type_)}"
        else:
            text = f"{rng.choice(_BINARY)}.{type_} {take(type_)}, {take(type_)}"
        lines.append(f"  v{number} = {text}")
        unused[type_].append(number)
        values[type_].append(number)
    number = 5000
    while len(unused["i32"]) > 0:
        lines.append(f"  v{number} = sextend.i64 {take('i32')}")
        unused["i64"].append(number)
        number += 1
    while len(unused["i64"]) > 1:
        lines.append(f"  v{number} = bxor.i64 {take('i64')}, {take('i64')}")
        unused["i64"].append(number)
        number += 1
    return "\n".join([*lines, f"  return {take('i64')}", "}"])


def _load(path: str) -> Any:
    """Load a build of the extension as a module."""
    spec = importlib.util.spec_from_file_location("_cranelift", path)
    if spec is None or spec.loader is None:
        raise click.ClickException(f"{path}: no extension module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _builds(files: tuple[str, ...]) -> dict[str, Any]:
    if files:
        return {Path(file).stem if "/" not in file else file: _load(file) for file in files}
    from backend.cranelift import _cranelift

    return {"this environment": _cranelift}


@click.command()
@click.argument("files", nargs=-1, metavar="FILE.so...")
@click.option("--rounds", default=12, show_default=True)
def main(files: tuple[str, ...], rounds: int) -> None:
    """Measure compile throughput of builds of the extension."""
    rng = random.Random(1)
    texts = [_function(rng) for _ in range(_FUNCTIONS)]
    builds = _builds(files)
    isas = list(next(iter(builds.values())).isas())
    best: dict[tuple[str, str], float] = {}
    for _ in range(rounds):
        for name, module in builds.items():
            parsed = [module.Functions(text) for text in texts]
            for isa in isas:
                target = module.TargetIsa(isa, {"opt_level": "speed"}, {})
                start = time.thread_time()
                for functions in parsed:
                    functions.compile(target)
                each = (time.thread_time() - start) / len(texts)
                best[name, isa] = min(each, best.get((name, isa), each))
    for name in builds:
        figures = "  ".join(f"{isa} {1e6 * best[name, isa]:6.1f} µs" for isa in isas)
        click.echo(f"{figures}  {name}")


if __name__ == "__main__":
    main()
