"""Calling a function: its frame, and the frames of what it calls in tail position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clif.function import Function
from clif.outcome import Status
from interp.frame import Frame, Returns
from interp.lanes import Lanes, Mask
from interp.machine import Machine
from interp.stack_limit import heed_stack_limit


def call(
    machine: Machine, function: Function, args: Sequence[Lanes], mask: Mask
) -> tuple[list[Lanes] | None, Mask]:
    """Run a function for the inputs in ``mask``, then the functions that it tail-calls.

    Returns:
        The results (None if no input returned), and the mask of the inputs that returned.
    """
    if machine.depth == machine.options.depth:
        machine.too_deep = True
        reason = f"more than {machine.options.depth} open calls"
        machine.record(np.flatnonzero(mask), Status.HUNG, reason)
        return None, np.zeros_like(mask)
    machine.depth += 1
    returns = Returns()
    open_frame = machine.open_frame or Frame
    waiting = {function: (args, mask)}
    while waiting:
        callee, (args, mask) = waiting.popitem()
        frame = open_frame(machine, callee, args, mask, returns, waiting)
        if callee.stack_limit is not None:
            heed_stack_limit(frame)
        frame.run()
    machine.depth -= 1
    return returns.values, np.zeros_like(mask) if returns.mask is None else returns.mask
