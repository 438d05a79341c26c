"""The name of the Cranelift under test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from backend.cranelift import cranelift_name as module


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    module.cranelift_name.cache_clear()
    yield
    module.cranelift_name.cache_clear()


def _build(monkeypatch: pytest.MonkeyPatch, folder: Path, *, published: bool) -> None:
    build = SimpleNamespace(
        published=published, version=lambda: "1.2.3", __file__=str(folder / "_cranelift.so")
    )
    monkeypatch.setattr(module, "_cranelift", build)


def test_a_release_is_named_by_its_number(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "local_cranelift.txt").write_text("left over\n")
    _build(monkeypatch, tmp_path, published=True)
    assert module.cranelift_name() == "1.2.3"


def test_a_local_tree_is_named_by_what_lies_beside_the_extension(monkeypatch, tmp_path) -> None:
    (tmp_path / "local_cranelift.txt").write_text("mine, v1-2-gabc\n")
    _build(monkeypatch, tmp_path, published=False)
    assert module.cranelift_name() == "1.2.3 from mine, v1-2-gabc"


def test_a_local_tree_without_a_name_is_told_from_a_release(monkeypatch, tmp_path) -> None:
    _build(monkeypatch, tmp_path, published=False)
    assert module.cranelift_name() == "1.2.3 from a local tree"
