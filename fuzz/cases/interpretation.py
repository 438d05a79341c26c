"""How a case is interpreted: what of its settings and of its machines the interpreter follows."""

from __future__ import annotations

from fuzz.cases.case import Case, has_canonical_nans
from interp import NanBits, RunOptions
from interp.options import DEFAULT


def run_options(
    case: Case,
    fuel: int = DEFAULT.fuel,
    *,
    layout: int = 0,
    nan_bits: NanBits = NanBits.HOST,
) -> RunOptions:
    """Return how to run a case: with its NaNs, and in its byte order.

    Args:
        fuel, layout, nan_bits: as in ``RunOptions``.
    """
    return RunOptions(
        canonical_nans=has_canonical_nans(case),
        fuel=fuel,
        layout=layout,
        nan_bits=nan_bits,
        byte_order=case.byte_order,
    )
