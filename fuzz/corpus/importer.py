"""Making cases of the functions in CLIF files, such as Cranelift's filetests."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from backend.cranelift.compiler import SettingsError
from backend.whole_file import write_whole
from clif.function import format_name
from clif.outcome import Region
from fuzz.cases.case import Case
from fuzz.cases.casefile import CaseFileError, NotRunError, print_case, read_cases
from fuzz.cases.file_header import foreign_reason
from fuzz.corpus.defined_outcomes import NoOutcomeError, with_defined_outcomes
from fuzz.corpus.files import Rejections, read_text
from fuzz.differential.pipeline import Pipeline
from fuzz.generate.drawn_inputs import DRAWN_INPUTS, with_drawn_inputs

_UNSAFE: Final = re.compile(r"[^\w.-]")


@dataclass(slots=True)
class ImportedFile:
    """What became of one file: how many cases were written, and what was rejected."""

    written: int = 0
    rejections: Rejections = field(default_factory=Rejections)


@dataclass(slots=True)
class Imported:
    """The result of importing a folder.

    Attributes:
        files: what became of each file that was read, by its path.
        names: of the cases that were written.
    """

    files: dict[str, ImportedFile] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    @property
    def written(self) -> int:
        """The number of cases that were written."""
        return sum(file.written for file in self.files.values())

    @property
    def rejections(self) -> Rejections:
        """What was rejected, of all files."""
        found = Rejections()
        for file in self.files.values():
            found.add(file.rejections)
        return found

    def free_name(self, name: str) -> str:
        """Return a case's name that no other one has: several functions may have one name."""
        candidates = (f"{name}{f'-{n}' * bool(n)}" for n in itertools.count())
        free = next(candidate for candidate in candidates if candidate not in self.names)
        self.names.add(free)
        return free


def import_folder(
    folder: Path,
    out: Path,
    isas: Sequence[str],
    *,
    drawn_inputs: int = DRAWN_INPUTS,
    memory: Region | None = None,
) -> Imported:
    """Write a case for every function with run commands, and every other one that none calls.

    Run commands become the case's inputs; for a function without them, inputs are drawn. A case is
    accepted if the interpreter and the ISAs run it and agree. If it shows a fault, it is
    rejected, with the finding's bucket as the reason.

    Args:
        folder: with ``.clif`` files, also in folders below it.
        out: a folder for the cases, one file for each.
        drawn_inputs: how many inputs a function without run commands gets.
        memory: for functions to which their file gives none.

    Raises:
        OSError: ``out`` cannot be written.
    """
    found = Imported()
    pipelines = {isa: Pipeline([isa]) for isa in isas}
    for path in sorted(folder.rglob("*.clif")):
        file = found.files[str(path)] = ImportedFile()
        text = read_text(path, file.rejections)
        for read in cases_to_import(text, path, file.rejections, memory) if text else ():
            case = read if read.inputs.count else with_drawn_inputs(read, drawn_inputs)
            where = f"{path} {format_name(case.main.name)}"
            taken = _accepted(case, pipelines, file.rejections, where)
            if taken is not None:
                words = [*path.relative_to(folder).with_suffix("").parts, case.main.name]
                name = found.free_name(_UNSAFE.sub("_", "-".join(words)))
                text_of_case = print_case(taken, isas=taken.isas)
                write_whole(text_of_case, out / f"{name}.clif", durable=False)
                file.written += 1
    return found


def cases_to_import(
    text: str, path: Path, rejections: Rejections, memory: Region | None
) -> list[Case]:
    """Return the cases of a file's text; none, and a rejection, if it has none to run."""
    try:
        cases = read_cases(text, path.name, memory)
    except CaseFileError as error:
        reason = _without_line(str(error))
        if not isinstance(error, NotRunError):
            reason = f"cannot be read: {reason}"
        rejections.note(reason, str(path))
        return []
    for reason in cases[0].left_out:
        name, _, why = reason.partition(" is left out: ")
        rejections.note(f"cannot be read: {_without_line(why)}", f"{path} {name}")
    return [found.case for found in cases]


def _without_line(reason: str) -> str:
    """Return a reason without its place: of the same mistake in several places, only that
    differs."""
    return re.sub(r"\bline \d+: ", "", reason).partition(" in '")[0]


def _accepted(
    case: Case, pipelines: dict[str, Pipeline], rejections: Rejections, where: str
) -> Case | None:
    """Return the case for those ISAs that can run it; None, and a rejection, if none can."""
    able, flags = [], case.isa_settings
    if not any(case.is_for(isa) for isa in pipelines):
        rejections.note(foreign_reason(case.isas), where)
        return None
    for isa, pipeline in pipelines.items():
        if not case.is_for(isa):
            continue
        try:
            case = _judged(case, pipeline)
        except (SettingsError, ValueError) as error:
            rejections.note(f"{isa}: settings: {error}", where)
        except NoOutcomeError as error:
            rejections.note(str(error), where)
        else:
            able.append(isa)
    if not able:
        return None
    return replace(
        case, isas=tuple(able), isa_settings={isa: flags[isa] for isa in able if isa in flags}
    )


def _judged(case: Case, pipeline: Pipeline) -> Case:
    """Return a case that an ISA runs as the interpreter does; it notes whether inputs trap.

    Raises:
        SettingsError, ValueError: the ISA does not have the case's settings.
        NoOutcomeError: it does not; the message is the reason.
    """
    verdict = pipeline.check(case)
    if verdict.findings:
        raise NoOutcomeError(f"fault: {verdict.findings[0].bucket}")
    if verdict.expected is None:
        raise NoOutcomeError(next(iter(verdict.rejected), "has no inputs"))
    judged = with_defined_outcomes(case, verdict.expected, pipeline.fuel)
    if verdict.rejected:
        raise NoOutcomeError(verdict.rejected[0])
    return judged
