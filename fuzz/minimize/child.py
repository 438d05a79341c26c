"""Judging in a process of its own, which may die or take for ever of what it judges.

Cases cross as the text of their files: what is judged is what will be written.
"""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from fuzz.campaign.crash_finding import CRASH_KINDS
from fuzz.campaign.exit_cause import find_exit_cause
from fuzz.campaign.in_flight import InFlightSlot
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.process_limits import die_with_parent, limit_memory, send_errors_to
from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case, read_case
from fuzz.differential.failure_signature import Symptom
from fuzz.minimize.interestingness import TrialJudge

_CONTEXT: Final = multiprocessing.get_context("spawn")


def _serve(judge: TrialJudge, in_flight: InFlightSlot, errors: str, connection: Connection) -> None:
    """The process's main function: a symptom for each text, until there are no more."""
    die_with_parent()
    send_errors_to(errors)
    limit_memory(CampaignPlan().memory_mb)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; we are told
    judge.stages = in_flight.enter
    connection.send(None)
    for index, text in enumerate(iter(connection.recv, None)):
        in_flight.begin(index)
        found = judge(read_case(text).case)
        in_flight.end()
        connection.send(found)


@dataclass(slots=True)
class ChildJudge:
    """A judge (``fuzz.minimize.interestingness.Judge``) whose work is done by another process.

    Attributes:
        judge: what that process judges by.
        seconds: how long one case may take by the clock; the process is ended then.
    """

    judge: TrialJudge
    seconds: float
    _process: BaseProcess | None = None
    _connection: Connection | None = None
    _in_flight: InFlightSlot = field(default_factory=lambda: InFlightSlot(_CONTEXT))
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def __call__(self, case: Case) -> Symptom | None:
        if self._process is None:
            self._start()
        assert self._connection is not None
        try:
            self._connection.send(print_case(case, isas=self.judge.isas))
            if self._connection.poll(self.seconds):
                found: Symptom | None = self._connection.recv()
                return found
            return self._post_mortem(timed_out=True)
        except (EOFError, OSError):
            return self._post_mortem(timed_out=False)

    def fixed_on(self, symptom: Symptom) -> ChildJudge:
        """A judge that looks for one symptom. This one's process ends."""
        self.close()
        return ChildJudge(self.judge.fixed_on(symptom), self.seconds)

    def everywhere(self, symptom: Symptom) -> ChildJudge:
        """The same for every ISA. This one's process ends."""
        self.close()
        return ChildJudge(self.judge.everywhere(symptom), self.seconds)

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _start(self) -> None:
        self._connection, theirs = _CONTEXT.Pipe()
        self._in_flight = InFlightSlot(_CONTEXT)
        self._folder = tempfile.TemporaryDirectory(prefix="clif-fuzz-")
        arguments = (self.judge, self._in_flight, str(self._errors), theirs)
        self._process = _CONTEXT.Process(target=_serve, args=arguments)
        self._process.start()
        theirs.close()
        self._connection.recv()  # it takes a second to be there

    @property
    def _errors(self) -> Path:
        """Where the process's stderr goes."""
        assert self._folder is not None
        return Path(self._folder.name) / "stderr"

    def _post_mortem(self, *, timed_out: bool) -> Symptom | None:
        """What the process died of, as a symptom; the next case gets another process."""
        process, last = self._process, self._in_flight.read()
        assert process is not None
        if not timed_out:
            process.join()
        exit_cause = find_exit_cause(process.exitcode, self._errors, timed_out=timed_out)
        self.close()
        kind = None if last is None else CRASH_KINDS[exit_cause.kind].get(last.stage)
        if last is None or kind is None:
            return None
        return Symptom(kind, (), f"{exit_cause.text} in {last.stage.label}")
