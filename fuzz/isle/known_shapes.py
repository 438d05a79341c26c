"""Fragments that always run into a known finding.

Cases are not directed at them, since that would only hide other findings.
``fuzz.known.faults`` has single instructions, ``fuzz.known.failures`` has
failures that are recognised when they are found. Here are combinations of instructions, which the
rest of the generator may still emit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from clif.types import I128
from fuzz.isle.fragment import Fragment, Step
from fuzz.known.status import has_fault


def _minimum_of_i128(fragment: Fragment) -> bool:
    """Return whether there is a ``select`` of the two i128 that its condition compares."""
    for step in fragment.steps:
        condition = step.args[0] if step.instruction.name == "select" else None
        if condition is None or condition < 0 or step.instruction.type is not I128:
            continue
        compared = fragment.steps[condition]
        if compared.instruction.name == "icmp" and set(compared.args) == set(step.args[1:]):
            return True
    return False


def _mask_of_i128_bits(fragment: Fragment) -> bool:
    """Return whether there is ``x & ((1 << y) - 1)`` with an i128 y."""
    steps = fragment.steps
    return any(step.instruction.name == "band" for step in steps) and any(
        step.instruction.name == "ishl"
        and step.instruction.operands[1] is I128
        and _is_one(fragment, step)
        for step in steps
    )


def _is_one(fragment: Fragment, shift: Step) -> bool:
    number = shift.args[0]
    return number is not None and number >= 0 and fragment.steps[number].imm == 1


#: The tests for these fragments, by the name of the case in ``corpus/cranelift``.
KNOWN: Final[dict[str, Callable[[Fragment], bool]]] = {
    "select-icmp-i128": _minimum_of_i128,
    "bzhi-i128-amount": _mask_of_i128_bits,
}


def known_finding(fragment: Fragment) -> str | None:
    """Return the name of the case in ``corpus/cranelift`` with the finding, or None."""
    return next(
        (name for name, concerns in KNOWN.items() if has_fault(name) and concerns(fragment)), None
    )
