"""What is sure to run once a block of the extension's own machine code is entered."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator

import capstone

_MACHINES = {
    "x86_64": (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    "aarch64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM),
}
_NAMES = {"AMD64": "x86_64", "arm64": "aarch64"}
#: On x86-64 all jumps as well: their mnemonics begin with a j.
_ENDS = frozenset(
    ["ret", "ud2", "int3", "b", "br", "cbz", "cbnz", "tbz", "tbnz", "brk", "hlt", "udf"]
)
_MOST_BYTES = 512


class StraightLines:
    """Disassembles code of this process, from an address to the first branch or return.

    A call goes on behind it, as it does unless it panics. On a machine that is not known nothing
    but the address itself counts.

    Args:
        stop: an address up to which the code may be read.
    """

    def __init__(self, stop: int) -> None:
        self.stop = stop
        machine = platform.machine()
        known = _MACHINES.get(_NAMES.get(machine, machine))
        self._disassembler = capstone.Cs(*known) if known is not None else None

    def addresses(self, start: int) -> Iterator[int]:
        """Of ``start`` and the instructions behind it, without the branch: blocks that end alike
        may share one, which names a line of any of them."""
        yield start
        if self._disassembler is None:
            return
        code = ctypes.string_at(start, max(0, min(_MOST_BYTES, self.stop - start)))
        for address, _, mnemonic, _ in self._disassembler.disasm_lite(code, start):
            if mnemonic.startswith("j") or mnemonic.partition(".")[0] in _ENDS:
                return
            if address != start:
                yield address
