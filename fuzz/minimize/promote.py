"""A callee in place of main."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from clif.function import AbiParam, Function
from clif.outcome import Inputs
from clif.types import I64
from fuzz.minimize.subject import Change, Subject
from interp.memory import REGION_BASE


def promote_callee(subject: Subject) -> list[Change]:
    """A callee becomes main, with the arguments that it was called with.

    Keeps: what the callee does. Ends: main goes, unless the callee calls it.
    """
    case = subject.case
    return [
        partial(_promote, subject, function)
        for function in case.functions[1:]
        if all(subject.words(param) is not None for param in function.entry.params)
    ]


def _promote(subject: Subject, function: Function) -> None:
    case = subject.case
    params = function.entry.params
    args = [words for param in params if (words := subject.words(param)) is not None]
    at = (n for n, p in enumerate(params) if p.type is I64 and subject.number(p) == REGION_BASE)
    place = next(at, None)
    region = case.inputs.region
    if region is not None:
        region = None if place is None else replace(region, param=place)
    function.signature = replace(
        function.signature,
        params=tuple(AbiParam(param.type) for param in function.signature.params),
    )
    case.functions = [function, *(other for other in case.functions if other is not function)]
    case.inputs = Inputs(case.inputs.count, args, region)
