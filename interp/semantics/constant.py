"""Constants."""

from __future__ import annotations

import numpy as np

from clif.function import Inst
from clif.outcome import words_from_ints
from clif.types import F16, F32, F64, F128, I64
from interp.lanes import Lanes, constant
from interp.machine import Frame
from interp.registry import effect


@effect
def iconst(frame: Frame, inst: Inst) -> Lanes:
    return constant(inst.type or I64, inst.imm, frame.machine.n)


@effect
def f16const(frame: Frame, inst: Inst) -> Lanes:
    return constant(F16, inst.imm, frame.machine.n)


@effect
def f32const(frame: Frame, inst: Inst) -> Lanes:
    return constant(F32, inst.imm, frame.machine.n)


@effect
def f64const(frame: Frame, inst: Inst) -> Lanes:
    return constant(F64, inst.imm, frame.machine.n)


@effect
def f128const(frame: Frame, inst: Inst) -> Lanes:
    return constant(F128, inst.imm, frame.machine.n)


@effect
def vconst(frame: Frame, inst: Inst) -> Lanes:
    return np.repeat(words_from_ints(inst.results[0].type, [inst.imm]), frame.machine.n, axis=0)
