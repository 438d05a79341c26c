"""What a fuzz target is: bytes in, findings out, and counts of what happened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from backend.cranelift.compiler import CompileError, CompilerPanic, UnsupportedError, VerifierError
from clif.outcome import Outcomes
from fuzz.cases.case import Case
from fuzz.differential import diagnosis
from fuzz.differential.finding import Finding
from fuzz.differential.finding_file import finding_text
from fuzz.differential.known_failures import recognise
from fuzz.differential.pipeline import NO_INJECTION, Injection, Verdict
from fuzz.fuzz_targets import FaultError, TargetOptions
from fuzz.fuzz_targets.units import Units
from fuzz.generate import Generator

CompilerFailure = VerifierError | CompileError | CompilerPanic
#: Says how a case is spoilt; None where it has no place for the fault.
Inject = Callable[[Case], Injection | None]


def _injecting(name: str) -> Inject:
    """What injects a fault of ``selfcheck``, the same for a case each time."""
    from fuzz.selfcheck.registry import all_faults

    fault = all_faults().get(name)
    if fault is None:
        raise FaultError(f"no fault named '{name}'; clif-fuzz selfcheck --list shows them all")
    return lambda case: fault.inject(case, Random(name))


@dataclass(slots=True)
class TargetStatistics:
    """What a target has done so far, for the line at its end.

    Attributes:
        units: inputs of libFuzzer's that were tried.
        cases: those of them that were cases (all, but for broken files of a corpus).
        executions: inputs of cases whose outcome was compared in full, once for each ISA.
        hangs: inputs that the interpreter stopped.
        rejected: what could not be tried, by reason.
        traps: outcomes by trap code.
        known_faults: findings that are known, by bucket.
        facts: whatever else the target counts (hits of a cache...).
    """

    units: int = 0
    cases: int = 0
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

    def to_json(self) -> dict[str, Any]:
        return {
            "units": self.units,
            "cases": self.cases,
            "executions": self.executions,
            "hangs": self.hangs,
            "rejected": dict(self.rejected.most_common()),
            "traps": dict(self.traps.most_common()),
            "known_faults": dict(self.known_faults.most_common()),
            **self.facts,
        }


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a case.

    Attributes:
        case: as it was tried: a target may compile it with other settings than it came with.
        expected: the oracle's outcomes where it was asked.
    """

    case: Case
    findings: Sequence[Finding]
    expected: Outcomes | None = None


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

    @abstractmethod
    def mutate(self, unit: bytes, max_size: int, seed: int) -> bytes | None:
        """Another unit made of this one; None leaves the mutation to libFuzzer."""

    @abstractmethod
    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes | None:
        """Another unit made of two; None leaves it to libFuzzer."""

    @abstractmethod
    def configure(self, options: TargetOptions) -> None:
        """Raises FaultError for a fault that has no place here."""

    def judge(self, findings: Sequence[Finding]) -> Finding | None:
        """The first finding that is news; known ones are counted."""
        self.statistics.known_faults.update(f.bucket for f in findings if f.known)
        return next((finding for finding in findings if not finding.known), None)


class CaseTarget(Target):
    """A target whose units are cases: CLIF text, or bytes that a case is drawn from.

    Attributes:
        inject: spoils each case, to prove that the target sees it; None for no fault.
    """

    def __init__(self, isas: Sequence[str], generator: Generator) -> None:
        super().__init__(isas)
        self.units = Units(generator)
        self.inject: Inject | None = None

    @abstractmethod
    def check(self, case: Case) -> Checked:
        """Tries a case."""

    def test(self, unit: bytes) -> Failure | None:
        self.statistics.units += 1
        case = self.units.case(unit)
        if isinstance(case, str):
            self.statistics.rejected[case] += 1
            return None
        self.statistics.cases += 1
        checked = self.check(case)
        finding = self.judge(checked.findings)
        if finding is None:
            return None
        text = finding_text(finding, checked.case, checked.expected, self.isas)
        return Failure(finding, text)

    def mutate(self, unit: bytes, max_size: int, seed: int) -> bytes | None:
        return self.units.mutate(unit, max_size, seed)

    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes | None:
        return self.units.crossover(one, other, max_size, seed)

    def configure(self, options: TargetOptions) -> None:
        if not options.guided:
            self.units.fresh = 1.0
        if options.fault:
            self.inject = _injecting(options.fault)

    # --- for the targets ---

    def injection(self, case: Case) -> Injection:
        """How the case is spoilt; not at all unless a fault is injected."""
        return (self.inject and self.inject(case)) or NO_INJECTION

    def compiler_failure(self, case: Case, isa: str, error: CompilerFailure) -> list[Finding]:
        """The finding of a compilation that did not succeed; none, and a count, where the case asks
        for what the ISA lacks."""
        found: Finding | str
        if isinstance(error, UnsupportedError):
            found = diagnosis.unsupported(case, isa, error)
        else:
            found = diagnosis.compiler_failure(isa, error)
        if isinstance(found, Finding):
            return [recognise(found, case.functions)]
        self.statistics.rejected[found] += 1
        return []
