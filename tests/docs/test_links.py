"""What the pages refer to exists: links, files, modules, commands and their options."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from fuzz.cli import cli
from tests.docs.pages import CHANGELOG, PAGES, blocks, code, name, prose, spans
from tests.paths import ROOT

PACKAGES = ("clif", "interp", "backend", "fuzz", "reports")
FOLDERS = (
    *PACKAGES,
    *("corpus", "scripts", "tests", "docs"),
    *(r"\.github", r"\.ci", r"\.cargo", r"\.clusterfuzzlite"),
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(rf"(?<![\w/.~-])(?:{'|'.join(FOLDERS)})/[\w./*-]*")
_MODULE = re.compile(rf"(?<![\w/.])(?:{'|'.join((*PACKAGES, 'scripts', 'tests'))})(?:\.\w+)+")
_FILE = re.compile(r"(?<![\w/.*])\w+\.py\b")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_MENTIONED_FILE = re.compile(
    rf"(?<![\w/.~-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w\.(?:py|md|rs|clif)\b"
)
_MENTIONED_MODULE = re.compile(rf"``((?:{'|'.join(PACKAGES)})(?:\.\w+)+)(?:\(\))?``")
#: Files that a page tells its reader to make.
_EXAMPLES = {"test_mine.py", "riscv64.py"}

every_page = pytest.mark.parametrize("page", PAGES, ids=name)
pages_of_today = pytest.mark.parametrize(
    "page", [page for page in PAGES if page != CHANGELOG], ids=name
)


def anchors(page: Path) -> set[str]:
    """Return the names by which GitHub lets one link to the page's headings."""
    titles = (re.sub(r"[^\w\- ]", "", title.lower()) for title in _HEADING.findall(prose(page)))
    return {title.strip().replace(" ", "-") for title in titles}


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def paths(page: Path) -> Iterator[str]:
    for text in code(page):
        for path in _PATH.findall(text):
            yield path.rstrip(".").replace("NAME", "*")  # of an ISA, any


@pages_of_today
def test_files_exist(page: Path) -> None:
    missing = [path for path in paths(page) if not any(ROOT.glob(path.rstrip("/")))]
    assert missing == []


@pages_of_today
def test_files_without_folder_exist(page: Path) -> None:
    known = {path.name for folder in (*PACKAGES, "scripts", "tests") for path in files_of(folder)}
    named = {file for text in spans(page) for file in _FILE.findall(text)}
    assert named - known - _EXAMPLES == set()


def files_of(folder: str) -> Iterator[Path]:
    return (ROOT / folder).rglob("*.py")


@pages_of_today
def test_modules_exist(page: Path) -> None:
    texts = [*spans(page), *blocks(page)]
    missing = [path for text in texts for path in _MODULE.findall(text) if not importable(path)]
    assert missing == []


def importable(path: str) -> bool:
    """Return whether the path names a module or what can be reached from one."""
    parts = path.partition(".NAME")[0].split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command line of ``clif-fuzz``."""
    for text in code(page):
        for line in re.findall(r"clif-fuzz ([a-z].*)", text):
            yield line.partition("#")[0].split()


@pages_of_today
def test_commands_and_options_exist(page: Path) -> None:
    for words in commands(page):
        found, rest = command_of(words)
        options = {option for parameter in found.params for option in parameter.opts}
        named = {word.partition("=")[0] for word in rest if re.match(r"--[a-z]", word)}
        assert named - options - {"--help"} == set(), words


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that the words name, and the words that are left."""
    command: click.Command = cli
    while isinstance(command, click.Group):
        group, (word, *words) = command, words
        found = group.get_command(click.Context(group), word)
        assert found is not None, word
        command = found
    return command, words


@pytest.mark.parametrize("folder", [*PACKAGES, "scripts", "tests"])
def test_what_the_code_mentions_exists(folder: str) -> None:
    """Comments and docstrings: files by their path, modules between double backticks."""
    missing = []
    for file in sorted(
        path for kind in ("py", "rs") for path in (ROOT / folder).rglob(f"*.{kind}")
    ):
        if "target" in file.relative_to(ROOT).parts:
            continue  # what cargo made
        text = file.read_text()
        missing += [(file, path) for path in _MENTIONED_FILE.findall(text) if not exists(path)]
        missing += [
            (file, path) for path in _MENTIONED_MODULE.findall(text) if not importable(path)
        ]
    assert missing == []


def exists(path: str) -> bool:
    return any(ROOT.glob(path.replace("NAME", "*")))


def test_every_package_has_a_row() -> None:
    """The table of packages in docs/how-it-works.md leaves none out."""
    page = ROOT / "docs" / "how-it-works.md"
    table = page.read_text().partition("## Where what is")[2].partition("Tests mirror this")[0]
    packages = [
        *(path.parent for top in ("fuzz", "backend") for path in ROOT.glob(f"{top}/*/__init__.py")),
        *(ROOT / name for name in ("clif", "interp", "reports")),
    ]
    rows = {path.rstrip("/") for path in _PATH.findall(table)}
    assert {path.relative_to(ROOT).as_posix() for path in packages} <= rows
