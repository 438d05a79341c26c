"""The result of taking one case through all stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from backend.cranelift.interpreter import NAME
from backend.emulator.linker import CompiledCode
from backend.isa.registry import ISAS
from clif.byte_order import ByteOrder
from clif.outcome import Outcomes
from fuzz.cases.case import ExtraCheck
from fuzz.cases.compare import Difference, Observed, observe
from fuzz.differential.byte_orders import expected_in
from fuzz.differential.crosscheck import CrossCheck
from fuzz.differential.finding import Finding
from fuzz.differential.stage import Stage

#: Names of the oracles among the executors.
FIRST: Final = "interp"
SECOND: Final = NAME


@dataclass(slots=True)
class IsaRun:
    """What happened to a case on one ISA in one configuration.

    Attributes:
        configuration: number of the case's configuration (``Case.configured``).
        expected: the oracle's outcomes in the ISA's byte order; None if there are none.
        outcomes: None if the code was not executed.
        differences: outcomes that differ from the oracle's.
        open: by input, why CLIF leaves its outcome open, of inputs whose outcome differs but is no
            failure for that.
        fired: numbers of the ISLE rules that fired while the case was compiled; empty unless the
            pipeline watches rules.
        checked: the checks, of those that the case asks for, that came to an end.
    """

    isa: str
    configuration: int = 0
    compiled: Sequence[CompiledCode] = ()
    expected: Outcomes | None = None
    outcomes: Outcomes | None = None
    differences: list[Difference] = field(default_factory=list)
    open: dict[int, str] = field(default_factory=dict)
    live_instructions: int = 0
    fired: list[int] = field(default_factory=list)
    checked: set[ExtraCheck] = field(default_factory=set)
    compile_ns: int = 0
    emulate_ns: int = 0

    def note_check(self, check: ExtraCheck, found: Finding | str) -> None:
        """Note that a check came to an end, unless all that it says is why it did not."""
        if not found or isinstance(found, Finding):
            self.checked.add(check)


@dataclass(slots=True)
class Verdict:
    """What the pipeline found out about a case.

    Attributes:
        findings: failures that the case shows.
        rejected: reasons why the case could not be read, interpreted, compiled or executed.
        unsupported: of the reasons, the instructions that an ISA lacks, as findings. They are no
            failures, but a user may want the smallest case that shows one.
        oracle: the oracle's outcomes by byte order; of one alone unless the ISAs have both and the
            outcome depends on that. Empty if the oracle rejects the case, or was not asked.
        byte_order_matters: whether the case depends on byte order and not all ISAs that it was
            checked on are little-endian.
        runs: for each configuration of the case, one per ISA of the pipeline that the case is for,
            in the pipeline's order.
        second: the second oracle's outcomes, in the byte order of ``expected``; None if it was not
            asked.
        executions: inputs that were executed on an ISA in a configuration and compared.
        hangs: inputs that the oracle did not finish. If one ran out of fuel, nothing is executed.
        stage_ns: nanoseconds by ``stage_clock_ns``, indexed by ``Stage``.
    """

    findings: list[Finding] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    unsupported: list[Finding] = field(default_factory=list)
    oracle: dict[ByteOrder, Outcomes] = field(default_factory=dict)
    byte_order_matters: bool = False
    runs: list[IsaRun] = field(default_factory=list)
    second: CrossCheck | None = None
    executions: int = 0
    hangs: int = 0
    stage_ns: list[int] = field(default_factory=lambda: [0] * len(Stage))

    @property
    def expected(self) -> Outcomes | None:
        """The oracle's outcomes, in the first byte order if there are several."""
        return expected_in(self.oracle, None)

    def runs_of(self, configuration: int) -> list[IsaRun]:
        """Return the runs of one configuration."""
        return [run for run in self.runs if run.configuration == configuration]

    def expected_on(self, isa: str) -> Outcomes | None:
        """Return the oracle's outcomes in the byte order of an ISA."""
        return expected_in(self.oracle, ISAS[isa].byte_order if isa else None)

    def observed(self, row: int, configuration: int = 0, isa: str = "") -> dict[str, Observed]:
        """Return what each executor that could run an input observed, by the executor's name.

        Args:
            isa: executors of other byte orders than this ISA's are left out if that matters.
        """
        expected = self.expected_on(isa)
        seen: dict[str, Outcomes] = {}
        if expected is not None:
            seen[FIRST] = expected
        runs = [run for run in self.runs_of(configuration) if run.expected is expected]
        seen |= {run.isa: run.outcomes for run in runs if run.outcomes is not None}
        second = self.second if expected is self.expected else None
        if second is not None and row not in second.unsupported:
            seen[SECOND] = second.outcomes
        return {name: observe(outcomes, row) for name, outcomes in seen.items()}
