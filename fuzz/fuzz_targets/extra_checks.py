"""Targets that check more of every case than its outcomes, or need it changed for that."""

from __future__ import annotations

from collections.abc import Callable

from fuzz.cases.case import Case
from fuzz.fuzz_targets.differential import Differential
from fuzz.fuzz_targets.target import Checked
from fuzz.generate import Generator


class ExtraChecks(Differential):
    """Runs every case as ever, after something has made of it what is to be checked.

    Args:
        prepare: has a case ask for an extra check, for example; twice is as once.
    """

    def __init__(self, generator: Generator, prepare: Callable[[Case], Case]) -> None:
        super().__init__(generator)
        self.units.prepare = prepare

    def check(self, case: Case) -> Checked:
        return super().check(self.units.prepare(case))
