"""Branches with several edges to one block, each with arguments of its own."""

from __future__ import annotations

from clif.function import Block, BlockCall, Value
from clif.types import I32, Type
from fuzz.generate.control import join
from fuzz.generate.liveness import make_edge
from fuzz.generate.operands import pick
from fuzz.generate.pure import pure_operation
from fuzz.generate.unstructured import diamond
from fuzz.generate.writer import Edge, Writer

_MOST_ENTRIES = 7
_MOST_PARAMS = 4


def several_edges(w: Writer) -> bool:
    """Emit a ``brif`` or a ``br_table`` of this kind."""
    if w.entropy.below(3) == 0:
        diamond(w)
    else:
        _table(w)
    return True


def _table(w: Writer) -> None:
    """Emit a ``br_table`` whose entries lead to one block or two, which join."""
    entropy = w.entropy
    types = [w.swarm.type(entropy) for _ in range(1 + entropy.below(_MOST_PARAMS))]
    blocks = [w.new_block(types) for _ in range(1 + entropy.below(2))]
    count = 2 + entropy.below(_MOST_ENTRIES)
    index = w.op("band", pick(w, I32), w.constant(I32, 7)) if entropy.below(4) else pick(w, I32)
    targets: list[BlockCall] = []
    for _ in range(count):
        if targets and entropy.below(4) == 0:
            # An edge like another one, but for one argument perhaps.
            like = entropy.choice(targets)
            targets.append(BlockCall(like.block, _changed(w, like, types)))
        else:
            args: list[Value | str] = [pick(w, type_) for type_ in types]
            targets.append(BlockCall(entropy.choice(blocks), args))
    used = {target.block for target in targets}
    for block in [b for b in blocks if b not in used]:
        w.function.blocks.remove(block)
    w.emit("br_table", index, targets=targets)
    _meet(w, [block for block in blocks if block in used])


def _changed(w: Writer, like: BlockCall, types: list[Type]) -> list[Value | str]:
    args = list(like.args)
    if w.entropy.below(3):
        at = w.entropy.below(len(args))
        args[at] = pick(w, types[at])
    return args


def _meet(w: Writer, blocks: list[Block]) -> None:
    if len(blocks) == 1:
        w.enter(blocks[0])
        return
    edges: list[Edge] = []
    for block in blocks:
        mark = w.pool.mark()
        w.enter(block)
        pure_operation(w)
        out = BlockCall(block)  # replaced by the join
        w.emit("jump", targets=[out])
        edges.append(make_edge(w, out.args, mark))
        w.pool.release(mark)
    join(w, edges)
