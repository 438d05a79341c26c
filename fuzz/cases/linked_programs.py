"""The programs that a case is linked to, where it asks for that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from backend.cranelift.modules import JitCode, ObjectFile, ObjectFormat
from backend.emulator.image import Image
from fuzz.cases.case import Case, ExtraCheck
from fuzz.cases.jit_check import link_jit
from fuzz.cases.module_check import can_run_jit, formats_of, link_objects

#: The checks for which a case is linked.
LINKED: Final = frozenset({ExtraCheck.OBJECTS, ExtraCheck.JIT})

#: Changes the object files of a case on an ISA.
ChangeFiles = Callable[[Case, str, ObjectFormat, Sequence[ObjectFile]], Sequence[ObjectFile]]
#: Changes what a JIT has made of a case on an ISA.
ChangeJit = Callable[[Case, str, JitCode], JitCode]


@dataclass(frozen=True, slots=True)
class ModuleFaults:
    """Faults that are injected into programs before they run."""

    files: ChangeFiles | None = None
    jit: ChangeJit | None = None


NO_FAULTS: Final = ModuleFaults()


@dataclass(frozen=True, slots=True)
class LinkedProgram:
    """A program of a case. ``make`` raises what ``link_objects`` or ``link_jit`` raises."""

    name: str
    make: Callable[[], Image]


def linked_programs(
    case: Case, isa: str, faults: ModuleFaults = NO_FAULTS
) -> Iterator[LinkedProgram]:
    """Yield the programs that a case asks for and that its ISA has."""
    if ExtraCheck.OBJECTS in case.checks:
        for format_ in formats_of(isa):
            change = faults.files and partial(faults.files, case, isa, format_)
            make = partial(link_objects, case, isa, format_, change)
            yield LinkedProgram(f"{format_} objects", make)
    if ExtraCheck.JIT in case.checks and can_run_jit(isa):
        change_jit = faults.jit and partial(faults.jit, case, isa)
        yield LinkedProgram("JIT", partial(link_jit, case, isa, change_jit))
