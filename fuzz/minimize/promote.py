"""Pass: a callee becomes main."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from clif.function import AbiParam, Function
from clif.memory_access import ADDRESS_TYPES
from clif.outcome import Inputs
from fuzz.minimize.working_copy import Change, WorkingCopy
from interp.memory import region_base


def promote_callee(work: WorkingCopy) -> list[Change]:
    """Make a callee the main function, with the arguments that it was called with.

    Preserves: what the callee does.
    Decreases: functions, as main goes unless the callee calls it.
    """
    case = work.case
    return [
        partial(_promote, work, function)
        for function in case.functions[1:]
        if all(work.words(param) is not None for param in function.entry.params)
    ]


def _promote(work: WorkingCopy, function: Function) -> None:
    case = work.case
    params = function.entry.params
    args = [words for param in params if (words := work.words(param)) is not None]
    region = case.inputs.region
    if region is not None:
        base = region_base(region)
        at = (n for n, p in enumerate(params) if p.type in ADDRESS_TYPES and work.number(p) == base)
        place = next(at, None)
        region = None if place is None else replace(region, param=place)
    function.signature = replace(
        function.signature,
        params=tuple(AbiParam(param.type) for param in function.signature.params),
    )
    case.functions = [function, *(other for other in case.functions if other is not function)]
    case.inputs = Inputs(case.inputs.count, args, region)
