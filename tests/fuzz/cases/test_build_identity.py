"""A build has another identity as soon as its cases may be others."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

import pytest

import fuzz.cases.build_identity
from fuzz.cases.build_identity import SOURCES, build_identity, digest_of, other_build
from tests.fuzz.command import Command
from tests.paths import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small tree with each of the sources."""
    for name in SOURCES:
        path = tmp_path / name
        if not name.endswith(".py"):
            path /= "module.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("VALUE = 1\n")
    return tmp_path


def test_every_source_is_there() -> None:
    assert all((ROOT / name).exists() for name in SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_a_changed_source_is_another_build(checkout: Path, name: str) -> None:
    before = digest_of(checkout)
    path = checkout / name
    file = path if path.is_file() else path / "module.py"
    file.write_text("VALUE = 2\n")
    assert digest_of(checkout) != before
    file.write_text("VALUE = 1\n")
    assert digest_of(checkout) == before


def test_a_new_a_moved_and_a_lost_source_too(checkout: Path) -> None:
    seen = [digest_of(checkout)]
    (checkout / "clif" / "deep").mkdir()
    (checkout / "clif" / "deep" / "new.py").touch()
    seen.append(digest_of(checkout))
    (checkout / "clif" / "deep" / "new.py").rename(checkout / "clif" / "deep" / "old.py")
    seen.append(digest_of(checkout))
    shutil.rmtree(checkout / "interp")
    seen.append(digest_of(checkout))
    assert len(set(seen)) == len(seen)


def test_what_no_case_depends_on_does_not_count(checkout: Path) -> None:
    before = digest_of(checkout)
    (checkout / "fuzz" / "cli").mkdir()
    (checkout / "fuzz" / "cli" / "run.py").touch()
    (checkout / "clif" / "notes.txt").touch()
    assert digest_of(checkout) == before


@pytest.mark.parametrize("what", ["extension", "interpreter", "distribution"])
def test_everything_else_that_counts(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    before = digest_of(checkout)
    module = fuzz.cases.build_identity
    if what == "extension":
        monkeypatch.setattr(module, "extension_id", lambda: "another")
    elif what == "interpreter":
        monkeypatch.setattr(platform, "python_version", lambda: "3.99")
    else:
        monkeypatch.setattr(module, "version", lambda name: "9" if name == "unicorn" else "1")
    assert digest_of(checkout) != before


def test_it_is_what_the_command_line_prints(command: Command) -> None:
    output = command("--version")
    assert (output.code, output.out) == (0, f"{build_identity()}\n")
    assert build_identity().digest in output.out
    assert build_identity().digest == digest_of(ROOT)


def test_files_of_another_build_are_told() -> None:
    own, other = str(build_identity()), "clif-fuzz 0.1.0 (Cranelift 0.130.0, build 12)"
    head = "; finding: hang\n; build: {}\ntest run\n; build: later\n"
    assert other_build(head.format(other)) == other
    assert other_build(head.format(own)) == ""
    assert other_build("; finding: hang\ntest run\n; build: later\n") == ""
