"""The user's own known faults: minimised findings in the folders that ``--known`` names.

At the first use with a build each is run, like the cases of our own list; one that no longer fails
counts for nothing. A finding is taken for one of them

- if it fails to compile, at the same place of Cranelift's sources or with the same message;
- else if its functions contain what the minimised case is made of: all of its instructions, each
  feeding the next ones as there. So the same fault may be reported once more in another shape, but
  hardly ever another one is taken for it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from backend.cranelift.compiler import CompilerPanic
from clif.function import Function, Inst
from fuzz.cases.casefile import CaseFileError, read_case
from fuzz.known.reproduce import FaultStatus, Job, Observation, kinds_of
from fuzz.known.status import run_once

#: The environment variable with the folders, which worker processes inherit.
VARIABLE: Final = "CLIF_FUZZ_KNOWN"
#: Instructions that say nothing about a fault.
_COMMON: Final = frozenset(
    {"iconst", "f16const", "f32const", "f64const", "f128const", "vconst", "jump", "return"}
)
_NUMBER: Final = re.compile(r"\d+")

_Name: TypeAlias = tuple[str, ...]
#: An instruction alone, or one that feeds another.
Part: TypeAlias = _Name | tuple[_Name, _Name]


class KnownFolderError(ValueError):
    """A folder of known faults, or a file in it, is of no use: what is wrong."""


@dataclass(frozen=True, slots=True)
class UserFault:
    """A minimised finding.

    Attributes:
        name: the file's name without its ending.
        kinds: the kinds of findings that its file names.
        parts: see ``parts_of``.
    """

    name: str
    text: str
    isas: tuple[str, ...]
    kinds: frozenset[str]
    parts: frozenset[Part]

    def jobs(self) -> list[Job]:
        """Return what is to be run to know whether the fault is still there."""
        return [Job(self.key, self.text, isa) for isa in self.isas]

    @property
    def key(self) -> str:
        """What identifies the fault among others of the same name."""
        return f"{self.name} {hashlib.sha256(self.text.encode()).hexdigest()[:16]}"

    def explains(
        self, seen: Observation, kind: str, messages: Sequence[str], functions: Sequence[Function]
    ) -> bool:
        """Return whether a finding is this one.

        Args:
            seen: what the fault's case did on the finding's ISA.
            kind: of the finding.
            messages: what is said about it.
        """
        if seen.status is not FaultStatus.PRESENT or (self.kinds and kind not in self.kinds):
            return False
        if seen.failure:
            failure = _without_numbers(seen.failure)
            return any(failure in _without_numbers(message) for message in messages)
        return bool(self.parts) and self.parts <= parts_of(functions)


def _without_numbers(text: str) -> str:
    return _NUMBER.sub("N", " ".join(text.split()))


def parts_of(functions: Iterable[Function]) -> frozenset[Part]:
    """Return the typed instructions of functions, and which one's result which other one takes."""
    parts: set[Part] = set()
    for function in functions:
        names = {
            result: _name(inst)
            for inst in function.instructions()
            if inst.opcode.name not in _COMMON
            for result in inst.results
        }
        for inst in function.instructions():
            if inst.opcode.name in _COMMON:
                continue
            parts.add(_name(inst))
            parts |= {(names[arg], _name(inst)) for arg in inst.args if arg in names}
    return frozenset(parts)


def _name(inst: Inst) -> _Name:
    type_ = "" if inst.type is None else inst.type.name
    operands = (arg.type.name for arg in inst.args)
    return (inst.opcode.name, type_, inst.cond or inst.rmw, *operands)


def folders() -> tuple[Path, ...]:
    """Return the folders that the environment variable names."""
    names = os.environ.get(VARIABLE, "").split(os.pathsep)
    return tuple(Path(name) for name in names if name)


@cache
def user_faults(of: tuple[Path, ...]) -> tuple[UserFault, ...]:
    """Read the minimised findings in folders.

    Raises:
        KnownFolderError: a folder does not exist, or a file in it is not a case.
    """
    faults = []
    for folder in of:
        if not folder.is_dir():
            raise KnownFolderError(f"there is no folder {folder}")
        faults += [_read(file) for file in sorted(folder.rglob("*.clif"))]
    return tuple(faults)


def _read(file: Path) -> UserFault:
    try:
        text = file.read_text(encoding="utf-8")
        case_file = read_case(text)
    except (OSError, UnicodeDecodeError, CaseFileError, CompilerPanic) as error:
        raise KnownFolderError(f"{file}: {error}") from error
    case = case_file.case
    isas = tuple(case.isa_settings) or case_file.isas
    return UserFault(file.stem, text, isas, kinds_of(text), parts_of(case.functions))


@cache
def user_statuses(faults: tuple[UserFault, ...]) -> dict[tuple[str, str], Observation]:
    """Return what the case of each fault does on each of its ISAs, by ``UserFault.key``."""
    found: dict[tuple[str, str], Observation] = {}
    for fault in faults:  # each by itself: to add one does not mean that all are run again
        found |= run_once(fault.jobs(), "user-faults")
    return found


def user_fault(
    kind: str, isa: str, messages: Sequence[str], functions: Sequence[Function]
) -> str | None:
    """Return the name of the user's known fault that explains a finding; None if there is none.

    Raises:
        KnownFolderError: as ``user_faults``.
    """
    asked = folders()
    if not asked:
        return None
    faults = user_faults(asked)
    found = user_statuses(faults)
    for fault in faults:
        seen = found.get((fault.key, isa))
        if seen is not None and fault.explains(seen, kind, messages, functions):
            return fault.name
    return None
