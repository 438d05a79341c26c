"""A time limit for the compiler, for commands that go on with the next file when it is exceeded.

The compiler cannot be interrupted. So it runs in a thread of its own, which is abandoned: it goes
on until the process ends. Campaigns and minimising have processes for that, which they kill.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class CompileTimeoutError(Exception):
    """The compiler took longer than it may.

    Attributes:
        seconds: how long it may take.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the compiler did not end within {seconds:g} s")
        self.seconds = seconds

    @property
    def message(self) -> str:
        """The reason, as Cranelift's own errors have it."""
        return str(self)


def compile_within(seconds: float | None, compile_: Callable[[], T]) -> T:
    """Return what a function returns that calls the compiler.

    Args:
        seconds: how long it may take by the clock; None for no limit.

    Raises:
        CompileTimeoutError: it takes longer.
        BaseException: what the function raises.
    """
    if seconds is None:
        return compile_()
    returned: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            returned.append(compile_())
        except BaseException as error:  # raised again in the thread that waits
            raised.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not returned:
        raise CompileTimeoutError(seconds)
    return returned[0]
