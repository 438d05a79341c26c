"""Judging in a process of its own, which may die or take for ever of what it judges.

Cases cross as the text of their files: what is judged is what will be written.
"""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final

from fuzz.case import Case
from fuzz.casefile import print_case, read_case
from fuzz.coroner import DEATHS, DELAYS
from fuzz.flight import Flight
from fuzz.minimize.judge import TrialJudge
from fuzz.triage.symptom import Symptom

_CONTEXT: Final = multiprocessing.get_context("spawn")


def _serve(judge: TrialJudge, flight: Flight, connection: Connection) -> None:
    """The process's main function: a symptom for each text, until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; we are told
    judge.stages = flight.enter
    connection.send(None)
    for index, text in enumerate(iter(connection.recv, None)):
        flight.begin(index)
        found = judge(read_case(text).case)
        flight.end()
        connection.send(found)


@dataclass(slots=True)
class ChildJudge:
    """A judge (``fuzz.minimize.judge.Judge``) whose work is done by another process.

    Attributes:
        judge: what that process judges by.
        seconds: how long one case may take by the clock; the process is ended then.
    """

    judge: TrialJudge
    seconds: float
    _process: BaseProcess | None = None
    _connection: Connection | None = None
    _flight: Flight = field(default_factory=lambda: Flight(_CONTEXT))

    def __call__(self, case: Case) -> Symptom | None:
        if self._process is None:
            self._start()
        assert self._connection is not None
        try:
            self._connection.send(print_case(case, isas=self.judge.isas))
            if self._connection.poll(self.seconds):
                found: Symptom | None = self._connection.recv()
                return found
            cause = "took too long"
        except (EOFError, OSError):
            cause = ""
        return self._post_mortem(cause)

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

    def _start(self) -> None:
        self._connection, theirs = _CONTEXT.Pipe()
        self._flight = Flight(_CONTEXT)
        self._process = _CONTEXT.Process(target=_serve, args=(self.judge, self._flight, theirs))
        self._process.start()
        theirs.close()
        self._connection.recv()  # it takes a second to be there

    def _post_mortem(self, cause: str) -> Symptom | None:
        """What the process died of, as a symptom; the next case gets another process."""
        process, last = self._process, self._flight.look()
        assert process is not None
        if not cause:
            process.join()
            code = process.exitcode or 0
            cause = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended: {code}"
        self.close()
        if last is None:
            return None
        kinds = DELAYS if cause == "took too long" else DEATHS
        kind = kinds.get(last.stage)
        return None if kind is None else Symptom(kind, (), f"{cause} in {last.stage.label}")
