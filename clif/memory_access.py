"""Memory accesses: which operand of an opcode is the address, and how many bytes it touches."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

from clif.function import Function, Inst, Value
from clif.opcodes import Format, Opcode
from clif.types import I32, I64, Type

_ADDRESS_OPERANDS: Final = {
    Format.LOAD: 0,
    Format.LOAD_NO_OFFSET: 0,
    Format.STORE: 1,
    Format.STORE_NO_OFFSET: 1,
    Format.ATOMIC_RMW: 0,
    Format.ATOMIC_CAS: 0,
}
#: Opcodes that make an address.
_ADDRESSES: Final = frozenset({"stack_addr", "func_addr", "symbol_value"})
#: Opcodes whose name says how much memory they touch: bits of a lane, and lanes where there are
#: several.
_SIZED: Final = re.compile(r"(?:[us]load|istore)(\d+)(?:x(\d+))?")


#: The types that addresses have, on ISAs of either pointer width.
ADDRESS_TYPES: Final = (I32, I64)


def has_narrow_addresses(functions: Iterable[Function]) -> bool:
    """Return whether functions have addresses of 32 bits."""
    return I32 in address_types(functions)


def address_types(functions: Iterable[Function]) -> set[Type | None]:
    """Return the types of the addresses in functions, and None if something has none."""
    return {_address_type(inst) for function in functions for inst in function.instructions()}


def _address_type(inst: Inst) -> Type | None:
    """Return the type of the address that an instruction takes or makes; None if it has none."""
    operand = address_operand(inst.opcode)
    if operand is not None:
        return inst.args[operand].type
    return inst.results[0].type if inst.opcode.name in _ADDRESSES else None


def address_operand(opcode: Opcode) -> int | None:
    """Return the position of the operand that is the address, None if the opcode accesses no
    memory."""
    # The format alone does not tell: bitcast shares that of atomic_load.
    if not opcode.flags & {"can_load", "can_store"}:
        return None
    return _ADDRESS_OPERANDS.get(opcode.format)


def accessed_bytes(opcode: Opcode, type_: Type) -> int:
    """Return how many bytes of memory a load, a store or an atomic operation touches.

    Args:
        type_: the type of the value that is stored, or of the result.
    """
    return _bytes_of_name(opcode.name) or type_.bytes


@cache
def _bytes_of_name(name: str) -> int | None:
    sized = _SIZED.fullmatch(name)
    return int(sized[1]) * int(sized[2] or 1) // 8 if sized else None


def accessed_lane_bytes(inst: Inst) -> int | None:
    """Return the size of the words that an access consists of; None if it accesses no memory.

    Byte order is that of the bytes of a word: the lanes of a vector lie in their order.
    """
    if address_operand(inst.opcode) is None:
        return None
    sized = _SIZED.fullmatch(inst.opcode.name)
    if sized is not None:
        return int(sized[1]) // 8
    type_ = inst.results[0].type if inst.results else inst.args[0].type
    return type_.lane_bits // 8


@dataclass(frozen=True, slots=True)
class Access:
    """An access to ``size`` bytes at ``address + offset``."""

    inst: Inst
    address: Value
    size: int
    writes: bool

    @property
    def offset(self) -> int:
        return self.inst.offset


def access_of(inst: Inst) -> Access | None:
    """Return the memory access that an instruction makes.

    Returns:
        None if the instruction accesses no memory, or none at an address that is an operand.
    """
    operand = address_operand(inst.opcode)
    if operand is None:
        return None
    type_ = inst.results[0].type if inst.results else inst.args[0].type
    size = accessed_bytes(inst.opcode, type_)
    return Access(inst, inst.args[operand], size, "can_store" in inst.opcode.flags)
