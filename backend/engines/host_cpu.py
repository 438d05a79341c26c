"""The CPU of this machine, for sweeps of single instructions where the user asks for it.

It is no engine for cases: nothing fences the code's memory.
"""

from __future__ import annotations

import os
import platform
import select
import signal
import subprocess
import sys
from typing import Final

from backend.emulator.isa import Isa
from backend.engines import confine, host_process
from backend.engines.features import FEATURES

#: As other engines are named.
HOST: Final = "host"
_PATIENCE: Final = 10_000  # milliseconds
_WORD: Final = 8


class HostStopped(Exception):
    """The code did not return: what ended the process."""


class HostCpu:
    """A confined process in which code runs natively; a new one after code that killed it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def missing(self, isa: Isa) -> str:
        """Return why this machine cannot run an ISA's code, in one line; empty if it can."""
        machine = platform.machine().lower()
        if machine not in (isa.name, *isa.aliases):
            return f"this machine is {machine or 'unknown'}"
        return confine.missing()

    def supported_flags(self, isa: Isa) -> frozenset[str]:
        """Return the flags whose instructions this CPU has."""
        return frozenset(
            flag
            for flag, probe in FEATURES.of(isa).items()
            if self._returns(probe.code, probe.arguments) == probe.result
        )

    def _returns(self, code: bytes, arguments: tuple[int, int]) -> int | None:
        try:
            return int.from_bytes(self._exchange(code, b"", 0, arguments), "little")
        except HostStopped:
            return None

    def run(self, code: bytes, buffer: bytes, address: int) -> bytes:
        """Call code with the address of a buffer, and return what is in that afterwards.

        Args:
            address: where the buffer is to lie.

        Raises:
            HostStopped: the code did not return.
        """
        return self._exchange(code, buffer, address, (0, 0))

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _exchange(
        self, code: bytes, buffer: bytes, address: int, arguments: tuple[int, int]
    ) -> bytes:
        child = self._started()
        assert child.stdin is not None
        assert child.stdout is not None
        header = host_process.HEADER.pack(len(code), len(buffer), address, *arguments)
        child.stdin.write(header + code + buffer)
        child.stdin.flush()
        wanted, answer = len(buffer) or _WORD, b""
        poll = select.poll()
        poll.register(child.stdout, select.POLLIN)
        while len(answer) < wanted:
            ready = poll.poll(_PATIENCE)
            part = os.read(child.stdout.fileno(), wanted - len(answer)) if ready else b""
            if not part:
                raise HostStopped(self._end())
            answer += part
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", host_process.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._child

    def _end(self) -> str:
        """End a process that does not answer, and say why it does not."""
        assert self._child is not None
        try:
            code = self._child.wait(0.5)
        except subprocess.TimeoutExpired:
            code = 0
        self.close()
        return signal.Signals(-code).name if code < 0 else "no answer"
