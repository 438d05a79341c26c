"""Sequences of accesses to a few places: for dead-store elimination and alias analysis.

Cranelift removes stores that another one overwrites or repeats, and loads of what it knows.

Accesses elsewhere rarely meet at the same address. Here a few *places* are drawn, each an address
value and an offset, and all accesses go there: of the same width or another one, at overlapping
offsets, with other extensions, with the place's alias region or without one. Between them is what
must not be moved across, or what ends the function: calls, atomics, fences, instructions that could
trap and some that do, branches, loops and returns. What an input has stored before it traps is
compared as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from clif.function import MemFlags, Value
from clif.memory_access import accessed_bytes
from clif.typed_instructions import TypedInstruction
from clif.types import I8, I16, I32, I64, Type
from fuzz.analysis.hazards import FARTHEST, NEAREST
from fuzz.generate.addresses import base, drawn_order, drawn_region, masked_index
from fuzz.generate.calls import call
from fuzz.generate.control import branch, early_return
from fuzz.generate.conversions import canonicalise
from fuzz.generate.loops import loop
from fuzz.generate.memory import (
    NARROW_LOADS,
    NARROW_STORES,
    WIDENING_LOADS,
    atomic,
    load_of_narrow,
    new_slot,
)
from fuzz.generate.operands import condition, pick
from fuzz.generate.options import TRAP_CODES
from fuzz.generate.pure import pure_operation
from fuzz.generate.trap_guards import guarded_operation
from fuzz.generate.traps import trap_site
from fuzz.generate.writer import MemoryObject, Writer

#: How many accesses a sequence has: at least so many, and up to so many more.
_LEAST, _MORE = 5, 8
#: Accesses are within so many bytes of an object.
_WINDOW = 32
#: One place in so many has an address that depends on data.
_INDEXED = 4
#: One store in so many is partly overwritten at once, and one extending load in so many is followed
#: by the one with the other extension.
_OTHERWISE = 3
#: How many of the last values that were stored or loaded may be stored again.
_RECENT = 4
_PLAIN_WIDTHS = (I8, I16, I32, I64)


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Bytes of an object that are addressed by one value.

    Attributes:
        low: the least place in the object that ``address`` may be.
        span: how much further it may be.
        offset: from ``address`` to the first byte.
        room: how many bytes there are from the first byte on, wherever ``address`` is.
    """

    target: MemoryObject
    address: Value
    low: int
    span: int
    offset: int
    room: int


@dataclass(slots=True, eq=False)
class _Sequence:
    """A sequence that is being emitted.

    Attributes:
        places: where all accesses are.
        types: the types to store and to load.
        trap: the trap code of most accesses; None if they cannot trap.
        nested: how deep the current position is in branches and loops of the sequence.
        recent: the values that were stored or loaded last, which are stored again.
    """

    places: list[_Place]
    types: list[Type]
    trap: str | None
    nested: int = 0
    recent: list[Value] = field(default_factory=list)


def memory_sequence(w: Writer, budget: int) -> bool:
    """Emit a sequence, of few accesses if the budget is small.

    Returns:
        False if it would execute too many instructions.
    """
    if not w.room(120):
        return False
    entropy = w.entropy
    objects, fresh = _draw_objects(w)
    types = [t for t in w.swarm.types if t.bytes <= 16 and w.can_store(t)]
    types += [entropy.choice(_PLAIN_WIDTHS)]
    sequence = _Sequence(
        [place for target in objects for place in _draw_places(w, target)],
        types,
        entropy.choice((None, None, "heap_oob", entropy.choice(TRAP_CODES))),
    )
    _steps(w, sequence, min(_LEAST + entropy.below(_MORE), max(3, budget // 3)))
    for place in sequence.places:
        if place.target in fresh and place.span == 0:
            _load(w, sequence, place)  # nothing else would read it
    return True


# --- objects and places ---


def _draw_objects(w: Writer) -> tuple[list[MemoryObject], list[MemoryObject]]:
    """Return one or two objects to access, and which of them are new."""
    known = [m for m in w.memory if m.size - m.writable >= 8]
    # What is in the region is compared afterwards.
    outer = [m for m in known if m.base is not None]
    fresh = [] if known and w.entropy.below(4) else [new_slot(w, 16)]
    objects = fresh + [w.entropy.choice(outer if outer and w.entropy.below(4) else known or fresh)]
    return list(dict.fromkeys(objects)), fresh


def _draw_places(w: Writer, target: MemoryObject) -> list[_Place]:
    """Draw a few places close to each other, most of them of the same address value."""
    entropy = w.entropy
    low = target.writable + 8 * entropy.below(max(1, (target.size - target.writable - 24) // 8))
    room = min(target.size - low, _WINDOW)
    at = entropy.choice((0, low, low + entropy.below(room)))
    address = base(w, target)
    if at:
        address = w.op("iadd", address, w.constant(w.address, at))
    places = []
    for _ in range(1 + entropy.below(3)):
        first = low + entropy.below(room) // 4 * 4 + entropy.choice((0, 0, 0, 1, 2))
        first = min(first, target.size - 1)
        places.append(_Place(target, address, at, 0, first - at, target.size - first))
    if room >= 16 and entropy.below(_INDEXED) == 0:
        indexed = w.op("iadd", base(w, target), masked_index(w, 7))
        places.append(_Place(target, indexed, 0, 7, low, target.size - low - 7))
    return places


def _flags(w: Writer, sequence: _Sequence, place: _Place, size: int) -> MemFlags:
    """Draw flags that are true of an access at a place."""
    entropy = w.entropy
    first = place.low + place.offset
    bits = entropy.bits(6)
    aligned = place.span == 0 and first % size == 0 and place.target.align % size == 0
    return MemFlags(
        trap=sequence.trap if bits & 7 else entropy.choice((None, *TRAP_CODES)),
        aligned=aligned and bits & 8 != 0,
        endianness=drawn_order(bits >> 4),
        alias_region=drawn_region(w, place.target),
    )


# --- steps ---


def _steps(w: Writer, sequence: _Sequence, count: int) -> None:
    for _ in range(count):
        if w.entropy.below(4):
            _access(w, sequence)
        elif w.room(60):
            _between(w, sequence)


def _access(w: Writer, sequence: _Sequence) -> None:
    place = w.entropy.choice(sequence.places)
    if w.entropy.below(5) < 3:
        _store(w, sequence, place)
    else:
        _load(w, sequence, place)


def _store(w: Writer, sequence: _Sequence, place: _Place) -> None:
    entropy = w.entropy
    types = [t for t in sequence.types if t.bytes <= place.room]
    type_ = entropy.choice(types) if types else I8
    again = [v for v in sequence.recent if v.type is type_]
    value = entropy.choice(again) if again and entropy.below(3) == 0 else pick(w, type_)
    value = canonicalise(w, value)
    name = entropy.choice(NARROW_STORES) if entropy.below(4) == 0 else "store"
    if not w.instruction_set.has(name, type_, type_, w.address):
        name = "store"
    size = accessed_bytes(w.instruction_set.opcodes[name], type_)
    if size > place.room:
        name, size = "store", type_.bytes
    flags = named = _flags(w, sequence, place, size)
    if flags.alias_region is not None and type_ in (I32, I64) and entropy.below(4) == 0:
        # Of a value that has not been stored before: else ``regionless-load`` strikes.
        value = w.op("iadd", value, w.constant(type_, entropy.bits(31)))
        flags = replace(flags, alias_region=None)
    w.emit(name, value, place.address, type=type_, flags=flags, offset=place.offset)
    if name == "store":
        _remember(sequence, value)
        if entropy.below(_OTHERWISE) == 0:
            _overwrite_partly(w, place, value, named)


def _overwrite_partly(w: Writer, place: _Place, stored: Value, flags: MemFlags) -> None:
    """Emit a narrower store of the same type, which leaves bytes of the last one."""
    type_ = stored.type
    opcodes = w.instruction_set.opcodes
    names = [n for n in NARROW_STORES if w.instruction_set.has(n, type_, type_, w.address)]
    names = [n for n in names if accessed_bytes(opcodes[n], type_) < type_.bytes]
    if names:
        name, value = w.entropy.choice(names), pick(w, type_)
        w.emit(name, value, place.address, type=type_, flags=flags, offset=place.offset)


def _load(w: Writer, sequence: _Sequence, place: _Place) -> None:
    entropy = w.entropy
    instruction = None
    if entropy.below(5) < 2:
        vectors = any(t.is_vector for t in w.swarm.types)
        names = WIDENING_LOADS if vectors and entropy.below(4) == 0 else NARROW_LOADS
        instruction = load_of_narrow(w, entropy.choice(names))
    if instruction is None or instruction.accessed_bytes > place.room:
        types = [t for t in sequence.types if t.bytes <= place.room]
        instruction = w.instruction_set.by_key[
            "load", entropy.choice(types) if types else I8, (w.address,)
        ]
    flags = _flags(w, sequence, place, instruction.accessed_bytes)
    _remember(sequence, _loaded(w, instruction, place, flags))
    if instruction.name != "load" and entropy.below(_OTHERWISE) == 0:
        name = {"u": "s", "s": "u"}[instruction.name[0]] + instruction.name[1:]
        other = w.instruction_set.by_key.get((name, instruction.type, instruction.operands))
        if other is not None:
            _remember(sequence, _loaded(w, other, place, flags))


def _loaded(w: Writer, instruction: TypedInstruction, place: _Place, flags: MemFlags) -> Value:
    inst = w.emit(
        instruction.name,
        place.address,
        type=instruction.type,
        results=instruction.results,
        flags=flags,
        offset=place.offset,
    )
    return w.keep(inst.results[0])


def _remember(sequence: _Sequence, value: Value) -> None:
    if sequence.nested == 0:  # others do not dominate what follows
        sequence.recent.append(value)
        del sequence.recent[:-_RECENT]


def _between(w: Writer, sequence: _Sequence) -> None:
    """Emit what stands between accesses."""
    if w.plan.sites > 0 and w.entropy.below(3) == 0:
        emitted = _far_store(w, sequence) if w.entropy.below(2) else trap_site(w)
        if not emitted:
            pure_operation(w)
        return
    if not w.entropy.choice(_BETWEEN)(w, sequence):
        pure_operation(w)


def _far_store(w: Writer, sequence: _Sequence) -> bool:
    """Emit a store to one of the places that is far away, and traps, for some inputs."""
    places = [p for p in sequence.places if p.target.base is not None and p.room >= 8]
    if not places:
        return False
    place = w.entropy.choice(places)
    distance = w.entropy.between(NEAREST, FARTHEST - 2 * place.target.size) + place.target.size
    far = w.op("select", condition(w), w.constant(w.address, distance), w.constant(w.address, 0))
    address = w.op("iadd", place.address, far)
    flags = MemFlags(
        trap=sequence.trap or w.entropy.choice(TRAP_CODES),
        alias_region=drawn_region(w, place.target),
    )
    type_ = w.entropy.choice(_PLAIN_WIDTHS)
    w.emit("store", pick(w, type_), address, type=type_, flags=flags, offset=place.offset)
    w.plan.sites -= 1
    w.plan.trapped = True
    return True


def _nest(w: Writer, sequence: _Sequence, emit: Callable[[], object]) -> bool:
    if sequence.nested >= 2 or w.depth >= w.plan.depth:
        return False
    sequence.nested += 1
    emit()
    sequence.nested -= 1
    return True


def _arms(w: Writer, sequence: _Sequence) -> bool:
    return _nest(w, sequence, lambda: branch(w, 2, lambda w, _: _few(w, sequence)))


def _loop(w: Writer, sequence: _Sequence) -> bool:
    return _nest(w, sequence, lambda: loop(w, 12, lambda w, _: _few(w, sequence)))


def _few(w: Writer, sequence: _Sequence) -> None:
    _steps(w, sequence, 1 + w.entropy.below(3))


def _leave(w: Writer, sequence: _Sequence) -> bool:
    if w.depth >= 2:
        return False
    early_return(w)
    return True


def _fence(w: Writer, sequence: _Sequence) -> bool:
    if not w.instruction_set.by_name.get("fence"):
        return False
    w.emit("fence")
    return True


_BETWEEN: tuple[Callable[[Writer, _Sequence], bool], ...] = (
    lambda w, sequence: guarded_operation(w),
    lambda w, sequence: guarded_operation(w),
    lambda w, sequence: call(w),
    lambda w, sequence: call(w),
    lambda w, sequence: atomic(w, w.entropy.choice(sequence.places).target),
    _fence,
    _arms,
    _arms,
    _loop,
    _leave,
)
