"""A compiled function, linked, as p-code of single instructions."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
import pypcode

from backend.emulator.linker import Compiled, Linker, LinkError
from fuzz.prove.machine.description import CODE_BASE, Instruction, Machine
from fuzz.prove.semantics import UndecidedError

#: No instruction is longer.
_LONGEST: Final = 16
_ROOM: Final = 4096
#: How far behind the code the functions are that it calls: further than any code, within reach.
_EXTERNALS: Final = 1 << 24


@cache
def context(language: str) -> Any:
    """Return the decoder of a language of SLEIGH, made once."""
    return pypcode.Context(language)


class MachineProgram:
    """The code of one function where it was placed, with the constants and tables behind it.

    Attributes:
        start: where the function begins.
        externals: by address, the name of what is called there: ``%name``, ``LibCall:FmaF64``.
        traps: by address, the trap code of a trapping instruction.

    Raises:
        UndecidedError: it cannot be linked.
    """

    def __init__(self, machine: Machine, compiled: Compiled) -> None:
        self.machine = machine
        self.externals: dict[int, str] = {}
        ring = np.zeros(2 * len(compiled.code) + _ROOM, np.uint8)
        linker = Linker(
            ring,
            CODE_BASE,
            machine.described,
            external=self._external,
            on_wrap=lambda: None,
        )
        try:
            placed = linker.link([compiled]).functions[0]
        except LinkError as error:
            raise UndecidedError(f"linking: {error}") from None
        self.start = placed.address
        self.memory = ring.tobytes()
        self.traps = {self.start + offset: code for offset, code in compiled.traps}
        self._instructions: dict[int, Instruction] = {}

    def _external(self, kind: str, target: str) -> int:
        if not target.startswith(("%", "LibCall:")):
            raise UndecidedError(f"a relocation against {target.partition(':')[0]}")
        for address, name in self.externals.items():
            if name == target:
                return address
        address = CODE_BASE + _EXTERNALS + 16 * len(self.externals)
        self.externals[address] = target
        return address

    def contains(self, address: int) -> bool:
        """Return whether an address is one of the code, its constants or tables."""
        return 0 <= address - CODE_BASE < len(self.memory)

    def byte(self, address: int) -> int:
        """Return a byte of the code."""
        return self.memory[address - CODE_BASE]

    def instruction(self, address: int) -> Instruction:
        """Return the instruction at an address.

        Raises:
            UndecidedError: SLEIGH does not know it.
        """
        if address not in self._instructions:
            if not self.contains(address):
                raise UndecidedError("a jump out of the function")
            self._instructions[address] = self._decode(address)
        return self._instructions[address]

    def _decode(self, address: int) -> Instruction:
        offset = address - CODE_BASE
        code = self.memory[offset : offset + _LONGEST]
        decoder = context(self.machine.language)
        shown = None
        try:
            shown = decoder.disassemble(code, base_address=address, max_instructions=1)
            found = decoder.translate(code, base_address=address, max_instructions=1)
        except (pypcode.BadDataError, pypcode.UnimplError, pypcode.LowlevelError):
            name = shown.instructions[0].mnem.lower() if shown else f"the bytes {code[:4].hex()}"
            raise UndecidedError(f"SLEIGH does not know {name}") from None
        text = shown.instructions[0]
        size = text.length
        operations = list(found.ops)
        return Instruction(address, size, text.mnem.lower(), text.body, operations, code[:size])
