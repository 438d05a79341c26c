"""Running machine code on known values by SLEIGH, to compare it with an emulator."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import z3

from backend.emulator.linker import PlainCode
from clif.function import Function, Signature
from fuzz.prove.floats import FloatModel, float_model
from fuzz.prove.machine.cells import Cells
from fuzz.prove.machine.code_paths import CodePath
from fuzz.prove.machine.description import Instruction, Machine
from fuzz.prove.machine.program import MachineProgram
from fuzz.prove.memory import ADDRESS_BITS, Memory, Place
from fuzz.prove.paths import Exploration, PathEnd
from fuzz.prove.semantics import UndecidedError
from fuzz.prove.terms import Term, const, value_of

_STACK: Final = 0x20_0000
_STACK_BYTES: Final = 4096


class ConcretePath(CodePath):
    """A run of code whose only argument is the address of some memory.

    Attributes:
        contents: the memory, which the run changes.

    Args:
        address: of the memory.
        most: the run ends when an instruction is reached more than so many times.
    """

    def __init__(
        self, machine: Machine, code: bytes, contents: bytes, address: int, most: int
    ) -> None:
        program = MachineProgram(machine, PlainCode("run", code))
        super().__init__(Exploration(), Memory.shared(), Function("run", Signature()), program)
        self.contents = bytearray(contents)
        self._address = address
        self._stack = bytearray(_STACK_BYTES)
        self._most = most
        self._reached: dict[int, int] = {}
        self.exploration.steps = 1 << 30
        self.registers = Cells(lambda _: const(0, ADDRESS_BITS))
        self.set(machine.stack_pointer, const(_STACK + _STACK_BYTES // 2, ADDRESS_BITS))
        first = machine.conventions["system_v"].integer_arguments[0]
        self.set(first, const(address, ADDRESS_BITS))

    def _begin_instruction(self, instruction: Instruction) -> None:
        count = self._reached[self.address] = self._reached.get(self.address, 0) + 1
        if count > self._most:
            raise PathEnd

    def write(self, node: Any, value: Term) -> None:
        """Write a varnode, whose value is computed at once."""
        super().write(node, z3.simplify(value))

    def load(self, address: Term, size: int) -> Term:
        """Load from the code, the memory or the stack."""
        place = Place.of(address)
        if place.base is None and self.program.contains(place.offset):
            return super().load(address, size)
        memory, at = self._find(address, size)
        return const(int.from_bytes(memory[at : at + size], "little"), 8 * size)

    def store(self, address: Term, value: Term) -> None:
        """Store to the memory or the stack."""
        size = value.size() // 8
        memory, at = self._find(address, size)
        known = value_of(value)
        if known is None:
            raise UndecidedError("a value that is not known")
        memory[at : at + size] = known.to_bytes(size, "little")

    def _find(self, address: Term, size: int) -> tuple[bytearray, int]:
        where = value_of(address)
        for start, memory in ((self._address, self.contents), (_STACK, self._stack)):
            if where is not None and start <= where <= start + len(memory) - size:
                return memory, where - start
        raise UndecidedError("an access elsewhere")


def run_concretely(
    machine: Machine, code: bytes, contents: bytes, address: int, most: int
) -> bytes:
    """Run code on some memory, whose address it is given, and return what it leaves there.

    Args:
        address: of the memory.
        most: how often each instruction is executed at most.

    Raises:
        UndecidedError: SLEIGH does not say what an instruction does.
    """
    with float_model(FloatModel.OPAQUE):  # operations on constants are exact in any model
        path = ConcretePath(machine, code, contents, address, most)
        with suppress(PathEnd):
            path.run()
    return bytes(path.contents)
