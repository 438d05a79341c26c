"""Byte order: in which order the bytes of a word lie in memory, and what depends on it.

A load or store without a byte order of its own has that of the machine. So the outcome of a
function may differ between machines, but only if it has such an access to more than a byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Literal, TypeAlias

from clif.function import Function, Inst
from clif.memory_access import accessed_lane_bytes, address_operand
from clif.opcodes import Opcode
from clif.typed_instructions import InstructionName

#: As Python, CLIF's memory flags and the descriptions of ISAs call it.
ByteOrder: TypeAlias = Literal["little", "big"]

BYTE_ORDERS: Final[tuple[ByteOrder, ...]] = ("little", "big")


def has_order(opcode: Opcode) -> bool:
    """Return whether an instruction may have a byte order of its own."""
    return address_operand(opcode) is not None or opcode.name == "bitcast"


def in_order(name: InstructionName, order: ByteOrder) -> InstructionName:
    """Return the name of an instruction with a byte order of its own: part of its variant."""
    return *name[:3], f"{name[3]} {order}".strip()


def depends_on_byte_order(functions: Iterable[Function]) -> bool:
    """Return whether functions may have another outcome on a machine with the other byte order."""
    return any(
        function.stack_limit is not None or any(map(has_native_order, function.instructions()))
        for function in functions
    )


def with_explicit_order(functions: Iterable[Function], order: ByteOrder) -> list[Function]:
    """Return copies of functions that do on any machine what they do on one with a byte order."""
    copies = [function.clone() for function in functions]
    for inst in (inst for function in copies for inst in function.instructions()):
        if has_native_order(inst):
            inst.flags = replace(inst.flags, endianness=order)
    return copies


def has_native_order(inst: Inst) -> bool:
    """Return whether an instruction accesses words of memory in the byte order of the machine."""
    return inst.flags.endianness is None and (accessed_lane_bytes(inst) or 1) > 1
