"""Whether debug information has the values of a run where they are, and names its instructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

import interp
from backend.cranelift.compiler import ReadError
from backend.emulator.executor import NOT_EXECUTABLE
from backend.emulator.linker import Compiled
from backend.emulator.value_locations import (
    BETWEEN_INSTRUCTIONS,
    IN_COLD_BLOCK,
    IN_SHARED_REGISTER,
    IN_WHOLE_RANGE,
    WITHOUT_LOCATION,
)
from backend.engines.names import DEFAULT_ENGINE
from clif.outcome import Outcomes, Status
from fuzz.cases.case import Case
from fuzz.cases.frame_check import can_follow_frames
from fuzz.cases.label_check import (
    OpenCallsError,
    is_labelled,
    misplaced_values,
)
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
    try:
        report = misplaced_values(case, isa, code, rows)
    except ReadError as error:
        return f"{isa}: labels: {error.message}"
    except (interp.Unsupported, OpenCallsError, *NOT_EXECUTABLE) as error:
        return f"{isa}: labels: {error}"
    if not report.deviations:
        return ""
    # The engine computes other values there than a CPU, which no other engine can be asked about:
    # this one alone is followed from instruction to instruction.
    if faults := wrong_forms(isa, code, DEFAULT_ENGINE):
        return f"{isa}: labels: the emulator's fault {faults[0].name}{UNPROVED}"
    first = min(report.deviations, key=lambda each: each.detail.endswith(_COARSE))
    alike = [str(each) for each in report.deviations if each.detail == first.detail]
    return Finding(FindingKind.LABEL, isa, first.detail, tuple(alike[:_SHOWN]))
