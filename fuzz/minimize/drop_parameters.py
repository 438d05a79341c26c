"""Passes: unused parameters go; calling conventions become plain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from clif.function import AbiParam, Block, External, Function, Value
from clif.opcodes import Format
from clif.uses import Index
from fuzz.minimize.calls import calls_of, declarations_of
from fuzz.minimize.working_copy import Change, WorkingCopy, replace_uses


def drop_parameters(work: WorkingCopy) -> list[Change]:
    """Drop unused parameters with their arguments; replace block parameters that never vary.

    A block parameter that every predecessor gives the same value is replaced by that value.

    Preserves: everything that is computed.
    Decreases: parameters.
    """
    return [*_of_main(work), *_of_callees(work), *_of_blocks(work)]


def _of_main(work: WorkingCopy) -> Iterator[Change]:
    uses = work.index(work.main).uses
    for at, param in enumerate(work.main.entry.params):
        if not uses[param]:
            yield partial(work.drop_param, at)


def _of_callees(work: WorkingCopy) -> Iterator[Change]:
    for function in work.case.functions[1:]:
        uses = work.index(function).uses
        for at, param in enumerate(function.entry.params):
            if not uses[param]:
                yield partial(_drop, work, function, at)


def _drop(work: WorkingCopy, callee: Function, at: int) -> None:
    del callee.entry.params[at]
    params = callee.signature.params
    new = replace(callee.signature, params=params[:at] + params[at + 1 :])
    calls = list(calls_of(work.case, callee))
    for declaration in declarations_of(work.case, callee):
        declaration.signature = new
    callee.signature = new
    for _, _, inst in calls:
        indirect = inst.opcode.format in (Format.CALL_INDIRECT, Format.TRY_CALL_INDIRECT)
        del inst.args[at + indirect]
        if not isinstance(inst.ref, External):
            inst.ref = new


def _of_blocks(work: WorkingCopy) -> Iterator[Change]:
    for function in work.case.functions:
        index = work.index(function)
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


def forget_conventions(work: WorkingCopy) -> list[Change]:
    """Make calling conventions ``system_v``, and drop extensions and purposes of parameters.

    Preserves: types.
    Decreases: conventions, extensions and purposes that are not the default.
    """
    changes: list[Change] = []
    for function in work.case.functions:
        if function.signature.call_conv != "system_v":
            changes.append(partial(_plain, work, function, "system_v", False))
        if any(p.extension or p.purpose != "normal" for p in _all_params(function)):
            changes.append(partial(_plain, work, function, function.signature.call_conv, True))
    return changes


def _all_params(function: Function) -> tuple[AbiParam, ...]:
    return (*function.signature.params, *function.signature.returns)


def _plain(work: WorkingCopy, function: Function, convention: str, params: bool) -> None:
    old = function.signature
    new = replace(old, call_conv=convention)
    if params:
        new = replace(
            new,
            params=tuple(replace(p, extension=None, purpose="normal") for p in old.params),
            returns=tuple(replace(p, extension=None, purpose="normal") for p in old.returns),
        )
    calls = list(calls_of(work.case, function))
    for declaration in declarations_of(work.case, function):
        declaration.signature = new
    function.signature = new
    for _, _, inst in calls:
        if not isinstance(inst.ref, External):
            inst.ref = new
