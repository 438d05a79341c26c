"""Target ``settings``: a case does the same under two sets of settings, without the interpreter."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backend.cranelift.compiler import Compiled, Functions
from backend.emulator.executor import NOT_EXECUTABLE
from backend.isa.executors import executor_for
from clif.outcome import Outcomes, Status
from clif.printer import print_functions
from fuzz.cases.case import Case, settings_on
from fuzz.cases.target import target_of
from fuzz.differential import diagnosis
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.oracle import DEFAULT_FUEL
from fuzz.differential.pipeline import Pipeline
from fuzz.entropy import PrngEntropy
from fuzz.fuzz_targets.target import CaseTarget, Checked
from fuzz.generate import Generator
from fuzz.mutate import Mutator

#: The mutations that change nothing but what a case is compiled with.
_MUTATIONS = ("settings", "isa-flags")
#: Outcomes that are faults under any settings, as cases are drawn to terminate without violations.
_FAULTY = {Status.VIOLATED: FindingKind.MISCOMPILE, Status.HUNG: FindingKind.HANG}


class TwoSettings(CaseTarget):
    """Compares each ISA with itself: the expected outcomes are those under other settings.

    The case with the other settings is called its twin.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__(generator)
        self._mutator = Mutator(generator.options, generator.instruction_sets)

    def check(self, case: Case) -> Checked:
        twin = self._twin(case)
        if twin is None:
            self.statistics.facts["without a twin"] += 1
            return Checked(case, ())
        findings: list[Finding] = []
        for isa in filter(case.is_for, self.isas):
            try:
                findings += self._check_isa(case, twin, isa)
            except NOT_EXECUTABLE as error:
                self.statistics.rejected[str(error)] += 1
            except diagnosis.COMPILER_FAILURES as error:
                findings += self.compiler_failure(twin, isa, error)
        return Checked(
            case, [replace(f, explanation=(*f.explanation, *_settings_of(twin))) for f in findings]
        )

    def _twin(self, case: Case) -> Case | None:
        """Return the case with other settings under which all of it is lowered too.

        The settings are a function of the case. None if no such settings were found.
        """
        text = print_functions(case.functions) + repr(sorted(case.settings.items()))
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        mutant = self._mutator.mutate(case, PrngEntropy(seed), steps=2, only=_MUTATIONS)
        if not mutant.steps:
            return None
        return replace(case, settings=mutant.case.settings, isa_settings=mutant.case.isa_settings)

    def _check_isa(self, case: Case, twin: Case, isa: str) -> Sequence[Finding]:
        inject = self.injection(twin).functions
        functions = inject(twin.functions) if inject else twin.functions
        compiled = target_of(twin, isa).compile(Functions(print_functions(functions)))
        if diagnosis.wrong_forms(isa, compiled):
            self.statistics.facts["skipped: forms that the emulator gets wrong"] += 1
            return ()
        oracle = _TwinOracle(twin, isa, compiled)
        verdict = Pipeline([isa], oracle=oracle.outcomes).check(case)
        self.statistics.note(verdict)
        return [*oracle.findings, *verdict.findings]


def _settings_of(twin: Case) -> list[str]:
    """Return the twin's settings, as lines of a finding's explanation."""
    lines = ["expected is the outcome when compiled with"]
    lines += [f"  {name}={value}" for name, value in sorted(twin.settings.items())]
    for isa, flags in twin.isa_settings.items():
        lines.append(f"  {isa}: {' '.join(sorted(flags))}")
    return lines


class _TwinOracle:
    """An oracle whose expected outcomes are those of the twin's machine code.

    Attributes:
        findings: faults of the twin's own runs.
    """

    def __init__(self, twin: Case, isa: str, compiled: Sequence[Compiled]) -> None:
        self.twin, self.isa, self.compiled = twin, isa, compiled
        self.findings: list[Finding] = []

    def outcomes(self, case: Case, fuel: int = DEFAULT_FUEL) -> Outcomes:
        found = executor_for(self.isa).run(
            self.compiled,
            case.main.signature,
            case.inputs,
            entry=case.main.name,
            settings=settings_on(self.twin, self.isa),
            guard_padding=True,
        )
        for status, kind in _FAULTY.items():
            rows = np.flatnonzero(found.status == status).tolist()
            if rows:
                what = found.details.get(rows[0], "no end (stopped)")
                self.findings.append(Finding(kind, self.isa, status.name.lower(), (what,)))
        return found
