"""Both register allocators, with the checker on, under high pressure: each agrees with the oracle.

The checker of regalloc2 panics where an allocation is wrong, whether or not the result shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clif.outcome import Outcomes
from fuzz.case import Case
from fuzz.finding import Finding
from fuzz.generate import Generator, Options
from fuzz.targets.differential import Differential

_ALLOCATORS = ("backtracking", "single_pass")
_INPUTS = 4
_INSTRUCTIONS = 150


class RegisterAllocators(Differential):
    """Every case is compiled once with each allocator."""

    def check(self, case: Case) -> tuple[Sequence[Finding], Outcomes | None]:
        findings: list[Finding] = []
        expected = None
        for allocator in _ALLOCATORS:
            chosen = {"regalloc_algorithm": allocator, "regalloc_checker": "true"}
            found, expected = super().check(replace(case, settings=case.settings | chosen))
            findings += found
        return findings, expected


def target(isas: tuple[str, ...]) -> RegisterAllocators:
    options = Options(instructions=_INSTRUCTIONS, inputs=_INPUTS, isas=isas)
    return RegisterAllocators(isas, Generator(options))
