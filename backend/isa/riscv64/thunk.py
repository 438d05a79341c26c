"""The thunk's instructions on RISC-V.

x30 and x31 are those that Cranelift itself works with, so that no convention preserves them or
passes anything in them: here x31 holds the address of the control block's middle, and x30 the
differences. x5 to x7, x28 and x29 are free at a call and after it, but under ``preserve_all``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.emulator import control_block
from backend.emulator.callee_saved import CalleeSaved
from backend.emulator.guest_memory import CONTROL
from backend.isa.riscv64 import encoding
from backend.isa.riscv64.encoding import FP, RA, SP, ZERO, addi, pack

_BASE: Final = 31
_DIFFERENCE: Final = 30
#: What is added to an address of the control block: offsets are signed, and reach 2 KiB.
_MIDDLE: Final = 2048
_EXPECTED, _FOUND = 5, 6
#: The registers that comparing overwrites, each with the word that keeps its value if need be.
_WORK: Final = {"x5": control_block.FOUND, "x6": control_block.FOUND + 1}
#: Where a vector register is compared from.
_VECTOR: Final = control_block.FOUND + 4
_FREE: Final = (5, 6, 7, 28, 29)
_FREE_FLOATS: Final = (*range(8), 9, *range(28, 32))


def _at(word: int) -> int:
    return 8 * word - _MIDDLE


def _ld(register: int, word: int) -> int:
    return encoding.ld(register, _BASE, _at(word))


def _sd(register: int, word: int) -> int:
    return encoding.sd(register, _BASE, _at(word))


def _number(register: str) -> int:
    return int(register[1:])


def _load(register: str, word: int) -> list[int]:
    """Encode loading a register from a control word; vectors need x30 for the address."""
    number = _number(register)
    if register[0] == "v":
        return [addi(_DIFFERENCE, _BASE, _at(word)), encoding.load_vector(number, _DIFFERENCE)]
    return [(encoding.ld if register[0] == "x" else encoding.fld)(number, _BASE, _at(word))]


def _store(register: str, word: int) -> list[int]:
    number = _number(register)
    if register[0] == "v":
        return [addi(_DIFFERENCE, _BASE, _at(word)), encoding.store_vector(number, _DIFFERENCE)]
    return [(encoding.sd if register[0] == "x" else encoding.fsd)(number, _BASE, _at(word))]


def _difference(register: int, word: int) -> list[int]:
    return [
        _ld(_EXPECTED, word),
        encoding.xor(_EXPECTED, _EXPECTED, register),
        encoding.or_(_DIFFERENCE, _DIFFERENCE, _EXPECTED),
    ]


def _compare(register: str, word: int, kept: Mapping[str, int]) -> list[int]:
    """Encode ORing what differs in a register into x30."""
    number = _number(register)
    if register[0] == "v":
        words = [addi(_FOUND, _BASE, _at(_VECTOR)), encoding.store_vector(number, _FOUND)]
        for half in range(2):
            words += [_ld(_FOUND, _VECTOR + half), *_difference(_FOUND, word + half)]
        return words
    if register[0] == "f":
        return [encoding.move_from_float(_FOUND, number), *_difference(_FOUND, word)]
    if register in kept:
        return [_ld(_FOUND, kept[register]), *_difference(_FOUND, word)]
    return _difference(number, word)


def _load_base() -> list[int]:
    return encoding.load_immediate(_BASE, CONTROL + _MIDDLE)


def _differences(expected: Mapping[str, int], kept: Mapping[str, int]) -> list[int]:
    """Encode the comparison of registers with control words.

    ``kept`` has the words that hold the values of registers that are overwritten here.
    """
    words = [addi(_DIFFERENCE, ZERO, 0)]
    for register, word in expected.items():
        words += _compare(register, word, kept)
    return words


def _check(preserved: CalleeSaved) -> list[int]:
    """Encode the comparison of all callee-saved registers.

    If the convention leaves no scratch registers, all registers are as they were afterwards.
    """
    kept = _WORK if preserved.no_scratch else {}
    words = _load_base() + [_sd(_number(r), word) for r, word in kept.items()]
    words += _differences(preserved.expected, kept)
    words += _difference(FP, control_block.FRAME_POINTER)
    if preserved.stack_pointer:
        words += _difference(SP, control_block.STACK_POINTER)
    return words + [_ld(_number(r), word) for r, word in kept.items()]


def _poison(preserved: CalleeSaved) -> list[int]:
    """Encode loading garbage into the registers that neither pass anything nor are preserved."""
    names = [f"x{n}" for n in _FREE] + [f"f{n}" for n in _FREE_FLOATS]
    vectors = [f"v{n}" for n in range(32)] if "has_v" in preserved.flags else []
    words = []
    for size, group in ((1, names), (2, vectors)):
        for name in group:
            if name not in preserved.words:
                offset = _number(name) + (32 if name[0] == "f" else 0)
                words += _load(name, control_block.GARBAGE + size * offset)
    words.append(_ld(_DIFFERENCE, control_block.GARBAGE + _DIFFERENCE))
    if vectors:
        # An invalid type of vectors: whatever depends on it traps.
        words += [addi(_DIFFERENCE, ZERO, -1)]
        words += [encoding.set_vector_type(ZERO, _DIFFERENCE, _DIFFERENCE)]
    return words


def _go(address: int, return_to: int, preserved: CalleeSaved) -> list[int]:
    """Encode replacing the return address, loading garbage, and jumping to the function.

    The code lies at ``address``.
    """
    words = [_sd(RA, control_block.RETURN), _sd(FP, control_block.FRAME_POINTER)]
    words += [_sd(SP, control_block.STACK_POINTER), *_poison(preserved)]
    words += encoding.load_address(RA, return_to - (address + 4 * len(words)))
    return [*words, _ld(_BASE, control_block.ENTRY), encoding.jump_to(_BASE)]


def _back() -> list[int]:
    return [_ld(RA, control_block.RETURN), encoding.RETURN]


def blocks(preserved: CalleeSaved, labels: Mapping[str, int]) -> dict[str, bytes]:
    """Encode the blocks of ``backend.emulator.thunk.LABELS`` for given addresses of theirs."""

    def differ(at: str, words: list[int], target: str) -> list[int]:
        # A branch does not reach far enough.
        distance = labels[target] - (labels[at] + 4 * len(words) + 4)
        same = encoding.branch_if_equal(_DIFFERENCE, ZERO, 8)
        return [*words, same, encoding.jump(distance)]

    def go(at: str, words: list[int], return_to: str) -> list[int]:
        return words + _go(labels[at] + 4 * len(words), labels[return_to], preserved)

    patterns, saved = preserved.patterns, preserved.saved
    compared = _load_base() + _differences(patterns, {})
    save = _load_base() + [code for r, word in saved.items() for code in _store(r, word)]
    save += [code for r, word in patterns.items() for code in _load(r, word)]
    restore = [code for r, word in saved.items() for code in _load(r, word)]
    words = {
        "enter": go("enter", differ("enter", compared, "save"), "leave"),
        "leave": differ("leave", _check(preserved), "violated") + _back(),
        "save": go("save", save, "restore"),
        "restore": differ("restore", _check(preserved), "violated") + restore + _back(),
        "violated": [encoding.UNDEFINED],
    }
    if not preserved.patterned:
        words["enter"] = [encoding.jump(labels["save"] - labels["enter"])]
    return {name: pack(block) for name, block in words.items()}
