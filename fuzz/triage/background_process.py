"""The process that minimises the findings of a running campaign."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from backend.isa.registry import DEFAULT_ISAS, ISAS
from fuzz.campaign.process_limits import cpu_seconds, die_with_parent
from fuzz.cases.case import Case
from fuzz.cases.casefile import CaseFileError, read_case
from fuzz.differential.failure_signature import FailureSignature
from fuzz.differential.finding import MINIMIZED, opcodes_in_bucket
from fuzz.differential.recorded_failure import read_recorded_failure
from fuzz.differential.runner import CaseRunner
from fuzz.minimize.child import IsolatedTest
from fuzz.minimize.engine import NotFailing
from fuzz.minimize.interestingness import FailureTest, InterestingnessTest
from fuzz.triage.background_messages import NO_PACE, Faults, Idle, Postponed, Task
from fuzz.triage.base.asker import BaseAsker
from fuzz.triage.base.interestingness import minimize_new
from fuzz.triage.bucket import MinimalCase
from fuzz.triage.deduplicate import FaultsByBucket
from fuzz.triage.minimized import examine, suspected_rules
from fuzz.triage.minimized_files import (
    load_minimized,
    minimized_path,
    save_minimized,
)

#: CPU seconds before the pace is kept: enough for a first finding.
_GRACE_SECONDS: Final = 5.0
#: How long one case may run by the clock: long, since this process has to wait for the CPU.
_CASE_SECONDS: Final = 60.0
#: CPU seconds after which a finding is given up.
_FINDING_SECONDS: Final = 120.0
_NAP_SECONDS: Final = 0.1
#: Added to the campaign's niceness. Not more: beside workers on every core, a process of the lowest
#: priority gets a hundredth of one.
_NICENESS: Final = 5
_OPCODE: Final = re.compile(r"[a-z]\w*")


class _GivenUp(Exception):
    """Minimising a finding takes too long."""


def serve(
    connection: Connection,
    share: float,
    directory: str,
    run_case: CaseRunner | None = None,
    niceness: int = _NICENESS,
    asker: BaseAsker | None = None,
) -> None:
    """Minimise the findings that are asked for, until this process is killed.

    Args:
        share: of this process's time that may be used for work.
        directory: for temporary files.
        run_case: runs cases; by default through the pipeline as it is.
        niceness: is added to that of the campaign.
        asker: asks the campaign's base, so that minimal cases are of what is new; None for no base.
    """
    die_with_parent()
    os.nice(niceness)
    tempfile.tempdir = directory
    _Server(connection, Pace(share, connection), run_case or CaseRunner(), asker).run()


class Pace:
    """Keeps the CPU time of this process and its children to a share of the time, by sleeping.

    Args:
        connection: where ``NO_PACE`` may come from.
        cpu: returns the CPU time so far.
    """

    def __init__(
        self,
        share: float,
        connection: Connection,
        *,
        cpu: Callable[[], float] = cpu_seconds,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.share = share
        self._connection = connection
        self._cpu = cpu
        self._clock = clock
        self._sleep = sleep
        self._began = clock()
        self._cpu_at_beginning = cpu()

    @property
    def worked(self) -> float:
        """CPU seconds so far."""
        return self._cpu() - self._cpu_at_beginning

    def keep(self) -> None:
        """Sleep until there may be more work."""
        while self.worked > _GRACE_SECONDS + self.share * (self._clock() - self._began):
            if self._connection.poll():
                if self._connection.recv() == NO_PACE:
                    self.share = 1.0
                continue
            self._sleep(_NAP_SECONDS)


class _PacedTest:
    """An interestingness test that keeps the pace before each case, and gives up in the end.

    Args:
        until: CPU seconds after which it gives up.
    """

    def __init__(self, test: InterestingnessTest, pace: Pace, until: float) -> None:
        self._test, self._pace, self._until = test, pace, until

    def __call__(self, case: Case) -> FailureSignature | None:
        self._pace.keep()
        if self._pace.worked > self._until:
            raise _GivenUp
        found = self._test(case)
        return None if found is None or found.kind is None else found

    def restricted_to(self, failure: FailureSignature) -> _PacedTest:
        """Return a test that accepts this failure only."""
        return _PacedTest(self._test.restricted_to(failure), self._pace, self._until)

    def on_all_isas(self, failure: FailureSignature) -> _PacedTest:
        """Return a test that accepts this failure on any ISA."""
        return _PacedTest(self._test.on_all_isas(failure), self._pace, self._until)

    def close(self) -> None:
        """Free what the test holds."""
        self._test.close()


class _Server:
    """Carries out tasks.

    Attributes:
        minimal: the opcodes of each minimised finding.
        faults: the faults that they show.
        known: the folders whose minimised findings are among them.
    """

    def __init__(
        self,
        connection: Connection,
        pace: Pace,
        run_case: CaseRunner,
        asker: BaseAsker | None = None,
    ) -> None:
        self.connection = connection
        self.pace = pace
        self.run_case = run_case
        self.asker = asker
        self.minimal: list[frozenset[str]] = []
        self.faults = FaultsByBucket()
        self.known: set[Path] = set()

    def run(self) -> None:
        self.connection.send(Idle())
        while True:
            message = self.connection.recv()
            if message == NO_PACE:
                self.pace.share = 1.0
                continue
            assert isinstance(message, Task)
            answer = self._carry_out(message)
            self.connection.send(Faults(self.faults.by_file(self._files())))
            self.connection.send(answer)

    def _carry_out(self, task: Task) -> Idle | Postponed:
        file = Path(task.file)
        try:
            self._recall(file.parent)
            if str(file) in self.faults:
                return Idle()
            text = file.read_text(encoding="utf-8")
            if not task.even_if_explained and self._seems_explained(text):
                return Postponed()
            self._minimize(file, text)
        except (OSError, UnicodeDecodeError, CaseFileError, NotFailing, _GivenUp):
            pass  # the finding stays as it is; triage says what is wrong with it
        return Idle()

    def _files(self) -> Iterator[str]:
        """Yield the files of the findings that there are by now."""
        for folder in self.known:
            yield from map(str, folder.glob("crash-*.clif"))

    def _recall(self, folder: Path) -> None:
        """Note the findings that were minimised before, by another process or another campaign."""
        if folder in self.known:
            return
        self.known.add(folder)
        for path in sorted((folder / MINIMIZED).glob("*.clif")):
            file = folder / path.name
            with suppress(OSError, UnicodeDecodeError):
                saved = load_minimized(path, file.read_text(encoding="utf-8"))
                if saved is not None:
                    self._note(file, saved.minimal)

    def _seems_explained(self, text: str) -> bool:
        """Return whether a case has all opcodes of a minimised one: then another may say more."""
        words = frozenset(_OPCODE.findall(text.partition("\nfunction ")[2]))
        return any(opcodes and opcodes <= words for opcodes in self.minimal)

    def _minimize(self, file: Path, text: str) -> None:
        case_file = read_case(text)
        isas = tuple(isa for isa in case_file.isas if isa in ISAS) or DEFAULT_ISAS
        recorded = read_recorded_failure(text)
        test = FailureTest(self.run_case, isas, second=True, recorded=recorded)
        isolated = IsolatedTest(test, _CASE_SECONDS)
        paced = _PacedTest(isolated, self.pace, self.pace.worked + _FINDING_SECONDS)
        try:
            small, failure = minimize_new(case_file.case, paced, self.asker, isas)
        finally:
            paced.close()
        isas = small.isas or isas
        minimized, path = examine(small, failure, isas, attribute=False), minimized_path(file)
        # Kept before what may end this process.
        save_minimized(minimized, isas, file, text, path)
        minimized = minimized.with_rules(suspected_rules(small, failure, self.run_case))
        save_minimized(minimized, isas, file, text, path)
        self._note(file, minimized.minimal)

    def _note(self, file: Path, minimal: MinimalCase) -> None:
        self.faults.add(str(file), minimal)
        names = opcodes_in_bucket(minimal.case.functions).split()
        self.minimal.append(frozenset(name.partition(".")[0] for name in names))
