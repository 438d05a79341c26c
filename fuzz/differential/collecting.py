"""Whether a case does the same where a collector moves what its stack maps name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

import interp
from backend.emulator.executor import NOT_EXECUTABLE
from backend.emulator.linker import Compiled
from clif.outcome import Outcomes, Status
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.compare import difference_kind, observe
from fuzz.cases.frame_check import can_follow_frames
from fuzz.cases.map_check import has_maps, run_collected
from fuzz.cases.source_maps import has_right_maps
from fuzz.differential.explain import describe
from fuzz.differential.finding import Finding, FindingKind

#: So many inputs of a case are run: each instruction of them is looked at, which takes a while.
_INPUTS: Final = 2


def check_stack_maps(
    case: Case, isa: str, code: Sequence[Compiled], expected: Outcomes
) -> Finding | str:
    """Run some inputs of a case once more, with a collector that moves objects.

    Args:
        code: of the case. Code of an older release comes without its stack maps.

    Returns:
        A finding; or the reason why nothing can be said, empty if all is well.
    """
    if not can_follow_frames(isa):
        return ""
    if not has_maps(code):
        return f"{isa}: stack maps: the code comes without them"
    for row in np.flatnonzero(expected.status == Status.RETURNED)[:_INPUTS].tolist():
        try:
            collected = run_collected(case, isa, code, row)
        except NOT_EXECUTABLE as error:
            return f"{isa}: stack maps: {error}"
        wanted, found = observe(expected, row), observe(collected.outcomes, 0)
        kind = difference_kind(wanted, found, canonical_nans=has_canonical_nans(case))
        if not collected.deviations and kind is None:
            continue
        if reason := _own_fault(case, row, expected):
            return f"{isa}: stack maps: {reason}"
        if collected.deviations:
            lines = tuple(map(str, collected.deviations))
            return Finding(FindingKind.STACK_MAP, isa, "a place without a reference", lines)
        lines = (f"expected {describe(wanted)}", f"actual   {describe(found)}")
        return Finding(FindingKind.STACK_MAP, isa, "another outcome", lines)
    return ""


def _own_fault(case: Case, row: int, expected: Outcomes) -> str:
    """Return what is wrong of the case's own stack maps, so that it says nothing of Cranelift's."""
    try:
        right = has_right_maps(case, row, expected)
    except interp.Unsupported as error:
        return str(error)
    return "" if right else "those of the case itself do not name what it uses"
