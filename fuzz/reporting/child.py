"""Making pages of findings in another process, so that a crash does not end the report."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from fuzz.reporting.finding import finding_page
from reports.model import FindingPage

_CONTEXT = multiprocessing.get_context("spawn")
#: Wall-clock time for one finding, on a machine that may be busy.
TIMEOUT_SECONDS = 120.0


class PageProcess:
    """A context with a process that makes pages of findings; it is restarted if it dies."""

    def __init__(self, timeout: float = TIMEOUT_SECONDS) -> None:
        self.timeout = timeout

    def __enter__(self) -> PageProcess:
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def page(self, path: Path) -> FindingPage:
        """Return the page of a finding; if running it again fails, one without its results."""
        self.connection.send(path)
        problem = f"Running it again took longer than {self.timeout:.0f} s."
        try:
            if self.connection.poll(self.timeout):
                page: FindingPage = self.connection.recv()
                return page
        except (EOFError, OSError):
            self.process.join()
            problem = f"Running it again ended the process ({_cause(self.process.exitcode)})."
        self._end()
        self._start()
        return finding_page(path, problem=problem)

    def _start(self) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def _end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def _serve(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    while True:
        try:
            path: Path = connection.recv()
        except EOFError:
            return
        connection.send(finding_page(path))
