"""The program with which s390x code runs in a process of Linux's."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from backend.emulator.guest_memory import EXIT
from backend.engines import command_page as page
from backend.engines.user_process import Program, SystemCalls, UserProcess
from backend.isa.s390x.encoding import (
    ALWAYS,
    CGFI,
    EQUAL,
    LARL,
    LGFI,
    LGRL,
    NOT_EQUAL,
    STGRL,
    VLM,
    Code,
    br,
    ril,
    svc,
    vector_multiple,
)

_INTEGERS: Final = tuple(f"r{n}" for n in range(15))
_VECTORS: Final = tuple(f"v{n}" for n in range(32))
_READ, _WRITE, _MMAP, _SIGRETURN, _EXIT_GROUP = 3, 4, 90, 173, 248
_SP: Final = 15
_HANDLED: Final = (page.STATUS, page.INFORMATION, page.CONTEXT)


def _set(code: Code, register: int, value: int) -> None:
    code.add(ril(LGFI, register, value))


def _load(code: Code, register: int, word: int) -> None:
    code.at(LGRL, register, page.address(word))


def _store(code: Code, register: int, word: int) -> None:
    code.at(STGRL, register, page.address(word))


def _exchange(code: Code) -> None:
    """Append answering with a byte, and waiting for one; without one, it is the end."""
    _load(code, 0, page.SEQUENCE)
    _store(code, 0, page.DONE_SEQUENCE)
    for number, descriptor in ((_WRITE, 1), (_READ, 0)):
        _set(code, 2, descriptor)
        code.at(LARL, 3, page.address(page.BYTE))
        _set(code, 4, 1)
        code.add(svc(number), ril(CGFI, 2, 1))
        live = code.end + 14
        code.branch(EQUAL, live)
        _set(code, 2, 0)
        code.add(svc(_EXIT_GROUP))


def _run(code: Code) -> None:
    code.at(LARL, 1, page.address(page.FLOAT_CONTROL))
    code.add(b"\xb2\x9d\x10\x04")  # lfpc 4(%r1)
    code.at(LARL, 1, page.address(page.VECTORS))
    for first in (0, 16):
        code.add(vector_multiple(VLM, first, first + 15, 1, 16 * first))
    _load(code, _SP, page.STACK_POINTER)
    for number in range(len(_INTEGERS)):
        if number != 1:
            _load(code, number, page.INTEGERS + number)
    _load(code, 1, page.ENTRY)
    code.add(br(1))


def _resume(code: Code) -> None:
    _load(code, _SP, page.HANDLER_STACK)
    code.add(svc(_SIGRETURN))


def _call_system(code: Code) -> None:
    for number in range(6):
        _load(code, 2 + number, page.ARGUMENTS + number)
    _load(code, 1, page.NUMBER)
    code.add(svc(0))
    _store(code, 2, page.RESULT)


def _program(file: int) -> Program:
    """Encode the program. The first instruction is where drivers return to."""
    code = Code(EXIT)
    _set(code, 0, page.RETURNED)
    _store(code, 0, page.STATUS)
    loop = code.end
    _exchange(code)
    for value, append in ((page.RUN, _run), (page.RESUME, _resume)):
        _load(code, 1, page.COMMAND)
        code.add(ril(CGFI, 1, value))
        block = Code(code.end + 6)
        append(block)
        code.branch(NOT_EQUAL, block.end)
        code.add(block.bytes)
    _call_system(code)
    code.branch(ALWAYS, EXIT)
    start = code.end
    words = page.COMMANDS, page.COMMANDS_SIZE, 3, 0x11, file, 0
    code.at(LARL, 2, code.end + 14)  # mmap takes its arguments from memory
    code.add(svc(_MMAP))
    code.branch(ALWAYS, EXIT)
    code.add(struct.pack(">6Q", *words))
    handler = code.end
    for register, word in enumerate(_HANDLED, 2):
        _store(code, register, word)
    _store(code, _SP, page.HANDLER_STACK)
    code.branch(ALWAYS, loop)
    return Program(code.bytes, start - EXIT, handler - EXIT)


# struct ucontext: program status word, general registers, float registers, and behind the set of
# signals the rest of the vector registers.
_PC, _FIRST_INTEGER, _FIRST_FLOAT = 48, 56, 256
_LOW_HALVES, _UPPER_VECTORS = 512, 640


def _read_register(context: bytes, name: str, memory: Callable[[int, int], bytes]) -> int:
    if name == "pc":
        return _quad(context, _PC)
    number = int(name[1:])
    if name[0] == "r":
        return _quad(context, _FIRST_INTEGER + 8 * number)
    if number < 16:
        high = _quad(context, _FIRST_FLOAT + 8 * number)
        return high if name[0] == "f" else high << 64 | _quad(context, _LOW_HALVES + 8 * number)
    place = _UPPER_VECTORS + 16 * (number - 16)
    return _quad(context, place) << 64 | _quad(context, place + 8)


def _quad(context: bytes, place: int) -> int:
    return int.from_bytes(context[place : place + 8], "big")


USER_PROCESS: Final = UserProcess(
    elf_machine=22,
    program=_program,
    system_calls=SystemCalls(
        mmap=_MMAP, munmap=91, sigaction=174, sigaltstack=186, mmap_from_memory=True
    ),
    restorer=False,
    integers=_INTEGERS,
    vectors=_VECTORS,
    read_register=_read_register,
    program_counter="pc",
    float_control=0,
    breakpoint=None,
)
