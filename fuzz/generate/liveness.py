"""Keeping every value alive.

Values that are unused at the end of a scope become block arguments or are combined into one. Only
unused values are combined: a second use of every value would hide the rules that need a single use.
"""

from __future__ import annotations

from clif.function import Value
from clif.types import I8, I16, I32, I64, I128, Type
from fuzz.generate.conversions import as_int, as_type, from_bits
from fuzz.generate.memory import store
from fuzz.generate.writer import Edge, Writer

_INT_FOLDS = ("bxor", "iadd", "isub")
#: The maximal number of parameters of a join.
_JOIN_WIDTH = 6


def fold(w: Writer, into: Value, value: Value) -> Value:
    """Return a value of the type of ``into`` that depends on both values."""
    type_ = into.type
    names = _folds(w, type_)
    if names:
        return w.op(w.entropy.choice(names), into, as_type(w, value, type_))
    bits = as_int(w, into)
    both = w.op(w.entropy.choice(_folds(w, bits.type)), bits, as_type(w, value, bits.type))
    return from_bits(w, both, type_)


def _folds(w: Writer, type_: Type) -> list[str]:
    """Return the opcodes that combine two values of a type."""
    possible = ("fadd", "fsub") if type_.is_float else _INT_FOLDS
    return [name for name in possible if w.instruction_set.has(name, type_, type_, type_)]


def condense(w: Writer, values: list[Value], most: int) -> list[Value]:
    """Combine or store values until at most ``most`` are left."""
    values = list(values)
    entropy = w.entropy
    targets = [m for m in w.memory if m.base is not None and m.size - m.writable >= 16]
    while len(values) > most:
        value = values.pop(entropy.below(len(values)))
        if targets and entropy.below(3) == 0 and w.can_store(value.type):
            store(w, entropy.choice(targets), value)
            continue
        same = [n for n, other in enumerate(values) if other.type is value.type]
        if not same and not values:
            break
        at = entropy.choice(same) if same else _widest(values)
        values[at] = fold(w, values[at], value)
    return values


def _widest(values: list[Value]) -> int:
    """Return the index of the value into which another type is folded with the least loss."""
    order = (I64, I128, I32, I16)
    for type_ in order:
        for at, value in enumerate(values):
            if value.type is type_:
                return at
    return next((at for at, value in enumerate(values) if value.type is not I8), 0)


def make_edge(w: Writer, args: list[Value | str] | list[Value], mark: int) -> Edge:
    """Return the edge of the current block's terminator out of the scope that began at ``mark``."""
    return Edge(w.block, args, w.pool.since(mark), w.pool.candidates())


def join_types(w: Writer, edges: list[Edge]) -> list[Type]:
    """Return parameter types for a join that have room for the unused values of every edge."""
    needed: dict[Type, int] = {}
    for edge in edges:
        counts: dict[Type, int] = {}
        for value in edge.own:
            counts[value.type] = counts.get(value.type, 0) + 1
        for type_, count in counts.items():
            needed[type_] = max(needed.get(type_, 0), count)
    types = [type_ for type_, count in needed.items() for _ in range(count)]
    if not types:
        types = [w.swarm.type(w.entropy)]
    return types[:_JOIN_WIDTH]


def fill(w: Writer, edge: Edge, types: list[Type]) -> None:
    """Choose an edge's arguments: its own values first; the others are folded into them."""
    own = list(edge.own)
    args: list[Value] = []
    for type_ in types:
        at = next((n for n, value in enumerate(own) if value.type is type_), None)
        args.append(own.pop(at) if at is not None else _candidate(w, edge, type_, args))
    if own and args:
        with w.reopened(edge.block):
            for value in own:
                at = w.entropy.below(len(args))
                args[at] = fold(w, args[at], value)
    edge.args[:] = args


def _candidate(w: Writer, edge: Edge, type_: Type, taken: list[Value]) -> Value:
    values = edge.candidates.get(type_)
    if values:
        fresh = [value for value in values if value not in taken]
        value = w.entropy.choice(fresh or values)
        w.pool.use(value)
        return value
    with w.reopened(edge.block):
        return w.constant(type_, w.entropy.bits(8) + 2)
