"""Fixtures of the tests of bisecting by commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.cranelift import release_build
from backend.cranelift.compiler import Target
from backend.cranelift.releases import ReleaseCode, ReleaseCompiler
from tests.fuzz.triage.commits.little_repository import FakeBuilder, LittleRepository
from tests.fuzz.triage.fake_release import compile_as_release


@pytest.fixture
def repository(tmp_path: Path) -> LittleRepository:
    """A repository with one good commit."""
    return LittleRepository.create(tmp_path / "wasmtime")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "clif-fuzz"


def _compile(
    self: ReleaseCompiler,
    text: str,
    target: Target,
    chaos: bytes = b"",
    inlining: bytes = b"",
    *,
    tables: bool = False,
    labels: bool = False,
) -> list[ReleaseCode]:
    """Compile with the linked Cranelift, whose fault a good program does not have."""
    if self.program.read_text().startswith("good"):
        text = text.replace("return v2", "return v1")
    return compile_as_release(text, target, chaos)


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> FakeBuilder:
    """Build and compile without cargo."""
    made = FakeBuilder()
    monkeypatch.setattr(release_build, "build_tree", made.build)
    monkeypatch.setattr(ReleaseCompiler, "compile", _compile)
    return made
