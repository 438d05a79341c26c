"""Limits and settings that a worker process gives itself at its start."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_PAGE = resource.getpagesize()
_PR_SET_PDEATHSIG = 1
_CPU_CLOCK = 2
#: The exit code of a process that ran out of memory, the same as libFuzzer's.
EXIT_OUT_OF_MEMORY = 71


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent exits, whatever it is doing then.

    Otherwise nobody would end a compilation that never ends. Only Linux can do this; elsewhere a
    worker notices after its case that its parent is gone.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        parent = multiprocessing.parent_process()
        if parent is not None and os.getppid() != parent.pid:
            os._exit(0)  # it has exited before it could be asked for


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children, also of those that are running.

    Elsewhere than on Linux children count once they have ended.
    """
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    if sys.platform == "linux":
        for child in multiprocessing.active_children():
            with suppress(OSError):  # it has just ended
                # The number of another process's CPU clock, as clock_getcpuclockid(3) makes it.
                seconds += time.clock_gettime((~(child.pid or 0) << 3) | _CPU_CLOCK)
    return seconds


def limit_memory(mebibytes: int) -> None:
    """Limit this process's address space to its present size and so many mebibytes more.

    With a limit on address space the allocation that is too large fails, whether its memory is
    touched or not. Because it is relative to the present size, what the emulators have reserved
    does not count. Core dumps are switched off, since processes are expected to abort.
    """
    size, _ = _pages()
    soft, hard = size * _PAGE + (mebibytes << 20), resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def memory_mib() -> float:
    """Return the resident memory of this process in mebibytes."""
    return _pages()[1] * _PAGE / (1 << 20)


def _pages() -> tuple[int, int]:
    """Return the pages of address space and of resident memory.

    Where the system has no ``/proc``, both are the highest resident memory so far.
    """
    try:
        size, resident, *_ = Path("/proc/self/statm").read_text().split()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pages = (peak if sys.platform == "darwin" else peak << 10) // _PAGE
        return pages, pages
    return int(size), int(resident)


def send_errors_to(path: str) -> None:
    """Redirect this process's stderr to a file, so that an abort's message can be quoted."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 2)
    os.close(descriptor)
