"""Control flow that structured programs lack, and register pressure."""

from __future__ import annotations

from collections.abc import Callable

from clif.function import Block, BlockCall, Value
from clif.types import I8, I16, I32, I64, Type
from fuzz.generate.control import Body, join, leave
from fuzz.generate.liveness import fold, make_edge
from fuzz.generate.operands import condition, constant, pick
from fuzz.generate.options import TRAP_CODES
from fuzz.generate.writer import Edge, Loop, Writer

_MOST_ITERATIONS = 6
_INTS = (I8, I16, I32, I64)


def diamond(w: Writer) -> None:
    """Emit a ``brif`` whose both edges lead to one block with different arguments."""
    chosen = condition(w)
    types = [w.swarm.type(w.entropy) for _ in range(1 + w.entropy.below(8))]
    edges = [[pick(w, type_) for type_ in types] for _ in range(2)]
    block = w.new_block(types)
    w.emit("brif", chosen, type=chosen.type, targets=[BlockCall(block, [*edge]) for edge in edges])
    w.enter(block)


def chain(w: Writer, budget: int, body: Body) -> None:
    """Emit a switch as a chain of comparisons of one value."""
    entropy = w.entropy
    type_ = entropy.choice(_INTS)
    value = pick(w, type_)
    if entropy.below(2):
        value = w.op("band", value, w.constant(type_, 7))
    first, count = entropy.below(3), 2 + entropy.below(4)
    edges: list[Edge] = []
    w.depth += 1
    mark = w.pool.mark()
    for number in range(count):
        hit = w.op("icmp", value, w.constant(type_, first + number), cond="eq")
        arm, other = w.new_block(), w.new_block()
        w.emit("brif", hit, type=I8, targets=[BlockCall(arm), BlockCall(other)])
        w.enter(arm)
        body(w, max(1, budget // count))
        edges.append(leave(w, mark))
        w.pool.release(mark)
        w.enter(other)
    edges.append(leave(w, mark))
    w.depth -= 1
    join(w, edges)


def unreached(w: Writer) -> None:
    """Emit a block that traps, under a condition that never holds."""
    entropy = w.entropy
    type_ = entropy.choice(_INTS)
    mask = (2 << entropy.below(type_.bits - 2)) - 1
    masked = w.op("band", pick(w, type_), w.constant(type_, mask))
    never = w.op("icmp", masked, w.constant(type_, mask), cond="ugt")
    bad, good = w.new_block(), w.new_block()
    bad.cold = entropy.below(2) == 0
    w.emit("brif", never, type=I8, targets=[BlockCall(bad), BlockCall(good)])
    w.block = bad
    w.emit("trap", trap=entropy.choice(TRAP_CODES))
    w.enter(good)


def irreducible(w: Writer, budget: int, body: Body) -> bool:
    """Emit a cycle of two blocks that may be entered at either one.

    A counter that both blocks decrement bounds it.

    Returns:
        False if it would execute too many instructions.
    """
    most = (w.limit - w.steps) // (w.weight * (2 * budget + 60))
    if most < 2:
        return False
    iterations = min(most, 2 + w.entropy.below(_MOST_ITERATIONS - 1))
    counter = w.entropy.choice((I32, I64))
    types = [counter, *(w.swarm.type(w.entropy) for _ in range(1 + w.entropy.below(3)))]
    blocks = [w.new_block(types), w.new_block(types)]
    chosen = condition(w)
    start = w.constant(counter, iterations)
    entries = [BlockCall(b, [start, *(pick(w, t) for t in types[1:])]) for b in blocks]
    w.emit("brif", chosen, type=chosen.type, targets=entries)
    w.weight *= iterations
    w.depth += 1
    w.loops.append(Loop(w.depth, None))
    edges = [_half(w, blocks[n], blocks[1 - n], budget // 2, body) for n in (0, 1)]
    w.loops.pop()
    w.depth -= 1
    w.weight //= iterations
    join(w, edges)
    return True


def _half(w: Writer, block: Block, other: Block, budget: int, body: Body) -> Edge:
    """Emit one of the two blocks: some work, then a branch to the other one or out."""
    mark = w.pool.mark()
    w.enter(block)
    counter = block.params[0]
    w.pool.use(counter)
    body(w, max(1, budget))
    left = w.op("isub", counter, w.constant(counter.type, 1))
    again = BlockCall(other, [left, *(_next(w, param) for param in block.params[1:])])
    out = BlockCall(block)  # replaced by the join
    targets = [again, out]
    more = w.op("icmp", left, w.constant(counter.type, 0), cond="ne")
    w.emit("brif", more, type=I8, targets=targets)
    edge = make_edge(w, out.args, mark)
    w.pool.release(mark)
    return edge


def _next(w: Writer, param: Value) -> Value:
    """Return the next value for a parameter, an unused value of its type if there is one."""
    unused = w.pool.unused(param.type)
    if unused is not None and unused is not param:
        w.pool.use(unused)
        return unused
    return fold(w, param, constant(w, param.type)) if w.entropy.below(2) else pick(w, param.type)


def pressure(w: Writer, across: Callable[[], object]) -> None:
    """Emit more values than there are registers, live across what ``across`` emits.

    All of them are used in the end.
    """
    entropy = w.entropy
    types: list[Type] = [w.swarm.type(entropy) for _ in range(1 + entropy.below(2))]
    held = [_held(w, types[n % len(types)]) for n in range(12 + entropy.below(24))]
    across()
    for type_ in dict.fromkeys(types):
        same = [value for value in held if value.type is type_]
        if entropy.below(2):
            same.reverse()
        total = same[0]
        for value in same[1:]:
            total = fold(w, total, value)
        w.keep(total)


def _held(w: Writer, type_: Type) -> Value:
    """Return a new value that nothing else uses."""
    return fold(w, pick(w, type_), constant(w, type_))
