"""What a worker process runs: it makes cases and checks them until it is told to stop."""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic_ns, process_time_ns
from typing import TYPE_CHECKING

from backend.cranelift.compiler import SettingsError
from backend.cranelift.edge_counters import CoveredEdges
from backend.cranelift.fired_rules import FiredRules
from backend.cranelift.isle import IsleError
from clif.printer import print_functions
from fuzz.campaign.case_source import CaseSource
from fuzz.campaign.counters import RuleCounters, count_case, count_origin
from fuzz.campaign.garbage_collection import GarbageCollection
from fuzz.campaign.in_flight import InFlightSlot
from fuzz.campaign.plan import Assignment, CampaignPlan
from fuzz.campaign.process_limits import EXIT_OUT_OF_MEMORY, limit_memory, memory_mib
from fuzz.campaign.result import FindingSummary
from fuzz.campaign.statistics import Statistics
from fuzz.campaign.worker_pool import FindingReport, NewEdges, WorkerFailure, WorkerProgress
from fuzz.cases.case import Case
from fuzz.differential.explain import fired_notes
from fuzz.differential.finding import Finding
from fuzz.differential.finding_file import finding_text, folder_of, write_finding
from fuzz.differential.oracle import BOTH, ORACLES, interpreter
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.stage import Stage, stage_clock_ns
from fuzz.differential.verdict import Verdict

if TYPE_CHECKING:
    from fuzz.campaign.case_prover import CaseProver

_REPORT_EVERY_NS = 500_000_000
_SAMPLE_EVERY_NS = 10_000_000_000
_MAX_SAMPLE = 4000


def run_worker(
    plan: CampaignPlan, assignment: Assignment, in_flight: InFlightSlot, connection: Connection
) -> None:
    """Run the cases of an assignment, and send messages (``WorkerMessage``) about them.

    Args:
        in_flight: where to note the case that is being run.
        connection: where to send the messages.
    """
    try:
        with GarbageCollection() as garbage:
            _Worker(plan, assignment, in_flight, connection, garbage).run()
    except (SettingsError, IsleError) as error:
        connection.send(WorkerFailure(str(error)))
    except BrokenPipeError:
        sys.exit(1)  # the supervisor is gone
    except OSError as error:
        text = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
        connection.send(WorkerFailure(text))
    except MemoryError:
        # Sending a message needs memory. The in-flight slot names the case and its stage.
        os._exit(EXIT_OUT_OF_MEMORY)
    except Exception as error:
        connection.send(WorkerFailure(f"internal: {_place(error)}"))


@dataclass(slots=True)
class _Worker:
    """The state of the loop over cases.

    Attributes:
        statistics, new_edges, sample: what the next message will say.
        known: buckets of known faults that have a file as an example already.
        edges: the edges that this process has covered.
        watch: finds out which ISLE rules fire; None if this build cannot tell.
        prover: proves cases; None if none are to be proved.
    """

    plan: CampaignPlan
    assignment: Assignment
    in_flight: InFlightSlot
    connection: Connection
    garbage: GarbageCollection
    statistics: Statistics = field(default_factory=Statistics)
    began_ns: int = 0
    reported_ns: int = 0
    reported_cpu_ns: int = 0
    sampled_ns: int = 0
    sample: str = ""
    known: set[str] = field(default_factory=set)
    edges: CoveredEdges = field(default_factory=CoveredEdges)
    new_edges: list[NewEdges] = field(default_factory=list)
    fired_rules: FiredRules | None = field(default_factory=FiredRules.of_build)
    rules: RuleCounters = field(init=False)
    prover: CaseProver | None = None

    def __post_init__(self) -> None:
        self.rules = RuleCounters(() if self.fired_rules is None else self.fired_rules.names)

    def run(self) -> None:
        plan = self.plan
        self.known.update(self.assignment.known)
        source = CaseSource(plan.options, plan.seed)
        if plan.prove_share:
            from fuzz.campaign.case_prover import CaseProver  # its libraries are an extra

            self.prover = CaseProver(plan)
        pipeline = Pipeline(
            plan.options.isas,
            oracle=ORACLES.get(plan.oracle, interpreter),
            second=plan.oracle == BOTH,
            fired_rules=self.fired_rules,
            on_stage=self.in_flight.enter,
            on_configuration=self.in_flight.enter_configuration,
        )
        limit_memory(plan.memory_mb)
        self.edges.restart()  # what setting up covered belongs to no case
        parent = os.getppid()
        self.began_ns = self.reported_ns = monotonic_ns()
        self.reported_cpu_ns = process_time_ns()
        index = self.assignment.first
        while True:
            if monotonic_ns() - self.reported_ns > _REPORT_EVERY_NS:
                self._report(index)
            if self._is_over(index) or os.getppid() != parent:
                self._report(index, done=True)
                break
            if index not in self.assignment.skip:
                self._run_case(source, pipeline, index)
            index = plan.next_case(index)

    def _is_over(self, index: int) -> bool:
        plan, seconds = self.plan, self.assignment.seconds
        if self.in_flight.stop_requested or (plan.cases is not None and index >= plan.cases):
            return True
        elapsed = (monotonic_ns() - self.began_ns) / 1e9
        return seconds is not None and elapsed >= seconds

    def _report(self, next_case: int, *, done: bool = False) -> None:
        """Send what was counted since the last report."""
        now, cpu = monotonic_ns(), process_time_ns()
        self.rules.move_to(self.statistics)
        self.statistics.add_time(cpu - self.reported_cpu_ns, now - self.reported_ns)
        self.statistics.wall_ns = now - self.began_ns
        self.connection.send(
            WorkerProgress(
                self.statistics,
                next_case,
                tuple(self.new_edges),
                memory_mib(),
                self.sample,
                done,
            )
        )
        self.statistics, self.new_edges, self.sample = Statistics(), [], ""
        self.reported_ns, self.reported_cpu_ns = now, cpu

    def _run_case(self, source: CaseSource, pipeline: Pipeline, index: int) -> None:
        self.in_flight.begin(index)
        start = stage_clock_ns()
        checked: Case | None = None
        try:
            made = source.make(index)
            case = made.case
            count_origin(self.statistics, made)
            self.statistics.stage_ns[Stage.GENERATE] += stage_clock_ns() - start
            verdict = pipeline.check(case)
        except (SettingsError, OSError, MemoryError):
            raise
        except Exception as error:  # a bug of this project must be seen, but not end the campaign
            self.statistics.cases += 1
            self.statistics.note_rejected(f"internal: {_place(error)}", index)
        else:
            count_case(self.statistics, case, verdict, index)
            for isa, fired in _fired_rules(verdict).items():
                self.rules.note(isa, list(fired), case.inputs.count)
            for finding in verdict.findings:
                self._keep(finding, case, verdict, index)
            self._take_sample(case)
            checked = case
        new = self.edges.collect()
        if new:
            self.new_edges.append(NewEdges(index, tuple(new)))
        self.in_flight.end()
        if checked is not None and self.prover is not None and self.prover.is_due(index):
            self._prove(self.prover, checked, index)
        self.garbage.collect_if_due()

    def _prove(self, prover: CaseProver, case: Case, index: int) -> None:
        """Prove a case, which is none that is run while this lasts: solvers keep to their time."""
        for outcome, finding, example in prover.prove(case):
            self.statistics.proofs[outcome] += 1
            if finding is not None:
                self._keep(finding, example, Verdict(), index)

    def _take_sample(self, case: Case) -> None:
        """Keep a case now and then, for people to look at."""
        now = monotonic_ns()
        if now - self.sampled_ns > _SAMPLE_EVERY_NS:
            self.sampled_ns = now
            text = print_functions([case.main])
            self.sample = f"; {case.origin}\n{text}"[:_MAX_SAMPLE]

    def _keep(self, finding: Finding, case: Case, verdict: Verdict, index: int) -> None:
        """Write a finding and report it; of each known fault only the first."""
        if finding.known:
            self.statistics.known_faults[finding.bucket] += 1
            if finding.bucket in self.known:
                return
            self.known.add(finding.bucket)
        runs = verdict.runs_of(finding.configuration)
        notes = fired_notes(self.fired_rules, runs, finding.isa)
        expected = verdict.expected_on(finding.isa)
        text = finding_text(finding, case, expected, self.plan.options.isas, notes)
        try:
            path = write_finding(text, folder_of(finding, Path(self.plan.out)))
        except OSError as error:
            summary = _summary(finding, "", index)
            self.connection.send(WorkerFailure(f"{self.plan.out}: {error.strerror}", summary, text))
            sys.exit(1)
        self.connection.send(FindingReport(_summary(finding, str(path), index)))


def _fired_rules(verdict: Verdict) -> dict[str, set[int]]:
    """Return the numbers of the rules that fired in some configuration, by ISA."""
    fired: dict[str, set[int]] = {}
    for run in verdict.runs:
        if run.outcomes is not None:
            fired.setdefault(run.isa, set()).update(run.fired)
    return fired


def _summary(finding: Finding, file: str, index: int) -> FindingSummary:
    kind = finding.kind.value
    return FindingSummary(kind, finding.bucket, finding.isa, file, finding.known, index)


def _place(error: Exception) -> str:
    """Return an exception's text with the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {error}"[:160]
