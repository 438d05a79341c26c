"""An engine's process: started when it is needed, told what to do, replaced when it fails."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from typing import Final

from backend.emulator.byte_order import Quads, quads
from backend.emulator.guest_memory import READ_WRITE
from backend.emulator.isa import Isa
from backend.engines import command_page as page
from backend.engines import confine
from backend.engines.shared_memory import SharedMemory

#: Seconds between looks at the CPU time of a process that does not answer.
_PERIOD: Final = 0.05
#: A process that neither computes nor answers for so many seconds is taken to be lost.
_SILENCE: Final = 20.0
#: How the words begin that say how a process ended while it ran code.
ENGINE_DIED: Final = "the engine died"
_STARTING: Final = 30.0
#: So often it is tried to start a process that somebody kills before it has started.
_STARTS: Final = 5


class EngineError(Exception):
    """An engine cannot be started: why, in one line."""


class EngineDied(Exception):
    """The process ended, or lost step, while it ran code: how."""


class EngineKilled(EngineDied):
    """Somebody killed the process, which nothing that runs in it could."""


class EngineHung(Exception):
    """The process took too long, and was ended."""


class Replaced(Enum):
    """Why a process was replaced by a new one."""

    DIED = "died"
    HUNG = "hung"
    SUSPECT = "after code that went wrong"
    WORN = "after many faults"


class GuestProcess(ABC):
    """One process of an engine, and whatever has to be mapped into it.

    Args:
        on_start: called with a new process, to map memory into it.

    Attributes:
        words: the command page.
        replaced: how often a process was replaced, and why.
        limit: seconds of CPU time that a run may take.
    """

    def __init__(
        self,
        isa: Isa,
        memory: SharedMemory,
        on_start: Callable[[], None],
        limit: float,
    ) -> None:
        self.isa = isa
        self.memory = memory
        self.on_start = on_start
        self.limit = limit
        self.words: Quads = quads(memory.allocate(page.COMMANDS_SIZE), isa.byte_order)
        self.signal_stack = memory.allocate(page.SIGNAL_STACK_SIZE)
        self.replaced: Counter[Replaced] = Counter()
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._poll = select.poll()
        self._to, self._from = -1, -1
        self._errors = -1

    # --- what it is ---

    @abstractmethod
    def executable(self) -> bytes:
        """Return the program to start."""

    @abstractmethod
    def command(self, image: str) -> Sequence[str]:
        """Return the words that start the program, given its path."""

    @abstractmethod
    def set_up(self) -> None:
        """Prepare a new process, before any memory but the command page is mapped."""

    # --- its life ---

    def is_running(self) -> bool:
        """Whether there is a process, and it is this one's own."""
        return self._child is not None and self._owner == os.getpid()

    @property
    def number(self) -> int | None:
        """The process's number, None if there is none."""
        return self._child.pid if self._child is not None and self.is_running() else None

    def ensure(self) -> None:
        """Start the process if there is none.

        Raises:
            EngineError: it cannot be started.
        """
        if self.is_running():
            return
        self._child = None  # in a forked process, that of the other one
        for attempt in range(_STARTS):
            try:
                self._start()
                return
            except EngineKilled as error:
                self.replace(Replaced.DIED)
                if attempt == _STARTS - 1:
                    raise EngineError(f"{self.isa.name}: {error}") from None
            except (OSError, EngineDied, EngineHung) as error:
                self._end()
                raise EngineError(f"{self.isa.name}: {error}") from None

    def replace(self, why: Replaced) -> None:
        """End the process. The next one is started when it is needed."""
        if self.is_running():
            self.replaced[why] += 1
            self._end()

    def close(self) -> None:
        """End the process for good."""
        if self.is_running():
            self._end()

    def _start(self) -> None:
        image, self._errors = file_of(self.executable()), os.memfd_create("errors")
        inward, self._to = os.pipe()
        self._from, outward = os.pipe()
        try:
            words = [sys.executable, "-I", "-S", confine.__file__]
            self._child = subprocess.Popen(
                [*words, *self.command(f"/proc/self/fd/{image}")],
                stdin=inward,
                stdout=outward,
                stderr=self._errors,
                pass_fds=(self.memory.file, image),
            )
            self._owner = os.getpid()
            self._poll = select.poll()
            self._poll.register(self._from, select.POLLIN)
            for descriptor in (inward, outward):
                os.close(descriptor)
            inward = outward = -1
            self._await_start()
        finally:
            for descriptor in (inward, outward, image):
                if descriptor >= 0:
                    os.close(descriptor)
        self.set_up()
        self.on_start()

    def _await_start(self) -> None:
        """Wait for the program's first byte."""
        if self._poll.poll(1000 * _STARTING) and os.read(self._from, 1):
            return
        self._wait()
        said = os.pread(self._errors, 4096, 0).decode(errors="replace").strip().splitlines()
        raise EngineDied(said[-1]) if said else self._death()

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._wait()
            self._child = None
        for descriptor in (self._to, self._from, self._errors):
            if descriptor >= 0:
                os.close(descriptor)
        self._to = self._from = self._errors = -1

    def _wait(self) -> None:
        assert self._child is not None
        try:
            self._child.wait(1)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _death(self) -> EngineDied:
        """Return what to raise for a process that has ended, or does not answer as it should."""
        assert self._child is not None
        how = self._how_it_ended()
        is_killed = self._child.poll() == -signal.SIGKILL
        return EngineKilled(how) if is_killed else EngineDied(how)

    def _how_it_ended(self) -> str:
        assert self._child is not None
        code = self._child.poll()
        if code is None:
            return "the engine is out of step"
        return f"{ENGINE_DIED}: {signal.Signals(-code).name if code < 0 else f'exit {code}'}"

    def take_errors(self) -> bytes:
        """Return what the process has written to its standard error, and forget it."""
        if not self.is_running():
            return b""
        text = os.pread(self._errors, os.fstat(self._errors).st_size, 0)
        os.ftruncate(self._errors, 0)
        os.lseek(self._errors, 0, os.SEEK_SET)  # the process writes at the same position
        return text

    # --- what it is told ---

    def call(self, number: int, *arguments: int) -> int:
        """Have the process make a system call.

        Raises:
            EngineDied: it failed.
        """
        words = self.words
        words[page.COMMAND], words[page.NUMBER] = page.CALL_SYSTEM, number
        words[page.ARGUMENTS : page.ARGUMENTS + 6] = [*arguments, *[0] * (6 - len(arguments))]
        self._exchange()
        result = int(words[page.RESULT])
        if result > (1 << 64) - 4096:
            raise EngineDied(f"system call {number}: {os.strerror((1 << 64) - result)}")
        return result

    @abstractmethod
    def map(self, address: int, offset: int, size: int, protection: int = READ_WRITE) -> None:
        """Map a part of the shared memory."""

    @abstractmethod
    def unmap(self, address: int, size: int) -> None:
        """Unmap a part of the guest's memory."""

    def run(self, address: int) -> int:
        """Load all registers and jump to an address.

        Returns:
            ``command_page.RETURNED``, or the number of the signal that stopped it.

        Raises:
            EngineDied, EngineHung: it never came back.
        """
        self.words[page.COMMAND], self.words[page.ENTRY] = page.RUN, address
        self._exchange()
        return int(self.words[page.STATUS])

    def resume(self) -> int:
        """Go on behind the signal that stopped the code, and return as ``run`` does."""
        self.words[page.COMMAND] = page.RESUME
        self._exchange()
        return int(self.words[page.STATUS])

    def _exchange(self) -> None:
        words = self.words
        sequence = int(words[page.SEQUENCE]) + 1 & 0xFFFF_FFFF
        words[page.SEQUENCE] = sequence
        try:
            os.write(self._to, b"c")
            answered = self._poll.poll(1000 * _PERIOD) or self._watch()
            if answered and os.read(self._from, 1) and words[page.DONE_SEQUENCE] == sequence:
                return
        except BrokenPipeError:
            pass
        self._wait_briefly()
        raise self._death()

    def _wait_briefly(self) -> None:
        assert self._child is not None
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(0.2)

    def _watch(self) -> list[tuple[int, int]]:
        """Wait for an answer that does not come at once.

        Raises:
            EngineHung: it takes too long. CPU time counts, so that a busy machine makes nothing
                hang.
        """
        assert self._child is not None
        clock = _clock_of(self._child.pid)
        began, silent_since = time.clock_gettime(clock), time.monotonic()
        last = began
        while True:
            answered = self._poll.poll(1000 * min(_PERIOD, self.limit / 4))
            if answered:
                return answered
            now = time.clock_gettime(clock)
            if now != last:
                last, silent_since = now, time.monotonic()
            if now - began >= self.limit or time.monotonic() - silent_since >= _SILENCE:
                self.replace(Replaced.HUNG)
                raise EngineHung


def file_of(data: bytes) -> int:
    """Return the descriptor of a new file without a name. Nobody can write it: else it could not
    be executed."""
    file = os.memfd_create("guest")
    try:
        with open(file, "wb", closefd=False) as image:
            image.write(data)
        return os.open(f"/proc/self/fd/{file}", os.O_RDONLY)
    finally:
        os.close(file)


def _clock_of(process: int) -> int:
    """Return the clock of a process's CPU time, as the kernel numbers it."""
    return ~process << 3 | 2
