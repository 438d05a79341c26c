"""The thunk's instructions on x86-64.

Every memory operand is the absolute address of a control word, so that no register is needed for
it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from backend import control

_NUMBERS: Final = {
    name: number
    for number, name in enumerate(
        ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"] + [f"r{n}" for n in range(8, 16)]
    )
}
# Neither carries an argument or a result; rax counts vector arguments of variadic calls only.
_SCRATCH: Final = ("rax", "r10", "r11")


def memory(opcode: bytes, register: int, word: int, *, wide: bool = True) -> bytes:
    """``opcode`` with a register and a control word: REX, opcode, ModRM, SIB, disp32."""
    rex = (0x48 if wide else 0x40) | (register >> 3) << 2
    prefix = b"" if rex == 0x40 else bytes([rex])
    modrm_sib = bytes([(register & 7) << 3 | 4, 0x25])  # [disp32]: neither base nor index
    return prefix + opcode + modrm_sib + struct.pack("<I", control.address(word))


def registers(opcode: int, target: str, source: str) -> bytes:
    """A 64-bit operation of two registers, such as ``mov target, source``."""
    to, of = _NUMBERS[target], _NUMBERS[source]
    return bytes([0x48 | (of >> 3) << 2 | to >> 3, opcode, 0xC0 | (of & 7) << 3 | to & 7])


def store(register: str, word: int) -> bytes:
    return memory(b"\x89", _NUMBERS[register], word)  # mov [word], register


def load(register: str, word: int) -> bytes:
    return memory(b"\x8b", _NUMBERS[register], word)  # mov register, [word]


def poison(integers: tuple[str, ...], vectors: range) -> bytes:
    """Load garbage into the named registers, and into vector registers by number."""
    code = b"".join(load(r, control.GARBAGE + n) for n, r in enumerate(integers))
    for xmm in vectors:
        code += memory(b"\x0f\x10", xmm, control.GARBAGE + 16 + 2 * xmm, wide=False)  # movups
    return code


def _jump_unless_zero(code: bytes, address: int, target: int) -> bytes:
    """``code``, which lies at ``address`` and sets the zero flag, and ``jnz target``."""
    distance = target - (address + len(code) + 6)
    return code + b"\x0f\x85" + struct.pack("<i", distance)


def _differences(expected: Mapping[str, int]) -> bytes:
    """OR into r11 how registers differ from control words; the flags say whether they do."""
    code = b"\x45\x31\xdb"  # xor r11d, r11d
    for register, word in expected.items():
        code += registers(0x89, "r10", register)  # mov r10, register
        code += memory(b"\x33", _NUMBERS["r10"], word)  # xor r10, [word]
        code += registers(0x09, "r11", "r10")  # or r11, r10
    return code


def _go(return_to: int) -> bytes:
    """Replace the return address, poison, and jump to the function."""
    return (
        memory(b"\x8f", 0, control.RETURN, wide=False)  # pop [RETURN]
        + store("rsp", control.STACK_POINTER)
        + store("rbp", control.FRAME_POINTER)
        + b"\x68"
        + struct.pack("<I", return_to)  # push return_to
        + poison(_SCRATCH, range(8, 16))
        + memory(b"\xff", 4, control.ENTRY, wide=False)  # jmp [ENTRY]
    )


_BACK: Final = memory(b"\xff", 4, control.RETURN, wide=False)  # jmp [RETURN]


def blocks(
    slots: Mapping[str, int], checks_frame: bool, labels: Mapping[str, int]
) -> dict[str, bytes]:
    """The blocks of ``backend.thunk.LABELS``, for these addresses of theirs."""
    patterns = {register: control.PATTERNS + slot for register, slot in slots.items()}
    frame = {"rsp": control.STACK_POINTER, "rbp": control.FRAME_POINTER} if checks_frame else {}
    check = _differences({**patterns, **frame})
    enter = _jump_unless_zero(_differences(patterns), labels["enter"], labels["save"])
    leave = _jump_unless_zero(check, labels["leave"], labels["violated"])
    save = b"".join(store(r, control.SAVED + n) for r, n in slots.items())
    save += b"".join(load(r, word) for r, word in patterns.items())
    restore = _jump_unless_zero(check, labels["restore"], labels["violated"])
    restore += b"".join(load(r, control.SAVED + n) for r, n in slots.items())
    return {
        "enter": enter + _go(labels["leave"]),
        "leave": leave + _BACK,
        "save": save + _go(labels["restore"]),
        "restore": restore + _BACK,
        "violated": b"\x0f\x0b",  # ud2
    }
