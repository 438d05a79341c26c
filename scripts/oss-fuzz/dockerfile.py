"""Carries out what OSS-Fuzz's Dockerfile of this project says, without a container.

Only what the Dockerfile may use: clones, copied files, variables, a working directory. Cloning this
project is done by copying a checkout; cloning Wasmtime and installing Rust are left out.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from string import Template

#: The files that OSS-Fuzz's folder of a project has.
PROJECT_FILES = ("Dockerfile", "build.sh", "project.yaml")
_BASE = "gcr.io/oss-fuzz-base/base-builder-python"
_NOT_CLONED = (".git", ".venv*", "target", "__pycache__", ".*_cache", "findings")


class DockerfileError(Exception):
    """An instruction would fail, or is not one that is known here."""


def carry_out(folder: Path, source: Path, checkout: Path) -> Path:
    """Carry out a Dockerfile.

    Args:
        folder: OSS-Fuzz's folder of the project, the context of the build.
        source: what ``$SRC`` is.
        checkout: is copied where the Dockerfile clones this project.

    Returns:
        The working directory of the image.

    Raises:
        DockerfileError: an instruction would fail.
    """
    variables = {"SRC": str(source)}
    directory = source
    for word, rest in instructions((folder / "Dockerfile").read_text()):
        match word:
            case "FROM":
                if rest != _BASE:
                    raise DockerfileError(f"not built on {_BASE}")
            case "ARG" | "ENV":
                name, _, value = rest.partition("=")
                variables[name] = _expanded(value.strip('"'), variables)
            case "RUN":
                _run(shlex.split(_expanded(rest, variables)), checkout, variables)
            case "COPY":
                *names, target = shlex.split(_expanded(rest, variables))
                _copy(folder, names, Path(target))
            case "WORKDIR":
                directory = Path(_expanded(rest, variables))
                if not directory.is_dir():
                    raise DockerfileError(f"WORKDIR {rest} does not exist")
            case _:
                raise DockerfileError(f"unknown instruction {word}")
    return directory


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction: its first word, and the rest with continued lines joined."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.strip().partition(" ")
            yield word, rest.strip()


def _expanded(text: str, variables: dict[str, str]) -> str:
    return Template(text).safe_substitute(variables)


def _run(words: list[str], checkout: Path, variables: dict[str, str]) -> None:
    if words[0] == "curl" and any("rustup" in word for word in words):
        return  # there is a Rust
    if words[:2] != ["git", "clone"]:
        raise DockerfileError(f"cannot carry out here: {' '.join(words)}")
    *_, address, target = words
    if address == variables.get("CLIF_FUZZ_REPOSITORY"):
        shutil.copytree(checkout, target, ignore=shutil.ignore_patterns(*_NOT_CLONED))
    elif not address.endswith("/wasmtime"):
        raise DockerfileError(f"nothing is known of {address}")


def _copy(folder: Path, names: list[str], target: Path) -> None:
    for name in names:
        if name not in PROJECT_FILES:
            raise DockerfileError(f"COPY {name}: the folder has {', '.join(PROJECT_FILES)} only")
        shutil.copy2(folder / name, target)
