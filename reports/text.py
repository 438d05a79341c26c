"""Texts of others, made harmless for a terminal and for Markdown."""

from __future__ import annotations

import re

#: All control characters but the line feed and the tab; the marks that reverse the direction of
#: writing, which can make a line look like another one.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_MARKUP = re.compile(r"[\\`*{}\[\]<>#|~]")
_TICKS = re.compile("`+")


def printable(text: str) -> str:
    r"""Return a text with its control characters as escapes, as in ``\x1b``."""
    return _CONTROL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def code_span(text: str) -> str:
    """Return a text as code within a line of Markdown: no name is mentioned, no tag opened."""
    line = " ".join(printable(text).split())
    ticks = "`" * (1 + max((len(run) for run in _TICKS.findall(line)), default=0))
    space = " " * (line.startswith("`") or line.endswith("`") or not line)
    return f"{ticks}{space}{line}{space}{ticks}"


def prose(text: str) -> str:
    """Return a text as a line of Markdown that says just that: no tag, no name mentioned."""
    line = " ".join(printable(text).split())
    return _MARKUP.sub(r"\\\g<0>", line).replace("@", "@\u200b")


def table_cell(text: str) -> str:
    """Return a text as code within a table of Markdown, where bars divide cells even in code."""
    return code_span(text).replace("|", "\\|")


def code_block(text: str, language: str = "", indent: int = 0) -> str:
    """Return a text as a block of code; its fence is longer than any run of backticks in it."""
    inside = printable(text).strip("\n")
    longest = max((len(run) for run in _TICKS.findall(inside)), default=0)
    fence = "`" * max(3, 1 + longest)
    lines = [f"{fence}{language}", *inside.split("\n"), fence]
    return "\n".join(f"{' ' * indent}{line}".rstrip() for line in lines)
