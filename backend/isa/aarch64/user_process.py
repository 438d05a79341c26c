"""The program with which AArch64 code runs in a process of Linux's.

x28 holds the command page's address.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from backend.engines import command_page as page
from backend.engines.user_process import Program, SystemCalls, UserProcess

_INTEGERS: Final = tuple(f"x{n}" for n in range(31))
_VECTORS: Final = tuple(f"q{n}" for n in range(32))
_BASE: Final = 28
_SVC: Final = 0xD4000001
_READ, _WRITE, _MMAP, _SIGRETURN, _EXIT_GROUP = 63, 64, 222, 139, 94


def _ldr(register: int, word: int) -> int:
    return 0xF9400000 | word << 10 | _BASE << 5 | register


def _str(register: int, word: int) -> int:
    return 0xF9000000 | word << 10 | _BASE << 5 | register


def _ldr_q(register: int, word: int) -> int:
    return 0x3DC00000 | word >> 1 << 10 | _BASE << 5 | register


def _set(register: int, value: int) -> list[int]:
    """Encode ``movz``, and ``movk`` of the next 16 bits."""
    low, high = value & 0xFFFF, value >> 16
    return [0xD2800000 | low << 5 | register, 0xF2A00000 | high << 5 | register]


def _address(register: int, word: int) -> int:
    """Encode adding a word's offset to x28."""
    return 0x91000000 | 8 * word << 10 | _BASE << 5 | register


def _load_base() -> list[int]:
    return _set(_BASE, page.COMMANDS)


def _system_call(number: int) -> list[int]:
    return [*_set(8, number), _SVC]


def _decrement(register: int) -> int:
    return 0xD1000400 | register << 5 | register


def _branch(place: int, target: int) -> int:
    """Encode ``b``; both are indices of instructions."""
    return 0x14000000 | target - place & 0x3FFFFFF


def _cbnz(register: int, distance: int) -> int:
    return 0xB5000000 | (distance & 0x7FFFF) << 5 | register


def _mov_to_sp(register: int) -> int:
    return 0x91000000 | register << 5 | 31


def _run() -> list[int]:
    code = [_ldr(0, page.FLOAT_CONTROL), 0xD51B4400, 0xD51B443F]  # msr fpcr, x0; msr fpsr, xzr
    code += [_ldr(0, page.STACK_POINTER), _mov_to_sp(0)]
    code += [_ldr_q(n, page.VECTORS + 2 * n) for n in range(len(_VECTORS))]
    # x17 is free at a call: it holds the address that is jumped to.
    others = [n for n in range(len(_INTEGERS)) if n not in (17, _BASE)]
    code += [_ldr(n, page.INTEGERS + n) for n in others]
    return [*code, _ldr(17, page.ENTRY), _ldr(_BASE, page.INTEGERS + _BASE), 0xD61F0220]  # br x17


def _resume() -> list[int]:
    return [_ldr(0, page.HANDLER_STACK), _mov_to_sp(0), *_system_call(_SIGRETURN)]


def _program(file: int) -> Program:
    """Encode the program. The first instruction is where drivers return to."""
    code = [*_load_base(), *_set(0, page.RETURNED), _str(0, page.STATUS)]
    loop = len(code)
    code += [*_load_base(), _ldr(0, page.SEQUENCE), _str(0, page.DONE_SEQUENCE)]
    for number, descriptor in ((_WRITE, 1), (_READ, 0)):
        code += [*_set(0, descriptor), _address(1, page.BYTE), *_set(2, 1), *_system_call(number)]
    die = [*_set(0, 0), *_system_call(_EXIT_GROUP)]
    code += [_decrement(0), 0xB4000000 | (len(die) + 1) << 5, *die]  # cbz x0, behind
    code += [_ldr(0, page.COMMAND)]
    for block in (_run(), _resume()):  # the values of the commands follow each other
        code += [_decrement(0), _cbnz(0, len(block) + 1), *block]
    code += [_ldr(n, page.ARGUMENTS + n) for n in range(6)]
    code += [_ldr(8, page.NUMBER), _SVC, _str(0, page.RESULT)]
    code += [_branch(len(code), 0)]
    start = len(code)
    code += _load_base()
    for register, value in enumerate((page.COMMANDS, page.COMMANDS_SIZE, 3, 0x11, file, 0)):
        code += _set(register, value)
    code += _system_call(_MMAP)
    code += [_branch(len(code), 0)]
    handler = len(code)
    code += [*_load_base(), _str(0, page.STATUS), _str(1, page.INFORMATION)]
    code += [_str(2, page.CONTEXT), 0x910003E3, _str(3, page.HANDLER_STACK)]  # mov x3, sp
    code += [_branch(len(code), loop)]
    return Program(struct.pack(f"<{len(code)}I", *code), 4 * start, 4 * handler)


# struct ucontext: the general registers, sp and pc, and a record with the vector registers.
_FIRST_INTEGER: Final = 184
_OFFSETS: Final = {
    name: _FIRST_INTEGER + 8 * number for number, name in enumerate((*_INTEGERS, "sp", "pc"))
}
_FIRST_VECTOR: Final = 480


def _read_register(context: bytes, name: str, memory: Callable[[int, int], bytes]) -> int:
    if name[0] in "qd":
        place = _FIRST_VECTOR + 16 * int(name[1:])
        return int.from_bytes(context[place : place + (16 if name[0] == "q" else 8)], "little")
    (value,) = struct.unpack_from("<Q", context, _OFFSETS[name])
    return int(value)


USER_PROCESS: Final = UserProcess(
    elf_machine=183,
    program=_program,
    system_calls=SystemCalls(mmap=222, munmap=215, sigaction=134, sigaltstack=132),
    restorer=False,
    integers=_INTEGERS,
    vectors=_VECTORS,
    read_register=_read_register,
    program_counter="pc",
    float_control=0,
    breakpoint=None,
)
