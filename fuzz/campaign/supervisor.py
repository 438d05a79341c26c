"""The supervisor of a campaign: merges what the workers report, and saves it.

What is counted is in the database a few seconds later; what is not in the database is run again by
``--resume``. A finding's file is written before the finding is counted.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from fuzz.campaign.database import CampaignDatabase, CampaignState
from fuzz.campaign.database_schema import DatabaseError
from fuzz.campaign.local_workers import LocalWorkers
from fuzz.campaign.plan import CampaignPlan, WorkerState
from fuzz.campaign.result import CampaignResult, CorpusCase, FindingSummary
from fuzz.campaign.worker_pool import (
    FindingReport,
    NewEdges,
    WorkerEvent,
    WorkerExit,
    WorkerFailure,
    WorkerPool,
    WorkerProgress,
)
from fuzz.differential.base_answer import NOT_ASKED, Novelty
from fuzz.differential.finding import KNOWN_FAULTS

_TICK_SECONDS = 0.25
#: Seconds between two savings while the campaign is young, and later. So much work is done again
#: after the supervisor was killed.
_SAVE_SECONDS = (1.0, 5.0)
_YOUNG_SECONDS = 60.0
_SAMPLE_SECONDS = 10.0


class Supervisor:
    """Runs a campaign until its plan is done or a signal ends it.

    Args:
        on_tick: called a few times a second with the result so far.
        database: where the campaign is saved; it must have been told which campaign that is
            (``begin`` or ``resume``). Without one nothing is saved.
        result, states: what earlier runs of the campaign left, to go on with.
        pool: runs the cases; by default worker processes on this machine.
    """

    def __init__(
        self,
        plan: CampaignPlan,
        on_tick: Callable[[CampaignResult], None] | None = None,
        *,
        database: CampaignDatabase | None = None,
        result: CampaignResult | None = None,
        states: Mapping[int, WorkerState] | None = None,
        pool: WorkerPool | None = None,
    ) -> None:
        self.plan = plan
        self.on_tick = on_tick
        self.database = database
        self.result = result or CampaignResult()
        self.states = {n: WorkerState(plan.first_case(n)) for n in range(plan.jobs)} | dict(
            states or {}
        )
        self.pool = pool or LocalWorkers(plan)
        self._seen = {(s.case, s.bucket): n for n, s in enumerate(self.result.findings)}
        self._corpus: list[CorpusCase] = []
        self._before_ns = self.result.statistics.wall_ns
        self._stopping = False
        self._saved = self._sampled = 0.0

    def run(self) -> CampaignResult:
        """Run the campaign, and return its result when every worker has exited.

        Never raises for what a worker did.
        """
        with self._signals():
            known = frozenset(r.bucket for r in self.result.findings if r.known)
            try:
                self.pool.start(self.states, known, self._seconds_left())
                self._saved = self._sampled = time.monotonic()
                while self.pool.pending:
                    self._step()
            finally:
                self.pool.close()
        self._finish()
        return self.result

    def stop(self) -> None:
        """Let every worker finish its case and exit."""
        self._stopping = True

    def _seconds_left(self) -> float | None:
        if self.plan.seconds is None:
            return None
        return max(0.0, self.plan.seconds - self.result.seconds)

    def _step(self) -> None:
        for event in self.pool.poll(_TICK_SECONDS):
            self._take(event)
        if self._has_found_enough():
            self.stop()
        if self._stopping:
            self.pool.stop()
        self._save_if_due()
        if self.on_tick is not None:
            self.on_tick(self.result)

    def _has_found_enough(self) -> bool:
        enough, result = self.plan.stop_after, self.result
        return enough is not None and len(result.unexplained) - result.pending >= enough

    # --- messages ---

    def _take(self, event: WorkerEvent) -> None:
        match event.message:
            case WorkerProgress() as progress:
                self._count(event.worker, progress)
            case FindingReport() as report:
                self._keep(report)
            case WorkerFailure() as failure:
                self._fail(failure.message)
                if failure.summary is not None:
                    self._add(failure.summary)
                    self.result.unwritten.append(failure.text)
            case WorkerExit() as worker_exit:
                self._handle_exit(event.worker, worker_exit)

    def _count(self, worker: int, progress: WorkerProgress) -> None:
        progress.statistics.wall_ns += self._before_ns
        self.result.statistics.add(progress.statistics)
        for new in progress.edges:
            self._cover(new)
        self.result.memory_mib[worker] = progress.memory_mib
        self.result.sample = progress.sample or self.result.sample
        state = self.states[worker]
        if progress.next_case > state.next_case:
            state.advance(progress.next_case)

    def _cover(self, new: NewEdges) -> None:
        """Add edges that are new to one worker; other workers have covered most of them."""
        number = self.result.cover(new.edges)
        if number:
            self.result.corpus += 1
            self.result.grew_at = self.result.seconds
            self._corpus.append(CorpusCase(new.case, number))

    def _keep(self, report: FindingReport) -> None:
        """Add a finding; if it comes from another machine, write its file here first."""
        summary = report.summary
        if report.text:
            summary = replace(summary, file=self._write(report.text, known=summary.known))
        self._add(summary)

    def _write(self, text: str, *, known: bool) -> str:
        # Only findings from other machines are written here; the import loads the compiler.
        from fuzz.differential.finding_file import write_finding

        try:
            folder = Path(self.plan.out) / KNOWN_FAULTS if known else Path(self.plan.out)
            return str(write_finding(text, folder))
        except OSError as error:
            self._fail(f"{self.plan.out}: {error.strerror}")
            self.result.unwritten.append(text)
            return ""

    def _add(self, summary: FindingSummary) -> None:
        """Add a finding unless it is there: a case that is run again finds the same again."""
        key = (summary.case, summary.bucket)
        if key in self._seen:
            self._remove_second_file(self.result.findings[self._seen[key]], summary)
            return
        if self.plan.base is not None and not summary.known:
            summary = replace(summary, base=NOT_ASKED)
        self._seen[key] = len(self.result.findings)
        self.result.findings.append(summary)

    def _remove_second_file(self, first: FindingSummary, again: FindingSummary) -> None:
        """Remove the file that was written again of a finding whose own was moved: it is old."""
        moved = first.novelty is Novelty.OLD and bool(again.file) and first.file != again.file
        if moved and Path(first.file).name == Path(again.file).name and Path(first.file).exists():
            with suppress(OSError):
                Path(again.file).unlink()

    def _handle_exit(self, worker: int, worker_exit: WorkerExit) -> None:
        self.result.deaths += 1
        if worker_exit.case is None:
            return
        self.states[worker].skip.add(worker_exit.case)
        self.result.statistics.cases += 1
        if worker_exit.reason:
            self.result.statistics.note_rejected(worker_exit.reason, worker_exit.case)

    def _fail(self, message: str) -> None:
        """Stop the campaign; the first error is the one that is reported."""
        self.result.error = self.result.error or message
        self.stop()

    # --- saving ---

    def _save_if_due(self) -> None:
        now = time.monotonic()
        young = self.result.seconds - self._before_ns / 1e9 < _YOUNG_SECONDS
        if now - self._saved < _SAVE_SECONDS[0 if young else 1]:
            return
        sample = now - self._sampled >= (_SAVE_SECONDS[0] if young else _SAMPLE_SECONDS)
        self._saved = now
        if sample:
            self._sampled = now
        self._save(sample=sample)

    def _save(self, *, sample: bool) -> None:
        if self.database is None:
            return
        try:
            self.database.save(self.result, self.states, self._corpus, sample=sample)
        except DatabaseError as error:
            # What was saved before is consistent; the rest is run again by --resume.
            self.database = None
            self._fail(str(error))
        else:
            self._corpus = []

    def _finish(self) -> None:
        self._save(sample=True)
        if self.database is None:
            return
        interrupted = self.result.interrupted
        state = CampaignState.INTERRUPTED if interrupted else CampaignState.FINISHED
        if self.result.error:
            state = CampaignState.FAILED
        try:
            self.database.end(state, self.result.error)
        except DatabaseError as error:
            self._fail(str(error))

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Stop the campaign on SIGINT and SIGTERM while this context is entered."""

        def interrupt(number: int, frame: FrameType | None) -> None:
            self.result.interrupted = True
            self.stop()

        previous = {n: signal.signal(n, interrupt) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
