"""The workers of this machine: starts them, listens to them, replaces them when they die.

It imports nothing that is slow or that could die: compiler, emulator and generator live in the
workers. Every case is counted once, whatever dies: a worker's successor begins behind the last case
that was reported, and what the dead one did behind it is done again.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Protocol

from fuzz.campaign.in_flight import InFlight
from fuzz.campaign.messages import Death, Failed, Found, Message, Progress
from fuzz.campaign.plan import Plan
from fuzz.campaign.result import JobState
from fuzz.campaign.worker_process import Job, WorkerMain, have_written_down, start_worker

_PATIENCE_SECONDS = 5.0
#: Deaths of a job without a case counted in between, before it is given up.
_MAX_DEATHS = 5


@dataclass(frozen=True, slots=True)
class Event:
    """A message with the number of the job that it is about."""

    job: int
    message: Message


class Crew(Protocol):
    """Whoever has the jobs of a campaign done."""

    def start(
        self, states: Mapping[int, JobState], known: frozenset[str], seconds: float | None
    ) -> None:
        """Sets all jobs going, from these states, for so long.

        ``known`` are the buckets of known faults that have a file as an example already."""

    @property
    def pending(self) -> bool:
        """Whether something may still come."""

    def pump(self, timeout: float) -> list[Event]:
        """What has been heard, after ``timeout`` seconds at the latest. Never raises for what a
        worker did."""

    def stop(self) -> None:
        """Lets every worker finish its case, and end; who takes too long is stopped."""

    def end(self) -> None:
        """Makes sure that no worker is left."""


class LocalCrew:
    """Workers that are processes of this machine, one per job.

    Args:
        main: what a worker process runs.
    """

    def __init__(self, plan: Plan, main: WorkerMain = start_worker) -> None:
        self.plan = plan
        self.main = main
        self.jobs: list[Job] = []
        self._known: set[str] = set()
        self._seconds: float | None = None
        self._began = 0.0
        self._stopping_since: float | None = None
        self._events: list[Event] = []
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def start(
        self, states: Mapping[int, JobState], known: frozenset[str], seconds: float | None
    ) -> None:
        self._began = time.monotonic()
        self._known, self._seconds = set(known), seconds
        self._directory = tempfile.TemporaryDirectory(prefix="clif-fuzz-")
        for number, state in states.items():
            own = JobState(state.next_case, set(state.skip))
            job = Job(self.plan, number, own, Path(self._directory.name), self.main)
            self.jobs.append(job)
            job.start(known, seconds)

    @property
    def pending(self) -> bool:
        return bool(self._events) or not all(job.done for job in self.jobs)

    def pump(self, timeout: float) -> list[Event]:
        pending = [job for job in self.jobs if not job.done]
        handles: list[Connection | int] = [job.connection for job in pending]
        handles += [job.process.sentinel for job in pending]
        ready = wait(handles, timeout) if handles else []
        for job in pending:
            # What a worker said before it died comes first.
            if job.connection in ready:
                self._receive(job)
            elif job.process.sentinel in ready:
                self._bury(job)
        self._enforce_limits(job for job in pending if not job.done)
        events, self._events = self._events, []
        return events

    def stop(self) -> None:
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
        impatient = time.monotonic() - self._stopping_since > _PATIENCE_SECONDS
        for job in self.jobs:
            if not job.done:
                job.flight.request_stop()
                if impatient:
                    job.kill()

    def end(self) -> None:
        for job in self.jobs:
            job.end()
        if self._directory is not None:
            self._directory.cleanup()

    # --- messages ---

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
                message.statistics.wall_ns += int(job.started * 1e9)
                job.count(message.next_case)
                job.done = message.done
            case Found() if message.record.known:
                self._known.add(message.record.bucket)
            case Failed():
                job.done = True
        self._events.append(Event(job.number, message))

    # --- deaths ---

    def _bury(self, job: Job) -> None:
        """The worker is dead: says what it died of, and starts another behind it."""
        job.process.join()  # its files are closed before its exit code is known
        last = job.flight.look()
        job.deaths += 1
        if last is None or self._was_impatient(job) or job.is_doubtful(last):
            self._take(job, Death())
        else:
            self._report_death(job, last)
        if self._stopping_since is not None:
            job.done = True
        elif job.deaths > _MAX_DEATHS:
            cause = job.autopsy().cause
            text = f"{job.process.name} {cause}, time and again without a case done"
            self._take(job, Failed(text))
        elif not job.done:
            job.start(frozenset(self._known), self._seconds_left(), self._elapsed())

    def _was_impatient(self, job: Job) -> bool:
        """Whether it was killed for not having stopped, which is no fault of its case."""
        stopping = self._stopping_since is not None
        return stopping and job.was_killed and not job.too_long

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _seconds_left(self) -> float | None:
        return None if self._seconds is None else max(0.0, self._seconds - self._elapsed())

    def _report_death(self, job: Job, last: InFlight) -> None:
        autopsy = job.autopsy()
        patience = self.plan.case_seconds + _PATIENCE_SECONDS
        message = have_written_down(self.plan, last, autopsy, patience)
        job.blame(last.index)
        match message:
            case Death():
                self._take(job, message)
            case Failed():  # not written down: the case is not dealt with
                self._take(job, message)
                self._take(job, Death())
            case None:
                reason = f"internal: worker {autopsy.cause} in {last.stage.label}"
                self._take(job, Death(last.index, reason))
            case _:
                self._take(job, message)
                self._take(job, Death(last.index))

    # --- limits ---

    def _enforce_limits(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            last = job.flight.look()
            if last is not None and last.seconds > self.plan.case_seconds and not job.too_long:
                job.too_long = True
                job.kill()
