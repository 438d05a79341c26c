"""Asks a campaign's base about findings while the campaign goes on, and sorts them.

A process of its own does the work at a lower priority, in a tenth of the campaign's CPU time
(``background_process``). This module is the campaign's side. It imports nothing that is slow, and
never waits for the process while the campaign runs.

A finding that the base has too is moved to a folder of its own. An answer stands in the finding's
file before it is in the database, and a finding without an answer is asked about when the campaign
is resumed: so nothing is lost, whatever is killed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from backend.whole_file import write_whole
from fuzz.campaign.child_process import ChildProcess
from fuzz.campaign.plan import CampaignBase
from fuzz.campaign.result import CampaignResult, FindingSummary
from fuzz.differential.base_answer import BaseAnswer, BaseStatus, Novelty, with_answer
from fuzz.differential.finding import OLD_FINDINGS, FindingKind
from fuzz.triage.background_messages import NO_PACE
from fuzz.triage.base.messages import Answer, BaseFacts, Question, Ready

#: The share of a core for each worker of the campaign.
_SHARE: Final = 0.1
#: How long one question may take by the clock before the process is killed.
_QUESTION_SECONDS: Final = 600.0
#: Processes that may end on their own before the base is given up.
_MAX_DEATHS: Final = 6
#: How long the base is asked after the campaign at most.
_FINISH_SECONDS: Final = 300.0
_TICK_SECONDS: Final = 0.05
#: Kinds of findings whose case ended a process while it was emulated.
_OF_EXECUTION: Final = (FindingKind.EMULATOR_FAULT.value, FindingKind.HANG.value)

#: The main function of the process.
AskerMain = Callable[[Connection, float, str], None]


def start_asker(facts: BaseFacts, connection: Connection, share: float, directory: str) -> None:
    """Answer what is asked; the main function of the process, for a base."""
    # The compiler is loaded in that process only.
    from fuzz.triage.base.background_process import asker_of, serve

    serve(connection, share, directory, asker_of(facts))


class BaseSorter:
    """Sorts the findings of a running campaign into new and old ones.

    Args:
        base: the name is noted in the findings' files.
        jobs: the campaign's worker processes.
        main: what the process runs.
        question_seconds: how long one question may take by the clock.
    """

    def __init__(
        self,
        base: CampaignBase,
        jobs: int,
        main: AskerMain,
        question_seconds: float = _QUESTION_SECONDS,
    ) -> None:
        self.base = base
        self.main = main
        self.share = min(1.0, _SHARE * jobs)
        self.question_seconds = question_seconds
        self.problem = ""
        self._read = 0
        #: Places of findings that the base has not been asked about.
        self._waiting: deque[int] = deque()
        self._current: int | None = None
        self._asked_at = 0.0
        self._tried = False
        self._child: ChildProcess | None = None
        self._ready = False
        self._deaths = 0
        self._hurrying = False

    def update(self, result: CampaignResult) -> None:
        """Take new findings and answers, and keep the process busy. Does not wait."""
        self._take_new(result)
        if self._child is not None:
            self._receive(result)
        if self._current is None and self._waiting:
            self._ask_next(result)

    def finish(self, result: CampaignResult, seconds: float = _FINISH_SECONDS) -> None:
        """Go on at full speed after the campaign until every finding is sorted.

        Args:
            seconds: how long at most. What is left then stays new, and not asked about.
        """
        began = time.monotonic()
        self._hurrying = True
        self._send(NO_PACE)
        while True:
            self.update(result)
            if self._current is None and not self._waiting:
                return
            if time.monotonic() - began >= seconds:
                return
            time.sleep(_TICK_SECONDS)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._child is not None:
            self._child.close()
            self._child = None
        self._ready = False

    def _take_new(self, result: CampaignResult) -> None:
        for place in range(self._read, len(result.findings)):
            if not result.findings[place].base.pending:
                continue
            if result.findings[place].file:
                self._waiting.append(place)
            else:
                self._settle(result, place, _unclear("the finding has no file"))
        self._read = len(result.findings)

    # --- the process ---

    def _ask_next(self, result: CampaignResult) -> None:
        if self._deaths > _MAX_DEATHS:
            for place in self._waiting:
                self._settle(result, place, _unclear("the process that asks dies time and again"))
            self._waiting.clear()
        elif self._child is None:
            self._child = ChildProcess.start(
                self.main, lambda theirs, directory: (theirs, self.share, str(directory)), "base"
            )
            if self._hurrying:
                self._send(NO_PACE)
        elif self._ready:
            self._current, self._ready = self._waiting.popleft(), False
            self._asked_at = time.monotonic()
            self._send(Question(result.findings[self._current].file))

    def _receive(self, result: CampaignResult) -> None:
        """Take the messages that are there, and notice the end of the process."""
        assert self._child is not None
        try:
            while self._child.connection.poll():
                message = self._child.connection.recv()
                self._ready = self._ready or isinstance(message, Ready)
                if isinstance(message, Answer) and self._current is not None:
                    self._settle(result, self._current, message.answer)
                    self._current, self._tried = None, False
        except (EOFError, OSError):
            self._handle_exit(result, "the process that asked was ended by it")
            return
        seconds = 0.0 if self._current is None else time.monotonic() - self._asked_at
        if seconds > self.question_seconds:
            self._tried = True  # it would take as long again
            self._handle_exit(result, f"took longer than {self.question_seconds:.0f} s")

    def _handle_exit(self, result: CampaignResult, why: str) -> None:
        """Start anew. A question is asked a second time before it counts as what ended it."""
        self._deaths += 1
        self.close()
        place, self._current = self._current, None
        if place is None:
            return
        if not self._tried:
            self._tried = True
            self._waiting.appendleft(place)
            return
        self._tried = False
        summary = result.findings[place]
        # A finding of a case that ends a process when it is emulated: the base's code does, too.
        same = summary.kind in _OF_EXECUTION and not summary.isa
        answer = BaseAnswer(BaseStatus.FAILS, why) if same else _unclear(why)
        self._settle(result, place, answer)

    def _send(self, message: object) -> None:
        """Send a message. There are never so many that this would wait."""
        if self._child is not None:
            try:
                self._child.connection.send(message)
            except OSError:
                return  # it has ended, which ``_receive`` notices

    # --- answers ---

    def _settle(self, result: CampaignResult, place: int, answer: BaseAnswer) -> None:
        """Note an answer in the finding's file, and in the result."""
        summary = replace(result.findings[place], base=answer)
        if summary.file:
            try:
                summary = replace(summary, file=str(self._write(summary, answer)))
            except (OSError, UnicodeDecodeError) as error:
                self.problem = self.problem or f"{summary.file}: {error}"
        result.findings[place] = summary

    def _write(self, summary: FindingSummary, answer: BaseAnswer) -> Path:
        """Write the answer into the finding's file; move that of an old one.

        Returns:
            Where the file is then.
        """
        path = Path(summary.file)
        text = with_answer(path.read_text(encoding="utf-8"), answer, self.base.title)
        if summary.novelty is not Novelty.OLD:
            write_whole(text, path)
            return path
        moved = path.parent / OLD_FINDINGS / path.name
        moved.parent.mkdir(exist_ok=True)
        write_whole(text, moved)
        path.unlink()
        return moved


def _unclear(note: str) -> BaseAnswer:
    return BaseAnswer(BaseStatus.UNCLEAR, note)
