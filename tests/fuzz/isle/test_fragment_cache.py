"""Cached fragments are the same as newly made ones, whatever happens to the file."""

from functools import cache
from pathlib import Path

import pytest

from fuzz.generate import Options
from fuzz.generate.instruction_sets import InstructionSets
from fuzz.isle.fragment_cache import FragmentCache
from fuzz.isle.fragment_pool import make_pool
from fuzz.isle.rule_fragments import RuleFragments

OPTIONS = Options()
NUMBER = 3


def some(cache: FragmentCache | None) -> list[RuleFragments]:
    instruction_sets = InstructionSets(OPTIONS)
    found = make_pool(
        OPTIONS.isas, instruction_sets.widest("none"), instruction_sets.widest("speed"), cache
    )
    return found.main[::40]


def described(made: list[RuleFragments]) -> list[str]:
    """Return what is in the fragments, with instructions by name, and what fires them."""
    return [f"{rule.fragment(NUMBER)} {rule.target(NUMBER)}" for rule in made]


@cache
def anew() -> list[str]:
    return described(some(None))


def test_what_is_taken_is_what_was_put(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "cache"
    cache = FragmentCache(file)
    assert described(some(cache)) == anew()
    cache.flush()
    assert described(some(FragmentCache(file))) == anew()


def test_what_is_taken_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FragmentCache(tmp_path / "cache")
    made = described(some(cache))
    cache.flush()
    monkeypatch.setattr(RuleFragments, "_try", None)
    assert described(some(FragmentCache(tmp_path / "cache"))) == made


def test_a_file_that_is_no_cache_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "cache"
    file.write_bytes(b"of somebody else's making " * 1000)
    assert described(some(FragmentCache(file))) == anew()
    cache = FragmentCache(file)
    described(some(cache))
    cache.flush()
    assert file.read_bytes().startswith(b"SQLite")


def test_a_folder_that_cannot_be_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = FragmentCache(tmp_path / "file" / "cache")
    assert described(some(cache)) == anew()
    cache.flush()


def test_processes_share_one(tmp_path: Path) -> None:
    one, other = FragmentCache(tmp_path / "cache"), FragmentCache(tmp_path / "cache")
    assert described(some(one)) == anew()
    one.flush()
    assert described(some(other)) == anew()
    other.flush()
