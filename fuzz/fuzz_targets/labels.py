"""Target ``labels``: debug information has values where they are, and names instructions."""

from __future__ import annotations

from fuzz.cases.case import Case
from fuzz.cases.label_check import with_label_check
from fuzz.fuzz_targets.differential import Differential
from fuzz.fuzz_targets.target import Checked


class Labels(Differential):
    """Runs every case as ever, and some of its inputs once more, an instruction at a time."""

    def check(self, case: Case) -> Checked:
        return super().check(with_label_check(case))
