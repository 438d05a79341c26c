"""The coverage counters of the extension."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from backend.cranelift import _cranelift, edge_counters
from backend.cranelift.compiler import Target, compile_text

ADD = "function %f(i64) -> i64 system_v {\nblock0(v0: i64):\n    v1 = iadd v0, v0\n    return v1\n}"
DIV = ADD.replace("iadd", "udiv")


def edges_of(text: str, isa: str) -> set[int]:
    # Buffers come from a pool or are made anew: make sure that both have happened.
    for _ in range(2):
        edge_counters.counters()[:] = 0
        compile_text(text, Target.of(isa))
    return set(np.flatnonzero(edge_counters.counters().copy()).tolist())


def test_there_is_a_counter_for_every_edge() -> None:
    assert len(edge_counters.counters()) > 100_000
    assert len(edge_counters.edge_pcs()) == len(edge_counters.counters())
    assert len(edge_counters.function_entries()) == len(edge_counters.counters())
    assert 1_000 < edge_counters.function_entries().sum() < len(edge_counters.counters())
    ((start, stop),) = _cranelift.coverage_ranges()
    assert stop - start == len(edge_counters.counters())


def test_counters_are_live() -> None:
    counters = edge_counters.counters()
    assert counters.flags.writeable
    counters[:] = 0
    before = int(np.count_nonzero(counters))
    compile_text(ADD, Target.of("x86_64"))
    assert np.count_nonzero(counters) > before + 1_000


def test_counters_tell_inputs_and_targets_apart() -> None:
    add = edges_of(ADD, "x86_64")
    assert edges_of(DIV, "x86_64") - add
    arm = edges_of(ADD, "aarch64")
    assert arm - add
    assert add - arm


def test_the_pc_table_is_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        edge_counters.edge_pcs()[0] = 0


needs_atheris = pytest.mark.skipif(find_spec("atheris") is None, reason="needs atheris")


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True)


# The library of atheris has two functions with the names of the extension's. Each must get its own
# counters, whichever is loaded first, even where all libraries share their symbols.
@needs_atheris
@pytest.mark.parametrize("flags", ["RTLD_LOCAL", "RTLD_GLOBAL"])
@pytest.mark.parametrize(
    "order",
    [
        ("atheris.core_with_libfuzzer", "backend.cranelift._cranelift"),
        ("backend.cranelift._cranelift", "atheris.core_with_libfuzzer"),
    ],
)
def test_atheris_takes_nothing_away(order: tuple[str, str], flags: str) -> None:
    script = """
import importlib, os, sys
sys.setdlopenflags(os.RTLD_NOW | getattr(os, sys.argv[1]))
for name in sys.argv[2:]:
    importlib.import_module(name)
from backend.cranelift import _cranelift
((start, stop),) = _cranelift.coverage_ranges()
print(stop - start)
"""
    assert int(run(script, flags, *order).stdout) == len(edge_counters.counters())


@needs_atheris
def test_atheris_is_guided_by_the_counters() -> None:
    script = """
import sys
from pathlib import Path
import atheris
from backend.cranelift import edge_counters
from backend.cranelift.compiler import Target, compile_text

target = Target.of("x86_64")
OPCODES = ("iadd", "isub", "imul", "bxor")

def one(data):
    body = "".join(
        f"v{n + 1} = {OPCODES[byte % 4]} v{n}, v{n}\\n" for n, byte in enumerate(data[:9])
    )
    text = "function %f(i64) -> i64 system_v {\\nblock0(v0: i64):\\n" + body
    compile_text(text + f"return v{len(data[:9])}\\n}}", target)

atheris.Setup([sys.argv[0], "-runs=300", "-seed=1"], one)
(library,) = Path(atheris.__file__).parent.glob("core_with_libfuzzer*")
print(edge_counters.announce_to(library), flush=True)
atheris.Fuzz()
"""
    result = run(script)
    edges = len(edge_counters.counters())
    assert int(result.stdout.split()[0]) == edges
    assert f"({edges} inline 8-bit counters)" in result.stderr
    covered = [int(number) for number in re.findall(r"cov: (\d+)", result.stderr)]
    assert covered[-1] > covered[0] > 1_000
