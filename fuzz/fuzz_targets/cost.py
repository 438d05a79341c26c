"""What compiling a function takes, measured in a process of its own.

There it has as much stack as threads have that compile for Wasmtime, and an overflow kills nobody
else; what it allocates is not mixed up with what was freed before.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import thread_time
from typing import Final

from backend.cranelift.compiler import CompileError, CompilerPanic, Functions, Target, VerifierError

#: What Rust gives to threads by default.
_STACK: Final = 2 << 20
#: Short compilations are repeated, and the shortest counts.
_REPEATED_BELOW: Final = 0.05
_REPETITIONS: Final = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time, and bytes of memory at the most, of one compilation."""

    seconds: float
    memory: int


@dataclass(frozen=True, slots=True)
class Died:
    """The process did not come to its end."""

    signal: int

    def __str__(self) -> str:
        if self.signal in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
            return f"stack overflow ({signal.Signals(self.signal).name})"
        return f"died of signal {self.signal}" if self.signal else "failed"


def measure(target: Target, text: str) -> Cost | Died:
    """Compiles a function's text in a child process."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _in_child(target, text, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) or not answer:
        return Died(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
    seconds, memory = json.loads(answer)
    return Cost(seconds, memory)


def _in_child(target: Target, text: str, writing: int) -> None:
    """Never returns; nothing of the parent's must run at the end."""
    try:
        for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
            signal.signal(number, signal.SIG_DFL)  # libFuzzer's would write artifacts
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        threading.stack_size(_STACK)
        found: list[tuple[float, int]] = []
        thread = threading.Thread(target=lambda: found.append(_compile(target, text)))
        thread.start()
        thread.join()
        os.write(writing, json.dumps(found[0]).encode())
    finally:
        os._exit(0)


def _compile(target: Target, text: str) -> tuple[float, int]:
    functions = Functions(text)
    before = _reset_peak()
    seconds = _time(target, functions)
    memory = _status("VmHWM") - before
    for _ in range(_REPETITIONS - 1):
        if seconds > _REPEATED_BELOW:
            break
        seconds = min(seconds, _time(target, functions))
    return seconds, memory


def _time(target: Target, functions: Functions) -> float:
    start = thread_time()
    # What is too large for an ISA's limits is refused, which takes time as well.
    with suppress(CompileError, CompilerPanic, VerifierError):
        target.compile(functions)
    return thread_time() - start


def _reset_peak() -> int:
    """Lets the peak begin where memory is now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    """A line of this process's status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    return 0
