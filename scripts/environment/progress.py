"""Progress of a long step: a line drawn anew on a terminal, elsewhere a line every 20 seconds."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

from messages import say

_EVERY_SECONDS = 20.0
#: Steps that end sooner show nothing, such as a build with nothing to do.
_PATIENCE_SECONDS = 1.0


class Progress:
    """A context manager whose thread reports elapsed time and compiled crates."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.crates = 0
        self.start = time.monotonic()
        self.finished = threading.Event()
        self.thread = threading.Thread(target=self._report, daemon=True)

    def crate_done(self, *, fresh: bool) -> None:
        """Count a crate that was compiled; not one that was ``fresh`` already."""
        if not fresh:
            self.crates += 1

    def __enter__(self) -> Progress:
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finished.set()
        self.thread.join()

    def _line(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self.start), 60)
        return f"{self.what}: {minutes}:{seconds:02d}, {self.crates} crates done"

    def _report(self) -> None:
        if self.finished.wait(_PATIENCE_SECONDS):
            return
        if sys.stderr.isatty():
            while not self.finished.wait(0.5):
                print(f"\r\033[K{self._line()}", end="", file=sys.stderr, flush=True)
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        else:
            say(f"{self.what}, which takes some minutes")
            while not self.finished.wait(_EVERY_SECONDS):
                say(self._line())
