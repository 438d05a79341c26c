"""The result of taking one case through all stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from backend.cranelift.interpreter import NAME
from backend.emulator.linker import CompiledCode
from clif.outcome import Outcomes
from fuzz.cases.compare import Difference, Observed, observe
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
        outcomes: None if the code was not executed.
        differences: outcomes that differ from the oracle's.
        open: by input, why CLIF leaves its outcome open, of inputs whose outcome differs but is no
            failure for that.
        fired: numbers of the ISLE rules that fired while the case was compiled; empty unless the
            pipeline watches rules.
    """

    isa: str
    configuration: int = 0
    compiled: Sequence[CompiledCode] = ()
    outcomes: Outcomes | None = None
    differences: list[Difference] = field(default_factory=list)
    open: dict[int, str] = field(default_factory=dict)
    live_instructions: int = 0
    fired: list[int] = field(default_factory=list)
    compile_ns: int = 0
    emulate_ns: int = 0


@dataclass(slots=True)
class Verdict:
    """What the pipeline found out about a case.

    Attributes:
        findings: failures that the case shows.
        rejected: reasons why the case could not be read, interpreted, compiled or executed.
        unsupported: of the reasons, the instructions that an ISA lacks, as findings. They are no
            failures, but a user may want the smallest case that shows one.
        expected: the oracle's outcomes; None if the oracle rejects the case, or was not asked.
        runs: for each configuration of the case, one per ISA of the pipeline that the case is for,
            in the pipeline's order.
        second: the second oracle's outcomes; None if it was not asked.
        executions: inputs that were executed on an ISA in a configuration and compared.
        hangs: inputs that the oracle did not finish. If one ran out of fuel, nothing is executed.
        stage_ns: nanoseconds by ``stage_clock_ns``, indexed by ``Stage``.
    """

    findings: list[Finding] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    unsupported: list[Finding] = field(default_factory=list)
    expected: Outcomes | None = None
    runs: list[IsaRun] = field(default_factory=list)
    second: CrossCheck | None = None
    executions: int = 0
    hangs: int = 0
    stage_ns: list[int] = field(default_factory=lambda: [0] * len(Stage))

    def runs_of(self, configuration: int) -> list[IsaRun]:
        """Return the runs of one configuration."""
        return [run for run in self.runs if run.configuration == configuration]

    def observed(self, row: int, configuration: int = 0) -> dict[str, Observed]:
        """Return what each executor that could run an input observed, by the executor's name."""
        seen: dict[str, Outcomes] = {}
        if self.expected is not None:
            seen[FIRST] = self.expected
        runs = self.runs_of(configuration)
        seen |= {run.isa: run.outcomes for run in runs if run.outcomes is not None}
        if self.second is not None and row not in self.second.unsupported:
            seen[SECOND] = self.second.outcomes
        return {name: observe(outcomes, row) for name, outcomes in seen.items()}
