"""What a fuzz target is: it takes units of bytes, returns failures, and counts what happened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from backend.cranelift.compiler import CompileError, CompilerPanic, UnsupportedError, VerifierError
from clif.byte_order import ByteOrder
from clif.outcome import Outcomes
from fuzz.cases.case import Case
from fuzz.differential import diagnosis
from fuzz.differential.byte_orders import expected_in
from fuzz.differential.diagnosis import mark_known
from fuzz.differential.finding import Finding
from fuzz.differential.finding_file import finding_text
from fuzz.differential.pipeline import NO_INJECTION, Injection
from fuzz.differential.verdict import Verdict
from fuzz.fuzz_targets.options import FaultError, TargetOptions
from fuzz.fuzz_targets.units import Units
from fuzz.generate import Generator
from fuzz.selfcheck.registry import all_faults

CompilerFailure = VerifierError | CompileError | CompilerPanic
#: Returns how to inject a fault into a case; None if the case has no place for that fault.
CaseInjector = Callable[[Case], Injection | None]


def _injector(name: str) -> CaseInjector:
    """Return the injector for a fault of ``selfcheck``; it is a function of the case alone.

    Raises:
        FaultError: there is no fault of that name.
    """
    fault = all_faults().get(name)
    if fault is None:
        raise FaultError(f"no fault named '{name}'; clif-fuzz selfcheck --list shows them all")
    return lambda case: fault.inject(case, Random(name))


@dataclass(slots=True)
class TargetStatistics:
    """Counters of a target, printed when it ends.

    Attributes:
        units: units that libFuzzer tried.
        cases: those of them that were cases: all except for malformed files of a corpus.
        executions: inputs of cases whose outcome was compared in full, counted once for each ISA.
        hangs: inputs that ran out of fuel in the interpreter.
        rejected: units that were not tried, by reason.
        traps: outcomes by trap code.
        known_faults: findings that known faults explain, by bucket.
        facts: whatever else the target counts, for example cache hits.
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
        """Count what the pipeline did with a case."""
        self.executions += verdict.executions
        self.hangs += verdict.hangs
        self.rejected.update(verdict.rejected)
        for expected in verdict.oracle.values():
            self.traps.update(expected.traps.values())

    def to_json(self) -> dict[str, Any]:
        """Return the counters, most frequent reasons first."""
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
    """The result of checking a case.

    Attributes:
        case: as it was tried; a target may change the settings that it came with.
        oracle: the interpreter's outcomes by byte order, if it was run (``Verdict.oracle``).
    """

    case: Case
    findings: Sequence[Finding]
    oracle: Mapping[ByteOrder, Outcomes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnitFailure:
    """A fault that a unit shows.

    Attributes:
        text: the case as a file that can be replayed; empty if the unit is not a case.
    """

    finding: Finding
    text: str = ""


class FuzzTarget(ABC):
    """A property, and how to check it on a unit of bytes.

    Attributes:
        isas: names of the ISAs that it compiles for.
        statistics: counters over all units so far.
    """

    def __init__(self, isas: Sequence[str]) -> None:
        self.isas = tuple(isas)
        self.statistics = TargetStatistics()

    @abstractmethod
    def test(self, unit: bytes) -> UnitFailure | None:
        """Check one unit.

        Returns:
            The first new fault that it shows; None if it shows none.
        """

    @abstractmethod
    def mutate(self, unit: bytes, max_size: int, seed: int) -> bytes | None:
        """Make a unit from another one; None leaves the mutation to libFuzzer."""

    @abstractmethod
    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes | None:
        """Make a unit from two others; None leaves the crossover to libFuzzer."""

    @abstractmethod
    def configure(self, options: TargetOptions) -> None:
        """Apply options.

        Raises:
            FaultError: the fault is unknown, or this target cannot inject it.
        """

    def first_unknown(self, findings: Sequence[Finding]) -> Finding | None:
        """Return the first finding that no known fault explains, and count the known ones."""
        self.statistics.known_faults.update(f.bucket for f in findings if f.known)
        return next((finding for finding in findings if not finding.known), None)


class CaseTarget(FuzzTarget):
    """A target whose units are cases: CLIF text, or bytes that a case is drawn from.

    Attributes:
        inject: injects a fault into each case; None for no fault.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__(generator.options.isas)
        self.units = Units(generator)
        self.inject: CaseInjector | None = None

    @abstractmethod
    def check(self, case: Case) -> Checked:
        """Check the property on a case."""

    def test(self, unit: bytes) -> UnitFailure | None:
        self.statistics.units += 1
        case = self.units.case(unit)
        if isinstance(case, str):
            self.statistics.rejected[case] += 1
            return None
        self.statistics.cases += 1
        checked = self.check(case)
        finding = self.first_unknown(checked.findings)
        if finding is None:
            return None
        expected = expected_in(checked.oracle, finding.byte_order)
        text = finding_text(finding, checked.case, expected, self.isas)
        return UnitFailure(finding, text)

    def mutate(self, unit: bytes, max_size: int, seed: int) -> bytes | None:
        return self.units.mutate(unit, max_size, seed)

    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes | None:
        return self.units.crossover(one, other, max_size, seed)

    def configure(self, options: TargetOptions) -> None:
        if not options.guided:
            self.units.fresh = 1.0
        if options.fault:
            self.inject = _injector(options.fault)

    # --- for subclasses ---

    def injection(self, case: Case) -> Injection:
        """Return what to inject into a case; nothing unless the options ask for a fault."""
        return (self.inject and self.inject(case)) or NO_INJECTION

    def compiler_failure(self, case: Case, isa: str, error: CompilerFailure) -> list[Finding]:
        """Return the finding for a failed compilation.

        If the case asks for something that the ISA does not support, the result is empty and the
        case is counted as rejected.
        """
        found: Finding | str
        if isinstance(error, UnsupportedError):
            found = diagnosis.unsupported(case, isa, error)
        else:
            found = diagnosis.compiler_failure(isa, error)
        if isinstance(found, Finding):
            return [mark_known(found, case.functions)]
        self.statistics.rejected[found] += 1
        return []
