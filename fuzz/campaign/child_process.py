"""A process that works for this one: with a connection to it, and a directory of its own."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from fuzz.campaign.worker_process import blocked_signals

_CONTEXT: Final = multiprocessing.get_context("spawn")


@dataclass(slots=True, eq=False)
class ChildProcess:
    """A process that was started, until it is closed.

    Attributes:
        connection: this process's end of the connection.
        directory: the process's temporary files, which are gone with it whatever ends it.
    """

    process: BaseProcess
    connection: Connection
    directory: Path
    _temporary: tempfile.TemporaryDirectory[str]

    @classmethod
    def start(
        cls,
        main: Callable[..., None],
        arguments: Callable[[Connection, Path], tuple[Any, ...]],
        name: str | None = None,
    ) -> ChildProcess:
        """Start a process. It does not get the signals that end this one.

        Args:
            main: what it runs.
            arguments: returns those of ``main``, for its end of the connection and its directory.
        """
        temporary = tempfile.TemporaryDirectory(prefix="clif-fuzz-")
        directory = Path(temporary.name)
        ours, theirs = _CONTEXT.Pipe()
        args = arguments(theirs, directory)
        process = _CONTEXT.Process(target=main, args=args, name=name)
        with blocked_signals():
            process.start()
        theirs.close()
        return cls(process, ours, directory, temporary)

    def close(self) -> None:
        """End the process, whatever it is doing, and remove its directory."""
        self.process.kill()
        self.process.join()
        self.connection.close()
        self._temporary.cleanup()
