"""What a user may ask of the generator."""

from __future__ import annotations

from dataclasses import dataclass

from clif.types import F16, F32, F64, INTS, VECTORS_128, Type
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


@dataclass(frozen=True, slots=True)
class Options:
    """How cases are drawn.

    Attributes:
        instructions: about how many instructions a case has, all functions together.
        inputs: rows of arguments.
        trapping_share: share of the cases that are drawn as trapping ones.
        isas: names of the ISAs that settings are drawn for.
        opcodes: names of the pure opcodes to draw from; None for all.
        vectors: let 128-bit vectors through.
        single_pass: draw the ``single_pass`` register allocator too. Off: it is reported broken
            (Wasmtime issue 11546).
        call_convs: calling conventions to draw from; None for all that every ISA has.
        steps: bound on the instructions that one input executes.
        callees: how many functions a case has besides its main one, at most.
    """

    instructions: int = 50
    inputs: int = 32
    trapping_share: float = 0.05
    isas: tuple[str, ...] = ("x86_64", "aarch64")
    opcodes: frozenset[str] | None = None
    vectors: bool = False
    single_pass: bool = False
    call_convs: tuple[str, ...] | None = None
    steps: int = 3000
    callees: int = 3

    @property
    def types(self) -> tuple[Type, ...]:
        """The types that values of a case may have."""
        scalars = (*INTS, F32, F64)
        if not self.vectors:
            return scalars
        return scalars + tuple(t for t in VECTORS_128 if t.lane is not F16)

    @property
    def conventions(self) -> tuple[str, ...]:
        """The calling conventions to draw from."""
        return self.call_convs or common(self.isas)
