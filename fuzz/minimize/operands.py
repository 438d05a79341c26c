"""Values that are replaced by others which are there already."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from clif.function import Function, Value
from clif.uses import Index
from fuzz.minimize.subject import Change, Subject, replace_uses


def use_operands(subject: Subject) -> list[Change]:
    """Users of a result take an operand of the instruction instead; users of a parameter of main,
    or of a constant, take an earlier one of the same type.

    Keeps: types. Ends: the instruction or parameter is used by nobody any longer, and goes.
    """
    return [
        change
        for function in subject.case.functions
        for change in _changes(function, subject.index(function))
    ] + list(_of_parameters(subject))


def _changes(function: Function, index: Index) -> Iterator[Change]:
    constants: list[Value] = []
    for block in index.order:
        for inst in block.instructions:
            for result in inst.results:
                for arg in dict.fromkeys(inst.args):
                    if arg.type is result.type:
                        yield partial(replace_uses, index, result, arg)
            if inst.opcode.name == "iconst" and block is function.entry:
                for other in constants:
                    if other.type is inst.result.type:
                        yield partial(replace_uses, index, inst.result, other)
                constants.append(inst.result)


def _of_parameters(subject: Subject) -> Iterator[Change]:
    index = subject.index(subject.main)
    params = subject.main.entry.params
    for at, param in enumerate(params):
        for other in params[:at]:
            if other.type is param.type:
                yield partial(replace_uses, index, param, other)
