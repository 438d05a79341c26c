"""Starts an engine's process so confined that it can do nothing but compute. Run as a script.

An emulator of user mode hands system calls of its guest on to the host, and does not check what the
guest reads and writes: wild code could reach the emulator itself. So it is the process that is
confined, by a filter of system calls (seccomp) that the kernel enforces whatever runs in it. What
the filter lets through is what the emulator itself needs:

* memory of its own, its own signals, threads of its own, the time;
* reading from, and writing to, files that are open already: two pipes and the shared memory;
* opening files for reading.

All else fails with ENOSYS: writing or removing files, sockets, other processes, other programs.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from typing import Final, NamedTuple

_ALLOW: Final = 0x7FFF0000
_NO_SUCH_CALL: Final = 0x00050000 | 38
_KILL: Final = 0x80000000
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NR, _ARCH, _FIRST_ARGUMENT = 0, 4, 16

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_ADDR_NO_RANDOMIZE: Final = 0x0040000
#: O_ACCMODE, O_CREAT, O_TRUNC, O_APPEND.
_OPEN_TO_WRITE: Final = 0o3 | 0o100 | 0o1000 | 0o2000
_CLONE_THREAD: Final = 0x10000
_MEMORY: Final = 8 << 30


class Calls(NamedTuple):
    """Numbers of system calls on one architecture of hosts.

    Attributes:
        audit: the kernel's number of the architecture.
        free: those that are allowed whatever their arguments.
        openat, clone, execve, kill, tgkill, prlimit: those that are allowed with some arguments.
    """

    audit: int
    free: tuple[int, ...]
    openat: int
    clone: int
    execve: int
    kill: int
    tgkill: int
    prlimit: int


# In this order: read write close fstat lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask
# rt_sigreturn pread64 readv writev sched_yield mremap madvise getpid exit uname getcwd sysinfo
# getuid geteuid getgid getegid sigaltstack gettid futex sched_getaffinity set_tid_address
# clock_gettime clock_nanosleep exit_group newfstatat readlinkat faccessat ppoll set_robust_list
# getrandom membarrier statx rseq rt_sigsuspend
_X86_64: Final = Calls(
    0xC000003E,
    (
        *(0, 1, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 17, 19, 20, 24, 25, 28, 39, 60, 63, 79, 99),
        *(102, 107, 104, 108, 131, 186, 202, 204, 218, 228, 230, 231, 262, 267, 269, 271, 273),
        *(318, 324, 332, 334, 130),
        *(7, 21, 89, 158),  # poll access readlink arch_prctl
    ),
    *(257, 56, 59, 62, 234, 302),
)
_AARCH64: Final = Calls(
    0xC00000B7,
    (
        *(63, 64, 57, 80, 62, 222, 226, 215, 214, 134, 135, 139, 67, 65, 66, 124, 216, 233, 172),
        *(93, 160, 17, 179, 174, 175, 176, 177, 132, 178, 98, 123, 96, 113, 115, 94, 79, 78, 48),
        *(73, 99, 278, 283, 291, 293, 133),
    ),
    *(56, 220, 221, 129, 131, 261),
)
_CALLS: Final = {"x86_64": _X86_64, "aarch64": _AARCH64}


def calls() -> Calls | None:
    """Return the system calls of this host, None if it is not known."""
    return _CALLS.get(platform.machine()) if sys.platform == "linux" else None


def missing() -> str:
    """Return why nothing can be confined on this host, in one line; empty if it can."""
    if calls() is None:
        return "the system calls of this host, which it needs to be confined, are not known"
    return ""


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _return(action: int) -> bytes:
    return _instruction(_RETURN, action)


def _equal_or_refuse(argument: int, value: int) -> bytes:
    """Encode the comparison of all 64 bits of an argument."""
    code = b""
    for half in range(2):
        code += _instruction(_LOAD, _FIRST_ARGUMENT + 8 * argument + 4 * half)
        code += _instruction(_EQUAL, value >> 32 * half & 0xFFFF_FFFF, 1, 0)
        code += _return(_NO_SUCH_CALL)
    return code


def _call(number: int, condition: bytes) -> bytes:
    """Encode what is done with one call; ``condition`` returns unless it is allowed."""
    body = condition + _return(_ALLOW)
    return _instruction(_EQUAL, number, 0, len(body) // 8) + body


def filter_program(known: Calls, program: int, process: int) -> bytes:
    """Return the filter.

    Args:
        program: address of the path of the one program that may be started.
        process: the number of the one process that may be sent signals.
    """
    flags = _instruction(_LOAD, _FIRST_ARGUMENT + 16)
    read_only = flags + _instruction(_ANY_BIT, _OPEN_TO_WRITE, 0, 1) + _return(_NO_SUCH_CALL)
    thread = _instruction(_LOAD, _FIRST_ARGUMENT) + _instruction(_ANY_BIT, _CLONE_THREAD, 1, 0)
    thread += _return(_NO_SUCH_CALL)
    code = _instruction(_LOAD, _ARCH) + _instruction(_EQUAL, known.audit, 1, 0) + _return(_KILL)
    code += _instruction(_LOAD, _NR)
    code += b"".join(_call(number, b"") for number in known.free)
    code += _call(known.openat, read_only)
    code += _call(known.clone, thread)
    code += _call(known.execve, _equal_or_refuse(0, program))
    code += _call(known.kill, _equal_or_refuse(0, process))
    code += _call(known.tgkill, _equal_or_refuse(0, process))
    code += _call(known.prlimit, _equal_or_refuse(2, 0))  # asks, and sets nothing
    return code + _return(_NO_SUCH_CALL)


def confine(libc: ctypes.CDLL, path: ctypes.Array[ctypes.c_char]) -> None:
    """Confine this process for good.

    Raises:
        OSError: the kernel does not do it.
    """
    known = calls()
    if known is None:
        raise OSError("the system calls of this host are not known")
    libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)
    # The same addresses each time, where the kernel lets us. Nothing depends on it.
    libc.personality(_ADDR_NO_RANDOMIZE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    memory = _MEMORY if most == resource.RLIM_INFINITY else min(most, _MEMORY)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    code = filter_program(known, ctypes.addressof(path), os.getpid())
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot give up privileges")
    if libc.prctl(_PR_SET_SECCOMP, 2, program, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot filter system calls")


def main() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    path = ctypes.create_string_buffer(os.fsencode(sys.argv[1]))
    words = [os.fsencode(word) for word in sys.argv[1:]]
    arguments = (ctypes.c_char_p * (len(words) + 1))(*words)
    environment = (ctypes.c_char_p * 1)()
    try:
        confine(libc, path)
        libc.execve(path, arguments, environment)
        raise OSError(ctypes.get_errno(), f"cannot start {sys.argv[1]}")
    except OSError as error:
        os.write(2, f"{error.strerror or error}\n".encode())
        os._exit(127)


if __name__ == "__main__":
    main()
