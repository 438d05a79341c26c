"""The thunk's instructions on s390x.

r1 may be used by code between caller and callee; nothing else is needed, as words in memory can be
compared with registers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.emulator import control_block
from backend.emulator.callee_saved import CalleeSaved
from backend.isa.s390x.encoding import (
    ALWAYS,
    CGRL,
    CLGRL,
    LARL,
    LDGR,
    LGDR,
    LGRL,
    NOT_EQUAL,
    STGRL,
    VL,
    VLEG,
    VST,
    Code,
    br,
    rre,
    vlgvg,
    vrx,
)

_WORK: Final = 1
_RETURN: Final = 14
_SP: Final = 15
#: Vector registers that carry arguments: floats, and vectors.
_FLOATS: Final = (0, 2, 4, 6)
_CARRIERS: Final = frozenset([*_FLOATS, *range(24, 32)])


def _number(register: str) -> int:
    return int(register[1:])


def _load(code: Code, register: str, word: int) -> None:
    number, place = _number(register), control_block.address(word)
    if register[0] == "r":
        code.at(LGRL, number, place)
    elif register[0] == "f":
        code.at(LGRL, _WORK, place)
        code.add(rre(LDGR, number, _WORK))
    else:
        code.at(LARL, _WORK, place)
        code.add(vrx(VL, number, _WORK, 0))


def _store(code: Code, register: str, word: int) -> None:
    number, place = _number(register), control_block.address(word)
    if register[0] == "r":
        code.at(STGRL, number, place)
    elif register[0] == "f":
        code.add(rre(LGDR, _WORK, number))
        code.at(STGRL, _WORK, place)
    else:
        code.at(LARL, _WORK, place)
        code.add(vrx(VST, number, _WORK, 0))


def _compare(code: Code, register: str, word: int, otherwise: int) -> None:
    """Append a branch to ``otherwise`` for a register that is not what a control word says."""
    number, place = _number(register), control_block.address(word)
    if register[0] == "r":
        code.at(CGRL, number, place)
    elif register[0] == "f":
        code.add(rre(LGDR, _WORK, number))
        code.at(CGRL, _WORK, place)
    else:
        code.add(vlgvg(_WORK, number, 0))
        code.at(CGRL, _WORK, place)
        code.branch(NOT_EQUAL, otherwise)
        code.add(vlgvg(_WORK, number, 1))
        code.at(CGRL, _WORK, place + 8)
    code.branch(NOT_EQUAL, otherwise)


def _check(code: Code, preserved: CalleeSaved, violated: int) -> None:
    for register, word in preserved.expected.items():
        _compare(code, register, word, violated)
    if preserved.stack_pointer:
        _compare(code, f"r{_SP}", control_block.STACK_POINTER, violated)


def _set_condition(code: Code) -> None:
    """Append what leaves the condition code as no comparison for equality does that succeeds."""
    code.at(CLGRL, _SP, control_block.address(control_block.RETURN))


def _garbage(number: int) -> int:
    """Return the address of garbage for a vector register."""
    return control_block.address(control_block.GARBAGE + 2 * number + 2)


def _poison_other_half(code: Code, number: int) -> None:
    """Append loading garbage into the half of a vector register that is no part of a float."""
    code.at(LARL, _WORK, _garbage(number))
    code.add(vrx(VLEG, number, _WORK, 0, element=1))


def _poison(code: Code, preserved: CalleeSaved) -> None:
    """Append loading garbage into all registers that carry no argument and are not preserved."""
    if "r0" not in preserved.words:
        code.at(LGRL, 0, control_block.address(control_block.GARBAGE))
    for number in range(32):
        if number in _CARRIERS or f"v{number}" in preserved.words:
            continue
        if f"f{number}" in preserved.words:
            _poison_other_half(code, number)
        else:
            code.at(LARL, _WORK, _garbage(number))
            code.add(vrx(VL, number, _WORK, 0))


def _go(code: Code, return_to: int, preserved: CalleeSaved) -> None:
    """Append replacing the return address, loading garbage, and jumping to the function."""
    code.at(STGRL, _RETURN, control_block.address(control_block.RETURN))
    code.at(STGRL, _SP, control_block.address(control_block.STACK_POINTER))
    _poison(code, preserved)
    code.at(LARL, _RETURN, return_to)
    _set_condition(code)
    code.at(LGRL, _WORK, control_block.address(control_block.ENTRY))
    code.add(br(_WORK))


def _back(code: Code) -> None:
    code.at(LGRL, _RETURN, control_block.address(control_block.RETURN))
    _set_condition(code)
    code.add(br(_RETURN))


def _enter(code: Code, preserved: CalleeSaved, labels: Mapping[str, int]) -> None:
    for number in _FLOATS:  # the driver leaves the float in both halves
        _poison_other_half(code, number)
    if not preserved.patterned:
        code.branch(ALWAYS, labels["save"])
        return
    for register, word in preserved.patterns.items():
        _compare(code, register, word, labels["save"])
    for register, word in preserved.saved.items():
        if register in preserved.arguments:
            _store(code, register, word)
    _go(code, labels["leave"], preserved)


def _save(code: Code, preserved: CalleeSaved, labels: Mapping[str, int]) -> None:
    for register, word in preserved.saved.items():
        _store(code, register, word)
    for register, word in preserved.patterns.items():
        _load(code, register, word)
    _go(code, labels["restore"], preserved)


def _restore(code: Code, preserved: CalleeSaved, violated: int) -> None:
    _check(code, preserved, violated)
    for register, word in preserved.saved.items():
        _load(code, register, word)
    _back(code)


def blocks(preserved: CalleeSaved, labels: Mapping[str, int]) -> dict[str, bytes]:
    """Encode the blocks of ``backend.emulator.thunk.LABELS`` for given addresses of theirs."""
    codes = {name: Code(labels[name]) for name in ("enter", "leave", "save", "restore")}
    _enter(codes["enter"], preserved, labels)
    _check(codes["leave"], preserved, labels["violated"])
    _back(codes["leave"])
    _save(codes["save"], preserved, labels)
    _restore(codes["restore"], preserved, labels["violated"])
    return {name: code.bytes for name, code in codes.items()} | {"violated": b"\0\0"}
