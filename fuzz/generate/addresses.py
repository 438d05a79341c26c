"""Addresses of memory accesses that stay in bounds, and flags that are true of them."""

from __future__ import annotations

from backend.isa.registry import ISAS
from clif.byte_order import ByteOrder
from clif.function import MemFlags, StackSlot, Value
from clif.types import I8, I16, I32, I64
from fuzz.generate.operands import pick
from fuzz.generate.options import TRAP_CODES
from fuzz.generate.wrapping_indices import wrapping_index
from fuzz.generate.writer import MemoryObject, Writer
from fuzz.known.status import has_fault

#: Of so many slots the alignment of one is seen in a result.
_CHECKED = 4


def draw_address(w: Writer, target: MemoryObject, size: int, low: int) -> tuple[Value, int, bool]:
    """Draw a place for ``size`` bytes within ``low..target.size`` of an object.

    Returns:
        An address, the offset to it, and whether their sum is aligned to the size.
    """
    span = target.size - low - size
    kind = w.entropy.below(12 if w.plan.options.stage_parts else 10)
    if kind >= 10:
        index, most = wrapping_index(w, span, size)
        operands = [base(w, target), index]
        if w.entropy.below(4) == 0:
            operands.reverse()
        return w.op("iadd", *operands), low + w.entropy.below(span - most + 1), False
    if kind >= 7 and span > 0:
        return _indexed(w, target, size, low, span)
    at = low + _aligned_draw(w, span, size, low)
    aligned = at % size == 0 and target.align % size == 0
    if kind == 6:
        # The address itself may be below or above the object.
        shift = w.entropy.below(target.size + 1) + (w.entropy.below(3) - 1) * 4096
        address = w.op("iadd", base(w, target), w.constant(w.address, shift))
        return address, at - shift, aligned
    if target.slot is not None and w.entropy.below(2):
        return address_of(w, target.slot, at), 0, aligned
    return base(w, target), at, aligned


def _aligned_draw(w: Writer, span: int, size: int, low: int) -> int:
    """Draw from ``0..span``, mostly such that the access is aligned."""
    draw = w.entropy.below(span + 1)
    if w.entropy.below(3):
        aligned = (low + draw) // size * size - low
        return aligned if aligned >= 0 else draw
    return draw


def _indexed(
    w: Writer, target: MemoryObject, size: int, low: int, span: int
) -> tuple[Value, int, bool]:
    """Draw an address that is base plus masked and scaled index plus offset."""
    entropy = w.entropy
    scale = entropy.below(min(4, span.bit_length()))
    mask = (1 << entropy.between(1, max(1, (span >> scale).bit_length() - 1))) - 1
    if mask << scale > span:
        mask, scale = 1, 0
    offset = low + _aligned_draw(w, span - (mask << scale), size, low)
    index = masked_index(w, mask)
    if scale:
        index = w.op("ishl", index, w.constant(entropy.choice((I8, I32, I64)), scale))
    address = w.op("iadd", base(w, target), index)
    steps = (1 << scale) % size == 0 and target.align % size == 0
    return address, offset, offset % size == 0 and steps


def masked_index(w: Writer, mask: int) -> Value:
    """Return an address' worth of a number within ``0..mask``, made of a value of the pool."""
    entropy, address = w.entropy, w.address
    narrow = [t for t in (I8, I16, I32) if t.bits < address.bits and w.pool.has(t)]
    if not narrow or entropy.below(2):
        return w.op("band", pick(w, address), w.constant(address, mask))
    type_ = entropy.choice(narrow)
    mask &= type_.mask >> 1
    if entropy.below(2):
        extend = entropy.choice(("uextend", "sextend"))
        return w.op("band", w.op(extend, pick(w, type_), type=address), w.constant(address, mask))
    masked = w.op("band", pick(w, type_), w.constant(type_, mask))
    return w.op("uextend", masked, type=address)


def base(w: Writer, target: MemoryObject) -> Value:
    """Return the object's address."""
    if target.base is not None:
        return target.base
    assert target.slot is not None
    return address_of(w, target.slot, 0)


def region_of(w: Writer) -> MemoryObject | None:
    """Return the case's region if this function has it; callees rely on its size and contents."""
    return next((m for m in w.memory if m.base is not None and not m.results), None)


def address_of(w: Writer, slot: StackSlot, offset: int) -> Value:
    """Return the address at an offset in a stack slot."""
    return w.emit(
        "stack_addr", type=w.address, results=(w.address,), ref=slot, offset=offset
    ).results[0]


def check_alignment(w: Writer, slot: StackSlot) -> None:
    """Sometimes add to a value by how many bytes a slot misses its alignment: 0.

    No alignment beyond that of the stack is sure.
    """
    mask = min(slot.align, *map(_stack_alignment, w.plan.options.isas)) - 1
    if mask and w.entropy.below(_CHECKED) == _CHECKED - 1:
        missed = w.op("band", address_of(w, slot, 0), w.constant(w.address, mask))
        w.keep(w.op("iadd", missed, pick(w, w.address)))


def _stack_alignment(isa: str) -> int:
    """Return what a slot may be aligned to at most, in bytes."""
    if has_fault("misaligned-slots", isa):
        return 8
    return ISAS[isa].stack_alignment


def argument_region(w: Writer) -> int:
    """Declare the alias region of the case's memory, and return its number in the function.

    The identity is the same in all functions of the case. The number is not, so that a function
    that is inlined has another number for it than its caller.
    """
    if w.entropy.below(2):
        w.function.alias_regions.append('2 "other"')
    w.function.alias_regions.append('1 "argument"')
    return len(w.function.alias_regions) - 1


def slot_region(w: Writer) -> int:
    """Declare an alias region for a stack slot, and return its number in the function."""
    number = len(w.function.alias_regions)
    w.function.alias_regions.append(f'{number + 3} "slot"')
    return number


def drawn_region(w: Writer, target: MemoryObject) -> int | None:
    """Return the object's alias region, or None, since an access without one may alias any."""
    if has_fault("regionless-load"):
        return target.region
    return target.region if w.entropy.below(4) else None


def drawn_order(bits: int) -> ByteOrder | None:
    """Return the byte order that two drawn bits stand for: mostly that of the machine."""
    return ("little", "big", None, None)[bits & 3]


def access_flags(w: Writer, target: MemoryObject, aligned: bool, readonly: bool) -> MemFlags:
    """Draw memory flags that are true of the access."""
    bits = w.entropy.bits(8)
    trap: str | None = None
    if bits & 3 == 0:
        trap = "heap_oob"
    elif bits & 3 == 1:
        trap = w.entropy.choice(TRAP_CODES)
    return MemFlags(
        trap=trap,
        aligned=aligned and bits & 4 != 0,
        readonly=readonly and bits & 8 != 0,
        can_move=bits & 0x30 == 0,
        endianness=drawn_order(bits >> 6),
        alias_region=target.region,
    )


def align_up(at: int, size: int) -> int:
    """Return the least multiple of ``size`` that is not below ``at``."""
    return -(-at // size) * size
