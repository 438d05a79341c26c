"""One job of a campaign: a worker process at a time, and its successors if it dies."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path

from fuzz.campaign.exit_cause import Autopsy, examine
from fuzz.campaign.in_flight import Flight, InFlight
from fuzz.campaign.messages import Assignment, Message
from fuzz.campaign.plan import Plan
from fuzz.campaign.result import JobState

_CONTEXT = multiprocessing.get_context("spawn")
_PATIENCE_SECONDS = 5.0
_STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Tries of a case whose workers were killed with SIGKILL, before it is to blame: the cause may lie
#: outside, with whoever sends it, or with a slow machine.
_TRIES_OF_KILLED = 3
_TRIES_OF_TOO_LONG = 2

WorkerMain = Callable[[Plan, Assignment, Flight, str, Connection], None]


def start_worker(
    plan: Plan, assignment: Assignment, flight: Flight, errors: str, connection: Connection
) -> None:
    """The main function of a worker process. ``errors`` is the file for its stderr."""
    from fuzz.campaign.process_limits import die_with_parent, send_errors_to
    from fuzz.campaign.worker import run_worker

    die_with_parent()
    send_errors_to(errors)
    run_worker(plan, assignment, flight, connection)


def _start_coroner(plan: Plan, last: InFlight, autopsy: Autopsy, connection: Connection) -> None:
    from fuzz.campaign.crash_finding import report_death
    from fuzz.campaign.process_limits import die_with_parent

    die_with_parent()
    report_death(plan, last, autopsy, connection)


class Job:
    """The cases whose index is ``number`` modulo the number of jobs.

    Args:
        directory: for the file that the workers' stderr goes to.
        main: what a worker process runs.

    Attributes:
        state: what is counted, as far as this process has heard.
        suspect: the case that a killed worker had in hand; it has further tries.
        deaths: of workers, without a case done in between.
        too_long: the worker was killed for the time that a case took.
        started: seconds between the crew's beginning and that of the worker.
    """

    def __init__(
        self,
        plan: Plan,
        number: int,
        state: JobState,
        directory: Path,
        main: WorkerMain = start_worker,
    ) -> None:
        self.plan = plan
        self.number = number
        self.state = state
        self.main = main
        self.suspect: int | None = None
        self.tries = 0
        self.deaths = 0
        self.too_long = False
        self.done = False
        self.started = 0.0
        self._errors = directory / f"job-{number}.stderr"

    def start(self, known: frozenset[str], seconds: float | None, started: float = 0.0) -> None:
        """Starts a worker with so much time, where its predecessor was if it had one."""
        self.too_long = False
        self.started = started
        self._errors.unlink(missing_ok=True)
        self.flight = Flight(_CONTEXT)
        self.connection, theirs = _CONTEXT.Pipe(duplex=False)
        state = self.state
        assignment = Assignment(state.next_case, frozenset(state.skip), known, seconds)
        self.process = _CONTEXT.Process(
            target=self.main,
            args=(self.plan, assignment, self.flight, str(self._errors), theirs),
            name=f"job {self.number}",
        )
        with _blocked_signals():
            self.process.start()
        theirs.close()

    def blame(self, index: int) -> None:
        """Leaves a case out from now on, for a worker died of it.

        A worker that came further than the last one that died so has done cases in between, be it
        too soon before its end to report them.
        """
        if index > max(self.state.skip, default=self.number) + self.plan.jobs:
            self.deaths = 0
        self.state.skip.add(index)

    def kill(self) -> None:
        self.process.kill()

    def end(self) -> None:
        """Makes sure that no process is left; one that is about to end may do so."""
        if self.done:
            self.process.join(_PATIENCE_SECONDS)
        self.process.kill()
        self.process.join()
        self.connection.close()

    def count(self, next_case: int) -> None:
        """Notes that all cases before this one are counted."""
        if next_case > self.state.next_case:
            self.state.advance(next_case)
            self.deaths = 0

    @property
    def was_killed(self) -> bool:
        """Whether the worker ended by SIGKILL, from whomever."""
        return self.process.exitcode == -signal.SIGKILL

    def is_doubtful(self, last: InFlight) -> bool:
        """Whether the cause may lie outside of the case, so that it has another try."""
        if not self.was_killed:
            return False
        self.tries = self.tries + 1 if self.suspect == last.index else 1
        self.suspect = last.index
        return self.tries < (_TRIES_OF_TOO_LONG if self.too_long else _TRIES_OF_KILLED)

    def autopsy(self) -> Autopsy:
        """What the worker died of."""
        return examine(self.process.exitcode, self._errors, too_long=self.too_long)


def have_written_down(
    plan: Plan, last: InFlight, autopsy: Autopsy, patience: float
) -> Message | None:
    """Has the case of a dead worker written down by another process, for it might be the making
    of it that kills. None if that process does not survive it either."""
    connection, theirs = _CONTEXT.Pipe(duplex=False)
    coroner = _CONTEXT.Process(target=_start_coroner, args=(plan, last, autopsy, theirs))
    with _blocked_signals():
        coroner.start()
    theirs.close()
    try:
        if connection.poll(patience):
            message: Message = connection.recv()
            return message
    except (EOFError, OSError):
        pass
    finally:
        coroner.kill()
        coroner.join()
        connection.close()
    return None


@contextmanager
def _blocked_signals() -> Iterator[None]:
    """A child started in here never sees these signals; this process gets them afterwards.

    A terminal sends Ctrl-C to the whole group, but stopping is the supervisor's word alone.
    """
    # It would be started on the way to the child, and let the signals through again.
    resource_tracker.ensure_running()
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
