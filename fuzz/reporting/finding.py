"""One finding as ``reports`` shows it: its case is run again, and looked at closely."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from backend.cranelift.compiler import SettingsError, version
from clif.printer import print_functions
from fuzz.cases.case import Case, effective_settings, has_canonical_nans
from fuzz.cases.case_options import DEFAULT_ISAS
from fuzz.cases.casefile import CaseFile, CaseFileError, read_cases
from fuzz.cases.filetest_export import filetest_text
from fuzz.differential.failure_signature import primary, symptoms
from fuzz.differential.finding import KNOWN, Finding, FindingKind
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.runner import PlainTrial
from fuzz.reporting.archive import read_header
from fuzz.reporting.code import codes, compile_with_lines
from fuzz.reporting.commands import commands
from fuzz.reporting.departure import departure
from fuzz.reporting.replay import ORACLE, Replay, replay
from fuzz.reporting.values import failing
from fuzz.triage.attribution import Assessor
from reports.model import Code, Departure, Fact, Failing, FindingPage

#: Running these again would take as long as it took to find them, or kill this process.
_LEFT_ALONE = frozenset(
    {FindingKind.COMPILE_TIMEOUT.value, FindingKind.COMPILE_MEMORY.value, FindingKind.HANG.value}
)
_MOST_INPUTS = 3
#: Instructions of a case that is small enough to be assessed.
_MOST_BLAMED = 60
#: Beyond these a case is not minimised, and nobody reads its code.
_MOST_CODE = 1_600
_MOST_TEXT = 16_000


def finding_page(path: Path, *, problem: str = "") -> FindingPage:
    """The finding of a file; the page's ``problem`` says what could not be done with it.

    With a ``problem`` from outside it is not run again.
    """
    header = read_header(path)
    page = FindingPage(
        file=str(path),
        kind=header.kind,
        bucket=header.bucket,
        isas=(header.isa,) if header.isa else (),
        detail=header.bucket.removeprefix(f"{header.kind} ").removeprefix(f"{header.isa} "),
        versions=_versions(),
    )
    try:
        text = path.read_text(encoding="utf-8")
        case_file = read_cases(text, origin=path.name)[0]
    except (OSError, UnicodeDecodeError, CaseFileError) as error:
        return replace(page, problem=f"The file cannot be read: {error}.")
    page = _with_case(page, path, text, case_file.case)
    if header.kind in _LEFT_ALONE:
        problem = problem or f"Not run again for this page, as it is a {header.kind}."
    if problem:
        return replace(page, problem=problem)
    isas = tuple(isa for isa in DEFAULT_ISAS if case_file.case.is_for(isa))
    try:
        return _with_replay(page, case_file, isas)
    except (SettingsError, ValueError) as error:
        return replace(page, problem=f"It cannot be run again: {error}.")


def _versions() -> tuple[Fact, ...]:
    return (
        Fact("Cranelift", version()),
        Fact("operating system", f"{platform.system()} {platform.machine()}"),
    )


def _with_case(page: FindingPage, path: Path, text: str, case: Case) -> FindingPage:
    comments = (line.lstrip("; ") for line in text.splitlines() if line.startswith(";"))
    facts = ("finding:", "isa:", "bucket:", "contents:")
    explanation = (
        line
        for line in comments
        if line != KNOWN and not line.startswith((*facts, "run:", "input:"))
    )
    flags = case.isa_settings.items()
    return replace(
        page,
        explanation=tuple(explanation),
        clif=_cut(print_functions(case.functions)),
        inputs=case.inputs.count,
        settings=(
            *(Fact(name, value) for name, value in effective_settings(case).items()),
            *(Fact(f"{isa} {name}", v) for isa, own in flags for name, v in own.items()),
        ),
        commands=tuple(commands(_short(path), case, page.kind, page.isas or case.isas)),
    )


def _cut(text: str) -> str:
    if len(text) <= _MOST_TEXT:
        return text
    return f"{text[:_MOST_TEXT]}\n; ... cut: {len(text) - _MOST_TEXT} more characters\n"


def _short(path: Path) -> Path:
    """Relative to where one is, if it lies below."""
    relative = Path(os.path.relpath(path))
    return path if ".." in relative.parts else relative


def _with_replay(page: FindingPage, case_file: CaseFile, isas: Sequence[str]) -> FindingPage:
    case = case_file.case
    result = replay(case_file, Pipeline(isas, second=True))
    failed = tuple(_failing(case, result))
    found = tuple(result.findings)
    blamed = tuple(dict.fromkeys(finding.isa for finding in found if finding.isa))
    problem = "" if found else "It does not fail with this build of Cranelift."
    page = replace(
        page,
        isas=page.isas or blamed,
        kind=page.kind if page.kind != "case" or not found else found[0].kind.value,
        says=_says(found, page.explanation),
        filetest=_filetest(case_file, isas),
        failing=failed,
        alone=result.alone,
        problem=problem,
    )
    # Code for an ISA that the case is not for can be compared with, if there is any.
    every = [compile_with_lines(case, isa) for isa in DEFAULT_ISAS]
    listed = [entry for entry in every if entry is not None]
    places = (departure(case, entry, _first_row(failed, entry.isa)) for entry in listed)
    departures = tuple(place for place in places if place is not None)
    shown = [code for entry in listed for code in codes(entry)]
    big = [code for code in shown if code.size > _MOST_CODE]
    return replace(
        page,
        departures=departures,
        blame=_blame(case, isas),
        codes=tuple(_marked(code, departures) for code in shown if code not in big),
        left_out=tuple(f"%{code.function} on {code.isa}, {code.size} bytes" for code in big),
    )


def _says(found: Sequence[Finding], known: Sequence[str]) -> tuple[str, ...]:
    """What findings say that is neither in the file nor a matter of inputs."""
    told = (f for f in found if not f.inputs and f.kind is not FindingKind.ORACLE_FAULT)
    lines = (f"{f.isa or f.kind.value}: {line}" for f in told for line in f.explanation)
    return tuple(line for line in lines if line.partition(": ")[2] not in known)


def _blame(case: Case, isas: Sequence[str]) -> tuple[str, ...]:
    """Who is to blame; nothing for a big case, of which trying things out says little."""
    if sum(1 for f in case.functions for _ in f.instructions()) > _MOST_BLAMED:
        return ()
    trial = PlainTrial()
    symptom = primary(symptoms(trial(case, isas)))
    if symptom is None:
        return ()
    return tuple(Assessor(trial).assess(case, symptom).lines())


def _first_row(failed: Sequence[Failing], isa: str) -> int | None:
    return next((one.number for one in failed if one.isa == isa), None)


def _failing(case: Case, result: Replay) -> Iterator[Failing]:
    canonical = has_canonical_nans(case)
    for opinion in result.opinions:
        if opinion.name == ORACLE:
            continue
        for difference in opinion.differences[:_MOST_INPUTS]:
            types = case.main.signature.param_types
            yield failing(opinion.name, difference, types, case.inputs, canonical_nans=canonical)


def _filetest(case_file: CaseFile, isas: Sequence[str]) -> str:
    """A whole file that Cranelift's own tools take; empty where nothing can be made of it."""
    from fuzz.differential.oracle import OracleError, interpreter

    case = case_file.case
    try:
        expected = interpreter(case)
    except OracleError:
        return ""
    text = filetest_text(case, expected, isas)
    return text if len(text) <= _MOST_TEXT else ""


def _marked(code: Code, departures: Sequence[Departure]) -> Code:
    """The code, with the place marked where its state departs."""
    places = {d.offset for d in departures if d.isa == code.isa and d.function == code.function}
    if not places:
        return code
    lines = (replace(line, departs=line.offset in places) for line in code.lines)
    return replace(code, lines=tuple(lines))
