"""Where the memory accesses of a fragment go: an object of the function, and a place in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clif.function import MemFlags, Value
from clif.memory_access import address_operand
from clif.typed_instructions import TypedInstruction
from fuzz.generate.addresses import align_up, base, draw_address
from fuzz.generate.options import TRAP_CODES
from fuzz.generate.writer import MemoryObject, Writer
from fuzz.isle.fragment import Fragment

_VECTOR: Final = 16


@dataclass(slots=True)
class AccessPlace:
    """Address, offset and flags of all accesses to one place."""

    address: Value
    offset: int
    flags: MemFlags


def has_object(w: Writer, fragment: Fragment, number: int) -> bool:
    """Return whether the function has an object for the accesses to place ``number``."""
    return bool(_objects(w, fragment, number))


def find_place(w: Writer, fragment: Fragment, number: int) -> AccessPlace:
    """Draw the place for the accesses to place ``number``."""
    instructions = _accesses(fragment, number)
    target = w.entropy.choice(_objects(w, fragment, number))
    size = max(instruction.accessed_bytes for instruction in instructions)
    low = target.writable if any(map(_writes, instructions)) else 0
    if any(map(_is_atomic, instructions)):
        address, offset, aligned = _aligned_place(w, target, size, low), 0, True
    else:
        address, offset, aligned = draw_address(w, target, size, low)
    flags = MemFlags(
        trap=None if w.entropy.below(2) else w.entropy.choice(TRAP_CODES),
        # SSE instructions take operands of 16 bytes from memory only if these are aligned.
        aligned=aligned and (size == _VECTOR or w.entropy.below(2) == 0),
        alias_region=target.region,
    )
    return AccessPlace(address, offset, flags)


def _accesses(fragment: Fragment, number: int) -> list[TypedInstruction]:
    return [
        step.instruction
        for step in fragment.steps
        if step.place == number and address_operand(step.instruction.opcode) is not None
    ]


def _objects(w: Writer, fragment: Fragment, number: int) -> list[MemoryObject]:
    """Return the objects that suit the accesses to a place, in size and otherwise."""
    instructions = _accesses(fragment, number)
    size = max(instruction.accessed_bytes for instruction in instructions)
    writes = any(map(_writes, instructions))
    atomic = any(map(_is_atomic, instructions))
    return [
        target
        for target in w.memory
        if size <= target.size - (align_up(target.writable, size) if writes else 0)
        and (not atomic or target.base is not None)
    ]


def _writes(instruction: TypedInstruction) -> bool:
    return "can_store" in instruction.opcode.flags


def _is_atomic(instruction: TypedInstruction) -> bool:
    return instruction.name.startswith("atomic_")


def _aligned_place(w: Writer, target: MemoryObject, size: int, low: int) -> Value:
    """Draw an address that is a multiple of the size, as atomic operations need it."""
    first = align_up(low, size) // size
    at = size * w.entropy.between(first, target.size // size - 1)
    address = base(w, target)
    return w.op("iadd", address, w.constant(w.address, at)) if at else address
