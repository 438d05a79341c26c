"""Options of a fuzz target, and the error for a fault that it cannot inject."""

from __future__ import annotations

from dataclasses import dataclass


class FaultError(ValueError):
    """The fault to inject is unknown, or the target has no place to inject it."""


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """Options of a fuzz target.

    Attributes:
        fault: name of a fault of ``clif-fuzz selfcheck`` to inject into every case, which shows
            that the target detects it; empty for none.
        guided: derive new units from old ones by mutation. If False, every unit is a newly drawn
            case, for comparison.
    """

    fault: str = ""
    guided: bool = True


def refuse_fault(name: str, options: TargetOptions) -> None:
    """Refuse fault injection, for a target that compiles no cases.

    Raises:
        FaultError: the options ask for a fault.
    """
    if options.fault:
        raise FaultError(f"target {name} compiles no case that a fault could be put into")
