"""The thunk's instructions in Pulley bytecode.

x15 carries no argument and no result. The interpreter's spill register holds nothing across
instructions of Cranelift's, so it has the control block's address here. A branch compares a
register with x15, into which the word has been loaded that it should equal.

Where an address has 32 bits, the upper half of a register that holds one is undefined.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from backend.emulator import control_block
from backend.emulator.callee_saved import CalleeSaved
from backend.emulator.guest_memory import CONTROL
from backend.emulator.isa import Isa, PerIsa
from backend.isa.pulley.encoding import SP, SPILL, encode, imm32, load, number, store

_WORK: Final = "x15"
_X15: Final = number(_WORK)


class _Code:
    """Instructions that are being put together, from a given address on."""

    def __init__(self, start: int, isa: Isa) -> None:
        self.start = start
        self.order = isa.byte_order
        self.narrow = isa.pointer_bytes == 4
        self.code = encode("xconst32", SPILL, imm32(CONTROL))

    def add(self, code: bytes) -> None:
        self.code += code

    def load(self, register: str, word: int) -> None:
        self.add(load(register, SPILL, 8 * word, self.order))

    def store(self, register: str, word: int) -> None:
        self.add(store(register, SPILL, 8 * word, self.order))

    def store_address(self, code: bytes, word: int) -> None:
        """Add storing the address that an instruction puts into x15."""
        self.add(code)
        if self.narrow:
            self.add(encode("zext32", _X15, _X15))
        self.store(_WORK, word)

    def go_if_differs(self, register: int, target: int) -> None:
        """Add a branch that is taken if a register differs from x15."""
        self._branch("br_if_xneq64", register, target)

    def go_if_address_differs(self, register: int, target: int) -> None:
        """Add a branch that is taken if the address in a register differs from that in x15."""
        self._branch("br_if_xneq32" if self.narrow else "br_if_xneq64", register, target)

    def _branch(self, name: str, register: int, target: int) -> None:
        distance = target - (self.start + len(self.code))
        self.add(encode(name, register, _X15, imm32(distance)))

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
            # A whole vector is loaded and stored little-endian.
            order = self.order if kind == "f" else "little"
            self.add(load(_WORK, SPILL, 8 * (word + half), order))
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
        code.go_if_address_differs(SP, differs)
    code.load(_WORK, control_block.FRAME_POINTER)
    code.add(encode("xmov_fp", SPILL))
    code.go_if_address_differs(SPILL, differs)
    code.add(encode("xconst32", SPILL, imm32(CONTROL)))
    if kept:
        code.load(_WORK, control_block.FOUND)


def _undo(preserved: CalleeSaved, isa: Isa) -> bytes:
    """Encode giving x15 back what the function left in it, for the host to read."""
    if not preserved.no_scratch:
        return b""
    code = _Code(0, isa)
    code.load(_WORK, control_block.FOUND)
    return code.code


def _note(code: _Code) -> None:
    """Add noting where the call came from."""
    code.store_address(encode("xmov_lr", _X15), control_block.RETURN)
    code.store_address(encode("xmov_fp", _X15), control_block.FRAME_POINTER)
    code.store_address(encode("xmov", _X15, SP), control_block.STACK_POINTER)


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


def _blocks(isa: Isa, preserved: CalleeSaved, labels: Mapping[str, int]) -> dict[str, bytes]:
    code = {name: _Code(address, isa) for name, address in labels.items()}
    # What is done before stopping lies in front of the last block, and goes on to it.
    undo = _undo(preserved, isa)
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


#: Encode the blocks of ``backend.emulator.thunk.LABELS`` for given addresses of theirs.
blocks: Final = PerIsa(lambda isa: partial(_blocks, isa))
