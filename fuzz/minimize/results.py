"""Pass: functions return fewer results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from clif.function import External, Function
from fuzz.minimize.calls import calls_of, declarations_of
from fuzz.minimize.tidy import set_returns
from fuzz.minimize.working_copy import Change, WorkingCopy, replace_uses


def drop_results(work: WorkingCopy) -> list[Change]:
    """Reduce main to one of its results, all but one, or none; drop one result of a callee.

    Preserves: everything that is computed.
    Decreases: results.
    """
    main = work.main
    count = len(main.signature.returns)
    changes: list[Change] = []
    if count > 1:
        changes += [partial(set_returns, main, [n]) for n in range(count)]
        changes += [
            partial(set_returns, main, [k for k in range(count) if k != n]) for n in range(count)
        ]
    if count:
        changes.append(partial(set_returns, main, []))
    return changes + list(_of_callees(work))


def _of_callees(work: WorkingCopy) -> Iterator[Change]:
    for function in work.case.functions[1:]:
        tails = any("return_call" in inst.opcode.name for inst in function.instructions())
        if not tails:
            for at in range(len(function.signature.returns)):
                yield partial(_drop, work, function, at)


def _drop(work: WorkingCopy, callee: Function, at: int) -> None:
    calls = list(calls_of(work.case, callee))
    indices = {caller: work.index(caller) for caller, _, _ in calls}
    returns = len(callee.signature.returns)
    set_returns(callee, [n for n in range(returns) if n != at])
    for declaration in declarations_of(work.case, callee):
        declaration.signature = replace(declaration.signature, returns=callee.signature.returns)
    for caller, block, inst in calls:
        if at >= len(inst.results):
            continue  # a tail call, or one with handlers: the candidate is invalid, and refused
        result = inst.results.pop(at)
        constant = work.constant(caller, result.type, work.number(result) or 0)
        replace_uses(indices[caller], result, constant[-1].result)
        place = next(n for n, other in enumerate(block.instructions) if other is inst)
        block.instructions[place + 1 : place + 1] = constant
        if not isinstance(inst.ref, External):
            inst.ref = callee.signature
