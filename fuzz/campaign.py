"""The supervisor of a campaign: starts workers, adds up what they report, survives their deaths.

It imports nothing that is slow or that could die: compiler, emulator and generator live in the
workers. Every case is counted once, whatever dies: a worker's successor begins behind the last case
that was reported.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from types import FrameType

from fuzz.flight import InFlight
from fuzz.job import Job, examine
from fuzz.messages import Failed, Found, Message, Progress, Record
from fuzz.plan import Plan
from fuzz.statistics import Statistics

_TICK_SECONDS = 0.25
_PATIENCE_SECONDS = 5.0
#: Deaths of a job without a case counted in between, before it is given up.
_MAX_DEATHS = 5


@dataclass(slots=True)
class Result:
    """What a campaign amounted to; it grows while the campaign runs.

    Attributes:
        edges: how many of Cranelift's edges the cases covered.
        covered: the bit set of these (``backend.coverage.unpack``).
        deaths: workers that died or had to be stopped.
        interrupted: a signal ended it.
        error: why it ended early, empty otherwise.
        unwritten: the text of findings that could not be written.
    """

    statistics: Statistics = field(default_factory=Statistics)
    findings: list[Record] = field(default_factory=list)
    edges: int = 0
    covered: bytes = b""
    deaths: int = 0
    interrupted: bool = False
    error: str = ""
    unwritten: list[str] = field(default_factory=list)


class Campaign:
    """Runs a plan to its end, or until a signal.

    Args:
        on_tick: called a few times a second with the result so far.
    """

    def __init__(self, plan: Plan, on_tick: Callable[[Result], None] | None = None) -> None:
        self.plan = plan
        self.on_tick = on_tick
        self.result = Result()
        self.jobs: list[Job] = []
        self._edges = 0
        self._edge_bytes = 0
        self._stopping_since: float | None = None
        self._began = 0.0

    def run(self) -> Result:
        """Returns when every worker has ended. Never raises for what a worker did."""
        with self._signals():
            self._began = time.monotonic()
            try:
                for number in range(self.plan.jobs):
                    self.jobs.append(Job(self.plan, number))
                while pending := [job for job in self.jobs if not job.done]:
                    self._wait(pending)
                    self._enforce_limits(pending)
                    if self.on_tick is not None:
                        self.on_tick(self.result)
            finally:
                for job in self.jobs:
                    job.end()
        self.result.edges = self._edges.bit_count()
        self.result.covered = self._edges.to_bytes(self._edge_bytes, "little")
        return self.result

    def stop(self) -> None:
        """Lets every worker finish its case, and end."""
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()

    # --- messages ---

    def _wait(self, pending: list[Job]) -> None:
        handles: list[Connection | int] = [job.connection for job in pending]
        handles += [job.process.sentinel for job in pending]
        ready = wait(handles, _TICK_SECONDS)
        for job in pending:
            # What a worker said before it died comes first.
            if job.connection in ready:
                self._receive(job)
            elif job.process.sentinel in ready:
                self._bury(job)

    def _receive(self, job: Job) -> None:
        try:
            message: Message = job.connection.recv()
        except (EOFError, OSError):
            self._bury(job)
        else:
            self._take(job, message)

    def _take(self, job: Job, message: Message) -> None:
        match message:
            case Progress():
                self._count(job, message)
            case Found():
                self._add(message.record)
            case Failed():
                self.result.error = message.message
                if message.record is not None:
                    self._add(message.record)
                    self.result.unwritten.append(message.text)
                job.done = True
                self.stop()

    def _count(self, job: Job, progress: Progress) -> None:
        self.result.statistics.add(progress.statistics)
        self._edges |= int.from_bytes(progress.edges, "little")
        self._edge_bytes = max(self._edge_bytes, len(progress.edges))
        if progress.next_case > job.resume_at:
            job.resume_at, job.deaths = progress.next_case, 0
        job.done = progress.done

    def _add(self, record: Record) -> None:
        """A case that is done a second time, after a death, finds the same once more."""
        if not record.file or all(record != known for known in self.result.findings):
            self.result.findings.append(record)

    # --- deaths ---

    def _bury(self, job: Job) -> None:
        """The worker is dead: writes down what it died of, and starts another behind it."""
        job.process.join()  # its files are closed before its exit code is known
        stopping = self._stopping_since is not None
        last = job.flight.look()
        self.result.deaths += 1
        job.deaths += 1
        if last is not None and job.is_doubtful(last):
            job.suspect = last.index
        elif last is not None:
            self._report_death(job, last)
        if stopping:
            job.done = True
        elif job.deaths > _MAX_DEATHS:
            self.result.error = (
                f"{job.process.name} {job.cause()}, time and again without a case done"
            )
            job.done = True
            self.stop()
        else:
            job.start(self._seconds_left())

    def _seconds_left(self) -> float | None:
        if self.plan.seconds is None:
            return None
        return max(0.0, self.plan.seconds - (time.monotonic() - self._began))

    def _report_death(self, job: Job, last: InFlight) -> None:
        cause = job.cause()
        message = examine(self.plan, last, cause, self.plan.case_seconds + _PATIENCE_SECONDS)
        job.skip.add(last.index)
        self.result.statistics.cases += 1
        if message is not None:
            self._take(job, message)
        else:
            reason = f"internal: worker {cause} in {last.stage.label}"
            self.result.statistics.note_rejected(reason, last.index)

    # --- limits, and the end ---

    def _enforce_limits(self, pending: list[Job]) -> None:
        for job in pending:
            last = job.flight.look()
            if last is not None and last.seconds > self.plan.case_seconds and not job.too_long:
                job.too_long = True
                job.kill()
        if self._stopping_since is None:
            return
        impatient = time.monotonic() - self._stopping_since > _PATIENCE_SECONDS
        for job in pending:
            job.flight.request_stop()
            if impatient:
                job.kill()

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
