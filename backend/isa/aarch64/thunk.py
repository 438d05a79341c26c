"""The thunk's instructions on AArch64.

x16 and x17 may be used by code between caller and callee: here x16 holds the control block's
address, and x17 the differences. x9 to x15 are free at a call and after it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Final

from backend.emulator import control_block
from backend.emulator.callee_saved import CalleeSaved
from backend.emulator.guest_memory import CONTROL

_BASE: Final = 16
_DIFFERENCE: Final = 17
_SP: Final = 31  # in the instructions used here; elsewhere 31 is the zero register
_X29, _X30 = 29, 30
#: The registers that comparing overwrites, each with the word that keeps its value if need be.
_WORK: Final = {"x9": control_block.FOUND, "x10": control_block.FOUND + 1}


def _memory(opcode: int, register: int, word: int) -> int:
    """Encode a load or store of 64 bits at a control word, relative to x16."""
    return opcode | word << 10 | _BASE << 5 | register


def ldr(register: int, word: int) -> int:
    return _memory(0xF9400000, register, word)


def str_(register: int, word: int) -> int:
    return _memory(0xF9000000, register, word)


def _ldr_d(register: int, word: int) -> int:
    return _memory(0xFD400000, register, word)


def _str_d(register: int, word: int) -> int:
    return _memory(0xFD000000, register, word)


def _ldr_q(register: int, word: int) -> int:
    return _memory(0x3DC00000, register, word >> 1)  # scaled by 16: the word must be even


def _str_q(register: int, word: int) -> int:
    return 0x3D800000 | word >> 1 << 10 | _BASE << 5 | register


def _eor(result: int, left: int, right: int) -> int:
    return 0xCA000000 | right << 16 | left << 5 | result


def _orr(result: int, left: int, right: int) -> int:
    return 0xAA000000 | right << 16 | left << 5 | result


def _mov_sp(result: int, source: int) -> int:
    """Encode ``mov`` from or to sp."""
    return 0x91000000 | source << 5 | result


def _fmov_from_d(result: int, source: int) -> int:
    return 0x9E660000 | source << 5 | result


def _high_half(result: int, source: int) -> int:
    """Encode ``mov result, source.d[1]``."""
    return 0x4E183C00 | source << 5 | result


def _adr(result: int, distance: int) -> int:
    """Encode ``adr`` of an instruction at a distance in bytes, a multiple of 4."""
    return 0x10000000 | (distance >> 2 & 0x7FFFF) << 5 | result


def _cbnz(register: int, distance: int) -> int:
    return 0xB5000000 | (distance >> 2 & 0x7FFFF) << 5 | register


def _b(distance: int) -> int:
    return 0x14000000 | distance >> 2 & 0x3FFFFFF


def br(register: int) -> int:
    return 0xD61F0000 | register << 5


def load_base() -> list[int]:
    """Encode loading the control block's address into x16."""
    low, high = CONTROL & 0xFFFF, CONTROL >> 16
    return [0xD2800000 | low << 5 | _BASE, 0xF2A00000 | high << 5 | _BASE]  # movz; movk lsl 16


def _number(register: str) -> int:
    return int(register[1:])


def _load(register: str, word: int) -> int:
    return {"x": ldr, "d": _ldr_d, "q": _ldr_q}[register[0]](_number(register), word)


def _store(register: str, word: int) -> int:
    return {"x": str_, "d": _str_d, "q": _str_q}[register[0]](_number(register), word)


def _differences(expected: Mapping[str, int], kept: Mapping[str, int]) -> list[int]:
    """Encode the comparison of registers with control words.

    The differences are ORed into x17. ``kept`` has the words that hold the values of registers that
    are overwritten here.
    """
    words = [_eor(_DIFFERENCE, _DIFFERENCE, _DIFFERENCE)]
    for register, word in expected.items():
        number = _number(register)
        if register[0] != "x":
            words += [_fmov_from_d(10, number), *_difference(10, word)]
            if register[0] == "q":
                words += [_high_half(10, number), *_difference(10, word + 1)]
        elif register in kept:
            words += [ldr(10, kept[register]), *_difference(10, word)]
        else:
            words += _difference(number, word)
    return words


def _check(preserved: CalleeSaved) -> list[int]:
    """Encode the comparison of all callee-saved registers.

    If the convention leaves no scratch registers, all registers are as they were afterwards.
    """
    kept = _WORK if preserved.no_scratch else {}
    words = load_base() + [str_(_number(r), word) for r, word in kept.items()]
    words += _differences(preserved.expected, kept)
    words += _difference(_X29, control_block.FRAME_POINTER)
    if preserved.stack_pointer:
        words += [_mov_sp(10, _SP), *_difference(10, control_block.STACK_POINTER)]
    return words + [ldr(_number(r), word) for r, word in kept.items()]


def _difference(register: int, word: int) -> list[int]:
    return [ldr(9, word), _eor(9, 9, register), _orr(_DIFFERENCE, _DIFFERENCE, 9)]


def _go(address: int, return_to: int, preserved: CalleeSaved) -> list[int]:
    """Encode replacing the return address, loading garbage, and jumping to the function.

    The code lies at ``address``.
    """
    words = [str_(_X30, control_block.RETURN), str_(_X29, control_block.FRAME_POINTER)]
    words += [_mov_sp(17, _SP), str_(17, control_block.STACK_POINTER)]
    poisoned = [f"x{n}" for n in range(9, 16)], [f"q{n}" for n in range(16, 32)]
    for size, names in enumerate(poisoned, 1):
        free = [name for name in names if name not in preserved.words]
        words += [_load(name, control_block.GARBAGE + size * _number(name)) for name in free]
    words.append(_adr(_X30, return_to - (address + 4 * len(words))))
    return [*words, ldr(17, control_block.ENTRY), br(17)]


def _back() -> list[int]:
    return [ldr(_X30, control_block.RETURN), br(_X30)]


def _pack(words: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def blocks(preserved: CalleeSaved, labels: Mapping[str, int]) -> dict[str, bytes]:
    """Encode the blocks of ``backend.emulator.thunk.LABELS`` for given addresses of theirs."""

    def differ(at: str, words: list[int], target: str) -> list[int]:
        distance = labels[target] - (labels[at] + 4 * len(words))
        return [*words, _cbnz(_DIFFERENCE, distance)]

    def go(at: str, words: list[int], return_to: str) -> list[int]:
        return words + _go(labels[at] + 4 * len(words), labels[return_to], preserved)

    patterns, saved = preserved.patterns, preserved.saved
    compared = load_base() + _differences(patterns, {})
    save = load_base() + [_store(r, word) for r, word in saved.items()]
    save += [_load(r, word) for r, word in patterns.items()]
    restore = [_load(r, word) for r, word in saved.items()]
    words = {
        "enter": go("enter", differ("enter", compared, "save"), "leave"),
        "leave": differ("leave", _check(preserved), "violated") + _back(),
        "save": go("save", save, "restore"),
        "restore": differ("restore", _check(preserved), "violated") + restore + _back(),
        "violated": [0],  # udf
    }
    if not preserved.patterned:
        words["enter"] = [_b(labels["save"] - labels["enter"])]
    return {name: _pack(block) for name, block in words.items()}
