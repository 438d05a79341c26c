"""Reading case files, with errors for the user that name the file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backend.isa.registry import DEFAULT_ISAS, ISAS
from fuzz.cli.errors import BadInput, NotRunHere, complain

if TYPE_CHECKING:
    from backend.cranelift.fired_rules import FiredRules
    from clif.outcome import Region
    from fuzz.cases.casefile import CaseFile


def load_cases(
    path: Path, drawn_inputs: int | None = None, memory: Region | None = None
) -> list[CaseFile]:
    """Return the cases in a file, and say on stderr which of its functions are in none.

    Args:
        drawn_inputs: how many inputs are drawn for a case without any; None for none.
        memory: for functions to which the file gives none.

    Raises:
        BadInput: the file cannot be read, or holds no case.
        NotRunHere: it needs what this build does not have.
    """
    from fuzz.cases.casefile import CaseFileError, NotRunError, read_cases
    from fuzz.generate.drawn_inputs import with_drawn_inputs

    try:
        cases = read_cases(read_text(path), path.name, memory)
    except NotRunError as error:
        raise NotRunHere(f"{path}: not run: {error}") from error
    except CaseFileError as error:
        raise BadInput(f"{path}: {error}") from error
    for reason in cases[0].left_out:
        complain(f"{path}: {reason}")
    for found in cases:
        if drawn_inputs is not None and not found.case.inputs.count:
            found.case = with_drawn_inputs(found.case, drawn_inputs)
            found.expectations = [None] * found.case.inputs.count
    return cases


def expand(names: Iterable[str]) -> list[Path]:
    """Return files by name, each once; a folder stands for the ``.clif`` files below it, sorted.

    Raises:
        BadInput: a folder has none.
    """
    paths: list[Path] = []
    for name in names:
        path = Path(name)
        found = sorted(path.rglob("*.clif")) if path.is_dir() else [path]
        if not found:
            raise BadInput(f"{path}: no .clif files in this folder")
        paths += found
    return list(dict.fromkeys(paths))


def warn_about_cache() -> None:
    """Say on stderr that nothing can be kept in the cache folder, if that is so."""
    from backend.cranelift.disk_cache import folder, problem

    why = problem()
    if why:
        complain(f"nothing can be kept in {folder()} ({why}): every start prepares all anew")


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        BadInput: the file cannot be read, or is not a text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not a text file (byte {error.start})") from error
    if "\0" in text:
        raise BadInput(f"{path}: not a text file (byte {text.index(chr(0))})")
    return text


def emulated_isas(case_file: CaseFile, path: Path) -> tuple[str, ...]:
    """Return the emulated ISAs that a file names, or the default ones if it names none; none of
    them if it asks for the interpreter alone.

    Raises:
        NotRunHere: none of those that it names is emulated, or none has an engine here; the reason
            is that of ``check``.
    """
    from backend.isa.executors import left_out
    from fuzz.cases.file_header import foreign_reason

    named = tuple(isa for isa in case_file.isas if isa in ISAS)
    if case_file.isas and not named:
        raise NotRunHere(f"{path}: not run: {foreign_reason(case_file.isas)}")
    if case_file.interpreted_only:
        return ()
    reasons = {isa: reason for isa in named if (reason := left_out(isa))}
    if named and len(reasons) == len(named):
        raise NotRunHere(f"{path}: not run: {'; '.join(reasons.values())}")
    for isa, reason in reasons.items():
        click.echo(f"{path}: not run on {isa}: {reason}", err=True)
    return tuple(isa for isa in named if isa not in reasons) or DEFAULT_ISAS


def compiled_isas(case_file: CaseFile, path: Path) -> tuple[str, ...]:
    """Return the emulated ISAs that a file is to be compiled for.

    Raises:
        NotRunHere: there are none.
    """
    found = emulated_isas(case_file, path)
    if not found:
        raise NotRunHere(f"{path}: not run: {case_file.interpreted_only}")
    return found


def check_out(out: str) -> None:
    """Make the directory for findings.

    Raises:
        BadInput: it cannot be made, or nothing can be written to it.
    """
    from fuzz.differential.finding_file import check_directory

    try:
        check_directory(Path(out))
    except OSError as error:
        raise BadInput(f"cannot write findings to {out}: {error.strerror}") from error


def require_fired_rules() -> FiredRules:
    """Return an object that tells which rules fire in this build.

    Raises:
        BadInput: the build lacks the debug information for that.
    """
    from backend.cranelift.fired_rules import FiredRules
    from backend.cranelift.rule_edges import RulesError, known_rules

    rules = known_rules()
    if isinstance(rules, RulesError):
        raise BadInput(f"no telling which rules fire: {rules}")
    return FiredRules(rules)
