"""The program with which x86-64 code runs in a process of Linux's.

Every memory operand is an absolute address in the command page.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from backend.engines import command_page as page
from backend.engines.user_process import Breakpoint, Program, SystemCalls, UserProcess
from backend.isa.x86_64.thunk import NUMBERS, absolute

_INTEGERS: Final = tuple(name for name in NUMBERS if name != "rsp")
_VECTORS: Final = tuple(f"xmm{n}" for n in range(16))
_SYSCALL: Final = b"\x0f\x05"
_ARGUMENTS: Final = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
_READ, _WRITE, _MMAP, _SIGRETURN, _EXIT_GROUP = 0, 1, 9, 15, 231
_MXCSR: Final = 0x1F80  # as after reset: everything is masked, rounding to nearest


def _load(register: str, word: int) -> bytes:
    return absolute(b"\x8b", NUMBERS[register], page.address(word))


def _store(word: int, register: str) -> bytes:
    return absolute(b"\x89", NUMBERS[register], page.address(word))


def _set(register: str, value: int) -> bytes:
    """Encode ``mov`` of 32 bits, which clears the upper half."""
    number = NUMBERS[register]
    return b"\x41" * (number >> 3) + bytes([0xB8 | number & 7]) + struct.pack("<I", value)


def _set_word(word: int, value: int) -> bytes:
    return absolute(b"\xc7", 0, page.address(word)) + struct.pack("<I", value)


def _system_call(number: int, *arguments: int) -> bytes:
    code = b"".join(_set(r, value) for r, value in zip(_ARGUMENTS, arguments, strict=False))
    return code + _set("rax", number) + _SYSCALL


def _jump(opcode: bytes, place: int, target: int) -> bytes:
    """Encode a jump that lies at ``place``; both are offsets in the program."""
    return opcode + struct.pack("<i", target - place - len(opcode) - 4)


_JMP, _JE, _JNE = b"\xe9", b"\x0f\x84", b"\x0f\x85"
_DIE: Final = _system_call(_EXIT_GROUP, 0)


def _resume() -> bytes:
    return _load("rsp", page.HANDLER_STACK) + _set("rax", _SIGRETURN) + _SYSCALL


def _run() -> bytes:
    code = absolute(b"\x0f\xae", 2, page.address(page.FLOAT_CONTROL), wide=False)  # ldmxcsr
    code += b"\xdb\xe3"  # fninit
    for number in range(len(_VECTORS)):
        place = page.address(page.VECTORS + 2 * number)
        code += absolute(b"\x0f\x10", number, place, wide=False)  # movups
    for number, register in enumerate(_INTEGERS):
        code += _load(register, page.INTEGERS + number)
    code += _load("rsp", page.STACK_POINTER)
    return code + absolute(b"\xff", 4, page.address(page.ENTRY), wide=False)  # jmp [ENTRY]


def _program(file: int) -> Program:
    """Encode the program. The first instruction is where drivers return to."""
    code = _set_word(page.STATUS, page.RETURNED)
    loop = len(code)
    code += b"\xfc"  # cld
    code += _load("rax", page.SEQUENCE) + _store(page.DONE_SEQUENCE, "rax")
    code += _system_call(_WRITE, 1, page.address(page.BYTE), 1)
    code += _system_call(_READ, 0, page.address(page.BYTE), 1)
    code += b"\x48\x83\xf8\x01\x74" + bytes([len(_DIE)]) + _DIE  # cmp rax, 1; je behind
    code += _load("rax", page.COMMAND)
    for command, block in ((page.RUN, _run()), (page.RESUME, _resume())):
        code += b"\x48\x83\xf8" + bytes([command])  # cmp rax, command
        code += _jump(_JNE, len(code), len(code) + 6 + len(block)) + block
    code += b"".join(_load(r, page.ARGUMENTS + n) for n, r in enumerate(_ARGUMENTS))
    code += _load("rax", page.NUMBER) + _SYSCALL + _store(page.RESULT, "rax")
    code += _jump(_JMP, len(code), 0)
    start = len(code)
    mapped = page.COMMANDS, page.COMMANDS_SIZE, 3, 0x11, file, 0
    code += _system_call(_MMAP, *mapped)
    code += _jump(_JMP, len(code), 0)
    handler = len(code)
    places = (page.STATUS, "rdi"), (page.INFORMATION, "rsi"), (page.CONTEXT, "rdx")
    code += b"".join(_store(word, register) for word, register in places)
    code += b"\x48\x8d\x64\x24\x08"  # lea rsp, [rsp + 8]: without the address to return to
    code += _store(page.HANDLER_STACK, "rsp")
    code += _jump(_JMP, len(code), loop)
    return Program(code, start, handler)


# struct ucontext: the general registers from offset 40 on, then a pointer to what fxsave writes.
_SAVED: Final = (
    *(f"r{n}" for n in range(8, 16)),
    *("rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip"),
)
_OFFSETS: Final = {name: 40 + 8 * number for number, name in enumerate(_SAVED)}
_FLOAT_STATE: Final = 224
_FIRST_VECTOR: Final = 160


def _read_register(context: bytes, name: str, memory: Callable[[int, int], bytes]) -> int:
    if name.startswith("xmm"):
        (state,) = struct.unpack_from("<Q", context, _FLOAT_STATE)
        place = state + _FIRST_VECTOR + 16 * int(name[3:])
        return int.from_bytes(memory(place, 16), "little")
    (value,) = struct.unpack_from("<Q", context, _OFFSETS[name])
    return int(value)


USER_PROCESS: Final = UserProcess(
    elf_machine=62,
    program=_program,
    system_calls=SystemCalls(mmap=9, munmap=11, sigaction=13, sigaltstack=131),
    restorer=True,
    integers=_INTEGERS,
    vectors=_VECTORS,
    read_register=_read_register,
    program_counter="rip",
    float_control=_MXCSR,
    breakpoint=Breakpoint(b"\xcc", behind=1),
)
