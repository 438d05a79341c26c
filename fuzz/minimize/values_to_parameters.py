"""Pass: values become parameters of main."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from clif.function import Block, Inst, Value
from clif.outcome import words_from_ints
from fuzz.minimize.working_copy import Change, WorkingCopy, replace_uses


def replace_by_parameters(work: WorkingCopy) -> list[Change]:
    """Replace a value by a parameter of main, whose argument is what the value was.

    This also replaces block parameters. For code that no input reaches, any argument will do.

    Preserves: the values of everything that depends on it, if its block runs once.
    Decreases: instructions, or block parameters.
    """
    return list(_changes(work))


def _changes(work: WorkingCopy) -> Iterator[Change]:
    for block in work.main.blocks:
        if block is not work.main.entry:
            for param in block.params:
                if _is_used(work, [param]):
                    yield partial(_replace, work, [param])
        for inst in block.instructions:
            if _is_used(work, inst.results):
                yield partial(_replace_inst, work, block, inst)


def _is_used(work: WorkingCopy, values: list[Value]) -> bool:
    uses = work.index(work.main).uses
    return any(uses.get(value) for value in values)


def _replace_inst(work: WorkingCopy, block: Block, inst: Inst) -> None:
    _replace(work, inst.results)
    if not inst.opcode.is_terminator:
        block.instructions = [other for other in block.instructions if other is not inst]


def _replace(work: WorkingCopy, values: list[Value]) -> None:
    index = work.index(work.main)
    for value in values:
        if index.uses.get(value):
            replace_uses(index, value, _parameter(work, value))


def _constant(work: WorkingCopy, value: Value) -> int:
    inst = work.index(work.main).definition.get(value)
    return inst.imm if inst is not None and not inst.args else 0


def _parameter(work: WorkingCopy, value: Value) -> Value:
    """Return a parameter of main with the value's arguments; adds one if there is none."""
    inputs = work.case.inputs
    words = work.words(value)
    if words is None:  # no input reaches it; a constant's value is known nevertheless
        words = words_from_ints(value.type, [_constant(work, value)] * inputs.count)
    for at, param in enumerate(work.main.entry.params):
        is_region = inputs.region is not None and at == inputs.region.param
        if is_region or param.type is not value.type:
            continue
        if inputs.args[at].tobytes() == words.tobytes():
            return param
    return work.add_param(value.type, words)
