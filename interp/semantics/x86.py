"""What x86 instructions compute, where it differs from CLIF's own operations.

``x86_pshufb`` is in ``rearrange``, ``x86_pmulhrsw`` in ``saturate``, ``x86_cvtt2dq`` in
``convert_float``: each beside the operation that it varies.
"""

from __future__ import annotations

import numpy as np

from clif.function import Inst
from interp.lanes import Lanes
from interp.registry import pure


@pure
def x86_pmaddubsw(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    """Signed bytes of ``x`` times unsigned bytes of ``y``, neighbours added with saturation."""
    products = x.view(np.int8).astype(np.int32) * y.astype(np.int32)
    sums = products[:, ::2] + products[:, 1::2]
    packed: Lanes = np.clip(sums, -0x8000, 0x7FFF).astype(np.int16).view(np.uint16)
    return packed
