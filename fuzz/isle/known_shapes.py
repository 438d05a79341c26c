"""Fragments that run into a known finding every time: directing cases at it again would only hide
others.

``backend.cranelift.known_faults`` has single instructions, ``backend.cranelift.known_failures``
what is recognised when it has been found; here are shapes, which the rest of the generator may
still come across.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from backend.cranelift.known_faults import has_fault
from clif.types import I128
from fuzz.isle.fragment import Fragment, Step


def _minimum_of_i128(fragment: Fragment) -> bool:
    """``select`` of the two values that its condition compares."""
    for step in fragment.steps:
        condition = step.args[0] if step.instruction.name == "select" else None
        if condition is None or condition < 0 or step.instruction.type is not I128:
            continue
        compared = fragment.steps[condition]
        if compared.instruction.name == "icmp" and set(compared.args) == set(step.args[1:]):
            return True
    return False


def _mask_of_i128_bits(fragment: Fragment) -> bool:
    """``x & ((1 << y) - 1)`` where y is an i128."""
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


#: By the name of the case in ``corpus/cranelift``.
KNOWN: Final[dict[str, Callable[[Fragment], bool]]] = {
    "select-icmp-i128": _minimum_of_i128,
    "bzhi-i128-amount": _mask_of_i128_bits,
}


def known_finding(fragment: Fragment) -> str | None:
    """The case in ``corpus/cranelift`` that says what is wrong, or None."""
    return next(
        (name for name, concerns in KNOWN.items() if has_fault(name) and concerns(fragment)), None
    )
