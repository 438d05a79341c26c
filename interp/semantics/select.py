"""Choosing between values."""

from __future__ import annotations

import numpy as np

from clif.function import Inst
from interp.lanes import Lanes, choose
from interp.registry import pure


@pure
def select(_: Inst, c: Lanes, x: Lanes, y: Lanes) -> Lanes:
    return choose(c != 0, x, y)


@pure
def select_spectre_guard(_: Inst, c: Lanes, x: Lanes, y: Lanes) -> Lanes:
    return choose(c != 0, x, y)


@pure
def blendv(inst: Inst, c: Lanes, x: Lanes, y: Lanes) -> Lanes:
    return np.where(c >> (inst.args[0].type.lane_bits - 1) != 0, x, y)
