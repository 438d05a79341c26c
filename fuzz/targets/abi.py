"""Calls: signatures, calling conventions, many arguments and results, what a callee preserves.

Most of a case is calls between small functions; every executor checks after each run that the
callee-saved registers and the stack pointer are what they were.
"""

from __future__ import annotations

from fuzz.generate import Generator, Options
from fuzz.targets.differential import Differential

_INPUTS = 8
_CALLEES = 6
_INSTRUCTIONS = 60


def target(isas: tuple[str, ...]) -> Differential:
    options = Options(
        instructions=_INSTRUCTIONS, inputs=_INPUTS, trapping_share=0.0, isas=isas, callees=_CALLEES
    )
    return Differential(isas, Generator(options))
