"""Constants, the same for all inputs."""

from __future__ import annotations

from clif.function import Inst
from clif.types import F16, F32, F64, F128, I64
from interp.frame import Frame
from interp.lanes import Lanes, constant, vector_constant
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
    return vector_constant(inst.results[0].type, inst.imm, frame.machine.n)
