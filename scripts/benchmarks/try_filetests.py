"""Tries every command that reads files on a folder of CLIF files, such as Cranelift's filetests.

python -m scripts.benchmarks.try_filetests ~/wasmtime/cranelift/filetests/filetests
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import click

from backend.cranelift.compiler import CompilerPanic, Functions, ReadError, isas, version
from fuzz.cases.casefile import CaseFileError, print_case, read_cases
from fuzz.cases.file_header import read_file_header

_TRACEBACK: Final = "Traceback (most recent call last)"
_SHOWN: Final = 12
#: So many files are given to one process of check and the like: if it dies, the others are tried
#: all the same.
_CHUNK: Final = 20
#: How long minimize may run a case once.
_RUN_SECONDS: Final = 2.0


class _Tally:
    """What one command made of the files, by outcome, with an example of each."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.tracebacks: list[str] = []

    def note(self, outcome: str, file: str, count: int = 1) -> None:
        """Count an outcome; numbers in it, such as lines, are left out."""
        outcome = re.sub(r"\bline \d+", "line N", outcome)[:120]
        self.counts[outcome] += count
        self.examples.setdefault(outcome, file)

    def fail(self, file: str, text: str) -> None:
        """Note a traceback."""
        self.tracebacks.append(f"{file}: {(text.strip().splitlines() or ['no output'])[-1]}")

    def add(self, other: _Tally) -> None:
        """Add what the command made of other files."""
        self.counts.update(other.counts)
        self.examples = other.examples | self.examples
        self.tracebacks += other.tracebacks

    def lines(self) -> Iterator[str]:
        """Yield the outcomes, the most frequent first, and every traceback."""
        yield f"{self.command}: {len(self.tracebacks)} tracebacks"
        for outcome, count in self.counts.most_common(_SHOWN):
            yield f"  {count:6} {outcome} ({self.examples[outcome]})"
        rest = sum(count for _, count in self.counts.most_common()[_SHOWN:])
        if rest:
            yield f"  {rest:6} for {len(self.counts) - _SHOWN} other reasons"
        yield from (f"  TRACEBACK {text}" for text in self.tracebacks)


def _run(words: Sequence[str], seconds: float) -> tuple[int | None, str, str]:
    """Run a command of clif-fuzz; its exit code is None if it took too long."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "fuzz", *words],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, "", ""
    return done.returncode, done.stdout, done.stderr


def _refused_by_cranelift(path: Path) -> bool:
    """Return whether Cranelift's own reader, of the release under test, refuses a file."""
    try:
        Functions(read_file_header(path.read_text(encoding="utf-8"), tuple(isas())).text)
    except (ReadError, CompilerPanic, UnicodeDecodeError):
        return True
    return False


class _Refused:
    """Files that are refused, by whether Cranelift's reader takes them."""

    def __init__(self) -> None:
        self.by_cranelift: list[str] = []
        self.by_us: list[str] = []

    def lines(self) -> Iterator[str]:
        """Yield how many there are, and each file that Cranelift's reader takes."""
        yield f"{len(self.by_cranelift)} files are refused by Cranelift {version()}'s own reader"
        yield f"{len(self.by_us)} files with run commands are refused that Cranelift's reader takes"
        yield from (f"  {text}" for text in self.by_us)


def _fmt(files: Sequence[Path], refused: _Refused) -> _Tally:
    """Read, print and read every file again."""
    tally = _Tally("fmt")
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            tally.note("not a text", path.name)
            continue
        try:
            printed = [print_case(found.case) for found in read_cases(text, path.name)]
            again = [print_case(read_cases(case, path.name)[0].case) for case in printed]
            tally.note("reads back as the same" if again == printed else "CHANGED", path.name)
        except CaseFileError as error:
            if _refused_by_cranelift(path):
                refused.by_cranelift.append(f"{path}: {error}")
                tally.note(f"refused by Cranelift's reader: {error}", path.name)
                continue
            tally.note(str(error), path.name)
            if read_file_header(text, tuple(isas())).runs:
                refused.by_us.append(f"{path}: {error}")
        except Exception as error:  # to find which exceptions there are is the purpose
            tally.fail(str(path), repr(error))
    return tally


def _json_of(words: Sequence[str], tally: _Tally, seconds: float) -> Any:
    """Run a command with ``--json`` and return what it writes; None if it fails to."""
    with tempfile.TemporaryDirectory(prefix="clif-fuzz-") as folder:
        target = Path(folder) / "facts.json"
        code, _, errors = _run([*words, "--json", str(target)], seconds)
        if code is None:
            tally.fail(words[-1], f"took more than {seconds:g} s")
        elif _TRACEBACK in errors or not target.exists():
            tally.fail(words[-1], errors)
        for line in errors.splitlines():
            if line.startswith("clif-fuzz: "):
                tally.note(line.rpartition(".clif: ")[2], line)
        return json.loads(target.read_text()) if target.exists() else None


def _check(files: Sequence[Path], seconds: float) -> _Tally:
    tally = _Tally("check")
    facts = _json_of(["check", *map(str, files)], tally, seconds)
    for file in facts["files"] if facts else ():
        name = Path(file["path"]).name
        tally.note("passed", name, file["passed"])
        for failure in file["failures"]:
            tally.note(f"failed: {failure['reason']}", name)
        for skip in file["skips"]:
            tally.note(f"skipped: {skip['reason']}", name, skip["count"])
    return tally


def _replay(files: Sequence[Path], seconds: float) -> _Tally:
    tally = _Tally("replay")
    facts = _json_of(["replay", *map(str, files)], tally, seconds)
    for case in facts["files"] if facts else ():
        name = Path(case["file"]).name
        if "not_run" in case:
            tally.note(f"not run: {case['not_run']}", name)
            continue
        for executor, result in case["executors"].items():
            known = result["problem"] or result["remark"]
            agrees = "agrees" if result["agrees"] else "differs"
            tally.note(f"{executor}: {known or agrees}", name)
    return tally


def _copied(files: Sequence[Path], folder: Path) -> list[Path]:
    """Copy files to a folder under names of their own: files of two folders may have one name."""
    folder.mkdir()
    return [
        Path(shutil.copyfile(path, folder / f"{number}-{path.name}"))
        for number, path in enumerate(files)
    ]


def _import(files: Sequence[Path], seconds: float) -> _Tally:
    tally = _Tally("corpus import")
    with tempfile.TemporaryDirectory(prefix="clif-fuzz-") as out:
        source = Path(out) / "source"
        _copied(files, source)
        facts = _json_of(["corpus", "import", str(source), f"{out}/cases"], tally, seconds)
    for file in facts["by_file"] if facts else ():
        name = Path(file["path"]).name.partition("-")[2]
        tally.note("written", name, file["written"])
        for reason, count in file["refused"].items():
            tally.note(reason, name, count)
    return tally


def _minimize(files: Sequence[Path], seconds: float) -> _Tally:
    tally = _Tally("minimize")
    with tempfile.TemporaryDirectory(prefix="clif-fuzz-") as out:
        copies = _copied(files, Path(out) / "source")
        words = ["-o", f"{out}/small", "--timeout", f"{_RUN_SECONDS:g}"]
        code, said, errors = _run(["minimize", *map(str, copies), *words], seconds)
        for path in copies:
            name = path.name.partition("-")[2]
            found = [line for line in errors.splitlines() if f"{path}: " in line]
            if found:
                tally.note(found[0].partition(f"{path}: ")[2], name)
            elif f"{path}: " in said:
                tally.note("minimised", name)
            else:
                tally.note("still at it when it was ended" if code is None else "NOTHING", name)
        if _TRACEBACK in errors:
            tally.fail(", ".join(path.name for path in files), errors)
    return tally


def _in_chunks(
    step: Callable[[Sequence[Path], float], _Tally],
    files: Sequence[Path],
    limit: float,
    jobs: int,
) -> _Tally:
    """Try a command on all files, some in each process, and print what came of it."""
    chunks = [files[at : at + _CHUNK] for at in range(0, len(files), _CHUNK)]
    found = _Tally("")
    with ThreadPoolExecutor(jobs) as pool:
        for done, tally in enumerate(pool.map(lambda chunk: step(chunk, limit), chunks), 1):
            found.command = tally.command
            found.add(tally)
            click.echo(f"{tally.command}: {done} of {len(chunks)}", err=True)
    click.echo("\n".join(found.lines()))
    return found


_STEPS: Final = {"check": _check, "import": _import, "replay": _replay, "minimize": _minimize}


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seconds", default=900.0, show_default=True, help=f"Limit for {_CHUNK} files.")
@click.option("--jobs", default=1, show_default=True, help="Processes at a time.")
@click.option("--every", default=1, show_default=True, help="Minimize only every N-th file.")
@click.option("--only", type=click.Choice([*_STEPS]), multiple=True, help="Which of them; or all.")
def main(folder: Path, seconds: float, jobs: int, every: int, only: tuple[str, ...]) -> None:
    """Try fmt, check, corpus import, replay and minimize on every .clif file below FOLDER.

    The exit code is 1 after a traceback, or if a file with run commands that Cranelift's reader
    takes is refused.
    """
    files = sorted(folder.rglob("*.clif"))
    refused = _Refused()
    tallies = [] if only else [_fmt(files, refused)]
    for tally in tallies:
        click.echo("\n".join(tally.lines()))
    for name in only or _STEPS:
        chosen = files[::every] if name == "minimize" else files
        tallies.append(_in_chunks(_STEPS[name], chosen, seconds, jobs))
    if not only:
        click.echo("\n".join(refused.lines()))
    sys.exit(any(tally.tracebacks for tally in tallies) or bool(refused.by_us))


if __name__ == "__main__":
    main()
