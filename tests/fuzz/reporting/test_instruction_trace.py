"""Runs step by step: registers and what they held."""

import numpy as np
import pytest

from backend.cranelift.compiler import Target, compile_text
from backend.cranelift.reader import read_functions
from backend.isa.executors import executor_for
from backend.isa.parts import REGISTERS
from backend.isa.registry import ISAS
from clif.outcome import Inputs
from clif.types import I64
from fuzz.reporting.instruction_trace import trace

TEXT = """
function %f(i64) -> i64 system_v {
block0(v0: i64):
    v1 = iadd.i64 v0, v0
    v2 = imul.i64 v1, v1
    return v2
}
"""


@pytest.mark.parametrize("isa", ["x86_64", "aarch64"])
def test_every_value_is_in_a_register_that_was_written(isa: str) -> None:
    compiled = compile_text(TEXT, Target.of(isa, {"opt_level": "none"}))
    (function,) = read_functions(TEXT)
    executor = executor_for(isa)
    steps = trace(
        executor,
        compiled,
        function.signature,
        Inputs(1, [np.array([[7]], np.uint64)]),
        entry="f",
        settings={"opt_level": "none"},
    )
    assert [step.function for step in steps] == ["f"] * len(steps)
    assert [step.offset for step in steps] == sorted(step.offset for step in steps)
    written = [value for step in steps for value in step.written.values()]
    assert written.index(14) < written.index(196)
    # The hook is gone: a plain run has the same result.
    outcomes = executor.run(
        compiled, function.signature, Inputs(1, [np.array([[8]], np.uint64)]), settings={}
    )
    assert outcomes.types == (I64,)
    assert outcomes.results[0][0, 0] == 256


@pytest.mark.parametrize(
    ("isa", "name", "whole"),
    [
        ("x86_64", "al", "rax"),
        ("x86_64", "ebx", "rbx"),
        ("x86_64", "sil", "rsi"),
        ("x86_64", "r8d", "r8"),
        ("x86_64", "r15", "r15"),
        ("x86_64", "xmm3", "xmm3"),
        ("x86_64", "rflags", ""),
        ("x86_64", "rsp", ""),
        ("aarch64", "w3", "x3"),
        ("aarch64", "s17", "q17"),
        ("aarch64", "v2", "q2"),
        ("aarch64", "sp", ""),
        ("aarch64", "nzcv", ""),
    ],
)
def test_whole_registers(isa: str, name: str, whole: str) -> None:
    assert REGISTERS.of(ISAS[isa]).whole(name) == whole
