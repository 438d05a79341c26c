"""Minimises findings while a campaign goes on, so that its summary can tell faults apart.

A process of its own does the work at a lower priority (``fuzz.triage.background_process``). It
uses a tenth of the campaign's CPU time. This module is the campaign's side. It imports
nothing that is slow, and never waits for the process while the campaign runs.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

from fuzz.campaign.child_process import ChildProcess
from fuzz.campaign.fault_buckets import MinimizedFault
from fuzz.campaign.result import CampaignResult, FindingSummary
from fuzz.differential.base_answer import Novelty
from fuzz.triage.background_messages import NO_PACE, Faults, Idle, Postponed, Task
from fuzz.triage.base.messages import BaseFacts

#: The share of a core for each worker of the campaign.
_SHARE: Final = 0.1
#: Seconds at the end for the first finding of each bucket, and for others.
_FIRST_SECONDS: Final = 30.0
_OTHER_SECONDS: Final = 10.0
#: Processes that may end on their own before minimising is given up.
_MAX_DEATHS: Final = 5
_TICK_SECONDS: Final = 0.1

#: The main function of the process.
BackgroundMain = Callable[[Connection, float, str], None]


def start_background(
    connection: Connection, share: float, directory: str, base: BaseFacts | None = None
) -> None:
    """Minimise what is asked for; the main function of the process.

    Args:
        base: a minimal case must not be one that it fails on, too.
    """
    # The compiler is loaded in that process only.
    from fuzz.triage.background_process import serve
    from fuzz.triage.base.background_process import asker_of

    serve(connection, share, directory, asker=None if base is None else asker_of(base))


class BackgroundMinimizer:
    """Minimises the new findings of a running campaign, of each bucket the first one first.

    A minimised finding is written to a file (``fuzz.triage.minimized_files``). Nothing else is
    kept, so nothing is lost when a process is killed.

    Args:
        jobs: the campaign's worker processes.
        main: what the process runs.

    Attributes:
        faults: those of findings that are minimised, and of those that seem alike, by their files.
    """

    def __init__(self, jobs: int, main: BackgroundMain = start_background) -> None:
        self.main = main
        self.share = min(1.0, _SHARE * jobs)
        self.faults: dict[str, MinimizedFault] = {}
        self._read = 0
        #: Places of findings that the campaign's base has not been asked about.
        self._unsorted: list[int] = []
        #: Files to be minimised, by bucket; those that a minimised finding explains come later.
        self._waiting: dict[str, deque[str]] = {}
        self._later: deque[tuple[str, str]] = deque()
        self._taken: dict[str, int] = {}
        self._current: tuple[str, str] | None = None
        self._deaths = 0
        self._child: ChildProcess | None = None
        self._idle = False
        self._hurrying = False

    def update(self, result: CampaignResult) -> None:
        """Take new findings, keep the process busy, and add what is known of faults to the result.

        Does not wait.
        """
        places = [*self._unsorted, *range(self._read, len(result.findings))]
        self._unsorted = [place for place in places if result.findings[place].base.pending]
        for place in places:
            self._add(result.findings[place])
        self._read = len(result.findings)
        if self._deaths > _MAX_DEATHS or not self._has_work:
            return
        if self._child is None:
            self._start()
        self._receive()
        result.faults = self.faults
        if self._idle:
            self._send_next()

    def finish(
        self,
        result: CampaignResult,
        first_seconds: float = _FIRST_SECONDS,
        other_seconds: float = _OTHER_SECONDS,
    ) -> None:
        """Go on at full speed after the campaign, for a bounded time.

        Args:
            first_seconds: how long at most while there are buckets without a minimised finding.
            other_seconds: how long at most otherwise.
        """
        began = time.monotonic()
        self._hurrying = True
        self._send(NO_PACE)
        while self._deaths <= _MAX_DEATHS:
            self.update(result)
            first = any(not self._taken.get(bucket) for bucket in self._waiting)
            first = first or (self._current is not None and self._taken[self._current[0]] == 1)
            limit = first_seconds if first else other_seconds
            if not self._has_work or time.monotonic() - began >= limit:
                return
            time.sleep(_TICK_SECONDS)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._child is not None:
            self._child.close()
            self._child = None
        self._idle = False

    @property
    def _has_work(self) -> bool:
        return bool(self._waiting or self._later or self._current)

    def _add(self, summary: FindingSummary) -> None:
        if summary.file and summary.novelty is Novelty.NEW and not summary.base.pending:
            self._waiting.setdefault(summary.bucket, deque()).append(summary.file)

    def _start(self) -> None:
        self._child = ChildProcess.start(
            self.main, lambda theirs, directory: (theirs, self.share, str(directory)), "minimizing"
        )
        if self._hurrying:
            self._send(NO_PACE)

    def _receive(self) -> None:
        """Take the messages that are there."""
        assert self._child is not None
        try:
            while self._child.connection.poll():
                message = self._child.connection.recv()
                if isinstance(message, Faults):
                    self.faults = self.faults | message.by_file
                    continue
                if isinstance(message, Postponed) and self._current is not None:
                    self._later.append(self._current)
                self._current = None
                self._idle = isinstance(message, Idle | Postponed)
        except (EOFError, OSError):
            # The finding that it was working on is not tried again.
            self._current = None
            self._deaths += 1
            self.close()

    def _send_next(self) -> None:
        if self._waiting:
            (bucket, file), even_if_explained = self._take(), False
        elif self._later:
            (bucket, file), even_if_explained = self._later.popleft(), True
        else:
            return
        self._taken[bucket] = self._taken.get(bucket, 0) + 1
        self._current, self._idle = (bucket, file), False
        self._send(Task(file, even_if_explained))

    def _take(self) -> tuple[str, str]:
        """Take a bucket's first finding, of the bucket of which the fewest were taken.

        Findings whose fault seems to be known come last.
        """
        order = sorted(self._waiting, key=lambda bucket: self._taken.get(bucket, 0))
        every = ((bucket, file) for bucket in order for file in self._waiting[bucket])
        unknown = (each for each in every if each[1] not in self.faults)
        bucket, file = next(unknown, (order[0], self._waiting[order[0]][0]))
        self._waiting[bucket].remove(file)
        if not self._waiting[bucket]:
            del self._waiting[bucket]
        return bucket, file

    def _send(self, message: object) -> None:
        """Send a message. There are never so many that this would wait."""
        if self._child is not None:
            try:
                self._child.connection.send(message)
            except OSError:
                return  # it has ended, which ``_receive`` notices
