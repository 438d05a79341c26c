"""Target ``order``: accesses to memory are made in the order of the source."""

from __future__ import annotations

from fuzz.cases.case import Case
from fuzz.differential.ordering import with_order_check
from fuzz.fuzz_targets.differential import Differential
from fuzz.fuzz_targets.target import Checked


class Order(Differential):
    """Runs every case as ever, and compares what a few inputs do to memory, in order."""

    def check(self, case: Case) -> Checked:
        return super().check(with_order_check(case))
