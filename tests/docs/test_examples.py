"""The examples of the pages do what they show."""

from __future__ import annotations

import re
import shlex
from itertools import chain
from pathlib import Path

import pytest

from backend.cranelift import _cranelift
from tests.docs.pages import PAGES, blocks, name
from tests.fuzz.command import Command
from tests.paths import ROOT

#: Another Cranelift makes other code.
pytestmark = pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift")

#: They build releases of Cranelift.
_TOO_SLOW = {"bisect"}
#: Its example has tests of its own, in tests/fuzz/test_strategies.py.
_TESTED_ELSEWHERE = {"docs/strategies.md"}


@pytest.fixture(autouse=True)
def _in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def programs() -> list[object]:
    """Return each block of Python, with the name of its page."""
    return [
        pytest.param(block, id=f"{name(page)}-{number}")
        for page in PAGES
        if name(page) not in _TESTED_ELSEWHERE
        for number, block in enumerate(blocks(page, "python"))
    ]


@pytest.mark.parametrize("program", programs())
def test_python(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(program, "example", "exec"), {"__name__": "example"})
    capsys.readouterr()


def sessions() -> list[object]:
    """Return each command of a console block with the output that the page shows."""
    found: list[object] = []
    for page in PAGES:
        for block in blocks(page, "console"):
            for text in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                line, _, output = text.partition("\n")
                words = shlex.split(line)
                if words[1] not in _TOO_SLOW:
                    found.append(pytest.param(words, output, id=f"{name(page)}: {line}"))
    return found


@pytest.mark.parametrize(("words", "shown"), sessions())
def test_console(command: Command, words: list[str], shown: str) -> None:
    assert words[0] == "clif-fuzz"
    output = command(*words[1:])
    parts = (re.escape(part) for part in re.split(r"^ *\.\.\.\n", shown, flags=re.MULTILINE))
    assert re.fullmatch("(?:.*\n)*?".join(parts), output.out), output.out


def test_the_example_is_the_file() -> None:
    page = ROOT / "docs" / "how-it-works.md"
    assert Path("docs/example.clif").read_text() in chain(blocks(page))
