"""Hooks for the end of a process that libFuzzer ends without returning to Python."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Final

_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)
#: Functions that C calls must not be garbage-collected before the process ends.
_KEEP_ALIVE: list[object] = []


def at_exit(report: Callable[[], None]) -> None:
    """Call ``report`` when libFuzzer calls C's ``exit``, then end the process at once.

    Without that, the destructors of atheris's mutators would run. They wait forever for Python's
    global interpreter lock, which this thread holds.
    """
    libc = ctypes.CDLL(None)

    def end(status: int, _: object) -> None:
        report()
        libc.fflush(None)
        os._exit(status)

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)(end)
    _KEEP_ALIVE.append(handler)
    libc.on_exit(handler, None)


def at_interrupt(report: Callable[[], None]) -> None:
    """Call ``report`` on SIGINT and SIGTERM, then pass the signal on to libFuzzer's handler.

    libFuzzer must have installed its handlers before.
    """
    libc = ctypes.CDLL(None)
    libc.signal.restype = ctypes.c_void_p
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    for number in _INTERRUPTS:
        # C's signal() returns the handler that it replaces: SIG_DFL is set for a moment only.
        before = libc.signal(number, None)

        def handle(number: int, _: FrameType | None, before: int | None = before) -> None:
            report()
            libc.signal(number, before)
            os.kill(os.getpid(), number)

        signal.signal(number, handle)
