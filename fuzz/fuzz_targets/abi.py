"""Calls: signatures, calling conventions, many arguments and results, what a callee preserves.

Most of a case is calls between small functions; every executor checks after each run that the
callee-saved registers and the stack pointer are what they were.
"""

from __future__ import annotations

from fuzz.entropy import Entropy
from fuzz.fuzz_targets.differential import Differential
from fuzz.generate import Generator, Options

_INPUTS = 8
_FEWEST_CALLEES, _MOST_CALLEES = 2, 6
_INSTRUCTIONS = 60


class Callees(Generator):
    """Makes cases of many small functions."""

    def _budgets(self, entropy: Entropy) -> list[int]:
        count = entropy.between(_FEWEST_CALLEES, self.options.callees)
        return [max(3, self.options.instructions // (2 * (count + 1)))] * (count + 1)


def target(isas: tuple[str, ...]) -> Differential:
    options = Options(
        instructions=_INSTRUCTIONS,
        inputs=_INPUTS,
        trapping_share=0.0,
        isas=isas,
        callees=_MOST_CALLEES,
        directed_share=0.0,
    )
    return Differential(isas, Callees(options))
