"""What a user may ask of the generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clif.types import ALL, F32, F64, INTS, Type
from fuzz.cases.case_options import CaseOptions
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

#: What most code consists of; every ISA can do everything with them.
PLAIN_TYPES = (*INTS, F32, F64)
#: No ISA of ours has registers of more than 128 bits in Cranelift.
EVERY_TYPE = PLAIN_TYPES + tuple(t for t in ALL if t.bits <= 128 and t not in PLAIN_TYPES)


@dataclass(frozen=True, slots=True)
class Options:
    """How cases are drawn.

    Attributes:
        instructions: about how many instructions a case has, all functions together.
        inputs: rows of arguments.
        trapping_share: share of the cases that are drawn as trapping ones.
        isas: names of the ISAs that cases are for: all of them, or sometimes one alone.
        alone: let some cases be for one of the ISAs alone.
        opcodes: names of the pure opcodes to draw from; None for all.
        settings: draw settings and ISA flags; else only ``opt_level`` is drawn.
        idioms: draw shapes that rules look for (``fuzz.generate.idioms``).
        vectors: draw vectors, f16 and f128 too.
        single_pass: draw the ``single_pass`` register allocator too.
        chaos: let some cases have bytes for Cranelift's chaos mode.
        call_convs: calling conventions to draw from; None for all that every ISA has.
        steps: bound on the instructions that one input executes.
        callees: how many functions a case has besides its main one, at most.
        extra_parts: further parts to draw (``fuzz.generate.idioms.part.Part``), every
            other time that an idiom is due.
        directed_share: probability that the next part of a function is directed at one of
            Cranelift's rules; nothing is where ``opcodes`` are given.
    """

    instructions: int = _DEFAULTS.instructions
    inputs: int = _DEFAULTS.inputs
    trapping_share: float = _DEFAULTS.trapping_share
    isas: tuple[str, ...] = _DEFAULTS.isas
    alone: bool = True
    opcodes: frozenset[str] | None = None
    settings: bool = True
    idioms: bool = True
    vectors: bool = True
    single_pass: bool = True
    chaos: bool = True
    call_convs: tuple[str, ...] | None = None
    steps: int = 3000
    callees: int = 3
    extra_parts: tuple[Callable[[Any, Any], bool], ...] = ()
    directed_share: float = _DEFAULTS.rules_share

    @property
    def types(self) -> tuple[Type, ...]:
        """The types that values of a case may have."""
        return EVERY_TYPE if self.vectors else PLAIN_TYPES

    @property
    def conventions(self) -> tuple[str, ...]:
        """The calling conventions to draw from."""
        return self.call_convs or common(self.isas)
