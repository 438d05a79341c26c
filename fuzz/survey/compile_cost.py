"""CPU time and memory of compiling a function, measured in a child process.

The child compiles in a thread with the default stack size of Rust threads, such as those that
compile for Wasmtime, so that a stack overflow shows, and kills only the child. Memory that the
parent allocated and freed before does not distort the measurement.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import thread_time
from typing import Any, Final, TypeVar

from backend.cranelift.compiler import CompileError, CompilerPanic, Functions, Target, VerifierError

T = TypeVar("T")
#: Bytes that a Rust thread has by default.
_STACK: Final = 2 << 20
#: Compilations of fewer seconds are repeated, and the fastest counts.
_REPEATED_BELOW: Final = 0.05
_REPETITIONS: Final = 3


@dataclass(frozen=True, slots=True)
class CompileCost:
    """CPU seconds of one compilation, and its peak memory in bytes."""

    seconds: float
    memory: int


@dataclass(frozen=True, slots=True)
class ChildDeath:
    """The child process ended without a measurement; ``signal`` is 0 if no signal killed it."""

    signal: int

    def __str__(self) -> str:
        if self.signal in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
            return f"stack overflow ({signal.Signals(self.signal).name})"
        if self.signal == signal.SIGXCPU:
            return "took too long"
        return f"died of signal {self.signal}" if self.signal else "failed"


def measure(target: Target, text: str) -> CompileCost | ChildDeath:
    """Compile a function's text in a child process, and measure that."""
    answer = in_child(lambda: on_small_stack(lambda: _compile(target, text)))
    if isinstance(answer, ChildDeath):
        return answer
    seconds, memory = answer
    return CompileCost(seconds, memory)


def in_child(work: Callable[[], Any], cpu_seconds: int = 0) -> Any | ChildDeath:
    """Do something in a child process, and return what it returns, by way of JSON.

    Args:
        cpu_seconds: CPU time after which the child is killed; 0 for no limit.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _be_child(work, writing, cpu_seconds)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) or not answer:
        return ChildDeath(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
    return json.loads(answer)


def on_small_stack(work: Callable[[], T]) -> T:
    """Do something in a thread with the default stack of Rust's, and return what it returns."""
    before = threading.stack_size(_STACK)
    found: list[T] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    threading.stack_size(before)
    thread.join()
    return found[0]


def reset_peak() -> int:
    """Reset the peak of the resident memory to its present size; return that in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak_memory() -> int:
    """Return the peak of the resident memory, in bytes."""
    return _status("VmHWM")


def _be_child(work: Callable[[], Any], writing: int, cpu_seconds: int) -> None:
    """Do the work, write the result to the pipe, and end without the parent's exit handlers."""
    try:
        for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
            signal.signal(number, signal.SIG_DFL)  # libFuzzer's handlers would write artifacts
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        if cpu_seconds:
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        os.write(writing, json.dumps(work()).encode())
    finally:
        os._exit(0)


def _compile(target: Target, text: str) -> tuple[float, int]:
    functions = Functions(text)
    before = reset_peak()
    seconds = _time(target, functions)
    memory = peak_memory() - before
    for _ in range(_REPETITIONS - 1):
        if seconds > _REPEATED_BELOW:
            break
        seconds = min(seconds, _time(target, functions))
    return seconds, memory


def _time(target: Target, functions: Functions) -> float:
    start = thread_time()
    # A function above an implementation limit is refused, which takes time as well.
    with suppress(CompileError, CompilerPanic, VerifierError):
        target.compile(functions)
    return thread_time() - start


def _status(name: str) -> int:
    """Return a line of this process's status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    return 0
