"""Thunks: a few hand-encoded instructions between the driver and the function under test.

The driver calls the thunk as if it were the function. The thunk puts garbage into scratch registers
that carry no argument, makes the function return to the thunk, and jumps to it. Afterwards it
compares the callee-saved registers and the stack pointer with what they were, and returns to the
driver. Arguments and results, in registers or on the stack, pass through unchanged. If something
was not preserved, the thunk stops at a trapping instruction of its own with all registers as the
function left them, for the host to read.

Callee-saved registers hold known patterns. Those of ``system_v`` do so from the start, and a driver
that keeps nothing in them leaves them alone. For a driver that uses them, and for conventions that
preserve other registers, the thunk saves what it finds and loads the patterns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from backend.emulator.callee_saved import CalleeSaved
from backend.emulator.convention import Convention
from backend.emulator.isa import Isa, Part


@dataclass(frozen=True, slots=True)
class Thunk:
    """The machine code of a thunk for one calling convention.

    Attributes:
        code: to be placed at the address that it was encoded for.
        address: that address.
        violated: the address that it stops at.
        preserved: the registers that it compares, besides the frame pointer.
    """

    code: bytes
    address: int
    violated: int
    preserved: CalleeSaved

    @property
    def addresses(self) -> range:
        """The addresses of its code."""
        return range(self.address, self.address + len(self.code))


#: The blocks of a thunk: ``enter`` and ``leave`` go around the function if the registers hold
#: their patterns, ``save`` and ``restore`` if they do not; all may end in ``violated``.
LABELS: Final = ("enter", "leave", "save", "restore", "violated")

#: Makes the code of each of ``LABELS``, for given registers and addresses of the blocks. The
#: lengths of blocks do not depend on the addresses.
BLOCKS: Final = Part[Callable[[CalleeSaved, Mapping[str, int]], dict[str, bytes]]](
    "thunk", "blocks"
)


def encode(isa: Isa, convention: Convention, pinned: str | None, address: int) -> Thunk:
    """Make the thunk for one convention, to be placed at ``address``.

    ``pinned`` is a register that the settings take out of the callee-saved ones.
    """
    preserved = CalleeSaved.of(isa, convention, pinned)
    blocks = BLOCKS.of(isa)
    # Any addresses will do to measure the blocks.
    labels = _lay_out(blocks(preserved, dict.fromkeys(LABELS, address)), address)
    code = b"".join(blocks(preserved, labels).values())
    stop = labels["violated"] + (len(isa.trap) - 1 if isa.late_traps else 0)
    return Thunk(code, address, stop, preserved)


def _lay_out(blocks: Mapping[str, bytes], address: int) -> dict[str, int]:
    """Return the address of each block if the first is at ``address``."""
    labels = {}
    for name, code in blocks.items():
        labels[name] = address
        address += len(code)
    return labels
