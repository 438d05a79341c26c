"""Pass: names, numbers and order become what a person would have chosen."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from clif.function import AbiParam, GlobalValue, format_name
from fuzz.cases.case import Case
from fuzz.minimize.order import canonical_names, in_order, order_of_use
from fuzz.minimize.working_copy import Change, WorkingCopy


def renumber(work: WorkingCopy) -> list[Change]:
    """Bring names, numbers and order to one normal form.

    Functions are named ``main``, ``callee``...; values and blocks are numbered in order; parameters
    of main stand in the order of their first use, and blocks in the order in which they are
    reached.

    Preserves: everything but names and order.
    Decreases: deviations from the normal form.
    """
    case = work.case
    return [partial(_everything, case), partial(_numbers, case), partial(_names, case)]


def _everything(case: Case) -> None:
    _order_params(case)
    for function in case.functions:
        function.blocks = in_order(function)
    _names(case)
    _numbers(case)


def _numbers(case: Case) -> None:
    for function in case.functions:
        for n, block in enumerate(function.blocks):
            block.number = n
        for n, value in enumerate(function.values()):
            value.number = n


def _names(case: Case) -> None:
    new = {
        function.name: name
        for function, name in zip(case.functions, canonical_names(len(case.functions)), strict=True)
    }
    for function in case.functions:
        function.name = new[function.name]
        for external in function.externals:
            external.name = new.get(external.name, external.name)
        for value in function.global_values:
            _rename_symbol(value, new)


def _rename_symbol(value: GlobalValue, new: dict[str, str]) -> None:
    name = (value.symbol or "").lstrip("%")
    if name in new:
        value.text = value.text.replace(format_name(name), format_name(new[name]))
        value.symbol = f"%{new[name]}" if (value.symbol or "").startswith("%") else new[name]


def _order_params(case: Case) -> None:
    main = case.main
    order = order_of_use(main)
    params: list[AbiParam] = [main.signature.params[n] for n in order]
    main.signature = replace(main.signature, params=tuple(params))
    main.entry.params = [main.entry.params[n] for n in order]
    region = case.inputs.region
    if region is not None:
        region = replace(region, param=order.index(region.param))
    args = [case.inputs.args[n] for n in order]
    case.inputs = replace(case.inputs, args=args, region=region)
