"""The supervisor of a campaign: adds up what the workers report, and saves it.

What is counted is counted in the database as well, a few seconds later; what is not is done again
by whoever resumes it. Findings are files before they are records.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from fuzz.campaign.database import State, Store, StoreError
from fuzz.campaign.local_workers import Crew, Event, LocalCrew
from fuzz.campaign.messages import Death, Failed, Found, NewEdges, Progress, Record
from fuzz.campaign.plan import Plan
from fuzz.campaign.result import CorpusCase, JobState, Result

_TICK_SECONDS = 0.25
#: Between two savings, while the campaign is young and afterwards: so much work is done again after
#: the supervisor was killed.
_SAVE_SECONDS = (1.0, 5.0)
_YOUNG_SECONDS = 60.0
_SAMPLE_SECONDS = 10.0


class Campaign:
    """Runs a plan to its end, or until a signal.

    Args:
        on_tick: called a few times a second with the result so far.
        store: where it is saved, already told which campaign; nowhere without one.
        result, states: what an earlier run left, to go on with.
        crew: who does the jobs; workers on this machine if nobody is named.
    """

    def __init__(
        self,
        plan: Plan,
        on_tick: Callable[[Result], None] | None = None,
        *,
        store: Store | None = None,
        result: Result | None = None,
        states: Mapping[int, JobState] | None = None,
        crew: Crew | None = None,
    ) -> None:
        self.plan = plan
        self.on_tick = on_tick
        self.store = store
        self.result = result or Result()
        self.states = {n: JobState(n) for n in range(plan.jobs)} | dict(states or {})
        self.crew = crew or LocalCrew(plan)
        self._recorded = {(record.case, record.bucket) for record in self.result.findings}
        self._corpus: list[CorpusCase] = []
        self._before_ns = self.result.statistics.wall_ns
        self._stopping = False
        self._saved = self._sampled = 0.0

    def run(self) -> Result:
        """Returns when every worker has ended. Never raises for what a worker did."""
        with self._signals():
            known = frozenset(r.bucket for r in self.result.findings if r.known)
            try:
                self.crew.start(self.states, known, self._seconds())
                self._saved = self._sampled = time.monotonic()
                while self.crew.pending:
                    self._step()
            finally:
                self.crew.end()
        self._finish()
        return self.result

    def stop(self) -> None:
        """Lets every worker finish its case, and end."""
        self._stopping = True

    def _seconds(self) -> float | None:
        """How long it may run now."""
        if self.plan.seconds is None:
            return None
        return max(0.0, self.plan.seconds - self.result.seconds)

    def _step(self) -> None:
        for event in self.crew.pump(_TICK_SECONDS):
            self._take(event)
        if self._stopping:
            self.crew.stop()
        self._save_if_due()
        if self.on_tick is not None:
            self.on_tick(self.result)

    # --- messages ---

    def _take(self, event: Event) -> None:
        match event.message:
            case Progress() as progress:
                self._count(event.job, progress)
            case Found() as found:
                self._keep(found)
            case Failed() as failed:
                self._fail(failed.message)
                if failed.record is not None:
                    self._add(failed.record)
                    self.result.unwritten.append(failed.text)
            case Death() as death:
                self._bury(event.job, death)

    def _count(self, job: int, progress: Progress) -> None:
        progress.statistics.wall_ns += self._before_ns
        self.result.statistics.add(progress.statistics)
        for new in progress.edges:
            self._cover(new)
        self.result.memory_mib[job] = progress.memory_mib
        self.result.sample = progress.sample or self.result.sample
        state = self.states[job]
        if progress.next_case > state.next_case:
            state.advance(progress.next_case)

    def _cover(self, new: NewEdges) -> None:
        """Of edges that are new to a worker most have been covered by others."""
        number = self.result.cover(new.edges)
        if number:
            self.result.corpus += 1
            self.result.grew_at = self.result.seconds
            self._corpus.append(CorpusCase(new.case, number))

    def _keep(self, found: Found) -> None:
        """Takes up a finding; one from another machine gets its file here."""
        record = found.record
        if found.text:
            record = replace(record, file=self._write(found.text))
        self._add(record)

    def _write(self, text: str) -> str:
        from fuzz.differential.finding_file import write_finding

        try:
            return str(write_finding(text, Path(self.plan.out)))
        except OSError as error:
            self._fail(f"{self.plan.out}: {error.strerror}")
            self.result.unwritten.append(text)
            return ""

    def _add(self, record: Record) -> None:
        """A case that is done a second time, after a death, finds the same once more."""
        key = (record.case, record.bucket)
        if key not in self._recorded:
            self._recorded.add(key)
            self.result.findings.append(record)

    def _bury(self, job: int, death: Death) -> None:
        self.result.deaths += 1
        if death.case is None:
            return
        self.states[job].skip.add(death.case)
        self.result.statistics.cases += 1
        if death.reason:
            self.result.statistics.note_rejected(death.reason, death.case)

    def _fail(self, message: str) -> None:
        """The first thing that goes wrong is what is said."""
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
        if self.store is None:
            return
        try:
            self.store.save(self.result, self.states, self._corpus, sample=sample)
        except StoreError as error:
            self.store = None  # what is on the disk stays a whole; the rest is done again
            self._fail(str(error))
        else:
            self._corpus = []

    def _finish(self) -> None:
        self._save(sample=True)
        if self.store is None:
            return
        state = State.INTERRUPTED if self.result.interrupted else State.FINISHED
        try:
            self.store.end(State.FAILED if self.result.error else state, self.result.error)
        except StoreError as error:
            self._fail(str(error))

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def interrupt(number: int, frame: FrameType | None) -> None:
            self.result.interrupted = True
            self.stop()

        previous = {n: signal.signal(n, interrupt) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
