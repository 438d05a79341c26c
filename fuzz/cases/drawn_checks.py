"""Has some cases of a campaign ask for a check of more than their outcomes.

These are the checks that any case can ask for and that cost few times what the case does. Left out
is ``stack-maps``, which needs a case made for it, and ``labels``, of which most cases show known
faults: fuzz targets are for these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from fuzz.cases.case import Case, ExtraCheck, with_check
from fuzz.cases.frame_check import with_frame_check
from fuzz.cases.order_check import why_code_unchecked
from fuzz.entropy import Entropy

#: How a case is made to ask for each of the checks.
DRAWN_CHECKS: Final[tuple[Callable[[Case], Case], ...]] = (
    with_frame_check,
    partial(with_check, check=ExtraCheck.ORDER),
    partial(with_check, check=ExtraCheck.OBJECTS),
    partial(with_check, check=ExtraCheck.JIT),
)


def with_drawn_check(case: Case, entropy: Entropy, isas: Sequence[str]) -> Case:
    """Return a case that asks for one more check, or the case itself if one of its ISAs has none.

    Args:
        isas: those that a case is for which names none.
    """
    asked = entropy.choice(DRAWN_CHECKS)(case)
    if ExtraCheck.ORDER in asked.checks and any(map(why_code_unchecked, case.isas or isas)):
        return case
    return asked
