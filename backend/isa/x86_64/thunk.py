"""The thunk's instructions on x86-64.

Every memory operand is the absolute address of a control word, so that addressing it needs no
register.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Final

from backend.emulator import control_block
from backend.emulator.callee_saved import CalleeSaved

#: The integer registers, as instructions number them.
NUMBERS: Final = {
    name: number
    for number, name in enumerate(
        ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"] + [f"r{n}" for n in range(8, 16)]
    )
}
# None of these carries an argument; rax only counts vector arguments of variadic calls.
_SCRATCH: Final = ("rax", "r10", "r11")
_VECTORS: Final = range(8, 16)
#: The registers that comparing overwrites, each with the word that keeps its value if need be.
_WORK: Final = {"r10": control_block.FOUND, "r11": control_block.FOUND + 1}


def memory(opcode: bytes, register: int, word: int, *, wide: bool = True) -> bytes:
    """Encode an instruction on a register and a control word."""
    return absolute(opcode, register, control_block.address(word), wide=wide)


def absolute(opcode: bytes, register: int, address: int, *, wide: bool = True) -> bytes:
    """Encode an instruction on a register and memory: REX, opcode, ModRM, SIB, disp32."""
    rex = (0x48 if wide else 0x40) | (register >> 3) << 2
    prefix = b"" if rex == 0x40 else bytes([rex])
    modrm_sib = bytes([(register & 7) << 3 | 4, 0x25])  # [disp32]: neither base nor index
    return prefix + opcode + modrm_sib + struct.pack("<I", address)


def registers(opcode: int, target: str, source: str) -> bytes:
    """Encode a 64-bit operation of two registers, such as ``mov target, source``."""
    to, of = NUMBERS[target], NUMBERS[source]
    return bytes([0x48 | (of >> 3) << 2 | to >> 3, opcode, 0xC0 | (of & 7) << 3 | to & 7])


def _is_vector(register: str) -> bool:
    return register.startswith("xmm")


def store(register: str, word: int) -> bytes:
    """Encode ``mov [word], register``, or ``movups`` for a vector register."""
    if _is_vector(register):
        return memory(b"\x0f\x11", int(register[3:]), word, wide=False)
    return memory(b"\x89", NUMBERS[register], word)


def load(register: str, word: int) -> bytes:
    """Encode ``mov register, [word]``, or ``movups`` for a vector register."""
    if _is_vector(register):
        return memory(b"\x0f\x10", int(register[3:]), word, wide=False)
    return memory(b"\x8b", NUMBERS[register], word)


def poison(integers: Sequence[str], vectors: Sequence[int]) -> bytes:
    """Encode loads of garbage into the named registers, and into vector registers by number."""
    code = b"".join(load(r, control_block.GARBAGE + n) for n, r in enumerate(integers))
    return code + b"".join(load(f"xmm{n}", control_block.GARBAGE + 16 + 2 * n) for n in vectors)


def _jump_unless_zero(code: bytes, address: int, target: int) -> bytes:
    """Append ``jnz target`` to code that lies at ``address`` and sets the zero flag."""
    distance = target - (address + len(code) + 6)
    return code + b"\x0f\x85" + struct.pack("<i", distance)


def _halves(xmm: int) -> tuple[bytes, bytes]:
    """Encode ``movq r10, xmm`` and ``pextrq r10, xmm, 1``."""
    rex, modrm = 0x49 | xmm >> 3 << 2, 0xC2 | (xmm & 7) << 3
    low = bytes([0x66, rex, 0x0F, 0x7E, modrm])
    return low, bytes([0x66, rex, 0x0F, 0x3A, 0x16, modrm, 1])


def _differences(expected: Mapping[str, int], kept: Mapping[str, int]) -> bytes:
    """Encode the comparison of registers with control words.

    The differences are ORed into r11, and the zero flag is clear if there are any. ``kept`` has the
    words that hold the values of registers that are overwritten here.
    """
    code = b"\x45\x31\xdb"  # xor r11d, r11d
    for register, word in expected.items():
        fetches: tuple[bytes, ...]
        if _is_vector(register):
            fetches = _halves(int(register[3:]))
        elif register in kept:
            fetches = (load("r10", kept[register]),)
        else:
            fetches = (registers(0x89, "r10", register),)  # mov r10, register
        for half, fetch in enumerate(fetches):
            code += fetch
            code += memory(b"\x33", NUMBERS["r10"], word + half)  # xor r10, [word]
            code += registers(0x09, "r11", "r10")  # or r11, r10
    return code


def _check(preserved: CalleeSaved) -> bytes:
    """Encode the comparison of all callee-saved registers.

    If the convention leaves no scratch registers, all registers are as they were afterwards.
    """
    expected = {**preserved.expected, "rbp": control_block.FRAME_POINTER}
    if preserved.stack_pointer:
        expected["rsp"] = control_block.STACK_POINTER
    if not preserved.no_scratch:
        return _differences(expected, {})
    keep = b"".join(store(r, word) for r, word in _WORK.items())
    restore = b"".join(load(r, word) for r, word in _WORK.items())  # the flags stay
    return keep + _differences(expected, _WORK) + restore


def _go(return_to: int, preserved: CalleeSaved) -> bytes:
    """Encode replacing the return address, loading garbage, and jumping to the function."""
    return (
        memory(b"\x8f", 0, control_block.RETURN, wide=False)  # pop [RETURN]
        + store("rsp", control_block.STACK_POINTER)
        + store("rbp", control_block.FRAME_POINTER)
        + b"\x68"
        + struct.pack("<I", return_to)  # push return_to
        + poison(
            [r for r in _SCRATCH if r not in preserved.words],
            [n for n in _VECTORS if f"xmm{n}" not in preserved.words],
        )
        + memory(b"\xff", 4, control_block.ENTRY, wide=False)  # jmp [ENTRY]
    )


_BACK: Final = memory(b"\xff", 4, control_block.RETURN, wide=False)  # jmp [RETURN]


def blocks(preserved: CalleeSaved, labels: Mapping[str, int]) -> dict[str, bytes]:
    """Encode the blocks of ``backend.emulator.thunk.LABELS`` for given addresses of theirs."""
    patterns = preserved.patterns
    if preserved.patterned:
        enter = _jump_unless_zero(_differences(patterns, {}), labels["enter"], labels["save"])
        enter += _go(labels["leave"], preserved)
    else:
        enter = b"\xe9" + struct.pack("<i", labels["save"] - labels["enter"] - 5)  # jmp save
    check = _check(preserved)
    leave = _jump_unless_zero(check, labels["leave"], labels["violated"])
    save = b"".join(store(r, word) for r, word in preserved.saved.items())
    save += b"".join(load(r, word) for r, word in patterns.items())
    restore = _jump_unless_zero(check, labels["restore"], labels["violated"])
    restore += b"".join(load(r, word) for r, word in preserved.saved.items())
    return {
        "enter": enter,
        "leave": leave + _BACK,
        "save": save + _go(labels["restore"], preserved),
        "restore": restore + _BACK,
        "violated": b"\x0f\x0b",  # ud2
    }
