"""The order of cases in which every step of minimising goes down.

A case's key is a tuple of natural numbers, which are compared one after the other. Such an order is
well-founded: whatever the passes do, minimising ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clif.function import Block, Function, Inst
from clif.graph import successors
from clif.outcome import Inputs, ints_from_words
from clif.types import Type
from clif.uses import targets, used_values
from fuzz.cases.case import Case, effective_settings

OrderKey = tuple[int, ...]

#: How hard calls are to understand: a plain one and a jump or return are easier than what is both.
_CALLS: Final = {
    "call": 1,
    "call_indirect": 2,
    "try_call": 2,
    "try_call_indirect": 3,
    "return_call": 2,
    "return_call_indirect": 3,
}
#: A failure without optimising is the easiest to understand.
_OPT_LEVELS: Final = ("none", "speed", "speed_and_size")
#: Conditions of ``icmp``, then of ``fcmp``, the simplest first.
_CONDITIONS: Final = (
    *("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"),
    *("lt", "le", "gt", "ge", "one", "ueq", "ord", "uno"),
)
#: How hard instructions are to understand; others weigh 2.
_WEIGHTS: Final = {
    "br_table": 6,
    "try_call_indirect": 6,
    "try_call": 5,
    "call_indirect": 4,
    "return_call_indirect": 6,
    "return_call": 5,
    "call": 3,
    "brif": 3,
    "jump": 1,
    "return": 0,
    "iconst": 1,
    "f32const": 1,
    "f64const": 1,
}


def order_key(case: Case) -> OrderKey:
    """Return the case's key; its most important component comes first."""
    insts = [inst for function in case.functions for inst in function.instructions()]
    blocks = [block for function in case.functions for block in function.blocks]
    values = [value for function in case.functions for value in function.values()]
    inputs = case.inputs
    return (
        sum(_CALLS.get(inst.opcode.name, 0) for inst in insts),
        len(case.functions),
        len(blocks),
        len(insts),
        inputs.count,
        0 if inputs.region is None else 1,
        sum(map(_signature_size, case.functions)) + sum(len(block.params) for block in blocks),
        sum(map(_entities, case.functions)),
        *_settings(case),
        sum(_weight(inst) for inst in insts),
        sum(map(type_weight, (value.type for value in values))),
        sum(_details(inst) for inst in insts),
        sum(block.cold for block in blocks),
        sum(slot.size for function in case.functions for slot in function.stack_slots),
        sum(_number(inst) for inst in insts),
        sum(map(_ranks, case.functions)),
        sum(map(_disorder, case.functions)),
        *_inputs(inputs),
        *_order(case),
    )


def instructions(case: Case) -> int:
    """Count the instructions of a case."""
    return sum(1 for function in case.functions for _ in function.instructions())


def _signature_size(function: Function) -> int:
    signature = function.signature
    params = (*signature.params, *signature.returns)
    plain = sum((p.extension is not None) + (p.purpose != "normal") for p in params)
    return 2 * len(params) + plain + (signature.call_conv != "system_v")


def _entities(function: Function) -> int:
    count = len(function.stack_slots) + len(function.externals) + len(function.global_values)
    return count + len(function.alias_regions) + (function.stack_limit is not None)


def _ranks(function: Function) -> int:
    """Sum the positions of the values that are used: lower if early values are used."""
    rank = {value: n for n, value in enumerate(function.values())}
    return sum(rank.get(v, 0) for inst in function.instructions() for v in used_values(inst))


def _disorder(function: Function) -> int:
    """Measure how often later values and blocks are named before earlier ones."""
    rank = {value: n for n, value in enumerate(function.values())}
    place = {block: n for n, block in enumerate(function.blocks)}
    named = [rank.get(v, 0) for inst in function.instructions() for v in used_values(inst)]
    led_to = [place[t.block] for inst in function.instructions() for t in targets(inst)]
    return _weighted(named) + _weighted(led_to)


def _weighted(numbers: Sequence[int]) -> int:
    """Return a sum that is the smaller, the earlier the small numbers come."""
    return sum(number * (len(numbers) - at) for at, number in enumerate(numbers))


def _settings(case: Case) -> OrderKey:
    settings = effective_settings(case)
    level = settings.get("opt_level", "none")
    others = len(case.settings) - ("opt_level" in case.settings)
    return (
        len(case.chaos),
        len(case.inlining),
        sum(case.inlining),
        others + sum(len(flags) for flags in case.isa_settings.values()),
        _OPT_LEVELS.index(level) if level in _OPT_LEVELS else len(_OPT_LEVELS),
        int(case.trapping),
    )


def _weight(inst: Inst) -> int:
    return _WEIGHTS.get(inst.opcode.name, 2)


def type_weight(type_: Type) -> int:
    """Weigh a type: integers up to 64 bits are the simplest, then floats, then vectors."""
    return type_.bits + 1000 * (type_.is_float or type_.bits > 64) + 4000 * type_.is_vector


def _details(inst: Inst) -> int:
    """Count flags, trap codes, conditions and offsets that are not the simplest ones."""
    flags = inst.flags
    count = flags.aligned + flags.readonly + flags.can_move
    count += flags.endianness is not None
    count += flags.alias_region is not None
    count += flags.trap != "heap_oob"
    count += inst.trap not in ("", "user1")
    if inst.cond in _CONDITIONS:
        count += _CONDITIONS.index(inst.cond)
    count += sum(len(handler.contexts) for handler in inst.handlers)
    return count + (inst.offset != 0) + len(inst.targets)


def _number(inst: Inst) -> int:
    bits = inst.type.bits if inst.type is not None else 64
    return simplicity(inst.imm, max(bits, 8)) + abs(inst.offset)


def simplicity(value: int, bits: int) -> int:
    """Rank a number: 0, 1, -1, then small numbers, then those with few ones or few zeros."""
    mask = (1 << bits) - 1
    value &= mask
    if value == 0:
        return 0
    if value == 1:
        return 1
    if value == mask:
        return 2
    small = min(value, mask + 1 - value)
    if small < 64:
        return 2 + 2 * small + (value > small)
    ones = min(value.bit_count(), (value ^ mask).bit_count())
    return 256 + 8 * ones + small.bit_length()


def _inputs(inputs: Inputs) -> OrderKey:
    numbers = []
    for index, words in enumerate(inputs.args):
        if inputs.region is not None and index == inputs.region.param:
            continue
        bits = 8 * words.dtype.itemsize * words.shape[1]
        numbers.append(sum(simplicity(value, bits) for value in ints_from_words(words)))
    # Of (0, 1) and (1, 0) only one may be a minimum.
    arguments = sum(numbers), _weighted(numbers)
    if inputs.region is None:
        return 0, 0, 0, *arguments
    contents, pointers = inputs.region.contents, inputs.region.pointers
    weight = len(pointers) + sum(to for _, to in pointers)
    bytes_weight = len(contents.rstrip(b"\0")) + sum(contents)
    return len(contents), weight, bytes_weight, *arguments


def _order(case: Case) -> OrderKey:
    """Count deviations from the names, numbers and order of ``renumber``."""
    wanted = canonical_names(len(case.functions))
    names = sum(f.name != name for f, name in zip(case.functions, wanted, strict=True))
    numbers = sum(
        value.number != n
        for function in case.functions
        for n, value in enumerate(function.values())
    )
    blocks = sum(
        block.number != n for function in case.functions for n, block in enumerate(function.blocks)
    )
    order = order_of_use(case.main)
    params = sum(n != at for n, at in enumerate(order))
    layout = sum(
        block is not other
        for function in case.functions
        for block, other in zip(function.blocks, in_order(function), strict=False)
    )
    return params, layout, names, numbers, blocks


def in_order(function: Function) -> list[Block]:
    """List the reachable blocks in the order of a depth-first search."""
    found: dict[Block, None] = {}
    todo = [function.entry]
    while todo:
        block = todo.pop()
        if block not in found:
            found[block] = None
            todo += reversed(successors(block))
    return list(found)


def order_of_use(function: Function) -> list[int]:
    """List the indices of a function's parameters in the order of their first use."""
    params = function.entry.params
    first: dict[object, int] = {}
    for n, inst in enumerate(function.instructions()):
        for place, value in enumerate(used_values(inst)):
            first.setdefault(value, n * 64 + place)
    return sorted(range(len(params)), key=lambda at: first.get(params[at], 1 << 30))


def canonical_names(count: int) -> list[str]:
    """Return ``main``, ``callee``, ``callee2``... for so many functions."""
    return ["main", "callee", *(f"callee{n}" for n in range(2, count))][:count]
