"""What a worker process may take, and what becomes of it with its supervisor."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

_PAGE = resource.getpagesize()
_PR_SET_PDEATHSIG = 1
#: What libFuzzer ends with for want of memory.
EXIT_OUT_OF_MEMORY = 71


def die_with_parent() -> None:
    """Has the kernel kill this process when its parent dies, whatever it is doing: nobody else
    would end an endless compile. Elsewhere than on Linux a worker ends after its case."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def limit_memory(mebibytes: int) -> None:
    """Allows this process so much more address space than it has now.

    So it is the allocation that is too much that fails, whether its memory is used or not, and what
    the emulators have reserved does not count. No core is dumped for what dies of it.
    """
    size, _ = _pages()
    soft, hard = size * _PAGE + (mebibytes << 20), resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def memory_mib() -> float:
    """Resident memory of this process."""
    return _pages()[1] * _PAGE / (1 << 20)


def _pages() -> tuple[int, int]:
    """Pages of address space, and of resident memory; the highest so far where that is all that
    the system tells."""
    try:
        size, resident, *_ = Path("/proc/self/statm").read_text().split()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pages = (peak if sys.platform == "darwin" else peak << 10) // _PAGE
        return pages, pages
    return int(size), int(resident)


def send_errors_to(path: str) -> None:
    """Whatever is said on stderr goes to a file: the last words of an abort are part of it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 2)
    os.close(descriptor)
