"""Fragments that are kept: the same ones as those made anew, whatever became of the file."""

from functools import cache
from pathlib import Path

import pytest

from fuzz.generate import Options
from fuzz.generate.instruction_sets import Repertoires
from fuzz.isle.fragment_cache import Shelf
from fuzz.isle.rule_fragments import Recipe, recipes

OPTIONS = Options()
SLOT = 3


def some(shelf: Shelf | None) -> list[Recipe]:
    repertoires = Repertoires(OPTIONS)
    found = recipes(OPTIONS.isas, repertoires.widest("none"), repertoires.widest("speed"), shelf)
    return found.main[::40]


def described(made: list[Recipe]) -> list[str]:
    """What is in the fragments, forms by name, and what fires them."""
    return [f"{recipe.fragment(SLOT)} {recipe.target(SLOT)}" for recipe in made]


@cache
def anew() -> list[str]:
    return described(some(None))


def test_what_is_taken_is_what_was_put(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "shelf"
    shelf = Shelf(file)
    assert described(some(shelf)) == anew()
    shelf.flush()
    assert described(some(Shelf(file))) == anew()


def test_what_is_taken_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(tmp_path / "shelf")
    made = described(some(shelf))
    shelf.flush()
    monkeypatch.setattr(Recipe, "_try", None)
    assert described(some(Shelf(tmp_path / "shelf"))) == made


def test_a_file_that_is_no_shelf_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "shelf"
    file.write_bytes(b"of somebody else's making " * 1000)
    assert described(some(Shelf(file))) == anew()
    shelf = Shelf(file)
    described(some(shelf))
    shelf.flush()
    assert file.read_bytes().startswith(b"SQLite")


def test_a_folder_that_cannot_be_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shelf = Shelf(tmp_path / "file" / "shelf")
    assert described(some(shelf)) == anew()
    shelf.flush()


def test_processes_share_one(tmp_path: Path) -> None:
    one, other = Shelf(tmp_path / "shelf"), Shelf(tmp_path / "shelf")
    assert described(some(one)) == anew()
    one.flush()
    assert described(some(other)) == anew()
    other.flush()
