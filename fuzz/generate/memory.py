"""Loads, stores and atomic accesses of the objects in scope, and new stack slots.

Addresses are never added to the pool, so no result depends on where an object is placed.
"""

from __future__ import annotations

from collections.abc import Callable

from clif.byte_order import ByteOrder
from clif.function import MemFlags, StackSlot, Value
from clif.memory_access import accessed_bytes, address_operand
from clif.typed_instructions import TypedInstruction
from clif.types import I8, I16, I32, I64, Type
from fuzz.generate.addresses import (
    access_flags,
    address_of,
    align_up,
    base,
    check_alignment,
    draw_address,
    slot_region,
)
from fuzz.generate.conversions import canonicalise
from fuzz.generate.operands import pick
from fuzz.generate.writer import MemoryObject, Writer

#: Loads of integers that extend them; the name says how many bits they read.
NARROW_LOADS = ("uload8", "sload8", "uload16", "sload16", "uload32", "sload32")
#: Loads of vectors of 8 bytes that extend their lanes.
WIDENING_LOADS = ("uload8x8", "sload8x8", "uload16x4", "sload16x4", "uload32x2", "sload32x2")
NARROW_STORES = ("istore8", "istore16", "istore32")
ATOMICS = ("atomic_rmw", "atomic_cas", "atomic_load", "atomic_store")
_ON_VECTORS = ("smin", "umax", "uadd_sat", "ssub_sat", "avg_round", "imul", "fmin", "fmax", "fdiv")


def access(w: Writer) -> None:
    """Emit an access to an object in scope, or a load and a store with an operation in between."""
    target = w.entropy.choice(w.memory)
    kind = w.entropy.below(22)
    if kind < 3:
        combined_load(w, target)
    elif kind < 11 or target.writable >= target.size:
        load(w, target)
    elif kind >= 20 and atomic(w, target):
        return
    elif kind < 18 or not update(w, target):
        store(w, target)


def load(w: Writer, target: MemoryObject) -> None:
    """Load from anywhere in the object."""
    w.keep(emit_load(w, target, _draw_load(w, target)))


def emit_load(w: Writer, target: MemoryObject, instruction: TypedInstruction) -> Value:
    """Emit any of the loads at a drawn place of the object."""
    size = instruction.accessed_bytes
    address, offset, aligned = draw_address(w, target, size, 0)
    readonly = offset >= 0 and address is target.base and offset + size <= target.writable
    flags = access_flags(w, target, aligned, readonly)
    inst = w.emit(
        instruction.name,
        address,
        type=instruction.type,
        results=instruction.results,
        flags=flags,
        offset=offset,
    )
    return inst.results[0]


def combined_load(
    w: Writer, target: MemoryObject, between: Callable[[], object] = lambda: None
) -> None:
    """Emit a load and its only user, which some ISAs combine into one instruction.

    Args:
        between: emits what comes between them.
    """
    instruction = _draw_load(w, target)
    operation = _binary(w, instruction.results[0])
    other = pick(w, instruction.results[0])
    value = emit_load(w, target, instruction)
    between()
    if operation is None:
        w.keep(value)
        return
    args = (other, value) if w.entropy.below(3) else (value, other)
    w.keep(w.op(operation, *args))


def update(w: Writer, target: MemoryObject) -> bool:
    """Load, operate, and store to the same place. Returns False if the case has no type for it."""
    room = target.size - target.writable
    types = [t for t in w.swarm.types if t.bytes <= room and t.is_int and not t.is_vector]
    types = [t for t in types if w.can_store(t)]
    if not types:
        return False
    type_ = w.entropy.choice(types)
    address, offset, aligned = draw_address(w, target, type_.bytes, target.writable)
    flags = access_flags(w, target, aligned, readonly=False)
    old = w.emit("load", address, type=type_, results=(type_,), flags=flags, offset=offset)
    operation = _binary(w, type_)
    assert operation is not None  # every ISA adds scalars
    new = w.op(operation, old.results[0], pick(w, type_))
    w.emit("store", new, address, type=type_, flags=flags, offset=offset)
    return True


def _binary(w: Writer, type_: Type) -> str | None:
    """Draw a binary operation on two values of a type; None if there is none."""
    plain = ("fadd", "fsub", "fmul") if type_.is_float else ("iadd", "isub", "band", "bor", "bxor")
    if not type_.is_vector and w.instruction_set.has(plain[0], type_, type_, type_):
        return w.entropy.choice(plain)
    names = [n for n in (*plain, *_ON_VECTORS) if w.instruction_set.has(n, type_, type_, type_)]
    return w.entropy.choice(names) if names else None


def _draw_load(w: Writer, target: MemoryObject) -> TypedInstruction:
    """Draw one of the loads that the object is large enough for."""
    if w.entropy.below(4) == 0:
        narrow = _draw_narrow_load(w, target)
        if narrow is not None:
            return narrow
    types = [t for t in w.swarm.types if t.bytes <= target.size]
    type_ = w.entropy.choice(types) if types else I8
    return w.instruction_set.by_key["load", type_, (w.address,)]


def _draw_narrow_load(w: Writer, target: MemoryObject) -> TypedInstruction | None:
    entropy = w.entropy
    if any(t.is_vector for t in w.swarm.types) and target.size >= 8 and entropy.below(2):
        return w.instruction_set.find(entropy.choice(WIDENING_LOADS), w.address, w.address)
    instruction = load_of_narrow(w, entropy.choice(NARROW_LOADS))
    if instruction is None or instruction.accessed_bytes > target.size:
        return None
    return instruction


def load_of_narrow(w: Writer, name: str) -> TypedInstruction | None:
    """Return an extending load of a name, of a drawn result type where there are several."""
    if name in WIDENING_LOADS:
        return w.instruction_set.find(name, w.address, w.address)
    bits = int(name.removeprefix("uload").removeprefix("sload"))
    types = [t for t in (I16, I32, I64) if t.bits > bits]
    type_ = w.entropy.choice(types) if len(types) > 1 else w.address  # which its result is not
    return w.instruction_set.find(name, type_, w.address)


def store(w: Writer, target: MemoryObject, value: Value | None = None) -> None:
    """Store a value, by default one from the pool, above what is read-only."""
    room = target.size - target.writable
    if value is None:
        types = [t for t in w.swarm.types if t.bytes <= room and w.can_store(t)]
        value = pick(w, w.entropy.choice(types) if types else I8)
    emit_store(w, target, value, _draw_store(w, value.type, room))


def emit_store(w: Writer, target: MemoryObject, value: Value, name: str) -> None:
    """Emit any of the stores at a drawn place of the object, above what is read-only."""
    value = canonicalise(w, value)
    size = accessed_bytes(w.instruction_set.opcodes[name], value.type)
    address, offset, aligned = draw_address(w, target, size, target.writable)
    flags = access_flags(w, target, aligned, readonly=False)
    w.emit(name, value, address, type=value.type, flags=flags, offset=offset)


def _draw_store(w: Writer, type_: Type, room: int) -> str:
    if w.entropy.below(4) == 0:
        name = w.entropy.choice(NARROW_STORES)
        size = accessed_bytes(w.instruction_set.opcodes[name], type_)
        if size <= room and w.instruction_set.has(name, type_, type_, w.address):
            return name
    return "store"


def atomic(w: Writer, target: MemoryObject) -> bool:
    """Emit an atomic access of any kind.

    Returns:
        False if the object is too small or the case has no type for it.
    """
    name = w.entropy.choice(ATOMICS)
    room = min(target.size - target.writable, target.align)
    instructions = [
        instruction
        for instruction in w.instruction_set.by_name.get(name, ())
        if instruction.type in w.swarm.types and instruction.type.bytes <= room
    ]
    return bool(instructions) and emit_atomic(w, target, w.entropy.choice(instructions))


def emit_atomic(w: Writer, target: MemoryObject, instruction: TypedInstruction) -> bool:
    """Emit an atomic access. Returns False if the object has no aligned place for it."""
    assert instruction.type is not None
    size = instruction.type.bytes
    low = align_up(target.writable, size)
    if low + size > target.size:
        return False
    at = low + w.entropy.below((target.size - low - size) // size + 1) * size
    address = base(w, target)
    if at:
        address = w.op("iadd", address, w.constant(w.address, at))
    bits = w.entropy.bits(4)
    other: ByteOrder | None = None
    if "big" in w.instruction_set.orders[instruction.key]:
        other = w.entropy.choice((None, "big"))
    flags = MemFlags(
        trap=None if bits & 3 == 0 else "heap_oob",
        aligned=bits & 4 != 0,
        endianness="little" if bits & 8 else other,
        alias_region=target.region,
    )
    where = address_operand(instruction.opcode)
    operands = [address if n == where else pick(w, t) for n, t in enumerate(instruction.operands)]
    inst = w.emit(
        instruction.name, *operands, type=instruction.type, results=instruction.results, flags=flags
    )
    if instruction.variants:
        inst.rmw = w.entropy.choice(instruction.variants)
    for result in inst.results:
        w.keep(result)
    return True


def new_slot(w: Writer, size: int | None = None) -> MemoryObject:
    """Create a stack slot and initialise every byte, since fresh stack would show the frame.

    A slot of a given size is aligned to 16 bytes.
    """
    entropy = w.entropy
    align = 16 if size is not None else entropy.choice((16, 16, 1, 8))
    size = size or entropy.choice((8, 16, 24, 32, 8, 4, 12, 1, 40, 64))
    slot = StackSlot(size, align)
    w.function.stack_slots.append(slot)
    target = MemoryObject(size, slot=slot, align=align)
    if entropy.below(2):
        target.region = slot_region(w)
    _initialise(w, target, slot)
    check_alignment(w, slot)
    return target


def object_of(w: Writer, size: int, writable: bool) -> MemoryObject:
    """Return an object with room for an aligned access of ``size`` bytes, if need be a new slot.

    A new slot is not added to the objects in scope, since it is not initialised on every path
    through the function.
    """
    for target in w.memory:
        low = align_up(target.writable, size) if writable else 0
        if target.size - low >= size and target.align % size == 0:
            return target
    return new_slot(w, 16 * (1 + w.entropy.below(2)))


def _initialise(w: Writer, target: MemoryObject, slot: StackSlot) -> None:
    address = address_of(w, slot, 0)
    at = 0
    while at < target.size:
        value = _initial_value(w, target.size - at)
        size = value.type.bytes
        flags = MemFlags(None, slot.align >= 16 and at % size == 0, alias_region=target.region)
        w.emit("store", value, address, type=value.type, flags=flags, offset=at)
        at += size


def _initial_value(w: Writer, left: int) -> Value:
    """Return a value of at most ``left`` bytes, of the largest type in the pool."""
    types = [t for t in w.pool.types() if t.bytes <= left and w.can_store(t)]
    if not types:
        type_ = next(t for t in (I64, I32, I16, I8) if t.bytes <= left)
        return w.constant(type_, w.entropy.bits(8) + 3)
    return canonicalise(w, pick(w, max(types, key=lambda t: t.bytes)))
