"""What a fuzz target is: bytes in, findings out, and counts of what happened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clif.outcome import Outcomes
from fuzz.case import Case
from fuzz.finding import Finding, finding_text
from fuzz.generate import Options
from fuzz.pipeline import Verdict
from fuzz.targets.units import Units


@dataclass(slots=True)
class TargetStatistics:
    """What a target has done so far, for the line at its end.

    Attributes:
        units: inputs of libFuzzer's that were tried.
        executions: inputs of cases that ran on an ISA and were compared in full.
        rejected: units from which nothing could be tried, by reason.
        facts: whatever else the target counts (hits of a cache...).
    """

    units: int = 0
    executions: int = 0
    hangs: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    traps: Counter[str] = field(default_factory=Counter)
    known_faults: Counter[str] = field(default_factory=Counter)
    facts: Counter[str] = field(default_factory=Counter)

    def note(self, verdict: Verdict) -> None:
        """Counts what came of a case."""
        self.executions += verdict.executions
        self.hangs += verdict.hangs
        self.rejected.update(verdict.rejected)
        if verdict.expected is not None:
            self.traps.update(verdict.expected.traps.values())
        self.known_faults.update(f.bucket for f in verdict.findings if f.known)

    def to_json(self) -> dict[str, Any]:
        return {
            "units": self.units,
            "executions": self.executions,
            "hangs": self.hangs,
            "rejected": dict(self.rejected.most_common()),
            "traps": dict(self.traps.most_common()),
            "known_faults": dict(self.known_faults.most_common()),
            **self.facts,
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """A unit that shows a fault: what to say of it, and the file to replay where it is a case."""

    finding: Finding
    text: str = ""


class Target(ABC):
    """One property, and how to try it on a unit of bytes.

    Attributes:
        isas: names of the ISAs that it compiles for.
        statistics: of all units so far.
    """

    def __init__(self, isas: Sequence[str]) -> None:
        self.isas = tuple(isas)
        self.statistics = TargetStatistics()

    @abstractmethod
    def test(self, unit: bytes) -> Failure | None:
        """Tries one unit; the first fault that it shows, None where there is none."""

    def mutate(self, unit: bytes, max_size: int, seed: int) -> bytes | None:
        """Another unit made of this one; None leaves the mutation to libFuzzer."""
        return None

    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes | None:
        """Another unit made of two; None leaves it to libFuzzer."""
        return None


class CaseTarget(Target):
    """A target whose units are cases: CLIF text, or bytes that a case is drawn from."""

    def __init__(self, isas: Sequence[str], options: Options) -> None:
        super().__init__(isas)
        self.units = Units(options)

    @abstractmethod
    def check(self, case: Case) -> tuple[Sequence[Finding], Outcomes | None]:
        """Tries a case: its findings, and what the oracle expects of it where it was asked."""

    def test(self, unit: bytes) -> Failure | None:
        self.statistics.units += 1
        case = self.units.case(unit)
        if isinstance(case, str):
            self.statistics.rejected[case] += 1
            return None
        findings, expected = self.check(case)
        for finding in findings:
            if not finding.known:
                return Failure(finding, finding_text(finding, case, expected, self.isas))
        return None

    def mutate(self, unit: bytes, max_size: int, seed: int) -> bytes | None:
        return self.units.mutate(unit, max_size, seed)

    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes | None:
        return self.units.crossover(one, other, max_size, seed)
