"""Thunks: a few hand-encoded instructions between the driver and the function under test.

The driver calls the thunk as if it were the function. The thunk puts garbage into scratch registers
that carry no argument, makes the function return to itself, and jumps to it; then it compares the
callee-saved registers and the stack pointer with what they were, and returns to the driver.
Arguments and results, in registers or on the stack, pass through untouched. If something was not
preserved, the thunk stops at an instruction of its own that traps, all registers as they were
left: the host reads them.

Callee-saved registers hold known patterns. Those of ``system_v`` do so from the start, and a driver
that keeps nothing in them leaves them alone; only for one that uses them, and for conventions that
preserve others, does the thunk save what it finds and load the patterns. (Stores are what costs in
the emulator: 30 ns each against 1 ns for a load.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from backend.emulator.callee_saved import Preserved
from backend.emulator.isa import Convention, Isa
from backend.isa.aarch64 import thunk as thunk_aarch64
from backend.isa.x86_64 import thunk as thunk_x64


@dataclass(frozen=True, slots=True)
class Thunk:
    """Machine code for one calling convention.

    Attributes:
        code: to be placed at the address that it was encoded for.
        address: that address.
        violated: address of the instruction that it stops at.
        preserved: what it compares; besides, always the frame pointer.
    """

    code: bytes
    address: int
    violated: int
    preserved: Preserved


#: Makes the blocks from what is to be preserved and the addresses of all blocks.
_Blocks = Callable[[Preserved, Mapping[str, int]], dict[str, bytes]]

_BLOCKS: Final[Mapping[str, _Blocks]] = {
    "x86_64": thunk_x64.blocks,
    "aarch64": thunk_aarch64.blocks,
}

#: The blocks: the two halves of the short way, those of the one that saves, and the end of both.
LABELS: Final = ("enter", "leave", "save", "restore", "violated")


def encode(isa: Isa, convention: Convention, pinned: str | None, address: int) -> Thunk:
    """The thunk for one convention, to be placed at ``address``.

    ``pinned`` is a register that the settings take out of the callee-saved ones.
    """
    preserved = Preserved.by(isa, convention, pinned)

    def blocks(labels: Mapping[str, int]) -> dict[str, bytes]:
        return _BLOCKS[isa.name](preserved, labels)

    # No length depends on an address, so any addresses will do to measure them.
    labels = _lay_out(blocks(dict.fromkeys(LABELS, address)), address)
    code = b"".join(blocks(labels).values())
    return Thunk(code, address, labels["violated"], preserved)


def _lay_out(blocks: Mapping[str, bytes], address: int) -> dict[str, int]:
    labels = {}
    for name, code in blocks.items():
        labels[name] = address
        address += len(code)
    return labels
