"""Values that main is given instead of computing them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from clif.function import Block, Inst, Value
from clif.outcome import words_from_ints
from fuzz.minimize.subject import Change, Subject, replace_uses


def replace_by_parameters(subject: Subject) -> list[Change]:
    """A value becomes a parameter of main, whose argument is what the value was.

    Keeps: the values of all that depend on it, where its block runs once. Ends: an instruction
    less. Where nobody comes by, any value will do. Parameters of blocks become parameters of main
    too, and their blocks have none then.
    """
    return list(_changes(subject))


def _changes(subject: Subject) -> Iterator[Change]:
    for block in subject.main.blocks:
        if block is not subject.main.entry:
            for param in block.params:
                if _is_used(subject, [param]):
                    yield partial(_replace, subject, [param])
        for inst in block.instructions:
            if _is_used(subject, inst.results):
                yield partial(_replace_inst, subject, block, inst)


def _is_used(subject: Subject, values: list[Value]) -> bool:
    uses = subject.index(subject.main).uses
    return any(uses.get(value) for value in values)


def _replace_inst(subject: Subject, block: Block, inst: Inst) -> None:
    _replace(subject, inst.results)
    if not inst.opcode.is_terminator:
        block.instructions = [other for other in block.instructions if other is not inst]


def _replace(subject: Subject, values: list[Value]) -> None:
    index = subject.index(subject.main)
    for value in values:
        if index.uses.get(value):
            replace_uses(index, value, _parameter(subject, value))


def _constant(subject: Subject, value: Value) -> int:
    inst = subject.index(subject.main).definition.get(value)
    return inst.imm if inst is not None and not inst.args else 0


def _parameter(subject: Subject, value: Value) -> Value:
    """One that main has already, or another one."""
    inputs = subject.case.inputs
    words = subject.words(value)
    if words is None:  # where nobody comes by; of a constant it is known nevertheless
        words = words_from_ints(value.type, [_constant(subject, value)] * inputs.count)
    for at, param in enumerate(subject.main.entry.params):
        is_region = inputs.region is not None and at == inputs.region.param
        if is_region or param.type is not value.type:
            continue
        if inputs.args[at].tobytes() == words.tobytes():
            return param
    return subject.add_param(value.type, words)
