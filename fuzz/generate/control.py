"""Control flow, nested as in structured programs: branches that join, loops, early returns.

Every construct emits into the current block and leaves the writer in a block that it dominates.
"""

from __future__ import annotations

from collections.abc import Callable

from clif.function import BlockCall, Value
from clif.types import I32, Type
from fuzz.generate.liveness import condense, edge, fill, join_types
from fuzz.generate.operands import condition, pick
from fuzz.generate.options import TRAP_CODES
from fuzz.generate.writer import Edge, Writer

#: Writes instructions, up to a budget.
Body = Callable[[Writer, int], None]

_ARM_LEFTOVERS = 4
#: One table in so many has up to some hundred entries.
_BIG_TABLES = 12
_COLD = 0.1


def branch(w: Writer, budget: int, body: Body) -> None:
    """``brif`` with two arms, or one, that join."""
    branch_on(w, condition(w), budget, body)


def branch_on(w: Writer, chosen: Value, budget: int, body: Body) -> None:
    """``branch`` on a given condition."""
    targets = [BlockCall(w.new_block()), BlockCall(w.new_block())]
    w.emit("brif", chosen, type=chosen.type, targets=targets)
    ways: list[Edge] = []
    if w.entropy.below(3) == 0:
        # No second arm: that side goes to the join at once.
        empty = targets[w.entropy.below(2)]
        targets.remove(empty)
        w.function.blocks.remove(empty.block)
        ways.append(edge(w, empty.args, w.pool.mark()))
    join(w, ways + _arms(w, targets, budget, body))


def table(w: Writer, budget: int, body: Body) -> None:
    """``br_table`` over a few arms, entries sharing them, some going to the join at once."""
    index = pick(w, I32)
    entropy = w.entropy
    more = entropy.below(6)
    if entropy.below(_BIG_TABLES) == 0:
        more = 16 << entropy.below(5)
    if entropy.below(4):
        mask = (2 << entropy.below(3)) - 1 if more < 16 else 2 * more - 1
        index = w.op("band", index, w.constant(I32, mask))
    table_on(w, index, budget, body, more)


def table_on(w: Writer, index: Value, budget: int, body: Body, more: int = 3) -> None:
    """``table`` over a given index, with ``more`` entries than arms."""
    entropy = w.entropy
    arms = [BlockCall(w.new_block()) for _ in range(2 + entropy.below(3))]
    direct = [BlockCall(w.block) for _ in range(entropy.below(4))]  # the join takes this place
    entries = [*arms, *direct]
    entries += [BlockCall(entropy.choice(arms).block) for _ in range(more)]
    entropy.shuffle(entries)
    w.emit("br_table", index, targets=entries)
    ways = [edge(w, call.args, w.pool.mark()) for call in direct]
    join(w, ways + _arms(w, arms, budget, body))


def _arms(w: Writer, targets: list[BlockCall], budget: int, body: Body) -> list[Edge]:
    """Write each target's block; their edges to the join."""
    ways: list[Edge] = []
    w.depth += 1
    for target in targets:
        mark = w.pool.mark()
        target.block.cold = w.entropy.chance(_COLD)
        w.enter(target.block)
        body(w, max(1, budget // len(targets)))
        ways.append(leave(w, mark))
        w.pool.release(mark)
    w.depth -= 1
    return ways


def leave(w: Writer, mark: int) -> Edge:
    """End the current block with a jump to a join that is not there yet."""
    extra = w.pool.since(mark)
    if len(extra) > _ARM_LEFTOVERS:
        extra = condense(w, extra, _ARM_LEFTOVERS)
    call = BlockCall(w.block)  # the join takes this place
    w.emit("jump", targets=[call])
    way = edge(w, call.args, w.pool.mark())
    way.own = extra
    return way


def join(w: Writer, ways: list[Edge]) -> None:
    """The block where edges meet, their values as its parameters."""
    types = join_types(w, ways)
    block = w.new_block(types)
    for way in ways:
        fill(w, way, types)
        for target in way.block.instructions[-1].targets:
            if target.args is way.args:
                target.block = block
    w.enter(block)


def early_return(w: Writer, leaving: Callable[[], None] | None = None) -> None:
    """Leave the function from here under a condition; ``leaving`` ends it otherwise than usual."""
    chosen = condition(w)
    out, stay = w.new_block(), w.new_block()
    targets = [BlockCall(out), BlockCall(stay)]
    if w.entropy.below(2):
        targets.reverse()
    out.cold = w.entropy.chance(_COLD)
    w.emit("brif", chosen, type=chosen.type, targets=targets)
    w.block = out
    if leaving is None:
        inst = w.emit("return")
        w.returns.append(Edge(out, inst.args, [], w.pool.candidates()))
    else:
        leaving()
    w.enter(stay)


def trap_arm(w: Writer) -> None:
    """Trap under a condition, by a block of its own."""
    trap_arm_on(w, condition(w))


def trap_arm_on(w: Writer, chosen: Value, when: bool | None = None) -> None:
    """``trap_arm`` on a given condition; ``when`` says which way traps, None that either may."""
    bad, good = w.new_block(), w.new_block()
    bad.cold = w.entropy.chance(0.5)
    targets = [BlockCall(bad), BlockCall(good)]
    if w.entropy.below(2) if when is None else not when:
        targets.reverse()
    w.emit("brif", chosen, type=chosen.type, targets=targets)
    w.block = bad
    w.emit("trap", trap=w.entropy.choice(TRAP_CODES))
    w.enter(good)


def leave_loop(w: Writer) -> bool:
    """Break out of the innermost loop under a condition; False where that is not possible."""
    if not w.loops or w.loops[-1].breaks is None or w.loops[-1].depth != w.depth:
        return False
    chosen = condition(w)
    stay = w.new_block()
    out = BlockCall(stay)  # the exit takes this place
    targets = [out, BlockCall(stay)]
    if w.entropy.below(2):
        targets.reverse()
    w.emit("brif", chosen, type=chosen.type, targets=targets)
    w.loops[-1].breaks.append(Edge(w.block, out.args, [], w.pool.candidates()))
    w.enter(stay)
    return True


def carried(w: Writer, most: int) -> list[Value]:
    """Values to enter a loop with, of different types where possible."""
    values: list[Value] = []
    for _ in range(1 + w.entropy.below(most)):
        types: list[Type] = [t for t in w.pool.types() if t in w.swarm.types]
        if types:
            values.append(pick(w, w.entropy.choice(types)))
    return values
