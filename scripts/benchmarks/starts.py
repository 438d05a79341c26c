"""Large failing cases to begin from: generated ones in which a planted fault strikes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backend.isa.registry import DEFAULT_ISAS
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions
from fuzz.differential.failure_signature import Symptom
from fuzz.differential.runner import PlainTrial, Trial
from fuzz.minimize.interestingness import TrialJudge
from fuzz.minimize.order import instructions
from fuzz.selfcheck.registry import Fault
from scripts.benchmarks.injected import Planted, PlantedTrial, kinds

FEWEST, MOST = 100, 500
_PLAIN = PlainTrial()


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """A case that fails, and what with.

    Attributes:
        fault: what was planted, in words.
        trial: how it fails; ``isas`` are those that it is tried on.
    """

    fault: str
    case: Case
    trial: Trial
    symptom: Symptom
    isas: tuple[str, ...]

    def judge(self) -> TrialJudge:
        """A judge that takes any symptom."""
        return TrialJudge(self.trial, self.isas)


@dataclass(slots=True)
class Starts:
    """Finds starts in the cases of a seed.

    Attributes:
        cases: how many to look through for each fault.
    """

    seed: int
    instructions: int = 200
    cases: int = 400
    without: frozenset[str] = frozenset()

    def source(self, *, trapping: bool = False) -> CaseSource:
        options = CaseOptions(
            instructions=self.instructions,
            trapping_share=float(trapping),
            without=self.without,
        )
        return CaseSource(options, self.seed)

    def any_cases(self, *, trapping: bool = False) -> Iterator[Case]:
        """Cases of any size."""
        source = self.source(trapping=trapping)
        return (source.case(index) for index in range(self.cases))

    def of_fault(self, fault: Fault, planted: Planted | None = None) -> Iterator[Start]:
        """Large cases in which one fault strikes, at places of one kind: without ``planted`` that
        of the first case where it shows."""
        large = large_cases(self.source(trapping=fault.trapping), self.cases)
        return _starts(fault, large, planted)

    def of_any_size(self, fault: Fault, planted: Planted | None = None) -> Iterator[Start]:
        """The same among cases of any size."""
        return _starts(fault, self.any_cases(trapping=fault.trapping), planted)


def _starts(fault: Fault, cases: Iterator[Case], planted: Planted | None) -> Iterator[Start]:
    for case in cases:
        for kind in [planted.kind] if planted is not None else kinds(fault.name, case):
            found = planted or Planted(fault.name, kind)
            start = start_of(str(found), case, PlantedTrial(found), fault.isas or DEFAULT_ISAS)
            if start is not None:
                planted = found
                yield start
                break


def large_cases(source: CaseSource, count: int) -> Iterator[Case]:
    """Those of the first cases of a seed that are of the size that is wanted."""
    cases = (source.case(index) for index in range(count))
    return (case for case in cases if FEWEST <= instructions(case) <= MOST)


def start_of(fault: str, case: Case, trial: Trial, isas: tuple[str, ...]) -> Start | None:
    """The case as a start; None where it does not fail, or fails without the fault too."""
    isas = tuple(filter(case.is_for, isas))
    symptom = TrialJudge(trial, isas)(case) if isas else None
    if symptom is None or (not isinstance(trial, PlainTrial) and _PLAIN(case, isas).findings):
        return None
    return Start(fault, case, trial, symptom, isas)
