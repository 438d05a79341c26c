"""One worker: a process that runs cases, and its successors when it crashes."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path

from fuzz.campaign.exit_cause import ExitCause, find_exit_cause
from fuzz.campaign.in_flight import InFlightCase, InFlightSlot
from fuzz.campaign.plan import Assignment, CampaignPlan, WorkerState
from fuzz.campaign.worker_pool import WorkerMessage

_CONTEXT = multiprocessing.get_context("spawn")
_PATIENCE_SECONDS = 5.0
_STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: How often a case is run before it is to blame for a SIGKILL: the cause may be somebody else's
#: signal, or a slow machine.
_TRIES_IF_KILLED = 3
_TRIES_IF_TIMED_OUT = 2

#: The main function of a worker process; ``start_worker`` says what the arguments are.
WorkerMain = Callable[[CampaignPlan, Assignment, InFlightSlot, str, Connection], None]


def start_worker(
    plan: CampaignPlan,
    assignment: Assignment,
    in_flight: InFlightSlot,
    errors: str,
    connection: Connection,
) -> None:
    """Run a worker; the main function of its process.

    Compiler, emulator and generator are imported here, not by the process that starts it: that one
    must neither crash nor be slow.

    Args:
        errors: the file for the process's stderr.
        connection: where its messages (``WorkerMessage``) are sent.
    """
    from fuzz.campaign.process_limits import die_with_parent, send_errors_to
    from fuzz.campaign.worker import run_worker

    die_with_parent()
    send_errors_to(errors)
    run_worker(plan, assignment, in_flight, connection)


def _start_crash_reporter(
    plan: CampaignPlan, crashed: InFlightCase, cause: ExitCause, connection: Connection
) -> None:
    from fuzz.campaign.crash_finding import report_crash
    from fuzz.campaign.process_limits import die_with_parent

    die_with_parent()
    report_crash(plan, crashed, cause, connection)


class WorkerProcess:
    """The worker that takes the cases whose index is ``number`` modulo the number of workers.

    Args:
        state: where it begins.
        directory: for the file that the processes' stderr goes to.
        main: what a worker process runs.

    Attributes:
        state: what is counted, as far as this process knows.
        suspect: the case that a killed process was running, which is tried again.
        tries: how often the suspect has been run.
        deaths: processes that ended since a case was last counted.
        timed_out: the process was killed because its case took too long.
        done: no process will be started any more.
        started: seconds between the start of the pool and that of the present process.
    """

    def __init__(
        self,
        plan: CampaignPlan,
        number: int,
        state: WorkerState,
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
        self.timed_out = False
        self.done = False
        self.started = 0.0
        self._errors = directory / f"worker-{number}.stderr"

    def start(self, known: frozenset[str], seconds: float | None, started: float = 0.0) -> None:
        """Start a process, which begins with the first case that is not counted.

        Args:
            known: as in ``Assignment``.
            seconds: how long it may run; None for no limit.
            started: seconds since the start of the pool.
        """
        self.timed_out = False
        self.started = started
        self._errors.unlink(missing_ok=True)
        self.in_flight = InFlightSlot(_CONTEXT)
        self.connection, theirs = _CONTEXT.Pipe(duplex=False)
        state = self.state
        assignment = Assignment(state.next_case, frozenset(state.skip), known, seconds)
        self.process = _CONTEXT.Process(
            target=self.main,
            args=(self.plan, assignment, self.in_flight, str(self._errors), theirs),
            name=f"worker {self.number}",
        )
        with blocked_signals():
            self.process.start()
        theirs.close()

    def skip_case(self, index: int) -> None:
        """Never run a case again, because a process crashed on it.

        A process that came further than the last one that crashed has done cases in between, even
        if it ended before it reported them; so it counts as progress.
        """
        last = max(self.state.skip, default=self.plan.first_case(self.number))
        if index > self.plan.next_case(last):
            self.deaths = 0
        self.state.skip.add(index)

    def kill(self) -> None:
        """Kill the present process."""
        self.process.kill()

    def close(self) -> None:
        """Wait for the process if it is about to exit, otherwise kill it."""
        if self.done:
            self.process.join(_PATIENCE_SECONDS)
        self.process.kill()
        self.process.join()
        self.connection.close()

    def advance(self, next_case: int) -> None:
        """Note that all cases before ``next_case`` are counted."""
        if next_case > self.state.next_case:
            self.state.advance(next_case)
            self.deaths = 0

    @property
    def was_killed(self) -> bool:
        """Whether the process ended by SIGKILL, whoever sent it."""
        return self.process.exitcode == -signal.SIGKILL

    def should_retry(self, crashed: InFlightCase) -> bool:
        """Whether to run the case again, since the cause may lie outside of it.

        Every call counts as one try of the case.
        """
        if not self.was_killed:
            return False
        self.tries = self.tries + 1 if self.suspect == crashed.index else 1
        self.suspect = crashed.index
        return self.tries < (_TRIES_IF_TIMED_OUT if self.timed_out else _TRIES_IF_KILLED)

    def exit_cause(self) -> ExitCause:
        """Return why the process ended."""
        return find_exit_cause(self.process.exitcode, self._errors, timed_out=self.timed_out)


def report_crash_elsewhere(
    plan: CampaignPlan, crashed: InFlightCase, cause: ExitCause, patience: float
) -> WorkerMessage | None:
    """Have another process write the finding of a crash, since generating the case may crash too.

    Args:
        patience: how many seconds the other process has.

    Returns:
        What that process sends; None if it crashes or takes too long.
    """
    connection, theirs = _CONTEXT.Pipe(duplex=False)
    reporter = _CONTEXT.Process(target=_start_crash_reporter, args=(plan, crashed, cause, theirs))
    with blocked_signals():
        reporter.start()
    theirs.close()
    try:
        if connection.poll(patience):
            message: WorkerMessage = connection.recv()
            return message
    except (EOFError, OSError):
        pass
    finally:
        reporter.kill()
        reporter.join()
        connection.close()
    return None


@contextmanager
def blocked_signals() -> Iterator[None]:
    """Block the stopping signals for child processes that are started in this context.

    A terminal sends Ctrl-C to the whole process group, but only the supervisor decides when workers
    stop. The child inherits the blocked mask; this process gets the signals afterwards.
    """
    # Otherwise the first start of a child would start the tracker, which unblocks the signals.
    resource_tracker.ensure_running()
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
