"""Loops that end: their number of iterations is known or bounded by a mask."""

from __future__ import annotations

from dataclasses import dataclass

from clif.function import Block, BlockCall, Value
from clif.types import I8, I16, I32, I64, Type
from fuzz.generate.constants import special_floats
from fuzz.generate.control import Body, carried, join
from fuzz.generate.liveness import condense, fold, make_edge
from fuzz.generate.operands import pick
from fuzz.generate.writer import Edge, Loop, Writer

_MOST_TRIPS = 8
_COUNTERS = (I32, I64, I8, I16)


@dataclass(slots=True, eq=False)
class _Counter:
    """A loop counter from ``start`` by ``step``, while ``cond`` holds between it and ``bound``.

    Attributes:
        trips: an upper bound on the number of iterations.
    """

    start: Value
    bound: Value | int
    step: int
    cond: str
    trips: int


def loop(w: Writer, budget: int, body: Body) -> bool:
    """Emit a loop with a body of about ``budget`` instructions.

    Returns:
        False if the loop would execute too many instructions.
    """
    most = (w.limit - w.steps) // (w.weight * (2 * budget + 30))
    if most < 2:
        return False
    counter = _draw_counter(w, min(most, _MOST_TRIPS))
    values = carried(w, 3)
    if values and w.entropy.below(6) == 0:
        # Several values of one type may be permuted in each iteration, so that the moves form a
        # cycle.
        values += [pick(w, values[0].type) for _ in range(1 + w.entropy.below(4))]
    header = w.new_block([counter.start.type, *(value.type for value in values)])
    w.emit("jump", targets=[BlockCall(header, [counter.start, *values])])
    outer = w.weight
    w.weight = outer * counter.trips
    w.depth += 1
    if w.entropy.below(3):
        _bottom_tested(w, header, counter, budget, body)
    else:
        _top_tested(w, header, counter, budget, body)
    w.depth -= 1
    w.weight = outer
    return True


def _draw_counter(w: Writer, most: int) -> _Counter:
    entropy = w.entropy
    type_ = entropy.choice(_COUNTERS)
    if most >= 3 and entropy.below(3) == 0:
        return _masked_counter(w, type_, 7 if most >= 7 else 3)
    trips = entropy.between(2, most)
    step = entropy.choice((1, 1, -1, 2, 3, -2, 4, 7))
    start = entropy.choice((0, 1, trips, 10, type_.mask - 3, type_.sign_bit - 4))
    if entropy.below(2):
        # An unsigned or signed bound must not be reached by wrapping.
        start, step = entropy.below(8), abs(step)
        cond = entropy.choice(("ult", "slt", "ne"))
    else:
        cond = "ne"
    bound = (start + step * trips) & type_.mask
    return _Counter(w.constant(type_, start), bound, step, cond, trips)


def _masked_counter(w: Writer, type_: Type, mask: int) -> _Counter:
    """Return a counter with a bound that depends on data: 1, 3, 5 or 7 iterations."""
    bound = w.op("bor", w.op("band", pick(w, type_), w.constant(type_, mask)), w.constant(type_, 1))
    if w.entropy.below(2):
        return _Counter(bound, 0, -1, "ne", mask)
    return _Counter(w.constant(type_, 0), bound, 1, w.entropy.choice(("ult", "slt", "ne")), mask)


def _proceeds(w: Writer, counter: _Counter, value: Value) -> Value:
    """Return the comparison that is true while the loop continues."""
    bound = counter.bound
    if isinstance(bound, int):
        bound = w.constant(value.type, bound)
    return w.op("icmp", value, bound, cond=counter.cond)


def _step(w: Writer, counter: _Counter, value: Value) -> Value:
    step = w.constant(value.type, abs(counter.step))
    return w.op("iadd" if counter.step > 0 else "isub", value, step)


def _bottom_tested(w: Writer, header: Block, counter: _Counter, budget: int, body: Body) -> None:
    """Emit a loop with the test at its end.

    If it has no breaks, the values of the body are in scope after the loop.
    """
    breaks: list[Edge] | None = [] if w.entropy.below(3) == 0 else None
    mark = w.pool.mark()
    w.enter(header)
    inner = w.pool.mark()
    w.loops.append(Loop(w.depth, breaks))
    body(w, budget)
    w.loops.pop()
    following = _step(w, counter, header.params[0])
    again = BlockCall(header)
    scoped = breaks is not None
    again.args = [following, *_next_values(w, header.params[1:], inner, scoped)]
    proceed = _proceeds(w, counter, following)
    exit_block = w.new_block()
    out = BlockCall(exit_block)
    w.emit("brif", proceed, type=proceed.type, targets=[again, out])
    if breaks:
        w.function.blocks.remove(exit_block)
        last = make_edge(w, out.args, mark)
        w.pool.release(mark)
        join(w, [last, *breaks])
    else:
        w.enter(exit_block)


def _top_tested(w: Writer, header: Block, counter: _Counter, budget: int, body: Body) -> None:
    """Emit a loop with the test at its beginning.

    Only the header's values are in scope after it.
    """
    w.enter(header)
    proceed = _proceeds(w, counter, header.params[0])
    inside, behind = w.new_block(), w.new_block()
    w.emit("brif", proceed, type=proceed.type, targets=[BlockCall(inside), BlockCall(behind)])
    mark = w.pool.mark()
    w.enter(inside)
    w.loops.append(Loop(w.depth, None))
    body(w, budget)
    w.loops.pop()
    following = _step(w, counter, header.params[0])
    values = _next_values(w, header.params[1:], mark, True)
    w.emit("jump", targets=[BlockCall(header, [following, *values])])
    w.pool.release(mark)
    w.enter(behind)


def _next_values(w: Writer, params: list[Value], mark: int, scoped: bool) -> list[Value]:
    """Return the values of the loop's parameters in the next iteration.

    If the scope ends here, every unused value of the body goes into one of them.
    """
    own = w.pool.since(mark)
    if scoped and params:
        own = condense(w, own, len(params) + 1)
    args: list[Value] = []
    permuted = _permuted(params) if w.entropy.below(3) == 0 else {}
    for param in params:
        if param in permuted:
            args.append(permuted[param])
            w.pool.use(permuted[param])
            continue
        at = next((n for n, value in enumerate(own) if value.type is param.type), None)
        value = own.pop(at) if at is not None else _changed(w, param)
        w.pool.use(value)
        args.append(value)
    if scoped and params:
        for value in own:
            w.pool.use(value)
            at = w.entropy.below(len(args))
            args[at] = fold(w, args[at], value)
    return args


def _permuted(params: list[Value]) -> dict[Value, Value]:
    """Map parameters of one type each to the next one's value, so that the moves form a cycle."""
    for type_ in {param.type: None for param in params}:
        same = [param for param in params if param.type is type_]
        if len(same) > 1:
            return dict(zip(same, same[1:] + same[:1], strict=True))
    return {}


def _changed(w: Writer, param: Value) -> Value:
    """Return another value of the parameter's type: a parameter that never changes is folded."""
    type_ = param.type
    other = w.pool.pick(w.entropy, type_, 0.3)
    if other is not None and other is not param:
        return other
    bits = 3 + w.entropy.below(20)
    if not w.instruction_set.has("fadd" if type_.is_float else "iadd", type_, type_, type_):
        return fold(w, param, w.constant(I64, bits))
    if type_.is_float:
        return w.op("fadd", param, w.constant(type_, _one_and_a_half(type_)))
    if type_.is_vector:
        return w.op("iadd", param, w.constant(type_, bits << (type_.bits - 8) | bits))
    return w.op("iadd", param, w.constant(type_, bits))


def _one_and_a_half(type_: Type) -> int:
    bits = special_floats(type_.lane)[8]
    return sum(bits << (n * type_.lane_bits) for n in range(type_.lanes))
