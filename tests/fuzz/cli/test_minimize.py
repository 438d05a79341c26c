"""``clif-fuzz minimize`` with several files; what minimising does is tested in its package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fuzz.cli.errors import BadInput
from tests.fuzz.command import Command


@pytest.fixture
def targets(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that would be written; one of them cannot be read, one is interrupted."""
    written: list[Path] = []

    def minimize_file(file: Path, target: Path, *_: Any, **__: Any) -> tuple[dict[str, Any], bool]:
        if file.name == "bad.clif":
            raise BadInput(f"{file}: it does not fail")
        written.append(target)
        return {"file": str(file)}, file.name == "slow.clif"

    monkeypatch.setattr("fuzz.cli.minimize._minimize_file", minimize_file)
    return written


def test_many_files(command: Command, tmp_path: Path, targets: list[Path]) -> None:
    output = command("minimize", "x/a.clif", "bad.clif", "b.clif", "--json", "-")
    assert output.code == 2
    assert output.err == "clif-fuzz: bad.clif: it does not fail\n"
    assert targets == [Path("x/a.min.clif"), Path("b.min.clif")]
    files = json.loads(output.out)["files"]
    assert [facts["file"] for facts in files] == ["x/a.clif", "b.clif"]
    out = tmp_path / "new" / "out"
    assert command("minimize", "x/a.clif", "b.clif", "-o", out).code == 0
    assert targets[2:] == [out / "a.clif", out / "b.clif"]
    assert "for one file" in command.complaint("minimize", "a.clif", "b.clif", "-o", "-")


def test_ctrl_c_ends_it(command: Command, targets: list[Path]) -> None:
    assert command("minimize", "a.clif", "slow.clif", "b.clif").code == 130
    assert targets == [Path("a.min.clif"), Path("slow.min.clif")]


def test_one_file_is_as_before(command: Command, targets: list[Path]) -> None:
    output = command("minimize", "a.clif", "--json", "-", "-o", "small.clif")
    assert json.loads(output.out) == {"file": "a.clif"}
    assert targets == [Path("small.clif")]
