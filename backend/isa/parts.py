"""The parts that every ISA has of its own: those of the emulator, and those of its users."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from backend.emulator.access_order import ORDERING
from backend.emulator.cpu import CPU
from backend.emulator.disassembly import DECODER, DISASSEMBLE
from backend.emulator.emulator_faults import EMULATOR_FAULTS
from backend.emulator.isa import Part
from backend.emulator.libcalls import LIBRARY_CALLS
from backend.emulator.linker import CompiledCode
from backend.emulator.object_relocation import OBJECT_FORMATS
from backend.emulator.relocation import RELOCATIONS
from backend.emulator.thunk import BLOCKS
from backend.emulator.unwind_tables import UNWINDING
from backend.emulator.unwinder import THROWING
from backend.engines.features import FEATURES
from backend.engines.instruction_sweep import INSTRUCTION_SWEEP
from backend.engines.long_mode import LONG_MODE
from backend.engines.pulley_registers import PULLEY_REGISTERS
from backend.engines.qemu_trace import TRACING
from backend.engines.user_process import USER_PROCESS


@dataclass(frozen=True, slots=True)
class RegisterNames:
    """The names of an ISA's registers, as its disassembler has them.

    Attributes:
        whole: returns the whole register of a part of it, empty for what holds no value of a
            program: flags, the stack pointer.
        vectors: what the names of whole vector registers begin with.
    """

    whole: Callable[[str], str]
    vectors: tuple[str, ...]


REGISTERS: Final = Part[RegisterNames]("registers", "REGISTERS")


@dataclass(frozen=True, slots=True)
class InjectedCode:
    """Machine code that breaks a callee's promises, for ``clif-fuzz selfcheck``.

    Attributes:
        jump: an unconditional jump to an address that its relocation gives.
        relocation: of the jump: its offset, its kind and its addend.
        faults: by name of the fault in ``fuzz/selfcheck/faults_machine.py``, instructions that are
            put in front of a function.
    """

    jump: bytes
    relocation: tuple[int, str, int]
    faults: Mapping[str, bytes]


INJECTED_CODE: Final = Part[InjectedCode]("injected_code", "INJECTED_CODE")


#: Changes machine code at a place that was found in it.
CodeChange = Callable[[bytearray], None]
#: A distance in bytes that small functions do not have.
FAR: Final = 4096


@dataclass(frozen=True, slots=True)
class FarCode:
    """Places in the code of large programs, for ``clif-fuzz selfcheck``.

    Attributes:
        faults: by name of the fault in ``fuzz/selfcheck/faults_size.py``, what lists the changes
            that make it, of the code and its instructions.
    """

    faults: Mapping[str, Callable[[bytes, Sequence[Any]], list[CodeChange]]]


FAR_CODE: Final = Part[FarCode]("far_code", "FAR_CODE", optional=True)


class LandingPadSite(StrEnum):
    """Kinds of sites that must start with a landing pad."""

    FUNCTION = "a function"
    TARGET = "a target of a jump table"
    DEFAULT = "the default of a jump table"


@dataclass(frozen=True, slots=True)
class ControlFlow:
    """How an ISA protects control flow, for the fuzz target ``cfi``.

    Attributes:
        flags: sets of ISA flags, of which each case is given one.
        pads: the flag with which every site that an indirect branch may reach has a landing pad.
        missing: returns the sites in a function's code without one, and the instructions there.
        known_fault: returns the name of Cranelift's known fault that explains such a site in a
            function of a calling convention, empty if there is none.
    """

    flags: tuple[Mapping[str, str], ...]
    pads: str
    missing: Callable[[bytes], list[tuple[LandingPadSite, str]]]
    known_fault: Callable[[LandingPadSite, str, str], str]


CONTROL_FLOW: Final = Part[ControlFlow]("control_flow", "CONTROL_FLOW", optional=True)


#: A feature, the first mnemonic that needs it, and its offset in the code.
Need = tuple[str, str, int]


def _of_extension(code: CompiledCode, allowed: frozenset[str]) -> Iterable[Need]:
    """Return what the extension's decoder says that code needs."""
    return code.cpu_features


@dataclass(frozen=True, slots=True)
class CpuFeatures:
    """Which features of a CPU code may need, by the names of the decoder that tells them.

    Attributes:
        baseline: those that every CPU has that Cranelift generates code for.
        of_flag: by Cranelift's flag, those that a CPU has for which the flag is set.
        needs: returns what code needs; it may leave out what is allowed, its second argument.
    """

    baseline: frozenset[str]
    of_flag: Mapping[str, frozenset[str]]
    needs: Callable[[CompiledCode, frozenset[str]], Iterable[Need]] = _of_extension

    def allowed(self, flags: Iterable[str]) -> frozenset[str]:
        """Return the features that code may need where these flags are on."""
        return self.baseline.union(*(self.of_flag.get(flag, frozenset()) for flag in flags))


CPU_FEATURES: Final = Part[CpuFeatures]("cpu_features", "CPU_FEATURES", optional=True)

PARTS: Final[tuple[Part[Any], ...]] = (
    CPU,
    BLOCKS,
    RELOCATIONS,
    LIBRARY_CALLS,
    EMULATOR_FAULTS,
    REGISTERS,
    INJECTED_CODE,
    FEATURES,
    INSTRUCTION_SWEEP,
    CONTROL_FLOW,
    USER_PROCESS,
    LONG_MODE,
    DECODER,
    PULLEY_REGISTERS,
    DISASSEMBLE,
    CPU_FEATURES,
    UNWINDING,
    OBJECT_FORMATS,
    THROWING,
    ORDERING,
    TRACING,
    FAR_CODE,
)
