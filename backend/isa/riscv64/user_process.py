"""The program with which RISC-V code runs in a process of Linux's.

x9 holds the command page's address.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from backend.engines import command_page as page
from backend.engines.user_process import Program, SystemCalls, UserProcess
from backend.isa.riscv64 import encoding
from backend.isa.riscv64.encoding import SP, ZERO, addi, load_immediate, pack

#: The stack pointer is set apart.
_NUMBERS: Final = (1, *range(3, 32))
_INTEGERS: Final = tuple(f"x{n}" for n in _NUMBERS)
_FLOATS: Final = tuple(f"f{n}" for n in range(32))
_BASE: Final = 9
_A0, _A7, _T6 = 10, 17, 31
_READ, _WRITE, _MMAP, _SIGRETURN, _EXIT_GROUP = 63, 64, 222, 139, 94
#: Where the handler of signals leaves the vector registers: at the far end of its stack.
_DUMP: Final = page.SIGNAL_STACK


def _ld(register: int, word: int) -> int:
    return encoding.ld(register, _BASE, 8 * word)


def _sd(register: int, word: int) -> int:
    return encoding.sd(register, _BASE, 8 * word)


def _load_base() -> list[int]:
    return load_immediate(_BASE, page.COMMANDS)


def _move(target: int, source: int) -> int:
    return addi(target, source, 0)


def _system_call(number: int) -> list[int]:
    return [addi(_A7, ZERO, number), encoding.ECALL]


def _run() -> list[int]:
    code = [_ld(_A0, page.FLOAT_CONTROL), 0x0035_1073]  # csrw fcsr, a0
    code += [_ld(SP, page.STACK_POINTER)]
    code += [encoding.fld(n, _BASE, 8 * (page.VECTORS + 2 * n)) for n in range(len(_FLOATS))]
    others = [(n, place) for place, n in enumerate(_NUMBERS) if n not in (_T6, _BASE)]
    code += [_ld(n, page.INTEGERS + place) for n, place in others]
    # t6 is free at a call: it holds the address that is jumped to.
    code += [_ld(_T6, page.ENTRY), _ld(_BASE, page.INTEGERS + _NUMBERS.index(_BASE))]
    return [*code, encoding.jump_to(_T6)]


def _resume() -> list[int]:
    return [_ld(SP, page.HANDLER_STACK), *_system_call(_SIGRETURN)]


def _dump_vectors() -> list[int]:
    """Encode storing all vector registers, which are not among what a handler is handed."""
    code = load_immediate(_T6, _DUMP)
    for number in range(32):
        code += [encoding.store_vector(number, _T6), addi(_T6, _T6, 16)]
    return code


def _program(file: int) -> Program:
    """Encode the program. The first instruction is where drivers return to."""
    code = [*_load_base(), *load_immediate(_A0, page.RETURNED), _sd(_A0, page.STATUS)]
    loop = len(code)
    code += [*_load_base(), _ld(_A0, page.SEQUENCE), _sd(_A0, page.DONE_SEQUENCE)]
    for number, descriptor in ((_WRITE, 1), (_READ, 0)):
        code += [addi(_A0, ZERO, descriptor), addi(_A0 + 1, _BASE, 8 * page.BYTE)]
        code += [addi(_A0 + 2, ZERO, 1), *_system_call(number)]
    die = [addi(_A0, ZERO, 0), *_system_call(_EXIT_GROUP)]
    code += [addi(_A0, _A0, -1), encoding.branch_if_equal(_A0, ZERO, 4 * len(die) + 4), *die]
    code += [_ld(_A0, page.COMMAND)]
    for block in (_run(), _resume()):  # the values of the commands follow each other
        behind = 4 * len(block) + 4
        code += [addi(_A0, _A0, -1), encoding.branch_unless_equal(_A0, ZERO, behind), *block]
    code += [_ld(_A0 + n, page.ARGUMENTS + n) for n in range(6)]
    code += [_ld(_A7, page.NUMBER), encoding.ECALL, _sd(_A0, page.RESULT)]
    code += [encoding.jump(-4 * len(code))]
    start = len(code)
    code += _load_base()
    for number, value in enumerate((page.COMMANDS, page.COMMANDS_SIZE, 3, 0x11, file, 0)):
        code += load_immediate(_A0 + number, value)
    code += _system_call(_MMAP)
    code += [encoding.jump(-4 * len(code))]
    handler = len(code)
    code += [*_load_base(), _sd(_A0, page.STATUS), _sd(_A0 + 1, page.INFORMATION)]
    code += [_sd(_A0 + 2, page.CONTEXT), _sd(SP, page.HANDLER_STACK), *_dump_vectors()]
    code += [encoding.jump(4 * (loop - len(code)))]
    return Program(pack(code), 4 * start, 4 * handler)


# struct ucontext: the program counter, x1 to x31, and f0 to f31.
_PROGRAM_COUNTER: Final = 176
_FIRST_FLOAT: Final = _PROGRAM_COUNTER + 8 * 32


def _read_register(context: bytes, name: str, memory: Callable[[int, int], bytes]) -> int:
    if name[0] == "v":
        return int.from_bytes(memory(_DUMP + 16 * int(name[1:]), 16), "little")
    if name == "pc":
        place = _PROGRAM_COUNTER
    else:
        first = _PROGRAM_COUNTER if name[0] == "x" else _FIRST_FLOAT
        place = first + 8 * int(name[1:])
    (value,) = struct.unpack_from("<Q", context, place)
    return int(value)


USER_PROCESS: Final = UserProcess(
    elf_machine=243,
    program=_program,
    system_calls=SystemCalls(mmap=222, munmap=215, sigaction=134, sigaltstack=132),
    restorer=False,
    integers=_INTEGERS,
    vectors=_FLOATS,
    read_register=_read_register,
    program_counter="pc",
    float_control=0,  # rounding to nearest
    breakpoint=None,
    cpu="rv64,v=true,vlen=128,zba=true,zbb=true,zbc=true,zbs=true,zbkb=true,Zfh=true,Zfhmin=true",
)
