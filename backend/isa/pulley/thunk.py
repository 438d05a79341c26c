"""The thunk's instructions in Pulley bytecode.

x15 carries no argument and no result. The interpreter's spill register holds nothing across
instructions of Cranelift's, so it has the control block's address here. A branch compares a
register with x15, into which the word has been loaded that it should equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.emulator import control_block
from backend.emulator.byte_order import ByteOrder
from backend.emulator.callee_saved import CalleeSaved
from backend.emulator.guest_memory import CONTROL
from backend.isa.pulley.encoding import SP, SPILL, encode, imm32, load, number, store

_WORK: Final = "x15"
_X15: Final = number(_WORK)


class _Code:
    """Instructions that are being put together, from a given address on."""

    def __init__(self, start: int, order: ByteOrder) -> None:
        self.start = start
        self.order = order
        self.code = encode("xconst32", SPILL, imm32(CONTROL))

    def add(self, code: bytes) -> None:
        self.code += code

    def load(self, register: str, word: int) -> None:
        self.add(load(register, SPILL, 8 * word, self.order))

    def store(self, register: str, word: int) -> None:
        self.add(store(register, SPILL, 8 * word, self.order))

    def go_if_differs(self, register: int, target: int) -> None:
        """Add a branch that is taken if a register differs from x15."""
        distance = target - (self.start + len(self.code))
        self.add(encode("br_if_xneq64", register, _X15, imm32(distance)))

    def compare(self, register: str, word: int, target: int) -> None:
        """Add the comparison of a register with a control word, or with two."""
        kind, place = register[0], number(register)
        if kind == "x":
            self.load(_WORK, word)
            self.go_if_differs(place, target)
            return
        halves = (
            [encode("bitcast_int_from_float_64", SPILL, place)]
            if kind == "f"
            else [encode("xextractv64x2", SPILL, place, lane) for lane in range(2)]
        )
        for half, value in enumerate(halves):
            self.load(_WORK, word + half)
            self.add(value)
            self.go_if_differs(SPILL, target)
            self.add(encode("xconst32", SPILL, imm32(CONTROL)))


def _check(code: _Code, preserved: CalleeSaved, differs: int) -> None:
    """Add the comparison of all callee-saved registers, the stack pointer and the frame pointer.

    If the convention leaves no scratch registers, x15 is as it was afterwards.
    """
    kept = preserved.no_scratch
    if kept:
        code.store(_WORK, control_block.FOUND)
    for register, word in preserved.expected.items():
        if register != _WORK:
            code.compare(register, word, differs)
    if _WORK in preserved.expected:
        code.load(_WORK, control_block.FOUND)
        code.load("spilltmp0", preserved.expected[_WORK])
        code.go_if_differs(SPILL, differs)
        code.add(encode("xconst32", SPILL, imm32(CONTROL)))
    if preserved.stack_pointer:
        code.load(_WORK, control_block.STACK_POINTER)
        code.go_if_differs(SP, differs)
    code.load(_WORK, control_block.FRAME_POINTER)
    code.add(encode("xmov_fp", SPILL))
    code.go_if_differs(SPILL, differs)
    code.add(encode("xconst32", SPILL, imm32(CONTROL)))
    if kept:
        code.load(_WORK, control_block.FOUND)


def _undo(preserved: CalleeSaved, order: ByteOrder) -> bytes:
    """Encode giving x15 back what the function left in it, for the host to read."""
    if not preserved.no_scratch:
        return b""
    code = _Code(0, order)
    code.load(_WORK, control_block.FOUND)
    return code.code


def _note(code: _Code) -> None:
    """Add noting where the call came from."""
    for name, word in (
        ("xmov_lr", control_block.RETURN),
        ("xmov_fp", control_block.FRAME_POINTER),
    ):
        code.add(encode(name, _X15))
        code.store(_WORK, word)
    code.store("sp", control_block.STACK_POINTER)


def _go(code: _Code, preserved: CalleeSaved) -> None:
    """Add loading garbage, and calling the function; it returns to the next instruction."""
    poisoned = [_WORK, *(f"f{n}" for n in range(16, 32)), *(f"v{n}" for n in range(16, 32))]
    for register in poisoned:
        if register not in preserved.words:
            words = 2 if register[0] == "v" else 1
            code.load(register, control_block.GARBAGE + words * number(register))
    code.load("spilltmp0", control_block.ENTRY)
    code.add(encode("call_indirect", SPILL))


def _back(code: _Code) -> None:
    code.load("spilltmp0", control_block.RETURN)
    code.add(encode("xjump", SPILL))


def _blocks(
    order: ByteOrder, preserved: CalleeSaved, labels: Mapping[str, int]
) -> dict[str, bytes]:
    code = {name: _Code(address, order) for name, address in labels.items()}
    # What is done before stopping lies in front of the last block, and goes on to it.
    undo = _undo(preserved, order)
    differs = labels["violated"] - len(undo)
    for register, word in preserved.patterns.items():
        code["enter"].compare(register, word, labels["save"])
    _note(code["enter"])
    _go(code["enter"], preserved)
    _check(code["leave"], preserved, differs)
    _back(code["leave"])
    for register, word in preserved.saved.items():
        code["save"].store(register, word)
    _note(code["save"])
    for register, word in preserved.patterns.items():
        code["save"].load(register, word)
    _go(code["save"], preserved)
    _check(code["restore"], preserved, differs)
    for register, word in preserved.saved.items():
        code["restore"].load(register, word)
    _back(code["restore"])
    code["restore"].add(undo)
    found = {name: each.code for name, each in code.items()}
    if not preserved.patterned:
        found["enter"] = encode("jump", imm32(labels["save"] - labels["enter"]))
    return found | {"violated": encode("trap")}


def blocks(preserved: CalleeSaved, labels: Mapping[str, int]) -> dict[str, bytes]:
    """Encode the blocks of ``backend.emulator.thunk.LABELS`` for given addresses of theirs."""
    return _blocks("little", preserved, labels)
