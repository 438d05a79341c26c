"""The worker pool of one machine: starts worker processes and replaces those that crash.

This process imports nothing that is slow or that might crash: compiler, emulator and generator live
in the workers. Every case is counted exactly once, whatever crashes: a successor begins after the
last case that was reported, and runs again what its predecessor did after that.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path

from fuzz.campaign.in_flight import InFlightCase
from fuzz.campaign.plan import CampaignPlan, WorkerState
from fuzz.campaign.worker_pool import (
    FindingReport,
    WorkerEvent,
    WorkerExit,
    WorkerFailure,
    WorkerMessage,
    WorkerProgress,
)
from fuzz.campaign.worker_process import (
    WorkerMain,
    WorkerProcess,
    report_crash_elsewhere,
    start_worker,
)

_PATIENCE_SECONDS = 5.0
#: A worker is given up after more processes than this ended without a case counted in between.
_MAX_DEATHS = 5


class LocalWorkers:
    """A ``WorkerPool`` of processes on this machine.

    Args:
        main: what a worker process runs.
    """

    def __init__(self, plan: CampaignPlan, main: WorkerMain = start_worker) -> None:
        self.plan = plan
        self.main = main
        self.workers: list[WorkerProcess] = []
        self._known: set[str] = set()
        self._seconds: float | None = None
        self._began = 0.0
        self._stopping_since: float | None = None
        self._events: list[WorkerEvent] = []
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def start(
        self, states: Mapping[int, WorkerState], known: frozenset[str], seconds: float | None
    ) -> None:
        """Start a process for each worker."""
        self._began = time.monotonic()
        self._known, self._seconds = set(known), seconds
        self._directory = tempfile.TemporaryDirectory(prefix="clif-fuzz-")
        for number, state in states.items():
            own = WorkerState(state.next_case, set(state.skip))
            directory = Path(self._directory.name)
            worker = WorkerProcess(self.plan, number, own, directory, self.main)
            self.workers.append(worker)
            worker.start(known, seconds)

    @property
    def pending(self) -> bool:
        """Whether ``poll`` may still return events."""
        return bool(self._events) or not all(worker.done for worker in self.workers)

    def poll(self, timeout: float) -> list[WorkerEvent]:
        """Return what the workers sent, after ``timeout`` seconds at the latest."""
        pending = [worker for worker in self.workers if not worker.done]
        handles: list[Connection | int] = [worker.connection for worker in pending]
        handles += [worker.process.sentinel for worker in pending]
        ready = wait(handles, timeout) if handles else []
        for worker in pending:
            # What a process sent before it ended comes first.
            if worker.connection in ready:
                self._receive(worker)
            elif worker.process.sentinel in ready:
                self._handle_exit(worker)
        self._enforce_time_limit(worker for worker in pending if not worker.done)
        events, self._events = self._events, []
        return events

    def stop(self) -> None:
        """Let every worker finish its case; kill those that take more than a few seconds."""
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
        too_late = time.monotonic() - self._stopping_since > _PATIENCE_SECONDS
        for worker in self.workers:
            if not worker.done:
                worker.in_flight.request_stop()
                if too_late:
                    worker.kill()

    def close(self) -> None:
        """Kill the processes that are left, and remove the temporary files."""
        for worker in self.workers:
            worker.close()
        if self._directory is not None:
            self._directory.cleanup()

    # --- messages ---

    def _receive(self, worker: WorkerProcess) -> None:
        try:
            message: WorkerMessage = worker.connection.recv()
        except (EOFError, OSError):
            self._handle_exit(worker)
        else:
            self._take(worker, message)

    def _take(self, worker: WorkerProcess, message: WorkerMessage) -> None:
        """Keep track of what a message says, and hand it on."""
        match message:
            case WorkerProgress():
                message.statistics.wall_ns += int(worker.started * 1e9)
                worker.advance(message.next_case)
                worker.done = message.done
            case FindingReport() if message.summary.known:
                self._known.add(message.summary.bucket)
            case WorkerFailure():
                worker.done = True
        self._events.append(WorkerEvent(worker.number, message))

    # --- exits ---

    def _handle_exit(self, worker: WorkerProcess) -> None:
        """Report why a process ended, and start its successor."""
        worker.process.join()  # the exit code is known only some time after the pipe is closed
        crashed = worker.in_flight.read()
        worker.deaths += 1
        stopped = self._was_killed_while_stopping(worker)
        if crashed is None or stopped or worker.should_retry(crashed):
            self._take(worker, WorkerExit())
        else:
            self._report_crash(worker, crashed)
        if self._stopping_since is not None:
            worker.done = True
        elif worker.deaths > _MAX_DEATHS:
            cause = worker.exit_cause().text
            text = f"{worker.process.name} {cause}, time and again without a case done"
            self._take(worker, WorkerFailure(text))
        elif not worker.done:
            worker.start(frozenset(self._known), self._seconds_left(), self._elapsed())

    def _was_killed_while_stopping(self, worker: WorkerProcess) -> bool:
        """Whether ``stop`` killed the process, which is no fault of its case."""
        stopping = self._stopping_since is not None
        return stopping and worker.was_killed and not worker.timed_out

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _seconds_left(self) -> float | None:
        return None if self._seconds is None else max(0.0, self._seconds - self._elapsed())

    def _report_crash(self, worker: WorkerProcess, crashed: InFlightCase) -> None:
        cause = worker.exit_cause()
        patience = self.plan.case_seconds + _PATIENCE_SECONDS
        message = report_crash_elsewhere(self.plan, crashed, cause, patience)
        worker.skip_case(crashed.index)
        match message:
            case WorkerExit():
                self._take(worker, message)
            case WorkerFailure():  # there is no file, so the case must not be counted
                self._take(worker, message)
                self._take(worker, WorkerExit())
            case None:
                reason = f"internal: worker {cause.text} in {crashed.stage.label}"
                self._take(worker, WorkerExit(crashed.index, reason))
            case _:
                self._take(worker, message)
                self._take(worker, WorkerExit(crashed.index))

    # --- limits ---

    def _enforce_time_limit(self, workers: Iterable[WorkerProcess]) -> None:
        for worker in workers:
            current = worker.in_flight.read()
            if current is None or worker.timed_out:
                continue
            if current.seconds > self.plan.case_seconds:
                worker.timed_out = True
                worker.kill()
