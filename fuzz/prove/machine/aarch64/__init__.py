"""The ISA that this package is named like: registers, and what SLEIGH does not say of it."""

from __future__ import annotations

from typing import Final

from fuzz.prove.machine.description import Machine, ValueRegisters
from fuzz.prove.semantics.float import saturated
from fuzz.prove.terms import Term

from .instructions import INSTRUCTIONS
from .opaque import OPAQUE


def _to_integer(x: Term, bits: int) -> Term:
    return saturated(x, bits, signed=True)


_INTEGERS: Final = tuple(f"x{n}" for n in range(8))
_VECTORS: Final = tuple(f"q{n}" for n in range(8))
_USUAL: Final = ValueRegisters(_INTEGERS, _VECTORS, _INTEGERS, _VECTORS)
# x0 and x1 hold what an exception carries.
_TAIL: Final = ValueRegisters(_INTEGERS[2:], _VECTORS, _INTEGERS[2:], _VECTORS)

MACHINE: Final = Machine(
    isa=__name__.rpartition(".")[2],
    language="AARCH64:LE:64:v8A",
    conventions={"system_v": _USUAL, "fast": _USUAL, "tail": _TAIL, "preserve_all": _USUAL},
    vector="q0",
    stack_pointer="sp",
    link="x30",
    opaque=OPAQUE,
    instructions=INSTRUCTIONS,
    library_calls={},
    to_integer=_to_integer,
    division_traps=False,
    clears_above=True,
    traps=frozenset({"udf"}),
    name_of=str.lower,
)
