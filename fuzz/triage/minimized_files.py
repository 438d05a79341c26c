"""Files of minimised findings, in the folder ``minimized`` beside the files of the findings.

The file of a minimised finding is named like the finding's. It says from which text and with which
build it was made, so that work that is still valid is not done again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backend.whole_file import write_whole
from fuzz.cases.build_identity import build_identity
from fuzz.cases.casefile import CaseFileError, read_case
from fuzz.differential.failure_signature import FailureSignature
from fuzz.differential.finding import KNOWN_FAULTS, MINIMIZED, OLD_FINDINGS, FindingKind
from fuzz.triage.bucket import MinimalCase
from fuzz.triage.minimized import MinimizedCase, minimized_text

#: The comment lines of these files that name the finding and its failure.
MINIMIZED_FROM: Final = "minimized from"
FAILURE: Final = "failure"
_RULES: Final = "suspected rules"
_DIGITS: Final = 16
#: Folders of findings that are not new.
_NOT_NEW: Final = frozenset({KNOWN_FAULTS, OLD_FINDINGS})


@dataclass(frozen=True, slots=True, eq=False)
class SavedCase:
    """A minimised case that was read from its file.

    Attributes:
        source: which finding it was made from, and by which build.
    """

    file: Path
    minimal: MinimalCase
    source: str


def minimized_path(file: Path, function: str = "") -> Path:
    """Return the path for the minimised case of a finding's file.

    Args:
        function: the main function if the file has several cases.
    """
    name = f"{file.stem}.{function}.clif" if function else file.name
    return file.parent / MINIMIZED / re.sub(r"[^\w.+-]", "_", name)


def leave_out_own(files: Iterable[Path], folder: Path) -> tuple[list[Path], int]:
    """Leave out the files in a folder that are no findings to look at.

    Returns:
        The rest, and how many of the files left out are known faults, or old.
    """
    rest, known = [], 0
    for file in files:
        parents = set(file.relative_to(folder).parts[:-1])
        known += MINIMIZED not in parents and not _NOT_NEW.isdisjoint(parents)
        if parents.isdisjoint(_NOT_NEW | {MINIMIZED}):
            rest.append(file)
    return rest, known


def save_minimized(
    minimized: MinimizedCase, isas: tuple[str, ...], source: Path, text: str, path: Path
) -> None:
    """Write the file of a minimised finding.

    Args:
        source, text: the finding's file, and its contents.

    Raises:
        OSError: it cannot be written.
    """
    notes = [
        f"{MINIMIZED_FROM}: {source.name} ({_origin(text)})",
        f"{FAILURE}: {minimized.failure.what}",
        *([f"{_RULES}: {' '.join(sorted(minimized.rules))}"] if minimized.rules else []),
    ]
    path.parent.mkdir(exist_ok=True)
    write_whole(minimized_text(minimized, isas, notes), path)


def load_minimized(path: Path, text: str) -> SavedCase | None:
    """Read the file of a minimised finding.

    Args:
        text: the contents of the finding's file.

    Returns:
        None if there is none, or if it was made of another text or by another build.
    """
    saved = read_minimized(path)
    if saved is None or not saved.source.endswith(f" ({_origin(text)})"):
        return None
    return saved


def read_minimized(path: Path) -> SavedCase | None:
    """Read the file of a minimised finding, whichever build made it.

    Returns:
        None if there is none.
    """
    try:
        own = path.read_text(encoding="utf-8")
        notes = _notes(own)
        kind, isas = FindingKind(notes["finding"]), tuple(notes["isa"].split())
        failure = FailureSignature(kind, isas, notes[FAILURE])
        rules = frozenset(notes.get(_RULES, "").split())
        minimal = MinimalCase(read_case(own).case, failure, rules)
        return SavedCase(path, minimal, notes[MINIMIZED_FROM])
    except (OSError, ValueError, KeyError, CaseFileError):
        return None


def _origin(text: str) -> str:
    """Return what identifies the text that was minimised, and the build that did it."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    return f"text {digest}, build {build_identity().digest}"


def _notes(text: str) -> dict[str, str]:
    notes: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith(";"):
            break
        name, _, value = line.removeprefix("; ").partition(":")
        notes.setdefault(name, value.strip())
    return notes
