"""Target ``exceptions``: what is thrown reaches its handler, and nothing else is lost."""

from __future__ import annotations

from fuzz.cases.case import Case
from fuzz.cases.frame_check import with_tables
from fuzz.fuzz_targets.differential import Differential
from fuzz.fuzz_targets.target import Checked


class Exceptions(Differential):
    """Compiles every case with the tables of frames, which unwinding needs."""

    def check(self, case: Case) -> Checked:
        return super().check(with_tables(case))
