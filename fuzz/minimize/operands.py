"""Pass: values are replaced by others that exist already."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from operator import setitem

from clif.function import Function, Value
from clif.uses import Index
from fuzz.minimize.working_copy import Change, WorkingCopy, replace_uses


def use_operands(work: WorkingCopy) -> list[Change]:
    """Replace a result by an operand of its instruction.

    Also replace a parameter of main, or a constant, by an earlier one of the same type; and an
    operand that may have any type, such as a condition, by another parameter of main.

    Preserves: types, apart from those of such operands.
    Decreases: instructions or parameters: what is replaced is unused then, and goes.
    """
    return [
        change
        for function in work.case.functions
        for change in _changes(function, work.index(function))
    ] + [*_of_parameters(work), *_of_any_type(work)]


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


def _of_parameters(work: WorkingCopy) -> Iterator[Change]:
    index = work.index(work.main)
    params = work.main.entry.params
    for at, param in enumerate(params):
        for other in params[:at]:
            if other.type is param.type:
                yield partial(replace_uses, index, param, other)


def _of_any_type(work: WorkingCopy) -> Iterator[Change]:
    """Yield changes of operands that no other type depends on, which may need a parameter less."""
    for inst in work.main.instructions():
        for at, constraint in enumerate(inst.opcode.args[: len(inst.args)]):
            if constraint.kind != "Free":
                continue
            for other in work.main.entry.params:
                different = other.type is not inst.args[at].type
                if different and other.type.name in constraint.types:
                    yield partial(setitem, inst.args, at, other)
