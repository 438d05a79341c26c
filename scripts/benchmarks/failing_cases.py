"""Large failing cases: generated ones in which an injected fault shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backend.isa.registry import DEFAULT_ISAS
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions
from fuzz.differential.failure_signature import FailureSignature
from fuzz.differential.runner import CaseRunner
from fuzz.minimize.interestingness import FailureTest
from fuzz.minimize.order import instructions
from fuzz.selfcheck.registry import Fault
from scripts.benchmarks.injected_faults import InjectedFault, InjectedFaultRunner, kinds

#: Instructions of a large case.
FEWEST, MOST = 100, 500
_PLAIN = CaseRunner()


@dataclass(frozen=True, slots=True, eq=False)
class FailingCase:
    """A case that fails because of an injected fault.

    Attributes:
        fault: a description of the fault.
        run_case: runs cases with the fault.
        isas: the ISAs on which the case is run.
    """

    fault: str
    case: Case
    run_case: CaseRunner
    failure: FailureSignature
    isas: tuple[str, ...]

    def test(self) -> FailureTest:
        """Return an interestingness test that accepts any failure."""
        return FailureTest(self.run_case, self.isas)


@dataclass(slots=True)
class FailingCases:
    """Finds failing cases among the cases of a seed.

    Attributes:
        instructions: about how many a case has.
        cases: cases to look through for each fault.
        without: ingredients that are left out.
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
        """Yield cases of any size, whether they fail or not."""
        source = self.source(trapping=trapping)
        return (source.case(index) for index in range(self.cases))

    def of_fault(
        self, fault: Fault, injected: InjectedFault | None = None
    ) -> Iterator[FailingCase]:
        """Yield large cases in which a fault shows.

        Args:
            injected: where the fault strikes. Without it, it strikes at places of one kind: the
                first kind with which it shows in a case.
        """
        large = large_cases(self.source(trapping=fault.trapping), self.cases)
        return _failing_cases(fault, large, injected)

    def of_any_size(
        self, fault: Fault, injected: InjectedFault | None = None
    ) -> Iterator[FailingCase]:
        """Yield cases of any size in which a fault shows; arguments as for ``of_fault``."""
        return _failing_cases(fault, self.any_cases(trapping=fault.trapping), injected)


def _failing_cases(
    fault: Fault, cases: Iterator[Case], injected: InjectedFault | None
) -> Iterator[FailingCase]:
    for case in cases:
        for kind in [injected.kind] if injected is not None else kinds(fault, case):
            chosen = injected or InjectedFault(fault.name, kind)
            runner = InjectedFaultRunner(chosen)
            failing = failing_case(str(chosen), case, runner, fault.isas or DEFAULT_ISAS)
            if failing is not None:
                injected = chosen
                yield failing
                break


def large_cases(source: CaseSource, count: int) -> Iterator[Case]:
    """Yield the large ones among the first cases of a source."""
    cases = (source.case(index) for index in range(count))
    return (case for case in cases if FEWEST <= instructions(case) <= MOST)


def failing_case(
    fault: str, case: Case, run_case: CaseRunner, isas: tuple[str, ...]
) -> FailingCase | None:
    """Return the case with its failure; None if it does not fail, or also without the fault."""
    isas = tuple(filter(case.is_for, isas))
    failure = FailureTest(run_case, isas)(case) if isas else None
    if failure is None:
        return None
    if not isinstance(run_case, CaseRunner) and _PLAIN(case, isas).findings:
        return None
    return FailingCase(fault, case, run_case, failure, isas)
