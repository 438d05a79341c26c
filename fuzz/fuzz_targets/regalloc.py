"""Both register allocators, with the checker on, under high pressure: each agrees with the oracle.

The checker of regalloc2 panics where an allocation is wrong, whether or not the result shows it.
"""

from __future__ import annotations

from dataclasses import replace

from fuzz.cases.case import Case
from fuzz.fuzz_targets.differential import Differential
from fuzz.fuzz_targets.fragments import hold_many
from fuzz.fuzz_targets.target import Checked
from fuzz.generate import Generator, Options

_ALLOCATORS = ("backtracking", "single_pass")
_INPUTS = 4
_INSTRUCTIONS = 150


class RegisterAllocators(Differential):
    """Every case is compiled once with each allocator."""

    def check(self, case: Case) -> Checked:
        """What was tried last: the second allocator has its turn if the first one did well."""
        checked = Checked(case, ())
        for allocator in _ALLOCATORS:
            chosen = {"regalloc_algorithm": allocator, "regalloc_checker": "true"}
            checked = super().check(replace(case, settings=case.settings | chosen))
            if any(not finding.known for finding in checked.findings):
                break
        return checked


def target(isas: tuple[str, ...]) -> RegisterAllocators:
    options = Options(
        instructions=_INSTRUCTIONS,
        inputs=_INPUTS,
        isas=isas,
        fragments=(hold_many,),
        directed_share=0.0,
    )
    return RegisterAllocators(isas, Generator(options))
