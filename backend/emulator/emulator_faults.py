"""Known faults of the emulator, and how to recognise code that they concern.

They are looked for only after a difference was found. Those of an ISA's instructions are in
``backend/isa/<name>/emulator_faults.py``. Each was shown against a host CPU or another
engine, and the tests show it again where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from backend.emulator.disassembly import Code, disassemble
from backend.emulator.isa import Isa, Part

#: The name of the engine in this process.
UNICORN: Final = "unicorn"


class Effect(Enum):
    """What an emulator fault does to a correct program."""

    WRONG_RESULT = "wrong result"
    SPURIOUS_FAULT = "spurious fault"
    NAN_PAYLOAD = "NaN payload"
    UNREAD_BITS = "bits that Cranelift takes to be undefined"
    DEATH = "the engine's death"


@dataclass(frozen=True, slots=True)
class EmulatorFault:
    """A form of instruction that the emulator gets wrong.

    Attributes:
        name: in findings.
        explanation: what happens, in one sentence.
        engine: the name of the engine that gets it wrong.
    """

    name: str
    explanation: str
    effect: Effect = Effect.WRONG_RESULT
    engine: str = UNICORN


#: What code can hardly show.
_HARMLESS: Final = (Effect.NAN_PAYLOAD, Effect.UNREAD_BITS)

#: Finds faults in the instructions of a function, as Capstone has them.
Matcher = Callable[[Sequence[Any]], Iterator[EmulatorFault]]

#: What finds the known faults of an ISA.
EMULATOR_FAULTS: Final = Part[tuple[Matcher, ...]]("emulator_faults", "EMULATOR_FAULTS")


def find_faults(
    isa: Isa, code: Code, *, engine: str = UNICORN, harmless: bool = False
) -> list[EmulatorFault]:
    """Return the faults that a function's code may be subject to on an engine, once each, sorted.

    ``harmless`` includes those that only matter where payloads of NaNs are compared, which nearly
    all code that computes with floats has, or in bits that Cranelift takes to be undefined.
    """
    instructions = disassemble(isa, code)
    every = {fault for matcher in EMULATOR_FAULTS.of(isa) for fault in matcher(instructions)}
    found = {fault for fault in every if fault.engine == engine}
    if not harmless:
        found = {fault for fault in found if fault.effect not in _HARMLESS}
    return sorted(found, key=lambda fault: fault.name)
