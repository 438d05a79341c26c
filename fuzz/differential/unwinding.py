"""Whether the tables of frames lead from each instruction of a run back to the caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from backend.cranelift.compiler import CompileError, CompilerPanic
from backend.emulator.executor import NOT_EXECUTABLE
from backend.emulator.frames import Misled, UnwindDeviation
from backend.emulator.linker import Compiled
from backend.emulator.unwind_tables import UnwindTableError
from clif.outcome import Outcomes, Status
from fuzz.cases.case import Case, effective_settings
from fuzz.cases.frame_check import can_follow_frames, makes_tail_calls, misleading_tables
from fuzz.differential import diagnosis
from fuzz.differential.finding import Finding, FindingKind

#: So many inputs of a case are run: each instruction of them is looked at, which takes a while.
_INPUTS: Final = 2
#: So many deviations are in a finding.
_SHOWN: Final = 4


def check_unwinding(
    case: Case, isa: str, code: Sequence[Compiled], expected: Outcomes
) -> Finding | str:
    """Run some inputs of a case once more, and follow the tables at each instruction.

    Args:
        code: of the case; functions without tables are not checked.

    Returns:
        A finding; or the reason why nothing can be said, empty if all is well.
    """
    rows = np.flatnonzero(expected.status == Status.RETURNED)[:_INPUTS].tolist()
    if not rows or not can_follow_frames(isa):
        return ""
    if effective_settings(case, isa).get("unwind_info") == "false":
        return f"{isa}: unwind: there are no tables with unwind_info=false"
    try:
        found = misleading_tables(case, isa, code, rows)
    except UnwindTableError as error:
        return Finding(FindingKind.UNWIND, isa, "unreadable table", (str(error),))
    except (CompileError, CompilerPanic) as error:
        if diagnosis.is_unimplemented(error):
            return f"{isa}: unwind: {error.message}"
        return diagnosis.compiler_failure(isa, error)
    except NOT_EXECUTABLE as error:
        return f"{isa}: unwind: {error}"
    return _finding(case, isa, found) if found else ""


def _finding(case: Case, isa: str, found: Sequence[UnwindDeviation]) -> Finding:
    first = min(found, key=lambda each: each.in_prologue)
    why = _why(case, isa, first)
    alike = [str(each) for each in found if each.detail == first.detail]
    return Finding(FindingKind.UNWIND, isa, first.detail + why, tuple(alike[:_SHOWN]))


def _why(case: Case, isa: str, found: UnwindDeviation) -> str:
    """Return what may move a function's frame, or its stack pointer in the prologue, in words."""
    function = next(each for each in case.functions if each.name == found.function)
    if makes_tail_calls(function) and (found.in_prologue or found.what is Misled.REGISTER):
        return ", a tail call"
    if not found.in_prologue:
        return ""
    settings = effective_settings(case, isa)
    if settings.get("enable_probestack") == "true":
        return f", {settings.get('probestack_strategy', 'outline')} probes"
    return ""
