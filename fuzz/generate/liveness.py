"""Keeping values alive: what is unused when a scope ends goes along, or is folded together.

Only leftovers are folded: a second use of everything would hide whatever needs a single use.
"""

from __future__ import annotations

from clif.function import Value
from clif.types import I8, I16, I32, I64, I128, Type
from fuzz.generate.conversions import as_int, as_type
from fuzz.generate.memory import store
from fuzz.generate.writer import Edge, Writer

_INT_FOLDS = ("bxor", "iadd", "isub")
#: Most parameters that a join gets.
_JOIN_WIDTH = 6


def fold(w: Writer, into: Value, value: Value) -> Value:
    """A value of ``into``'s type that depends on both."""
    type_ = into.type
    possible = ("fadd", "fsub") if type_.is_float else _INT_FOLDS
    names = [name for name in possible if w.instruction_set.has(name, type_, type_, type_)]
    if names:
        return w.op(w.entropy.choice(names), into, as_type(w, value, type_))
    bits = as_int(w, into)
    both = w.op(w.entropy.choice(_INT_FOLDS), bits, as_type(w, value, bits.type))
    return w.op("bitcast", both, type=type_)


def condense(w: Writer, values: list[Value], most: int) -> list[Value]:
    """Fold or store values until at most ``most`` are left."""
    values = list(values)
    entropy = w.entropy
    targets = [m for m in w.memory if m.base is not None and m.size - m.writable >= 16]
    while len(values) > most:
        value = values.pop(entropy.below(len(values)))
        if targets and entropy.below(3) == 0:
            store(w, entropy.choice(targets), value)
            continue
        same = [n for n, other in enumerate(values) if other.type is value.type]
        if not same and not values:
            break
        at = entropy.choice(same) if same else _widest(values)
        values[at] = fold(w, values[at], value)
    return values


def _widest(values: list[Value]) -> int:
    """Where the leftover goes that loses the least by taking up another type."""
    order = (I64, I128, I32, I16)
    for type_ in order:
        for at, value in enumerate(values):
            if value.type is type_:
                return at
    return next((at for at, value in enumerate(values) if value.type is not I8), 0)


def edge(w: Writer, args: list[Value | str] | list[Value], mark: int) -> Edge:
    """A way out of the scope that began at ``mark``, for the terminator that ``w.block`` has."""
    return Edge(w.block, args, w.pool.since(mark), w.pool.candidates())


def join_types(w: Writer, edges: list[Edge]) -> list[Type]:
    """Types of a join's parameters such that every edge's own values find a place."""
    needed: dict[Type, int] = {}
    for way in edges:
        counts: dict[Type, int] = {}
        for value in way.own:
            counts[value.type] = counts.get(value.type, 0) + 1
        for type_, count in counts.items():
            needed[type_] = max(needed.get(type_, 0), count)
    types = [type_ for type_, count in needed.items() for _ in range(count)]
    if not types:
        types = [w.swarm.type(w.entropy)]
    return types[:_JOIN_WIDTH]


def fill(w: Writer, way: Edge, types: list[Type]) -> None:
    """Settle an edge's arguments: its own values first, what is left of them folded in."""
    own = list(way.own)
    args: list[Value] = []
    for type_ in types:
        at = next((n for n, value in enumerate(own) if value.type is type_), None)
        args.append(own.pop(at) if at is not None else _candidate(w, way, type_, args))
    if own and args:
        with w.reopened(way.block):
            for value in own:
                at = w.entropy.below(len(args))
                args[at] = fold(w, args[at], value)
    way.args[:] = args


def _candidate(w: Writer, way: Edge, type_: Type, taken: list[Value]) -> Value:
    values = way.candidates.get(type_)
    if values:
        fresh = [value for value in values if value not in taken]
        value = w.entropy.choice(fresh or values)
        w.pool.use(value)
        return value
    with w.reopened(way.block):
        return w.constant(type_, w.entropy.bits(8) + 2)
