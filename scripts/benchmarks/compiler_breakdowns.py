"""Compilers that break down over one kind of instruction, to test that minimising survives it."""

from __future__ import annotations

import os
import signal
import time
from enum import Enum

from clif.function import Function, Inst
from fuzz.cases.case import Case
from fuzz.differential.pipeline import Injection, Pipeline
from fuzz.differential.runner import CaseRunner
from fuzz.differential.stage import Stage
from fuzz.differential.verdict import Verdict

_FOR_EVER = 3600.0


class Breakdown(Enum):
    """What a compiler does when it breaks down."""

    INVALID = "makes CLIF that its verifier refuses"
    DEATH = "dies of a segmentation fault"
    ENDLESS = "does not come to an end"


class BreakdownRunner(CaseRunner):
    """Runs cases with a compiler that breaks down.

    Attributes:
        kind: opcode and controlling type of the instructions that it breaks down over.
    """

    def __init__(self, breakdown: Breakdown, kind: str) -> None:
        super().__init__()
        self.breakdown = breakdown
        self.kind = kind

    def check(self, pipeline: Pipeline, case: Case) -> Verdict:
        """Take a case through a pipeline, with the compiler."""
        if not any(self._matches(inst) for f in case.functions for inst in f.instructions()):
            return pipeline.check(case)
        if self.breakdown is Breakdown.INVALID:
            return pipeline.check(case, Injection(functions=self._make_invalid))
        if pipeline.on_stage is not None:
            pipeline.on_stage(Stage.COMPILE)
        if self.breakdown is Breakdown.DEATH:
            os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(_FOR_EVER)
        raise AssertionError("nobody waits for so long")

    def _matches(self, inst: Inst) -> bool:
        return kind_of(inst) == self.kind

    def _make_invalid(self, functions: list[Function]) -> list[Function]:
        """Make each matching instruction use its own result."""
        functions = [function.clone() for function in functions]
        for function in functions:
            for inst in function.instructions():
                if self._matches(inst):
                    inst.args = [inst.results[0], *inst.args[1:]]
        return functions


def kind_of(inst: Inst) -> str:
    """Return opcode and controlling type, as in ``iadd.i32``."""
    return inst.opcode.name if inst.type is None else f"{inst.opcode.name}.{inst.type}"
