"""The byte order of what lies in a guest's memory: arrays of the host that follow it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clif.byte_order import ByteOrder
from clif.outcome import Bytes

__all__ = ["ByteOrder", "Quads", "in_order", "quads"]

#: Words of 64 bits of the guest. NumPy converts what is read and written.
Quads = npt.NDArray[np.uint64]


def in_order(dtype: np.dtype[Any], order: ByteOrder) -> np.dtype[Any]:
    """Return a dtype in a byte order."""
    return dtype.newbyteorder(order)


def quads(memory: Bytes, order: ByteOrder) -> Quads:
    """Return bytes of the guest as its words of 64 bits."""
    return memory.view(in_order(np.dtype(np.uint64), order))
