"""The Markdown pages of the checkout, and what is said in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.paths import ROOT

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob(".github/**/*.md"),
        *(ROOT / "docs").rglob("*.md"),
    ]
)
#: Its older entries speak of files and options that are gone.
CHANGELOG = ROOT / "CHANGELOG.md"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")


def name(page: Path) -> str:
    """Return the page's name, for test identifiers and messages."""
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """Return the page's text without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def blocks(page: Path, language: str | None = None) -> Iterator[str]:
    """Yield the contents of the fenced blocks, of those of one language if it is given."""
    for match in _FENCE.finditer(page.read_text()):
        if language is None or match[1] == language:
            yield match[2]


def spans(page: Path) -> Iterator[str]:
    """Yield what stands between single backticks, one line each."""
    for match in _SPAN.finditer(prose(page)):
        yield " ".join(match[1].split())


def code(page: Path) -> Iterator[str]:
    """Yield every piece of code: the spans, and the fenced blocks line by line."""
    yield from spans(page)
    for block in blocks(page):
        yield from block.replace("\\\n", " ").splitlines()
