"""Having the last word in a process that libFuzzer ends past Python."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Final

_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)
#: What C calls must live as long as the process.
_KEPT: list[object] = []


def at_exit(report: Callable[[], None]) -> None:
    """Reports when libFuzzer calls ``exit``, and ends the process there.

    What follows would be the destructors of atheris's mutators: they wait forever for the lock of
    the interpreter, which this thread has.
    """
    libc = ctypes.CDLL(None)

    def end(status: int, _: object) -> None:
        report()
        libc.fflush(None)
        os._exit(status)

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)(end)
    _KEPT.append(handler)
    libc.on_exit(handler, None)


def at_interrupt(report: Callable[[], None]) -> None:
    """Reports when the process is interrupted, and leaves the rest to whoever handled that before:
    libFuzzer, which must have begun."""
    libc = ctypes.CDLL(None)
    libc.signal.restype = ctypes.c_void_p
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    for number in _INTERRUPTS:
        before = libc.signal(number, None)  # SIG_DFL, for a moment

        def handle(number: int, _: FrameType | None, before: int | None = before) -> None:
            report()
            libc.signal(number, before)
            os.kill(os.getpid(), number)

        signal.signal(number, handle)
