"""The watchdog: a daemon thread that stops emulation that takes too long.

Watching must cost next to nothing per run, so a run only notes that it began and ended. A few times
a second the thread looks which run is on. It measures the CPU time of that run's own thread since
it first saw the run, so that a run does not seem to hang because the machine is busy.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Final, Protocol

_PERIOD: Final = 0.1  # seconds


class Stoppable(Protocol):
    """An engine that another thread can stop."""

    def emu_stop(self) -> None:
        """Have the run that is on end soon."""


class Watched:
    """An engine that is watched. ``begin`` and ``end`` must be called around each start of it.

    Attributes:
        limit: seconds of CPU time that a run may take.
        run: the number of the run that is on, 0 for none.
        runs: how many runs have begun.
        expired: the number of the run that was stopped last.
        thread: the thread that runs the engine.
    """

    __slots__ = ("__weakref__", "expired", "limit", "run", "runs", "thread", "uc")

    def __init__(self, uc: Stoppable, limit: float) -> None:
        self.uc = uc
        self.limit = limit
        self.runs = 0
        self.run = 0
        self.expired = 0
        self.thread = 0
        _watch(self)

    def begin(self) -> None:
        """Note that a run begins, in this thread."""
        self.thread = threading.get_ident()
        self.runs += 1
        self.run = self.runs

    def end(self) -> bool:
        """Note that the run ends.

        Returns:
            Whether the watchdog stopped it.
        """
        # Under the lock, so that the watchdog cannot stop the next run instead of this one.
        with _lock:
            run, self.run = self.run, 0
        return self.expired == run


class _Watchdog(threading.Thread):
    """The thread that looks at all engines of this process."""

    def __init__(self) -> None:
        super().__init__(name="emulation watchdog", daemon=True)
        self.engines: weakref.WeakSet[Watched] = weakref.WeakSet()
        self.seen: weakref.WeakKeyDictionary[Watched, tuple[int, float]] = (
            weakref.WeakKeyDictionary()
        )

    def run(self) -> None:
        while True:
            limits = [watched.limit for watched in list(self.engines)]
            time.sleep(min([_PERIOD, *(limit / 4 for limit in limits)]))
            for watched in list(self.engines):
                self._look(watched)

    def _look(self, watched: Watched) -> None:
        run = watched.run
        if not run:
            return
        now = _cpu_seconds(watched.thread)
        first, since = self.seen.get(watched, (0, 0.0))
        if first != run:
            self.seen[watched] = run, now
        elif now - since >= watched.limit:
            with _lock:
                if watched.run == run:
                    watched.expired = run
                    watched.uc.emu_stop()


def _cpu_seconds(thread: int) -> float:
    """Return the CPU time of a thread, or wall time where the system does not tell."""
    if thread and hasattr(time, "pthread_getcpuclockid"):
        try:
            return time.clock_gettime(time.pthread_getcpuclockid(thread))
        except (OSError, ProcessLookupError):
            return time.monotonic()
    return time.monotonic()


_watchdog: _Watchdog | None = None
_lock = threading.Lock()


def _watch(watched: Watched) -> None:
    global _watchdog
    with _lock:
        if _watchdog is None:
            _watchdog = _Watchdog()
            _watchdog.start()
        _watchdog.engines.add(watched)


def _after_fork() -> None:
    """Start a new watchdog in a forked process, which has no threads of its parent."""
    global _watchdog, _lock
    _lock = threading.Lock()
    if _watchdog is None:
        return
    engines, _watchdog = list(_watchdog.engines), None
    for watched in engines:
        _watch(watched)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
