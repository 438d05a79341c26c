"""Reading the case files of a folder, and counting those that are rejected."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fuzz.cases.case import Case
from fuzz.cases.casefile import CaseFileError, read_cases

#: Larger files are rejected without reading them.
LARGEST: Final = 1 << 20


@dataclass(slots=True)
class Rejections:
    """Files and functions that were rejected, by reason, with an example of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def note(self, reason: str, where: str) -> None:
        """Count a rejection; the first of each reason is its example."""
        self.counts[reason] += 1
        self.examples.setdefault(reason, where)

    def add(self, other: Rejections) -> None:
        """Count the rejections of another one as well."""
        self.counts.update(other.counts)
        self.examples = other.examples | self.examples


def files_in(folder: Path) -> list[Path]:
    """Return every file below a folder, small ones first; equal sizes by name."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(files, key=lambda path: (path.stat().st_size, str(path)))


def read_text(path: Path, rejections: Rejections) -> str | None:
    """Return a file's text; None, and a rejection, if it has none."""
    try:
        if path.stat().st_size > LARGEST:
            rejections.note(f"more than {LARGEST} bytes", str(path))
            return None
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        rejections.note("cannot be read as text", str(path))
        return None
    if not text.strip():
        rejections.note("empty", str(path))
        return None
    return text


def cases_of(path: Path, rejections: Rejections) -> list[Case]:
    """Return the cases of a file; none, and a rejection, if it cannot be read."""
    text = read_text(path, rejections)
    if text is None:
        return []
    try:
        cases = read_cases(text, path.name)
        for reason in cases[0].left_out:
            rejections.note("a function that clif cannot represent", f"{path}: {reason}")
        return [found.case for found in cases]
    except CaseFileError as error:
        reason = str(error).partition(":")[0]
        no_case = "no case" if reason.startswith("line ") else f"no case: {reason}"
        rejections.note(no_case, str(path))
        return []
