"""Who says what a case should do. Today the reference interpreter; others can stand beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import interp
from clif.outcome import Outcomes
from fuzz.case import Case, has_canonical_nans

#: Instructions that one input may execute. The generator bounds its cases far below.
DEFAULT_FUEL = 1_000_000

Oracle = Callable[[Case, int], Outcomes]


class OracleError(Exception):
    """The oracle cannot judge a case; the message is the reason, fit for counting."""


def interpreter(case: Case, fuel: int = DEFAULT_FUEL) -> Outcomes:
    """The reference interpreter's outcomes of all inputs.

    Raises:
        OracleError: the case uses something that has no meaning there.
    """
    options = interp.Options(canonical_nans=has_canonical_nans(case), fuel=fuel)
    try:
        return interp.run(case.functions, case.inputs, options)
    except interp.Unsupported as error:
        raise OracleError(str(error)) from error


ORACLES: Final[dict[str, Oracle]] = {"interp": interpreter}
