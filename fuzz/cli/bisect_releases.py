"""``clif-fuzz bisect``: the release of Cranelift that began to fail on a case, or stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clif.function import format_name
from fuzz.cli.errors import EXIT_CLEAN, BadInput, complain
from fuzz.cli.files import compiled_isas
from fuzz.cli.options import write_json
from fuzz.cli.release_progress import ReleaseProgress

if TYPE_CHECKING:
    from backend.cranelift.releases import Release
    from fuzz.cases.casefile import CaseFile
    from fuzz.triage.bisect.search import BisectResult, ReleaseResult
    from fuzz.triage.bisect.tester import CrossReleaseSignature, ReleaseTester


def bisect_releases(
    path: Path,
    cases: Sequence[CaseFile],
    isas: tuple[str, ...] | None,
    first: str,
    last: str | None,
    json_file: str | None,
) -> int:
    """Bisect each case of a file over releases, and return the exit code.

    Raises:
        BadInput: there are no such releases, or none is found for any case.
    """
    releases = _releases(first, last)
    quiet = json_file == "-"
    facts, missing = [], []
    for case_file in cases:
        name = format_name(case_file.case.main.name)
        title = f"{path} {name}" if len(cases) > 1 else str(path)
        found = _bisect(title, releases, *_tester(path, case_file, isas), quiet=quiet)
        facts.append({"function": name} | _to_json(found))
        if found.after is None:
            missing.append(f"{title}: {_no_change(found)}")
    if json_file is not None:
        several = {"file": str(path), "cases": facts}
        write_json(several if len(cases) > 1 else {"file": str(path)} | facts[0], json_file)
    if len(missing) == len(cases):
        raise BadInput("; ".join(missing))
    for reason in missing:
        complain(reason)
    return EXIT_CLEAN


def _bisect(
    title: str,
    releases: Sequence[Release],
    tester: ReleaseTester,
    failure: CrossReleaseSignature | None,
    *,
    quiet: bool,
) -> BisectResult[Release]:
    """Bisect one case, and print what comes of it.

    Raises:
        BadInput: a release cannot be looked up.
    """
    from backend.cranelift.release_build import InconclusiveBuildError
    from fuzz.triage.bisect.search import bisect

    if not quiet:
        what = failure.kind.value if failure else "any failure"
        click.echo(f"{title}: {what} on {', '.join(tester.isas)}")
    try:
        found = bisect(releases, lambda release: _test(release, tester, failure, quiet=quiet))
    except InconclusiveBuildError as error:
        raise BadInput(str(error)) from error
    if not quiet:
        for line in _summary(found):
            click.echo(line)
    return found


def _tester(
    path: Path, case_file: CaseFile, isas: tuple[str, ...] | None
) -> tuple[ReleaseTester, CrossReleaseSignature | None]:
    """Return the tester of a case, and how it fails with the linked Cranelift, if it does."""
    from backend.cranelift.compiler import SettingsError
    from fuzz.triage.bisect.tester import ReleaseTester, cranelift_failures

    every = isas or compiled_isas(case_file, path)
    try:
        found = cranelift_failures(ReleaseTester(case_file.case, every).check(None))
    except (SettingsError, ValueError) as error:
        raise BadInput(f"{path}: {error}") from error
    if not found:
        return ReleaseTester(case_file.case, every), None
    return ReleaseTester(case_file.case, (found[0].isa,) if found[0].isa else every), found[0]


def _releases(first: str, last: str | None) -> list[Release]:
    """Return the first release, the last one, and every minor version between.

    Raises:
        BadInput: one of them is not a release, or they are not in order.
    """
    from backend.cranelift.compiler import version
    from backend.cranelift.releases import Release

    try:
        begin, end = Release.of(first), Release.of(last or version())
    except ValueError as error:
        raise BadInput(str(error)) from error
    if begin.order > end.order:
        raise BadInput(f"--from {begin} is later than --to {end}")
    (major, low), (top, high) = begin.order, end.order
    if major != top:
        raise BadInput(f"from {begin} to {end} there is more than one major version")
    middle = [Release(f"{major}.{minor}") for minor in range(low + 1, high)]
    # A checkout has the version of the release that it will become.
    if end.path is not None and begin.path is None and low < high:
        middle.append(Release(f"{major}.{high}"))
    return [begin, *middle, end] if begin != end else [begin]


def _test(
    release: Release, tester: ReleaseTester, failure: CrossReleaseSignature | None, *, quiet: bool
) -> ReleaseResult[Release]:
    from backend.cranelift.release_build import UnavailableError
    from backend.cranelift.releases import ReleaseCompiler
    from fuzz.triage.bisect.search import ReleaseResult, ReleaseStatus

    try:
        with ReleaseProgress(release) as progress:
            compiler = ReleaseCompiler.build(release, progress)
        status, why = tester.test(compiler, failure)
        note = f"{compiler.version}{': ' * bool(why)}{why}"
    except UnavailableError as error:
        status, note = ReleaseStatus.UNCLEAR, str(error)
    if not quiet:
        click.echo(f"  {release}  {status.value:10}  {note}")
    return ReleaseResult(release, status, note)


# --- as text and JSON ---


def _summary(found: BisectResult[Release]) -> Sequence[str]:
    lines = []
    if found.before is not None and found.after is not None:
        lines.append(
            f"first {found.after.status.value} release: {_named(found.after)} "
            f"({found.before.status.value} before: {_named(found.before)})"
        )
    lines += [f"  or one between, which cannot say: {tested.release}" for tested in found.between]
    if found.unclear:
        names = ", ".join(str(tested.release) for tested in found.unclear)
        lines.append(f"{len(found.unclear)} of {len(found.tested)} asked cannot say: {names}")
    return lines


def _named(tested: ReleaseResult[Release]) -> str:
    exact = tested.note.partition(":")[0]
    return str(tested.release) if tested.release.path is not None else exact


def _no_change(found: BisectResult[Release]) -> str:
    from fuzz.triage.bisect.search import ReleaseStatus

    clear = {tested.status.value for tested in found.tested} - {ReleaseStatus.UNCLEAR.value}
    if not clear:
        return "no release can say"
    return f"every release that can say is {' and '.join(clear)}: look further out"


def _to_json(found: BisectResult[Release]) -> dict[str, Any]:
    def entry(tested: ReleaseResult[Release] | None) -> dict[str, str] | None:
        if tested is None:
            return None
        return {
            "release": str(tested.release),
            "answer": tested.status.value,
            "note": tested.note,
        }

    return {
        "asked": [entry(tested) for tested in found.tested],
        "before": entry(found.before),
        "after": entry(found.after),
        "between": [entry(tested) for tested in found.between],
        "cannot_say": len(found.unclear),
    }
