"""Targets ``objects`` and ``jit``: a case does the same as a program that was linked of it."""

from __future__ import annotations

from fuzz.cases.case import Case
from fuzz.cases.jit_check import with_jit_check
from fuzz.cases.module_check import with_object_check
from fuzz.fuzz_targets.differential import Differential
from fuzz.fuzz_targets.target import Checked


class LinkedObjects(Differential):
    """Runs every case as ever, and once more for each format of object files."""

    def check(self, case: Case) -> Checked:
        return super().check(with_object_check(case))


class JitMemory(Differential):
    """Runs every case as ever, and once more as a JIT leaves it in memory."""

    def check(self, case: Case) -> Checked:
        return super().check(with_jit_check(case))
