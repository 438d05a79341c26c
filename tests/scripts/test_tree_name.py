"""The names of local Cranelift trees, which go into what is found with them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

NAME = """
import sys
sys.path.insert(0, "scripts/environment")
from tree_name import tree_name
from variant import Variant
print(tree_name(Variant.of(sys.argv[1], "")))
"""
CODEGEN = '[package]\nname = "cranelift-codegen"\nversion = "0.135.8"\n'


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a published cranelift-codegen with two files."""
    folder = tmp_path / "cargo" / "registry" / "src" / "index" / "cranelift-codegen-0.135.8"
    (folder / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text(CODEGEN)
    (folder / "src" / "lib.rs").write_text("mod a;\n")
    (folder / "src" / "a.isle").write_text("(rule (a) 1)\n")
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo"))
    return folder


def name_of(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", NAME, str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def git(folder: Path, *arguments: str) -> None:
    settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *settings, *arguments]
    subprocess.run(command, check=True, capture_output=True)


def test_a_copy_without_changes_is_named_after_its_folder(registry: Path, tmp_path: Path) -> None:
    shutil.copytree(registry, tmp_path / "my copy")
    assert name_of(tmp_path / "my copy") == "my_copy"


def test_a_copy_counts_its_changed_files(registry: Path, tmp_path: Path) -> None:
    folder = tmp_path / "patched"
    shutil.copytree(registry, folder)
    (folder / "src" / "a.isle").write_text("(rule (a) 2)\n")
    one = name_of(folder)
    assert re.fullmatch(r"patched, 1 changed file [0-9a-f]{8}", one)
    (folder / "src" / "a.isle").write_text("(rule (a) 3)\n")
    other = name_of(folder)
    assert re.fullmatch(r"patched, 1 changed file [0-9a-f]{8}", other)
    assert one != other
    (folder / "src" / "lib.rs").unlink()
    (folder / "src" / "b.rs").write_text("")
    (folder / "notes.txt").write_text("of no matter")
    assert re.fullmatch(r"patched, 3 changed files [0-9a-f]{8}", name_of(folder))


def test_where_is_nothing_to_compare_with_all_sources_count(registry: Path, tmp_path: Path) -> None:
    folder = tmp_path / "patched"
    registry.rename(folder)
    one = name_of(folder)
    assert re.fullmatch(r"patched, sources [0-9a-f]{8}", one)
    (folder / "src" / "lib.rs").write_text("")
    assert name_of(folder) != one


def test_a_work_tree_is_described_by_git(tmp_path: Path) -> None:
    tree = tmp_path / "wasmtime"
    codegen = tree / "cranelift" / "codegen"
    codegen.mkdir(parents=True)
    (tree / "Cargo.toml").write_text("[workspace]\n")
    (codegen / "Cargo.toml").write_text(CODEGEN)
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "first")
    git(tree, "tag", "v1.0.0")
    assert name_of(tree) == "wasmtime, v1.0.0"
    (codegen / "Cargo.toml").write_text(f"{CODEGEN}# changed\n")
    one = name_of(tree)
    assert re.fullmatch(r"wasmtime, v1\.0\.0, 1 changed file [0-9a-f]{8}", one)
    (codegen / "new.isle").write_text("")
    assert re.fullmatch(r"wasmtime, v1\.0\.0, 2 changed files [0-9a-f]{8}", name_of(tree))
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "second")
    assert re.fullmatch(r"wasmtime, v1\.0\.0-1-g[0-9a-f]{9}", name_of(tree))


def test_a_folder_that_git_does_not_track_is_not_described_by_the_repository_around_it(
    registry: Path, tmp_path: Path
) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "README").write_text("")
    git(tmp_path, "add", "README")
    git(tmp_path, "commit", "-q", "-m", "first")
    shutil.copytree(registry, tmp_path / "copy")
    assert name_of(tmp_path / "copy") == "copy"
