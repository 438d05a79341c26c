"""The options of the generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clif.types import ALL, F32, F64, INTS, Type
from fuzz.cases.case_options import CaseOptions, IsaWeight
from fuzz.generate.conventions import common

TRAP_CODES = (
    "user1",
    "heap_oob",
    "int_ovf",
    "int_divz",
    "bad_toint",
    "user42",
    "user200",
    "stk_ovf",
)

_DEFAULTS = CaseOptions()

#: The types of most code; every ISA supports all operations on them.
PLAIN_TYPES = (*INTS, F32, F64)
#: Types of more than 128 bits are missing, since no ISA has such registers in Cranelift.
EVERY_TYPE = PLAIN_TYPES + tuple(t for t in ALL if t.bits <= 128 and t not in PLAIN_TYPES)


@dataclass(frozen=True, slots=True)
class Options:
    """How cases are drawn.

    Attributes:
        instructions: about how many instructions a case has, in all functions together.
        inputs: how many inputs a case has.
        trapping_share: the share of the cases that may trap.
        isas: names of the ISAs that cases are for: all of them, or sometimes a single one.
        isa_weights: of the ISAs that do not run every case.
        alone: whether some cases are for a single one of the ISAs.
        opcodes: names of the pure opcodes to draw from; None for all.
        settings: draw settings and ISA flags; otherwise only ``opt_level`` is drawn.
        vectors: draw vectors, f16 and f128.
        single_pass: draw the ``single_pass`` register allocator.
        chaos: give some cases bytes for Cranelift's chaos mode.
        inlining_share: the share of the configurations in which calls are inlined, of cases that
            have callees.
        call_convs: the calling conventions to draw from; None for all that every ISA has.
        any_order: accesses have any byte order, also those that the ISAs have no code for.
        steps: an upper bound on the instructions that one input executes.
        callees: how many functions a case has besides main, at most.
        extra_parts: functions that emit further parts. Each is called with the ``Writer`` and its
            entropy, and returns False if its part does not fit there.
        call_share: the probability that the next part of a function is a call, beside what is drawn
            anyway, where there is a function to call.
        stage_parts: draw parts, addresses and uses of extended values that are made for single
            stages of Cranelift. Only measurements are without.
        directed_share: the probability that the next part of a function is one that the director
            decides on.
    """

    instructions: int = _DEFAULTS.instructions
    inputs: int = _DEFAULTS.inputs
    trapping_share: float = _DEFAULTS.trapping_share
    isas: tuple[str, ...] = _DEFAULTS.isas
    isa_weights: tuple[IsaWeight, ...] = ()
    alone: bool = True
    opcodes: frozenset[str] | None = None
    settings: bool = True
    vectors: bool = True
    single_pass: bool = True
    chaos: bool = True
    inlining_share: float = 0.1
    call_convs: tuple[str, ...] | None = None
    any_order: bool = False
    steps: int = 3000
    callees: int = 3
    extra_parts: tuple[Callable[[Any, Any], bool], ...] = ()
    call_share: float = 0.0
    stage_parts: bool = True
    directed_share: float = _DEFAULTS.rules_share

    @property
    def types(self) -> tuple[Type, ...]:
        """The types that values of a case may have."""
        return EVERY_TYPE if self.vectors else PLAIN_TYPES

    @property
    def conventions(self) -> tuple[str, ...]:
        """The calling conventions to draw from."""
        return self.call_convs or common(self.isas)
