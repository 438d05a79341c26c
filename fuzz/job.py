"""One job of a campaign: a worker process at a time, and its successors if it dies."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection

from fuzz.flight import Flight, InFlight
from fuzz.messages import Message
from fuzz.plan import Plan

_CONTEXT = multiprocessing.get_context("spawn")
_PATIENCE_SECONDS = 5.0
_STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _start_worker(
    plan: Plan, first: int, skip: frozenset[int], flight: Flight, connection: Connection
) -> None:
    from fuzz.worker import run_worker

    run_worker(plan, first, skip, flight, connection)


def _start_coroner(plan: Plan, last: InFlight, cause: str, connection: Connection) -> None:
    from fuzz.coroner import report_death

    report_death(plan, last, cause, connection)


class Job:
    """The cases whose index is ``number`` modulo the number of jobs.

    Attributes:
        resume_at: index of the first case that no report has counted yet.
        skip: cases behind it that are dealt with: a worker died of them.
        suspect: the case that a killed worker had in hand; it has a second try.
        deaths: of workers, without a case counted in between.
        too_long: the worker was killed for the time that a case took.
    """

    def __init__(self, plan: Plan, number: int) -> None:
        self.plan = plan
        self.number = number
        self.resume_at = number
        self.skip: set[int] = set()
        self.suspect: int | None = None
        self.deaths = 0
        self.too_long = False
        self.done = False
        self.start(plan.seconds)

    def start(self, seconds: float | None) -> None:
        """Starts a worker with so much time, where its predecessor was if it had one."""
        self.too_long = False
        self.flight = Flight(_CONTEXT)
        self.connection, theirs = _CONTEXT.Pipe(duplex=False)
        plan = replace(self.plan, seconds=seconds)
        self.process = _CONTEXT.Process(
            target=_start_worker,
            args=(plan, self.resume_at, frozenset(self.skip), self.flight, theirs),
            name=f"job {self.number}",
        )
        with _blocked_signals():
            self.process.start()
        theirs.close()

    def kill(self) -> None:
        self.process.kill()

    def end(self) -> None:
        """Makes sure that no process is left; one that is about to end may do so."""
        if self.done:
            self.process.join(_PATIENCE_SECONDS)
        self.process.kill()
        self.process.join()
        self.connection.close()

    def is_doubtful(self, last: InFlight) -> bool:
        """Whether the cause may lie outside of the case: a slow machine, or whoever sends SIGKILL.

        Such a case has a second try before it counts.
        """
        return self.process.exitcode == -signal.SIGKILL and self.suspect != last.index

    def cause(self) -> str:
        """What the worker died of."""
        if self.too_long:
            return "took too long"
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"


def examine(plan: Plan, last: InFlight, cause: str, patience: float) -> Message | None:
    """Has the case of a dead worker written down by another process, for it might be the making
    of it that kills. None if that process does not survive it either."""
    connection, theirs = _CONTEXT.Pipe(duplex=False)
    coroner = _CONTEXT.Process(target=_start_coroner, args=(plan, last, cause, theirs))
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
