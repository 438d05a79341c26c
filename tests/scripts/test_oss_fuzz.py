"""The files for OSS-Fuzz and ClusterFuzzLite, as far as they can be checked without a container."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.paths import ROOT

FOLDER = ROOT / "scripts" / "oss-fuzz"


@pytest.fixture
def dockerfile(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the scripts, which are no package."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("dockerfile")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """OSS-Fuzz's folder of the project."""
    path = tmp_path / "project"
    path.mkdir()
    for name in ("Dockerfile", "build.sh", "project.yaml"):
        shutil.copy2(FOLDER / name, path / name)
    return path


def carry_out(dockerfile: Any, folder: Path) -> Path:
    source, checkout = folder.parent / "src", folder.parent / "checkout"
    source.mkdir()
    (checkout / ".git").mkdir(parents=True)
    (checkout / "README.md").write_text("")
    found: Path = dockerfile.carry_out(folder, source, checkout)
    return found


def test_the_image_is_made_from_three_files(dockerfile: Any, folder: Path) -> None:
    directory = carry_out(dockerfile, folder)
    source = folder.parent / "src"
    assert directory == source / "clif-fuzz"
    assert [path.name for path in directory.iterdir()] == ["README.md"]
    assert (source / "build.sh").read_text() == (FOLDER / "build.sh").read_text()


@pytest.mark.parametrize("line", ["COPY . $SRC/", "RUN make", "WORKDIR $SRC/no", "ADD a b"])
def test_what_would_not_work_there_is_refused(dockerfile: Any, folder: Path, line: str) -> None:
    path = folder / "Dockerfile"
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(dockerfile.DockerfileError):
        carry_out(dockerfile, folder)


def test_nobody_is_a_contact_without_knowing() -> None:
    contacts = re.findall(r"[\w.]+@([\w.]+)", (FOLDER / "project.yaml").read_text())
    assert contacts == ["example.com"]


def test_another_python_is_refused_in_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python"
    program = "import sys; sys.version_info = (3, 9, 1)\n$1"
    old.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} -c "{program}"\n')
    old.chmod(0o755)
    variables = {"SRC": "/nowhere", "OUT": "o", "WORK": "w", "CLIF_FUZZ_PYTHON": str(old)}
    done = subprocess.run(
        ["bash", "-eu", FOLDER / "build.sh"],
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "needs Python 3.11 to 3.13" in done.stderr


@pytest.mark.parametrize("file", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=str)
def test_workflows_ask_for_what_they_use(file: Path) -> None:
    """SARIF would have to be uploaded, with the permission to write security events."""
    text = file.read_text()
    assert ("output-sarif: true" in text) == ("upload-sarif" in text)
    assert "write" not in text.partition("permissions:")[2].partition("jobs:")[0].split()
