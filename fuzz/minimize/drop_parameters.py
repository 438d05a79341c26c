"""Parameters that nobody needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from clif.function import AbiParam, Block, External, Function, Value
from clif.opcodes import Format
from clif.uses import Index
from fuzz.minimize.calls import calls_of, declarations_of
from fuzz.minimize.subject import Change, Subject, replace_uses


def drop_parameters(subject: Subject) -> list[Change]:
    """Parameters that are not used go, of functions with their arguments; a parameter of a block
    that is always given the same value becomes that value.

    Keeps: all that is computed. Ends: a parameter less.
    """
    return [*_of_main(subject), *_of_callees(subject), *_of_blocks(subject)]


def _of_main(subject: Subject) -> Iterator[Change]:
    uses = subject.index(subject.main).uses
    for at, param in enumerate(subject.main.entry.params):
        if not uses[param]:
            yield partial(subject.drop_param, at)


def _of_callees(subject: Subject) -> Iterator[Change]:
    for function in subject.case.functions[1:]:
        uses = subject.index(function).uses
        for at, param in enumerate(function.entry.params):
            if not uses[param]:
                yield partial(_drop, subject, function, at)


def _drop(subject: Subject, callee: Function, at: int) -> None:
    del callee.entry.params[at]
    params = callee.signature.params
    new = replace(callee.signature, params=params[:at] + params[at + 1 :])
    calls = list(calls_of(subject.case, callee))
    for declaration in declarations_of(subject.case, callee):
        declaration.signature = new
    callee.signature = new
    for _, _, inst in calls:
        indirect = inst.opcode.format in (Format.CALL_INDIRECT, Format.TRY_CALL_INDIRECT)
        del inst.args[at + indirect]
        if not isinstance(inst.ref, External):
            inst.ref = new


def _of_blocks(subject: Subject) -> Iterator[Change]:
    for function in subject.case.functions:
        index = subject.index(function)
        for block in index.order[1:]:
            for at, param in enumerate(block.params):
                same = _only_value(index, block, at, param)
                if same is not None or not index.uses[param]:
                    yield partial(_drop_block_param, index, block, at, same)


def _only_value(index: Index, block: Block, at: int, param: Value) -> Value | None:
    given = {target.args[at] for target in index.incoming[block]} - {param}
    value = given.pop() if len(given) == 1 else None
    return value if isinstance(value, Value) else None


def _drop_block_param(index: Index, block: Block, at: int, same: Value | None) -> None:
    if same is not None:
        replace_uses(index, block.params[at], same)
    del block.params[at]
    for target in index.incoming[block]:
        del target.args[at]


def forget_conventions(subject: Subject) -> list[Change]:
    """Calling conventions, extensions and purposes of parameters become the plain ones.

    Keeps: types. Ends: none of them comes back.
    """
    changes: list[Change] = []
    for function in subject.case.functions:
        if function.signature.call_conv != "system_v":
            changes.append(partial(_plain, subject, function, "system_v", False))
        if any(p.extension or p.purpose != "normal" for p in _all_params(function)):
            changes.append(partial(_plain, subject, function, function.signature.call_conv, True))
    return changes


def _all_params(function: Function) -> tuple[AbiParam, ...]:
    return (*function.signature.params, *function.signature.returns)


def _plain(subject: Subject, function: Function, convention: str, params: bool) -> None:
    old = function.signature
    new = replace(old, call_conv=convention)
    if params:
        new = replace(
            new,
            params=tuple(replace(p, extension=None, purpose="normal") for p in old.params),
            returns=tuple(replace(p, extension=None, purpose="normal") for p in old.returns),
        )
    calls = list(calls_of(subject.case, function))
    for declaration in declarations_of(subject.case, function):
        declaration.signature = new
    function.signature = new
    for _, _, inst in calls:
        if not isinstance(inst.ref, External):
            inst.ref = new
