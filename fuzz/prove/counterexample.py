"""Counterexamples of a solver, as inputs of a case that is run like any other.

A counterexample is believed only if the interpreter and the emulator differ on it. Then it is a
finding. If they do not, the fault is in a meaning of ours or of SLEIGH.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import z3

from clif.function import Function
from clif.outcome import Inputs, Region, words_from_ints
from clif.types import I64
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.compare import compare
from fuzz.differential.diagnosis import difference, mark_known
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.open_inputs import undefined_rows
from fuzz.differential.oracle import OracleError, interpreter
from fuzz.differential.pipeline import Injection, Pipeline
from fuzz.differential.runner import CaseRunner
from fuzz.differential.verdict import Verdict
from fuzz.prove.memory import ADDRESS_BITS, Memory
from fuzz.prove.terms import Term, const

#: The size of the region that a function is given which loads from one of its arguments.
REGION_BYTES: Final = 64
_DIFFERENT: Final = frozenset(
    {FindingKind.MISCOMPILE, FindingKind.HANG, FindingKind.COMPILER_PANIC, FindingKind.ORDER}
)


#: Says what fault to put into a case on purpose; none to see what Cranelift itself does.
Inject = Callable[[Case], Injection]


class InjectingRunner(CaseRunner):
    """Runs cases with the faults that are injected into them."""

    def __init__(self, inject: Inject) -> None:
        super().__init__()
        self._inject = inject

    def check(self, pipeline: Pipeline, case: Case) -> Verdict:
        """Take a case through a pipeline."""
        return pipeline.check(case, self._inject(case))


def watched(arguments: Sequence[Term], region: Region | None) -> dict[str, Term]:
    """Return the terms that a counterexample consists of: the arguments, and the region's bytes."""
    found = {f"arg{number}": term for number, term in enumerate(arguments)}
    if region is not None:
        memory = Memory.shared().main.array
        base = arguments[region.param]
        for at in range(region.size):
            found[f"byte{at}"] = z3.Select(memory, base + const(at, ADDRESS_BITS))
    return found


def as_case(case: Case, model: Mapping[str, int], region: Region | None) -> Case:
    """Return the case with one input: a counterexample's."""
    types = case.main.signature.param_types
    args = [words_from_ints(t, [model.get(f"arg{n}", 0)]) for n, t in enumerate(types)]
    if region is not None:
        contents = bytes(model.get(f"byte{at}", 0) for at in range(region.size))
        region = Region(region.param, contents)
    return replace(case, inputs=Inputs(1, args, region))


def differing(case: Case, isas: Sequence[str], runner: CaseRunner) -> Finding | None:
    """Run a case, and return what the interpreter and the emulator differ in; None if nothing."""
    verdict = runner(case, isas)
    return next((f for f in verdict.findings if f.kind in _DIFFERENT), None)


def differing_clif(case: Case, optimised: Function, isa: str) -> Finding | None:
    """Interpret a case and what its main function became; return what differs, None if nothing."""
    others = [f for f in case.functions if f is not case.main]
    changed = replace(case, functions=[optimised, *others])
    try:
        expected, actual = interpreter(case), interpreter(changed)
    except OracleError:
        return None
    found = compare(expected, actual, canonical_nans=has_canonical_nans(case))
    if not found or undefined_rows(expected):
        return None
    return mark_known(difference(case, isa, (), found), case.functions)


def region_of(function: Function) -> Region | None:
    """Return a region for a function whose first argument is an address, if it has one."""
    types = function.signature.param_types
    return Region(0, bytes(REGION_BYTES)) if types and types[0] is I64 else None
