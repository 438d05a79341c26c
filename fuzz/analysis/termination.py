"""Proofs that loops end.

A loop is *proved* to end if every iteration passes a branch that leaves it depending on a counter,
if every back edge changes that counter by the same constant, and if the counter reaches its bound
within ``MOST_ITERATIONS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from clif.function import BlockCall, Function, Inst, Value
from clif.graph import NaturalLoop, dominates, loops
from clif.types import Type
from clif.uses import Index
from fuzz.analysis import intervals
from fuzz.analysis.ranges import Ranges

#: The most iterations of a loop that counts as proved to end.
MOST_ITERATIONS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class LoopProof:
    """A loop, and the condition and branch that end it; both are None if its end is not proved."""

    function: Function
    loop: NaturalLoop
    condition: Value | None = None
    exit: Inst | None = None


@dataclass(slots=True, eq=False)
class FunctionLoops:
    """The natural loops of a function; ``irreducible`` says whether it has other cycles as well."""

    function: Function
    proofs: list[LoopProof]
    irreducible: bool

    @property
    def proved(self) -> bool:
        """Whether the function's cycles are all proved to end."""
        return not self.irreducible and all(proof.condition for proof in self.proofs)


def prove_loops(function: Function, ranges: Ranges) -> FunctionLoops:
    """Return the loops of a function, each proved to end if possible."""
    index = ranges.graph.index[function]
    found, irreducible = loops(function, index.order, index.dominator)
    return FunctionLoops(function, [_prove(loop, index, ranges) for loop in found], irreducible)


def _prove(loop: NaturalLoop, index: Index, ranges: Ranges) -> LoopProof:
    for block in index.order:
        if block in loop.blocks and all(
            dominates(index.dominator, block, latch) for latch in loop.latches
        ):
            branch = block.instructions[-1]
            if branch.opcode.name == "brif" and _ends(loop, branch, index, ranges):
                return LoopProof(index.function, loop, branch.args[0], branch)
    return LoopProof(index.function, loop)


def _ends(loop: NaturalLoop, branch: Inst, index: Index, ranges: Ranges) -> bool:
    """Return whether a branch that every iteration passes is sure to leave the loop."""
    stays = [target.block in loop.blocks for target in branch.targets]
    test = index.definition.get(branch.args[0])
    if stays.count(True) != 1 or test is None or test.opcode.name != "icmp":
        return False
    if test.args[0].type.is_vector:
        return False
    holds = stays[0]
    for param_at, param in enumerate(loop.header.params):
        step = _step(loop, param_at, param, index)
        if step is None:
            continue
        following, by = step
        if test.args[0] not in (param, following):
            continue
        first = 0 if test.args[0] is param else by
        cond = test.cond if holds else _INVERSE[test.cond]
        start = _start(loop, param_at, index, ranges)
        bound = ranges.of(test.args[1])
        if index.place[test.args[1]][0] in loop.blocks and not _may_vary(cond, bound):
            return False
        return _is_bounded(param.type, start, by, first, cond, bound)
    return False


def _may_vary(cond: str, bound: intervals.Intervals) -> bool:
    """Return whether the bound may differ between iterations: not if the counter could miss it."""
    bounds = intervals.hull(bound)
    return bounds is not None and (cond != "ne" or bounds[0] == bounds[1])


def _back_edges(loop: NaturalLoop) -> list[BlockCall]:
    return [
        target
        for latch in loop.latches
        for target in latch.instructions[-1].targets
        if target.block is loop.header
    ]


def _step(loop: NaturalLoop, at: int, param: Value, index: Index) -> tuple[Value, int] | None:
    """Return what all back edges pass for a parameter of the header, and the difference.

    Returns:
        None if it is not the parameter plus or minus a constant.
    """
    if param.type.is_float or param.type.is_vector:
        return None
    passed = {edge.args[at] for edge in _back_edges(loop)}
    if len(passed) != 1:
        return None
    (value,) = passed
    inst = index.definition.get(value) if isinstance(value, Value) else None
    if inst is None or inst.opcode.name not in ("iadd", "isub") or inst.args[0] is not param:
        return None
    amount = index.definition.get(inst.args[1])
    if amount is None or amount.opcode.name != "iconst":
        return None
    by = amount.imm & param.type.mask
    by = by - (param.type.mask + 1) if by & param.type.sign_bit else by
    return inst.result, by if inst.opcode.name == "iadd" else -by


def _start(loop: NaturalLoop, at: int, index: Index, ranges: Ranges) -> intervals.Intervals:
    """Return what is passed for a parameter of the header when the loop is entered."""
    back = [id(edge) for edge in _back_edges(loop)]
    entries = [e.args[at] for e in index.incoming[loop.header] if id(e) not in back]
    if loop.header is index.function.entry or not entries:
        return None
    return intervals.join([ranges.of(v) if isinstance(v, Value) else None for v in entries])


def _is_bounded(
    type_: Type,
    start: intervals.Intervals,
    by: int,
    first: int,
    cond: str,
    bound: intervals.Intervals,
) -> bool:
    """Return whether a counter is sure to fail a comparison after few iterations.

    Args:
        start: the counter when the loop is entered.
        by: what every iteration adds to it.
        first: what has been added to it where it is first compared.
        cond: the condition under which the loop goes on.
        bound: what the counter is compared with.
    """
    starts, bounds = intervals.hull(start), intervals.hull(bound)
    if starts is None or bounds is None or by == 0:
        return False
    if starts[0] == starts[1] and bounds[0] == bounds[1]:
        return _runs_out(type_, starts[0] + first, by, cond, bounds[0])
    if cond == "ne" and by == 1:
        return bounds[0] > starts[1] and bounds[1] - starts[0] <= MOST_ITERATIONS
    if cond == "ne" and by == -1:
        return bounds[1] < starts[0] and starts[1] - bounds[0] <= MOST_ITERATIONS
    most = {"ult": type_.mask, "slt": type_.sign_bit - 1}.get(cond)
    return (
        most is not None
        and by > 0
        and max(bounds[1], starts[1]) + by <= most
        and (bounds[1] - starts[0]) // by <= MOST_ITERATIONS
    )


def _runs_out(type_: Type, value: int, by: int, cond: str, bound: int) -> bool:
    """Return whether counting from a number ends soon, by counting."""
    test = _TESTS[cond]
    for _ in range(MOST_ITERATIONS):
        if not test(*_operands(type_, value, bound, cond)):
            return True
        value += by
    return False


def _operands(type_: Type, a: int, b: int, cond: str) -> tuple[int, int]:
    a, b = a & type_.mask, b & type_.mask
    if cond.startswith("s"):
        sign = type_.sign_bit
        return (a ^ sign) - sign, (b ^ sign) - sign
    return a, b


_TESTS: Final[dict[str, Callable[[int, int], bool]]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "slt": lambda a, b: a < b,
    "sge": lambda a, b: a >= b,
    "sgt": lambda a, b: a > b,
    "sle": lambda a, b: a <= b,
    "ult": lambda a, b: a < b,
    "uge": lambda a, b: a >= b,
    "ugt": lambda a, b: a > b,
    "ule": lambda a, b: a <= b,
}
_INVERSE: Final = {
    "eq": "ne",
    "ne": "eq",
    "slt": "sge",
    "sge": "slt",
    "sgt": "sle",
    "sle": "sgt",
    "ult": "uge",
    "uge": "ult",
    "ugt": "ule",
    "ule": "ugt",
}
