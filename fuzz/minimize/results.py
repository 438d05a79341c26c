"""Fewer results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from clif.function import External, Function
from fuzz.minimize.calls import calls_of, declarations_of
from fuzz.minimize.subject import Change, Subject, replace_uses
from fuzz.minimize.tidy import set_returns


def drop_results(subject: Subject) -> list[Change]:
    """Main returns one of its results, or none; callees return one less.

    Keeps: all effects. Ends: each change leaves fewer results.
    """
    main = subject.main
    count = len(main.signature.returns)
    changes: list[Change] = []
    if count > 1:
        changes += [partial(set_returns, main, [n]) for n in range(count)]
        changes += [
            partial(set_returns, main, [k for k in range(count) if k != n]) for n in range(count)
        ]
    if count:
        changes.append(partial(set_returns, main, []))
    return changes + list(_of_callees(subject))


def _of_callees(subject: Subject) -> Iterator[Change]:
    for function in subject.case.functions[1:]:
        tails = any("return_call" in inst.opcode.name for inst in function.instructions())
        if not tails:
            for at in range(len(function.signature.returns)):
                yield partial(_drop, subject, function, at)


def _drop(subject: Subject, callee: Function, at: int) -> None:
    returns = len(callee.signature.returns)
    set_returns(callee, [n for n in range(returns) if n != at])
    for declaration in declarations_of(subject.case, callee):
        declaration.signature = replace(declaration.signature, returns=callee.signature.returns)
    for caller, block, inst in calls_of(subject.case, callee):
        if at >= len(inst.results):
            continue  # a tail call, or one with handlers: not valid any longer
        result = inst.results.pop(at)
        constant = subject.constant(caller, result.type, subject.number(result) or 0)
        replace_uses(subject.index(caller), result, constant[-1].result)
        place = next(n for n, other in enumerate(block.instructions) if other is inst)
        block.instructions[place + 1 : place + 1] = constant
        if not isinstance(inst.ref, External):
            inst.ref = callee.signature
