"""The virtual environment, its Python packages, and the command ``clif-fuzz``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from messages import SetupError, say
from variant import Variant
from versions import ROOT

_COMMAND = """\
#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys

from fuzz.cli import main

if __name__ == "__main__":  # worker processes import this file
    sys.exit(main())
"""

#: Extras that are not installed by default: Ray and what it needs take a quarter of a gigabyte.
_LEFT_OUT = frozenset({"ray"})


def install_packages(variant: Variant, *, fresh: bool) -> None:
    """Install what ``pyproject.toml`` lists; if ``fresh``, make the virtual environment anew first.

    Raises:
        SetupError: there is no virtual environment to be had, or pip failed.
    """
    say(f"installing Python packages into {variant.folder.name}")
    if fresh:
        _make_venv(variant)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    _pip(variant, _requirements(project))
    _install_checkout(variant, project["project"])


def _make_venv(variant: Variant) -> None:
    # All but cargo's folder, which is worth keeping.
    for name in ("bin", "include", "lib", "lib64", "share", "pyvenv.cfg", "stamps.json"):
        path = variant.folder / name
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
    made = _run([sys.executable, "-m", "venv", str(variant.folder)])
    if made.returncode or not (variant.folder / "bin" / "pip").exists():
        raise SetupError(
            f"{sys.executable} cannot make a virtual environment with pip: install its venv "
            "module (python3-venv on Debian and Ubuntu)"
        )


def _requirements(project: dict[str, Any]) -> list[str]:
    requirements = list(project["project"]["dependencies"])
    for name, extra in project["project"]["optional-dependencies"].items():
        requirements += [] if name in _LEFT_OUT else extra
    for group in project["dependency-groups"].values():
        requirements += group
    return requirements


def _pip(variant: Variant, requirements: list[str]) -> None:
    constraints = str(ROOT / "constraints.txt")
    command = [str(variant.python), "-m", "pip", "install", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "-c", constraints, *requirements]
    installed = _run(command)
    if installed.returncode:
        lines = [line for line in installed.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[0].removeprefix("ERROR: ") if lines else "pip failed"
        raise SetupError(f"cannot install the Python packages: {reason}")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _install_checkout(variant: Variant, project: dict[str, Any]) -> None:
    """Install the checkout itself, in place: its path, its metadata and its command.

    Done by hand, since ``pip install -e`` would build the extension as well.
    """
    site = site_packages(variant)
    (site / "clif-fuzz.pth").write_text(f"{ROOT}\n")
    for older in site.glob("clif_fuzz-*.dist-info"):
        shutil.rmtree(older)
    metadata = site / f"clif_fuzz-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (metadata / "INSTALLER").write_text("clif-fuzz\n")
    (metadata / "RECORD").write_text("")
    command = variant.folder / "bin" / "clif-fuzz"
    command.write_text(_COMMAND.format(python=variant.python))
    command.chmod(0o755)


def site_packages(variant: Variant) -> Path:
    """Return the environment's folder of packages."""
    try:
        return next(variant.folder.glob("lib/python*/site-packages"))
    except StopIteration:
        raise SetupError(f"{variant.folder} is not a virtual environment") from None
