"""Whether debug information has the values of a run where they are, and names its instructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

import interp
from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    Functions,
    ReadError,
    UnsupportedError,
)
from backend.emulator.emulator_faults import EmulatorFault
from backend.emulator.executor import NOT_EXECUTABLE
from backend.emulator.linker import Compiled
from backend.emulator.value_locations import (
    BETWEEN_INSTRUCTIONS,
    IN_COLD_BLOCK,
    IN_SHARED_REGISTER,
    IN_WHOLE_RANGE,
    WITHOUT_LOCATION,
    LocationDeviation,
)
from backend.engines.names import DEFAULT_ENGINE
from clif.outcome import Outcomes, Status
from clif.printer import print_functions
from fuzz.cases.case import Case, with_flags
from fuzz.cases.frame_check import can_follow_frames
from fuzz.cases.label_check import (
    OpenCallsError,
    is_labelled,
    misplaced_values,
)
from fuzz.cases.target import compile_case
from fuzz.differential.diagnosis import wrong_forms
from fuzz.differential.finding import UNPROVED, Finding, FindingKind

#: So many inputs of a case are run: each instruction of them is looked at, which takes a while.
_INPUTS: Final = 2
#: So many deviations are in a finding.
_SHOWN: Final = 4
#: What many cases show, and must not hide anything else.
_COARSE: Final = (
    BETWEEN_INSTRUCTIONS,
    IN_COLD_BLOCK,
    IN_SHARED_REGISTER,
    IN_WHOLE_RANGE,
    WITHOUT_LOCATION,
)


def check_labels(
    case: Case, isa: str, code: Sequence[Compiled], expected: Outcomes
) -> Finding | str:
    """Run some inputs of a case once more, and look at labelled values at each instruction.

    Args:
        code: of the case. Code of an older release comes without labels.

    Returns:
        A finding; or the reason why nothing can be said, empty if all is well.
    """
    returned = np.flatnonzero(expected.status == Status.RETURNED)[:_INPUTS].tolist()
    rows = returned + sorted(expected.traps)[:_INPUTS]
    if not rows or not can_follow_frames(isa):
        return ""
    if not is_labelled(code):
        return f"{isa}: labels: the code comes without them"
    found = _deviations(case, isa, code, rows)
    if isinstance(found, str):
        return found
    if not found:
        return ""
    if faults := wrong_forms(isa, code, DEFAULT_ENGINE):
        return _of_emulator(case, isa, rows, faults[0])
    first = min(found, key=_is_coarse)
    alike = [str(each) for each in found if each.detail == first.detail]
    return Finding(FindingKind.LABEL, isa, first.detail, tuple(alike[:_SHOWN]))


def _deviations(
    case: Case, isa: str, code: Sequence[Compiled], rows: Sequence[int]
) -> Sequence[LocationDeviation] | str:
    """Return where values are not where they should be, or why that cannot be said."""
    try:
        return misplaced_values(case, isa, code, rows).deviations
    except ReadError as error:
        return f"{isa}: labels: {error.message}"
    except (interp.Unsupported, OpenCallsError, *NOT_EXECUTABLE) as error:
        return f"{isa}: labels: {error}"


def _is_coarse(deviation: LocationDeviation) -> bool:
    return deviation.detail.endswith(_COARSE)


def _of_emulator(case: Case, isa: str, rows: Sequence[int], fault: EmulatorFault) -> Finding | str:
    """Return what deviations come to in code that the engine does not execute as a CPU does.

    No other engine can be asked: this one alone is followed from instruction to instruction. So the
    case is compiled without the flag of the ISA that the wrong instruction needs, and all values
    must be in their places then.
    """
    functions = Functions(print_functions(case.functions))
    flags = case.isa_settings.get(isa, {})
    for name in flags:
        fewer = {n: v for n, v in flags.items() if n != name}
        other = with_flags(case, isa, fewer)
        try:
            code = compile_case(other, isa, functions)
        except (UnsupportedError, CompileError, CompilerPanic):
            continue
        if not wrong_forms(isa, code, DEFAULT_ENGINE):
            found = _deviations(other, isa, code, rows)
            if not isinstance(found, str) and all(map(_is_coarse, found)):
                why = f"without {name} all values are in their places"
                return Finding(FindingKind.EMULATOR_FAULT, isa, fault.name, (why,), known=True)
    return f"{isa}: labels: the emulator's fault {fault.name}{UNPROVED}"
