"""Structured control flow: branches that join, early returns, breaks.

Every construct emits into the current block, and leaves the writer in a block that it dominates.
"""

from __future__ import annotations

from collections.abc import Callable

from clif.function import BlockCall, Value
from clif.types import I32, Type
from fuzz.generate.liveness import condense, fill, join_types, make_edge
from fuzz.generate.operands import condition, pick
from fuzz.generate.options import TRAP_CODES
from fuzz.generate.writer import Edge, Writer

#: Emits about as many instructions as its budget says.
Body = Callable[[Writer, int], None]

#: How many unused values of an arm become arguments of the join.
_ARM_UNUSED = 4
#: One table in so many has up to several hundred entries.
_BIG_TABLES = 12
_COLD = 0.1


def branch(w: Writer, budget: int, body: Body) -> None:
    """Emit ``brif`` with one or two arms that join."""
    branch_on(w, condition(w), budget, body)


def branch_on(w: Writer, chosen: Value, budget: int, body: Body) -> None:
    """Emit ``branch`` on a given condition."""
    targets = [BlockCall(w.new_block()), BlockCall(w.new_block())]
    w.emit("brif", chosen, type=chosen.type, targets=targets)
    edges: list[Edge] = []
    if w.entropy.below(3) == 0:
        # Without a second arm, that side goes straight to the join.
        empty = targets[w.entropy.below(2)]
        targets.remove(empty)
        w.function.blocks.remove(empty.block)
        edges.append(make_edge(w, empty.args, w.pool.mark()))
    join(w, edges + _arms(w, targets, budget, body))


def table(w: Writer, budget: int, body: Body) -> None:
    """Emit ``br_table`` over a few arms that entries share; some entries go to the join."""
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
    """Emit ``table`` over a given index, with ``more`` entries than arms."""
    entropy = w.entropy
    arms = [BlockCall(w.new_block()) for _ in range(2 + entropy.below(3))]
    direct = [BlockCall(w.block) for _ in range(entropy.below(4))]  # replaced by the join
    entries = [*arms, *direct]
    entries += [BlockCall(entropy.choice(arms).block) for _ in range(more)]
    entropy.shuffle(entries)
    w.emit("br_table", index, targets=entries)
    edges = [make_edge(w, call.args, w.pool.mark()) for call in direct]
    join(w, edges + _arms(w, arms, budget, body))


def _arms(w: Writer, targets: list[BlockCall], budget: int, body: Body) -> list[Edge]:
    """Emit the block of each target, and return their edges to the join."""
    edges: list[Edge] = []
    w.depth += 1
    for target in targets:
        mark = w.pool.mark()
        target.block.cold = w.entropy.chance(_COLD)
        w.enter(target.block)
        body(w, max(1, budget // len(targets)))
        edges.append(leave(w, mark))
        w.pool.release(mark)
    w.depth -= 1
    return edges


def leave(w: Writer, mark: int) -> Edge:
    """End the current block with a jump to a join that does not exist yet."""
    extra = w.pool.since(mark)
    if len(extra) > _ARM_UNUSED:
        extra = condense(w, extra, _ARM_UNUSED)
    call = BlockCall(w.block)  # replaced by the join
    w.emit("jump", targets=[call])
    edge = make_edge(w, call.args, w.pool.mark())
    edge.own = extra
    return edge


def join(w: Writer, edges: list[Edge]) -> None:
    """Enter a new block in which edges meet, with their values as its parameters."""
    types = join_types(w, edges)
    block = w.new_block(types)
    for edge in edges:
        fill(w, edge, types)
        for target in edge.block.instructions[-1].targets:
            if target.args is edge.args:
                target.block = block
    w.enter(block)


def early_return(w: Writer, leaving: Callable[[], None] | None = None) -> None:
    """Leave the function under a condition.

    Args:
        leaving: ends the function; it returns if this is None.
    """
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
    """Trap under a condition, in a block of its own."""
    trap_arm_on(w, condition(w))


def trap_arm_on(w: Writer, chosen: Value, when: bool | None = None) -> None:
    """Emit ``trap_arm`` on a given condition.

    Args:
        when: for which truth value of the condition it traps; None if either may trap.
    """
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
    """Break out of the innermost loop under a condition. Returns False if that is not possible."""
    if not w.loops or w.loops[-1].breaks is None or w.loops[-1].depth != w.depth:
        return False
    chosen = condition(w)
    stay = w.new_block()
    out = BlockCall(stay)  # replaced by the exit
    targets = [out, BlockCall(stay)]
    if w.entropy.below(2):
        targets.reverse()
    w.emit("brif", chosen, type=chosen.type, targets=targets)
    w.loops[-1].breaks.append(Edge(w.block, out.args, [], w.pool.candidates()))
    w.enter(stay)
    return True


def carried(w: Writer, most: int) -> list[Value]:
    """Return values to enter a loop with, of different types if possible."""
    values: list[Value] = []
    for _ in range(1 + w.entropy.below(most)):
        types: list[Type] = [t for t in w.pool.types() if t in w.swarm.types]
        if types:
            values.append(pick(w, w.entropy.choice(types)))
    return values
