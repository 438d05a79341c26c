"""Reading a diff as ``git diff --unified=0`` prints it: which lines of which files are new."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

_HUNK: Final = re.compile(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NOTHING: Final = "/dev/null"


@dataclass(slots=True)
class ChangedFile:
    """A file that differs between the two sides of a diff.

    Attributes:
        old, new: its path on each side; None where it is missing there.
        lines: the lines of the new side that were added or changed, and where lines were removed
            the one before them.
    """

    old: str | None
    new: str | None
    lines: list[int] = field(default_factory=list)


def changed_files(diff: str) -> list[ChangedFile]:
    """Return the files of a diff with prefixes ``a/`` and ``b/``, in their order."""
    found: list[ChangedFile] = []
    old: str | None = None
    left = right = 0  # lines of the hunk that are still to come, on each side
    for line in diff.split("\n"):
        if left or right:
            left -= line.startswith("-")
            right -= line.startswith("+")
        elif line.startswith("--- "):
            old = _path(line, "a/")
        elif line.startswith("+++ "):
            found.append(ChangedFile(old, _path(line, "b/")))
        elif found and (hunk := _HUNK.match(line)):
            left, start, right = int(hunk[1] or 1), int(hunk[2]), int(hunk[3] or 1)
            found[-1].lines += range(start, start + max(1, right))
    return found


def _path(line: str, prefix: str) -> str | None:
    # A path with a space has a tab behind it.
    path = line[4:].rstrip("\t")
    return None if path == _NOTHING else path.removeprefix(prefix)
