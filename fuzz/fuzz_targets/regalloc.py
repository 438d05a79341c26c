"""Target ``regalloc``: the code of each register allocator agrees with the interpreter.

The checker of regalloc2 is on. It panics on a wrong allocation, whether or not the result shows it.
"""

from __future__ import annotations

from dataclasses import replace

from fuzz.cases.case import Case
from fuzz.fuzz_targets.differential import Differential
from fuzz.fuzz_targets.target import Checked

_ALLOCATORS = ("backtracking", "single_pass")


class RegisterAllocators(Differential):
    """Compiles every case once with each allocator."""

    def check(self, case: Case) -> Checked:
        """Check a case with one allocator after the other.

        Returns:
            The result for the first allocator with a new finding, else for the last one.
        """
        checked = Checked(case, ())
        for allocator in _ALLOCATORS:
            chosen = {"regalloc_algorithm": allocator, "regalloc_checker": "true"}
            checked = super().check(replace(case, settings=case.settings | chosen))
            if any(not finding.known for finding in checked.findings):
                break
        return checked
