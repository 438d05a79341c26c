"""Target ``unwind``: the tables of frames lead from each instruction back to the caller."""

from __future__ import annotations

from fuzz.cases.case import Case
from fuzz.cases.frame_check import with_frame_check
from fuzz.fuzz_targets.differential import Differential
from fuzz.fuzz_targets.target import Checked


class UnwindTables(Differential):
    """Runs every case as ever, and some of its inputs once more, an instruction at a time."""

    def check(self, case: Case) -> Checked:
        return super().check(with_frame_check(case))
