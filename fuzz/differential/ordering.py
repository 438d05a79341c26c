"""Whether atomics, fences, calls and other accesses are made in the order of the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np

import interp
from backend.cranelift.compiler import Functions, ReadError
from backend.cranelift.reader import read_file
from backend.emulator.executor import NOT_EXECUTABLE
from backend.emulator.linker import Compiled
from backend.isa.registry import ISAS
from clif.function import Function
from clif.outcome import Outcomes, Status
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.interpretation import run_options
from fuzz.cases.memory_events import (
    MemoryEvent,
    OrderDeviation,
    TooManyEventsError,
    compare_events,
    memory_events,
)
from fuzz.cases.order_check import NOT_COMPARABLE, deviating_order, why_code_unchecked
from fuzz.cases.printed_flags import LostFlagsError, restore_byte_orders
from fuzz.cases.target import optimize_case
from fuzz.differential import alias_regions, diagnosis
from fuzz.differential.finding import Finding, FindingKind
from fuzz.known.status import has_fault

#: So many inputs of a case are run twice more, each by itself.
_INPUTS: Final = 3
_MID_END: Final = "in the optimised CLIF"
_CODE: Final = "in the code"


#: Returns the CLIF of functions after the mid-end: of a case, for an ISA, or others in their place.
Optimizer: TypeAlias = Callable[[Case, str, Functions], Sequence[str]]


def check_order(
    case: Case,
    isa: str,
    functions: Functions,
    expected: Outcomes,
    fuel: int,
    optimizer: Optimizer = optimize_case,
) -> Finding | str:
    """Run some inputs of a case with its functions and with the optimised ones.

    Args:
        functions: what is compiled.
        optimizer: the mid-end. Another one than the linked may know no functions but the case's.

    Returns:
        A finding; or the reason why nothing can be said, empty if all is well.
    """
    case = _in_order_of(isa, case)
    optimised = _optimised(case, isa, functions, optimizer)
    if not isinstance(optimised, list):
        return optimised
    try:
        for row in _rows(expected):
            single = replace(case, inputs=case.inputs.select([row]))
            source = _events(single, case.functions, fuel)
            found = compare_events(source, _events(single, optimised, fuel))
            if found is not None:
                known = _is_alias_fault(single, isa, functions, source, fuel, optimizer)
                return _finding(isa, found, row, known=known)
    except (interp.Unsupported, TooManyEventsError) as error:
        return f"{isa}: order: {error}"
    return ""


def check_code_order(
    case: Case, isa: str, code: Sequence[Compiled], expected: Outcomes, fuel: int
) -> Finding | str:
    """Run some inputs of a case once more, and compare what its code does to memory.

    Args:
        code: of the case.

    Returns:
        A finding; or the reason why nothing can be said, empty if all is well.
    """
    if reason := why_code_unchecked(isa):
        return f"{isa}: order: the code is not compared: {reason}"
    case = _in_order_of(isa, case)
    try:
        for row in _rows(expected, (Status.RETURNED,)):
            found = deviating_order(case, isa, code, row, fuel)
            if found is not None:
                explanation = (f"input {row}: {found}",)
                return Finding(
                    FindingKind.ORDER, isa, f"{found.detail} {_CODE}", explanation, (row,)
                )
    except (*NOT_COMPARABLE, *NOT_EXECUTABLE) as error:
        return f"{isa}: order: {error}"
    return ""


def _in_order_of(isa: str, case: Case) -> Case:
    """Return a case in the byte order of an ISA."""
    return replace(case, order=ISAS[isa].byte_order)


def _optimised(
    case: Case, isa: str, functions: Functions, optimizer: Optimizer
) -> list[Function] | Finding | str:
    """Return the functions after the mid-end, without inlining: it changes where slots lie."""
    plain = replace(case, inlining=b"")
    try:
        text = "\n".join(optimizer(plain, isa, functions))
        optimised = [function for function, _ in read_file(text).functions]
        restore_byte_orders(case.functions, optimised, ISAS[isa].byte_order)
        return optimised
    except LostFlagsError as error:
        return f"{isa}: order: {error}"
    except ReadError as error:
        return Finding(FindingKind.READER_FAULT, isa, error.message, (str(error),))
    except diagnosis.COMPILER_FAILURES as error:
        return diagnosis.compiler_failure(isa, error)


def _rows(
    expected: Outcomes, ends: Sequence[Status] = (Status.RETURNED, Status.TRAPPED)
) -> Iterator[int]:
    """Yield the inputs that are run: the first that end so."""
    ended = np.isin(expected.status, ends)
    yield from np.flatnonzero(ended)[:_INPUTS].tolist()


def _events(case: Case, functions: list[Function], fuel: int) -> list[MemoryEvent]:
    return memory_events(functions, case.inputs, run_options(case, fuel))


def _finding(isa: str, found: OrderDeviation, row: int, *, known: bool) -> Finding:
    detail = f"{found.detail} {_MID_END}"
    finding = Finding(FindingKind.ORDER, isa, detail, (f"input {row}: {found}",), (row,))
    return diagnosis.known_as(finding, alias_regions.FAULT) if known else finding


def _is_alias_fault(
    case: Case,
    isa: str,
    functions: Functions,
    source: list[MemoryEvent],
    fuel: int,
    optimizer: Optimizer,
) -> bool:
    """Whether the order is another only since accesses have alias regions or not."""
    if not has_fault(alias_regions.FAULT, isa):
        return False
    compiled = [function for function, _ in read_file(functions.display()).functions]
    if not alias_regions.mixes_regions(compiled):
        return False
    plain = alias_regions.without_regions(compiled)
    without = replace(case, functions=plain)
    optimised = _optimised(without, isa, Functions(print_functions(plain)), optimizer)
    if not isinstance(optimised, list):
        return False
    return compare_events(source, _events(case, optimised, fuel)) is None
