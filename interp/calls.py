"""Calling a function: its frame, and the frames of what it calls in tail position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from clif.function import Function
from clif.outcome import Status
from interp.frame import Frame, Returns
from interp.lanes import Lanes, Mask
from interp.machine import Machine

#: Calls that may be open at once. Each takes five Python frames, of which there may be 1000.
MAX_DEPTH: Final = 128


def call(
    machine: Machine, function: Function, args: Sequence[Lanes], mask: Mask
) -> tuple[list[Lanes] | None, Mask]:
    """Run a function for the inputs in ``mask``, then the functions that it tail-calls.

    Returns:
        The results (None if no input returned), and the mask of the inputs that returned.
    """
    if machine.depth == MAX_DEPTH:
        machine.record(np.flatnonzero(mask), Status.HUNG, f"more than {MAX_DEPTH} open calls")
        return None, np.zeros_like(mask)
    machine.depth += 1
    returns = Returns()
    waiting = {function: (args, mask)}
    while waiting:
        callee, (args, mask) = waiting.popitem()
        Frame(machine, callee, args, mask, returns, waiting).run()
    machine.depth -= 1
    return returns.values, np.zeros_like(mask) if returns.mask is None else returns.mask
