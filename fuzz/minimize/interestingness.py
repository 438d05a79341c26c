"""Whether a case still shows what it is kept for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from backend.cranelift.compiler import SettingsError
from backend.isa.registry import DEFAULT_ISAS
from fuzz.cases.case import Case
from fuzz.differential.failure_signature import Symptom, primary, symptoms
from fuzz.differential.finding import FindingKind
from fuzz.differential.runner import Stages, Trial


class Judge(Protocol):
    """Names what a case shows, None if that is nothing of interest."""

    def __call__(self, case: Case) -> Symptom | None: ...


class Bench(Judge, Protocol):
    """A judge that can be asked to look for one symptom alone, and to go home."""

    def fixed_on(self, symptom: Symptom) -> Bench: ...
    def everywhere(self, symptom: Symptom) -> Bench:
        """One that looks for the symptom on every ISA, and is content with any."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True)
class TrialJudge:
    """Judges by taking the case through everything.

    Attributes:
        isas: the ISAs that it is tried on.
        wanted: the symptom that is looked for; None takes any.
        isa: an ISA whose symptom is preferred where any is taken.
        second: ask the second oracle too.
    """

    trial: Trial
    isas: tuple[str, ...] = DEFAULT_ISAS
    wanted: Symptom | None = None
    isa: str = ""
    second: bool = False
    stages: Stages | None = None

    def __call__(self, case: Case) -> Symptom | None:
        try:
            verdict = self.trial(case, self.isas, second=self.second, stages=self.stages)
        except SettingsError:
            return None  # flags that the case's ISA does not have in this build
        found = symptoms(verdict)
        if self.wanted is None:
            return primary(found, self.isa)
        return next((s for s in found if s.includes(self.wanted)), None)

    def fixed_on(self, symptom: Symptom) -> TrialJudge:
        """A judge that looks for one symptom, on the ISAs that show it."""
        isas = symptom.isas or self.isas
        second = symptom.kind in (FindingKind.ORACLES_DISAGREE, FindingKind.ORACLE_FAULT)
        return TrialJudge(self.trial, isas, symptom, self.isa, second)

    def everywhere(self, symptom: Symptom) -> TrialJudge:
        """One that looks for the symptom on every ISA, and is content with any."""
        anywhere = replace(symptom, isas=())
        return TrialJudge(self.trial, DEFAULT_ISAS, anywhere, self.isa, self.second)

    def close(self) -> None:
        """Nothing to do."""
