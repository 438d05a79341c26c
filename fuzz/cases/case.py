"""A case: functions, inputs, and what they are compiled with.

On disk a case is one ``.clif`` file (``fuzz.cases.casefile``); in memory it is this. Everything
else is
derived: outcomes by the interpreter, code by the compiler.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from backend.isa.registry import ISAS
from clif.function import Function
from clif.outcome import Inputs


@dataclass(slots=True, eq=False)
class Case:
    """One unit of fuzzing.

    Attributes:
        functions: the first is run with the inputs; the others are what it calls.
        inputs: arguments, and the region of memory where the case uses one.
        settings: Cranelift's shared settings by name, the same on every ISA; those not named have
            the harness's defaults (``fuzz.cases.case.DEFAULT_SETTINGS``).
        isa_settings: ISA flags, by the ISA's name (``--isa``), then by the flag's.
        trapping: drawn as a trapping case: some inputs may trap, and trap codes are compared. In
            any other case a trap is a fault of the generator.
        chaos: bytes for Cranelift's chaos mode; empty for none.
        origin: where it came from, in a few words (a seed, a file's name).
        isas: the ISAs that the case is for; empty for all. An operation that only one ISA lowers
            is in cases for that one alone.
    """

    functions: list[Function]
    inputs: Inputs
    settings: dict[str, str] = field(default_factory=dict)
    isa_settings: dict[str, dict[str, str]] = field(default_factory=dict)
    trapping: bool = False
    chaos: bytes = b""
    origin: str = ""
    isas: tuple[str, ...] = ()

    @property
    def main(self) -> Function:
        return self.functions[0]

    def is_for(self, isa: str) -> bool:
        """Whether the case is to be compiled for an ISA."""
        return not self.isas or isa in self.isas


#: What a case is compiled with unless it says otherwise, on all ISAs.
DEFAULT_SETTINGS = {"opt_level": "speed", "enable_verifier": "true"} | {
    name: value for isa in ISAS.values() for name, value in isa.settings.items()
}


def effective_settings(case: Case) -> dict[str, str]:
    """The shared settings that the case is compiled with."""
    return DEFAULT_SETTINGS | case.settings


def has_canonical_nans(case: Case) -> bool:
    """Whether every NaN that an operation makes has the same known bits."""
    return effective_settings(case).get("enable_nan_canonicalization") == "true"
