"""The ends of a function: results that keep its values alive, and tail calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clif.function import Value
from clif.types import I64, I128, Type
from fuzz.generate import conventions
from fuzz.generate.addresses import region_of
from fuzz.generate.calls import tail_call
from fuzz.generate.liveness import condense, fill, fold
from fuzz.generate.memory import store
from fuzz.generate.signature_pool import abi_param
from fuzz.generate.signatures import Declaration
from fuzz.generate.writer import Edge, Writer

#: The maximal number of results of one function in ``_MANY``, if results may go through memory.
_MOST_RESULTS = 32
_MANY = 8


def write_returns(w: Writer, declaration: Declaration) -> None:
    """End the function, and choose the values that its early returns return.

    Unused values are folded until the signature can hold them.
    """
    types = [param.type for param in declaration.signature.returns]
    tails = [callee for callee in w.tails if w.room(callee.steps + 40)]
    if tails and w.entropy.below(4):
        tail_call(w, w.entropy.choice(tails), w.pool.since(0))
    elif declaration.fixed and not types:
        _store_all(w)
        w.emit("return")
    else:
        types = _return(w, declaration, types)
    for each in w.returns:
        fill(w, each, types)
    returns = declaration.signature.returns or tuple(abi_param(w.entropy, t) for t in types)
    returns = conventions.results_as_allowed(returns, on_stack=w.plan.multi_return)
    w.function.signature = replace(w.function.signature, returns=returns)


def _store_all(w: Writer) -> None:
    """Store unused values in memory that the caller sees, since there are no results."""
    target = next((m for m in w.memory if m.results), None) or region_of(w)
    assert target is not None
    for value in condense(w, w.pool.since(0), 3) or [any_value(w)]:
        w.pool.use(value)
        if value.type.bytes <= target.size - target.writable:
            store(w, target, value)


def _return(w: Writer, declaration: Declaration, types: Sequence[Type]) -> list[Type]:
    """Emit the last ``return``, and return the types of its values."""
    values = condense(w, w.pool.since(0), len(types) or _wanted(w))
    if not types:
        if w.plan.multi_return and w.entropy.below(_MANY) == 0:
            values += _more(w, w.entropy.below(_MOST_RESULTS - len(values)))
        values = _fit(w, declaration.convention, values or [any_value(w)])
        types = [value.type for value in values]
    inst = w.emit("return")
    edge = Edge(w.block, inst.args, values, w.pool.candidates())
    for value in values:
        w.pool.use(value)
    fill(w, edge, list(types))
    return list(types)


def _wanted(w: Writer) -> int:
    return w.entropy.between(1, 6 if w.plan.multi_return else 3)


def _more(w: Writer, count: int) -> list[Value]:
    """Return drawn values of any type in scope."""
    types = w.pool.types()
    drawn = [w.pool.pick(w.entropy, w.entropy.choice(types), 0.0) for _ in range(count)]
    return [value for value in drawn if value is not None]


def any_value(w: Writer) -> Value:
    """Return a drawn value of the first type in scope."""
    value = w.pool.pick(w.entropy, w.pool.types()[0], 0.0)
    assert value is not None
    return value


def _fit(w: Writer, convention: str, values: list[Value]) -> list[Value]:
    """Fold values until they fit in registers, unless an implicit ``sret`` area may hold them."""
    while not w.plan.multi_return and not _fits(w, convention, values):
        if len(values) == 1:
            return [_one_word(w, values[0])]
        values = condense(w, values, len(values) - 1)
    return values


def _fits(w: Writer, convention: str, values: list[Value]) -> bool:
    return conventions.fits(convention, [v.type for v in values], w.plan.options.isas)


def _one_word(w: Writer, value: Value) -> Value:
    """Fold an i128, or what is not returned in registers, to an i64."""
    if value.type is not I128:
        return fold(w, w.constant(I64, 0), value)
    low, high = w.apply(w.instruction_set.by_key["isplit", value.type, (value.type,)], [value])
    return w.op("bxor", low, high)
