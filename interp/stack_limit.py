"""Stack limits: where an input's own memory says that the stack ends.

No frame has an address or a size here that an executor would agree on. So limits far below every
stack are heeded, by doing nothing, and what a function with another one does is undefined.
"""

from __future__ import annotations

import numpy as np

from clif.function import MemFlags
from clif.stack_limit import HIGHEST_LIMIT, StackLimitError, limit_path, vmctx_parameter
from clif.types import I64
from interp.access import load
from interp.frame import Frame, NoLanes
from interp.registry import Unsupported

_FLAGS = MemFlags(trap=None)


def heed_stack_limit(frame: Frame) -> None:
    """End the inputs of a new frame whose stack limit may be above the stack.

    Raises:
        Unsupported: the limit cannot be computed.
    """
    function = frame.function
    param = vmctx_parameter(function)
    try:
        *loads, last = limit_path(function)
        if param is None:
            raise StackLimitError("there is no vmctx parameter for the stack limit")
    except StackLimitError as error:
        raise Unsupported("stack_limit", "", str(error)) from error
    try:
        address = frame.env[function.entry.params[param]]
        for offset in loads:
            address = load(frame, _FLAGS, I64, address, offset)
        limit = address + np.uint64(last & 0xFFFF_FFFF_FFFF_FFFF)
        frame.violate(limit > HIGHEST_LIMIT, "the stack limit may be above the stack")
        frame.pending = {function.entry: frame.mask}
    except NoLanes:
        frame.pending = {}
