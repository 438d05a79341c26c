"""The data for a finding's page; most of it comes from running the case again."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from backend.cranelift.compiler import SettingsError
from backend.cranelift.cranelift_name import cranelift_name, published
from backend.engines.registry import ENGINES
from backend.isa.executors import engine_of
from backend.isa.registry import DEFAULT_ISAS, ISAS
from clif.function import format_name
from clif.printer import print_functions
from fuzz.cases.build_identity import BUILD, other_build
from fuzz.cases.case import Case, effective_settings, has_canonical_nans
from fuzz.cases.casefile import CaseFile, CaseFileError, read_cases
from fuzz.differential.failure_signature import failure_signatures, primary
from fuzz.differential.finding import KNOWN, Finding, FindingKind
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.recorded_failure import RecordedFailure, read_recorded_failure, shown
from fuzz.differential.runner import CaseRunner
from fuzz.reporting.archive import read_header
from fuzz.reporting.code import codes, compile_with_lines
from fuzz.reporting.commands import commands, short
from fuzz.reporting.divergence import divergence
from fuzz.reporting.issue import NoFiletestError, is_small, issue_filetest
from fuzz.reporting.replay import ORACLE, Replay, replay
from fuzz.reporting.values import failing_input
from fuzz.triage.attributor import Attributor
from fuzz.triage.minimized_files import FAILURE, MINIMIZED_FROM
from reports.model import Divergence, Fact, FailingInput, FindingPage, FunctionCode
from reports.text import printable

#: Kinds that are not run again: that would take until the time limit, or kill this process.
_NOT_RERUN = frozenset(
    {FindingKind.COMPILE_TIMEOUT.value, FindingKind.COMPILE_MEMORY.value, FindingKind.HANG.value}
)
#: Beginnings of a file's comments that the page shows in another place, or that say nothing there.
_SHOWN_ELSEWHERE: Final = (
    *("finding:", "isa:", "bucket:", "region:", "contents:", "run:", "input:"),
    *("cranelift:", f"{BUILD}:", f"{MINIMIZED_FROM}:", f"{FAILURE}:"),
)
#: The kind of a file that records no finding.
_UNRECORDED = "case"
#: Kinds whose part at fault is known by their name; attribution looks at Cranelift alone.
_NOT_CRANELIFT = frozenset({FindingKind.EMULATOR_FAULT.value, FindingKind.ORACLE_FAULT.value})
_KINDS: Final = {kind.value: kind for kind in FindingKind}
#: Failing inputs shown for each executor.
_MOST_INPUTS = 3
#: The most instructions of a case that attribution is tried on.
_MOST_ATTRIBUTED = 60
#: The most bytes of a function's code, and characters of text, that are shown: longer ones belong
#: to a case that is not minimised, and are not read by anybody.
_MOST_CODE = 1_600
_MOST_TEXT = 16_000


def finding_page(path: Path, *, problem: str = "") -> FindingPage:
    """Return the page of a finding's file.

    Args:
        problem: a reason not to run the case again; it is shown on the page.

    Returns:
        The page. If the file cannot be read or run again, its ``problem`` says why.
    """
    header = read_header(path)
    page = FindingPage(
        file=str(path),
        kind=header.kind,
        bucket=header.bucket,
        isas=tuple(header.isa.split()),
        detail=_detail(header.bucket, header.kind, header.isa),
        known=header.known,
        versions=_versions(""),
        local_tree="" if published else cranelift_name(),
    )
    try:
        text = path.read_text(encoding="utf-8")
        case_file = read_cases(text, origin=path.name)[0]
    except (OSError, UnicodeDecodeError, CaseFileError) as error:
        return replace(page, problem=f"The file cannot be read: {error}.")
    page = _with_case(page, path, text, case_file.case)
    if header.kind in _NOT_RERUN:
        problem = problem or f"Not run again for this page, as it is a {header.kind}."
    if problem:
        page = replace(page, problem=problem)
    else:
        try:
            page = _with_replay(page, case_file, read_recorded_failure(text))
        except (SettingsError, ValueError) as error:
            page = replace(page, problem=f"It cannot be run again: {error}.")
    return _with_filetest(page, path, case_file.case)


def _detail(bucket: str, kind: str, isa: str) -> str:
    """Return a bucket without its kind and ISAs."""
    return bucket.removeprefix(f"{kind} ").removeprefix(f"{isa} ")


def _versions(found_with: str) -> tuple[Fact, ...]:
    """Return the facts about versions.

    Args:
        found_with: the build that made the file, if it is another one.
    """
    return (
        *([Fact("Found with another build", found_with)] if found_with else []),
        Fact("Cranelift version or commit", cranelift_name()),
        Fact("Operating system", platform.system()),
        Fact("Architecture of the machine", platform.machine()),
    )


def _engines(page: FindingPage, case: Case) -> Iterator[Fact]:
    """Yield what runs the code of each ISA of the page."""
    for isa in page.isas or case.emulated_isas:
        if isa in ISAS:
            name = engine_of(isa)
            yield Fact(f"Engine of {isa}", f"{name} {ENGINES[name].version(ISAS[isa])}".strip())


def _with_case(page: FindingPage, path: Path, text: str, case: Case) -> FindingPage:
    comments = (printable(line.lstrip("; ")) for line in text.split("\n") if line.startswith(";"))
    explanation = (
        line for line in comments if line != KNOWN and not line.startswith(_SHOWN_ELSEWHERE)
    )
    flags = case.isa_settings.items()
    return replace(
        page,
        explanation=tuple(explanation),
        versions=(*_versions(printable(other_build(text))), *_engines(page, case)),
        clif=_cut(print_functions(case.functions)),
        inputs=case.inputs.count,
        settings=(
            *(Fact(name, value) for name, value in effective_settings(case).items()),
            *(Fact(f"{isa} {name}", v) for isa, own in flags for name, v in own.items()),
        ),
        small=is_small(case),
    )


def _cut(text: str) -> str:
    if len(text) <= _MOST_TEXT:
        return text
    return f"{text[:_MOST_TEXT]}\n; ... cut: {len(text) - _MOST_TEXT} more characters\n"


def _with_replay(
    page: FindingPage, case_file: CaseFile, recorded: RecordedFailure | None
) -> FindingPage:
    case = case_file.case
    replayed = replay(case_file, Pipeline(case_file.executing_isas, second=True))
    failed = tuple(_failing(case, replayed))
    found = tuple(replayed.findings)
    as_recorded = replayed.shown(recorded)
    page = replace(
        _named_after(page, as_recorded or (found if recorded is None else ())),
        says=_says(found, page.explanation),
        failing=failed,
        agreeing=tuple(
            result.name
            for result in replayed.results
            if result.name != ORACLE and result.agrees and not result.inconclusive
        ),
        outlier=replayed.outlier,
        problem="" if as_recorded else _not_as_recorded(recorded, found),
        fails=bool(as_recorded),
    )
    # The code for an ISA that the case is not for is shown for comparison, if it compiles.
    shown_isas = dict.fromkeys((*DEFAULT_ISAS, *case.emulated_isas))
    every = [compile_with_lines(case, isa) for isa in shown_isas]
    listings = [listing for listing in every if listing is not None]
    found_at = (divergence(case, each, _first_row(failed, each.isa)) for each in listings)
    divergences = tuple(place for place in found_at if place is not None)
    shown = [code for listing in listings for code in codes(listing)]
    big = [code for code in shown if code.size > _MOST_CODE]
    return replace(
        _with_attribution(page, case_file, recorded),
        divergences=divergences,
        codes=tuple(_marked(code, divergences) for code in shown if code not in big),
        left_out=tuple(
            f"{format_name(code.function)} on {code.isa}, {code.size} bytes" for code in big
        ),
    )


def _named_after(page: FindingPage, found: Sequence[Finding]) -> FindingPage:
    """Return the page with what its file does not record: kind, ISAs, bucket of what is found."""
    first = next(iter(found), None)
    if first is None:
        return page
    unnamed = page.bucket == printable(Path(page.file).stem)
    return replace(
        page,
        kind=first.kind.value if page.kind == _UNRECORDED else page.kind,
        isas=page.isas or tuple(dict.fromkeys(finding.isa for finding in found if finding.isa)),
        bucket=first.bucket if unnamed else page.bucket,
        detail=first.detail if unnamed else page.detail,
        known=page.known or all(finding.known for finding in found),
    )


def _not_as_recorded(recorded: RecordedFailure | None, found: Sequence[Finding]) -> str:
    """Return how what is found differs from what the file records."""
    build = f"with this build: Cranelift {cranelift_name()}"
    buckets = ", ".join(dict.fromkeys(printable(finding.bucket) for finding in found))
    if recorded is None:
        of_tools = f" What it shows is a known fault of a tool: {buckets}." if found else ""
        return f"It does not fail {build}.{of_tools}"
    instead = f" It shows another one: {buckets}." if found else ""
    words = printable(str(recorded))
    return f"The failure that the file records ({words}) does not show {build}.{instead}"


def _says(found: Sequence[Finding], known: Sequence[str]) -> tuple[str, ...]:
    """Return what the new findings say, except for what the file says or single inputs show."""
    told = (f for f in found if not f.inputs and f.kind is not FindingKind.ORACLE_FAULT)
    lines = (f"{f.isa or f.kind.value}: {line}" for f in told for line in f.explanation)
    return tuple(line for line in lines if line.partition(": ")[2] not in known)


def _with_attribution(
    page: FindingPage, case_file: CaseFile, recorded: RecordedFailure | None
) -> FindingPage:
    """Return the page with the attribution; without for a big case, where it is slow and says
    little."""
    if not page.fails or page.kind in _NOT_CRANELIFT:
        return page
    case = case_file.case
    if sum(1 for f in case.functions for _ in f.instructions()) > _MOST_ATTRIBUTED:
        return page
    run_case = CaseRunner()
    found = shown(recorded, failure_signatures(run_case(case, case_file.executing_isas)))
    failure = primary(found, next(iter(page.isas), ""), _KINDS.get(page.kind))
    if failure is None:
        return page
    attribution = Attributor(run_case).attribute(case, failure)
    return replace(
        page,
        attribution=tuple(attribution.lines()),
        suspects=tuple(map(str, attribution.rules)),
        compared_with=attribution.neighbour,
    )


def _first_row(failed: Sequence[FailingInput], isa: str) -> int | None:
    return next((one.number for one in failed if one.isa == isa), None)


def _failing(case: Case, replayed: Replay) -> Iterator[FailingInput]:
    canonical = has_canonical_nans(case)
    types = case.main.signature.param_types
    for result in replayed.results:
        if result.name == ORACLE:
            continue
        for difference in result.differences[:_MOST_INPUTS]:
            yield failing_input(
                result.name, difference, types, case.inputs, canonical_nans=canonical
            )


def _with_filetest(page: FindingPage, path: Path, case: Case) -> FindingPage:
    """Return the page with a filetest that shows the failure, and the commands."""
    isas = page.isas or case.emulated_isas
    rows = [one.number for one in page.failing]
    text, problem = "", ""
    try:
        text = issue_filetest(case, page.kind, isas, list(dict.fromkeys(rows)))
    except NoFiletestError as error:
        problem = str(error)
    if len(text) > _MOST_TEXT:
        text, problem = "", "It is too long to be shown: minimise the case first."
    return replace(
        page,
        filetest=text,
        filetest_problem=problem,
        commands=tuple(commands(short(path), page.kind, isas if text else ())),
    )


def _marked(code: FunctionCode, divergences: Sequence[Divergence]) -> FunctionCode:
    """Return the code with the instructions marked where it diverges."""
    places = {d.offset for d in divergences if d.isa == code.isa and d.function == code.function}
    if not places:
        return code
    lines = (replace(line, diverges=line.offset in places) for line in code.lines)
    return replace(code, lines=tuple(lines))
