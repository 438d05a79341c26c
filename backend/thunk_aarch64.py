"""The thunk's instructions on AArch64.

x16 and x17 belong to whoever stands between caller and callee: x16 holds the control block's
address, x17 what differs. x9 to x15 are free at a call and behind it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Final

from backend import control
from backend.guest import CONTROL

_BASE: Final = 16
_DIFFERENCE: Final = 17
_SP: Final = 31  # in the instructions used here; elsewhere 31 is the zero register
_X29, _X30 = 29, 30


def _memory(opcode: int, register: int, word: int) -> int:
    """A load or store of 64 bits at a control word, through x16."""
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


def _eor(result: int, left: int, right: int) -> int:
    return 0xCA000000 | right << 16 | left << 5 | result


def _orr(result: int, left: int, right: int) -> int:
    return 0xAA000000 | right << 16 | left << 5 | result


def _mov_sp(result: int, source: int) -> int:
    """``mov`` from or to sp."""
    return 0x91000000 | source << 5 | result


def _fmov_from_d(result: int, source: int) -> int:
    return 0x9E660000 | source << 5 | result


def _adr(result: int, distance: int) -> int:
    """Address of an instruction at a distance in bytes; a multiple of 4."""
    return 0x10000000 | (distance >> 2 & 0x7FFFF) << 5 | result


def _cbnz(register: int, distance: int) -> int:
    return 0xB5000000 | (distance >> 2 & 0x7FFFF) << 5 | register


def br(register: int) -> int:
    return 0xD61F0000 | register << 5


def load_base() -> list[int]:
    """Load the control block's address."""
    low, high = CONTROL & 0xFFFF, CONTROL >> 16
    return [0xD2800000 | low << 5 | _BASE, 0xF2A00000 | high << 5 | _BASE]  # movz; movk lsl 16


def _number(register: str) -> int:
    return int(register[1:])


def _is_float(register: str) -> bool:
    return register.startswith("d")


def _load(register: str, word: int) -> int:
    return (_ldr_d if _is_float(register) else ldr)(_number(register), word)


def _store(register: str, word: int) -> int:
    return (_str_d if _is_float(register) else str_)(_number(register), word)


def _differences(slots: Mapping[str, int], checks_frame: bool) -> list[int]:
    """Gather in x17 how registers differ from control words."""
    words = [*load_base(), _eor(_DIFFERENCE, _DIFFERENCE, _DIFFERENCE)]
    for register, slot in slots.items():
        seen = _number(register)
        if _is_float(register):
            words.append(_fmov_from_d(10, seen))
            seen = 10
        words += _difference(seen, control.PATTERNS + slot)
    if checks_frame:
        words += _difference(_X29, control.FRAME_POINTER)
        words += [_mov_sp(10, _SP), *_difference(10, control.STACK_POINTER)]
    return words


def _difference(register: int, word: int) -> list[int]:
    return [ldr(9, word), _eor(9, 9, register), _orr(_DIFFERENCE, _DIFFERENCE, 9)]


def _go(address: int, return_to: int) -> list[int]:
    """Replace the return address, poison, and jump to the function; lies at ``address``."""
    words = [str_(_X30, control.RETURN), str_(_X29, control.FRAME_POINTER)]
    words += [_mov_sp(17, _SP), str_(17, control.STACK_POINTER)]
    words += [ldr(r, control.GARBAGE + r) for r in range(9, 16)]
    words += [_ldr_q(r, control.GARBAGE + 2 * r) for r in range(16, 32)]
    words.append(_adr(_X30, return_to - (address + 4 * len(words))))
    return [*words, ldr(17, control.ENTRY), br(17)]


def _back() -> list[int]:
    return [ldr(_X30, control.RETURN), br(_X30)]


def _pack(words: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def blocks(
    slots: Mapping[str, int], checks_frame: bool, labels: Mapping[str, int]
) -> dict[str, bytes]:
    """The blocks of ``backend.thunk.LABELS``, for these addresses of theirs."""

    def differ(at: str, checks_frame: bool, target: str) -> list[int]:
        words = _differences(slots, checks_frame)
        distance = labels[target] - (labels[at] + 4 * len(words))
        return [*words, _cbnz(_DIFFERENCE, distance)]

    def go(at: str, words: list[int], return_to: str) -> list[int]:
        return words + _go(labels[at] + 4 * len(words), labels[return_to])

    save = [_store(r, control.SAVED + n) for r, n in slots.items()]
    save += [_load(r, control.PATTERNS + n) for r, n in slots.items()]
    restore = [_load(r, control.SAVED + n) for r, n in slots.items()]
    words = {
        "enter": go("enter", differ("enter", False, "save"), "leave"),
        "leave": differ("leave", checks_frame, "violated") + _back(),
        "save": go("save", save, "restore"),
        "restore": differ("restore", checks_frame, "violated") + restore + _back(),
        "violated": [0],  # udf
    }
    return {name: _pack(block) for name, block in words.items()}
