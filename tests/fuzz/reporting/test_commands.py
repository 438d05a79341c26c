"""Commands to paste."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fuzz.reporting.commands import program


def test_a_build_of_the_release_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/somewhere/.venv")
    assert program() == "clif-fuzz"


def test_a_local_build_is_called_by_its_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment = tmp_path / "my checkout" / ".venv-wasmtime-1f2e3d4c"
    environment.mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(environment))
    monkeypatch.chdir(environment)
    assert program() == "bin/clif-fuzz"
    monkeypatch.chdir(tmp_path)
    assert program() == "'my checkout/.venv-wasmtime-1f2e3d4c/bin/clif-fuzz'"
    monkeypatch.chdir("/")
    assert program() == f"'{str(environment / 'bin' / 'clif-fuzz').removeprefix('/')}'"
