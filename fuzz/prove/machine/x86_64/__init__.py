"""The ISA that this package is named like: registers, and what SLEIGH does not say of it."""

from __future__ import annotations

from typing import Final

from fuzz.prove.lane_operations import shuffled_bytes
from fuzz.prove.machine.description import Machine, ValueRegisters
from fuzz.prove.semantics.float import least_if_outside

from .instructions import INSTRUCTIONS
from .opaque import OPAQUE

_ARGUMENTS: Final = ("RDI", "RSI", "RDX", "RCX", "R8", "R9")
_VECTORS: Final = tuple(f"XMM{n}" for n in range(8))
# The third integer result is one of enable_llvm_abi_extensions, which every case has.
_USUAL: Final = ValueRegisters(_ARGUMENTS, _VECTORS, ("RAX", "RDX", "RCX"), _VECTORS[:2])
_TAIL: Final = ValueRegisters(
    _ARGUMENTS, _VECTORS, ("RAX", "RCX", "RDX", "RSI", "RDI", "R8", "R9", "R10"), _VECTORS
)

MACHINE: Final = Machine(
    isa=__name__.rpartition(".")[2],
    language="x86:LE:64:default",
    conventions={"system_v": _USUAL, "fast": _USUAL, "tail": _TAIL, "preserve_all": _USUAL},
    vector="XMM0",
    stack_pointer="RSP",
    link="",
    opaque=OPAQUE,
    instructions=INSTRUCTIONS,
    library_calls={"X86Pshufb": shuffled_bytes},
    to_integer=least_if_outside,
    division_traps=True,
    clears_above=False,
    traps=frozenset({"ud2"}),
    name_of=str.upper,
)
