"""An interestingness test in a child process, which may crash or hang on a case.

Cases are sent as the text of their files, so what is tested is what will be written.
"""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final

from backend.isa.executors import executor_for
from fuzz.campaign.child_process import ChildProcess
from fuzz.campaign.crash_finding import CRASH_KINDS
from fuzz.campaign.exit_cause import find_exit_cause
from fuzz.campaign.in_flight import InFlightSlot
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.process_limits import die_with_parent, limit_memory, send_errors_to
from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case, read_case
from fuzz.differential.failure_signature import FailureSignature
from fuzz.minimize.interestingness import FailureTest

_CONTEXT: Final = multiprocessing.get_context("spawn")
#: The file that the child's stderr goes to.
_ERRORS: Final = "stderr"


def _serve(test: FailureTest, in_flight: InFlightSlot, errors: str, connection: Connection) -> None:
    """Answer each text with its failure, until there are no more: the child's main function."""
    die_with_parent()
    send_errors_to(errors)
    for isa in test.isas:
        executor_for(isa)  # engines reserve memory that is not for the cases
    limit_memory(CampaignPlan().memory_mb)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent handles it
    test.on_stage = in_flight.enter
    connection.send(None)
    for index, text in enumerate(iter(connection.recv, None)):
        in_flight.begin(index)
        found = test(read_case(text).case)
        in_flight.end()
        connection.send(found)


@dataclass(slots=True)
class IsolatedTest:
    """An interestingness test that has a child process do its work.

    The death of the child is a failure, too. The next case gets a new child.

    Attributes:
        test: the test that the child runs.
        seconds: how long one case may take by the clock before the child is killed.
    """

    test: FailureTest
    seconds: float
    _child: ChildProcess | None = None
    _in_flight: InFlightSlot = field(default_factory=lambda: InFlightSlot(_CONTEXT))

    def __call__(self, case: Case) -> FailureSignature | None:
        if self._child is None:
            self._child = self._start()
        connection = self._child.connection
        try:
            connection.send(print_case(case, isas=self.test.isas))
            if connection.poll(self.seconds):
                found: FailureSignature | None = connection.recv()
                return found
            return self._post_mortem(timed_out=True)
        except (EOFError, OSError):
            return self._post_mortem(timed_out=False)

    def restricted_to(self, failure: FailureSignature) -> IsolatedTest:
        """Return a test that accepts this failure only. Ends this one's child."""
        self.close()
        return IsolatedTest(self.test.restricted_to(failure), self.seconds)

    def on_all_isas(self, failure: FailureSignature) -> IsolatedTest:
        """Return a test that accepts this failure on any ISA. Ends this one's child."""
        self.close()
        return IsolatedTest(self.test.on_all_isas(failure), self.seconds)

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _start(self) -> ChildProcess:
        self._in_flight = InFlightSlot(_CONTEXT)
        child = ChildProcess.start(
            _serve,
            lambda theirs, directory: (
                self.test,
                self._in_flight,
                str(directory / _ERRORS),
                theirs,
            ),
        )
        child.connection.recv()  # waits until the child has started, which takes a second
        return child

    def _post_mortem(self, *, timed_out: bool) -> FailureSignature | None:
        """Return the failure that the child died of, and clean up after it."""
        child, last = self._child, self._in_flight.read()
        assert child is not None
        if not timed_out:
            child.process.join()
        errors = child.directory / _ERRORS
        exit_cause = find_exit_cause(child.process.exitcode, errors, timed_out=timed_out)
        self.close()
        kind = None if last is None else CRASH_KINDS[exit_cause.kind].get(last.stage)
        if last is None or kind is None:
            return None
        failure = FailureSignature(kind, (), f"{exit_cause.text} in {last.stage.label}")
        recorded = self.test.recorded
        return failure if recorded is None or recorded.is_shown_by(failure) else None
