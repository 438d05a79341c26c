"""The identity of a build: what cases and verdicts depend on beside their seed and options.

The same case number of the same seed means another case as soon as the generator, Cranelift or a
library below them changes. So a campaign goes on only with the build that it was begun with, and
the cached rule fragments belong to one build.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from backend.cranelift import compiler
from backend.cranelift.cranelift_name import cranelift_name
from backend.cranelift.extension_id import extension_id
from backend.engines.names import DEFAULT_ENGINE, chosen_engines

_ROOT: Final = Path(__file__).resolve().parents[2]
#: The sources that cases and verdicts depend on: files, and packages with all that is in them. The
#: rest of ``fuzz`` (commands, reports, minimising...) works on cases that are there already.
SOURCES: Final = (
    "backend/cranelift",
    "backend/emulator",
    "backend/engines",
    "backend/isa",
    "clif",
    "fuzz/analysis",
    "fuzz/campaign",
    "fuzz/cases",
    "fuzz/differential",
    "fuzz/entropy.py",
    "fuzz/generate",
    "fuzz/isle",
    "fuzz/known",
    "fuzz/mutate",
    "interp",
)
#: The distributions that compute something for a case or its outcome.
_DISTRIBUTIONS: Final = ("gmpy2", "numpy", "unicorn")
_DIGITS: Final = 16
#: The comment line of a finding's file that names the build that made it.
BUILD: Final = "build"


@dataclass(frozen=True, slots=True)
class BuildIdentity:
    """The identity of a build.

    Attributes:
        clif_fuzz, cranelift: the versions, for people to read; that of Cranelift names a local
            tree (``backend.cranelift.cranelift_name``).
        digest: is the same for two builds if their cases and verdicts are. Empty for a build that
            did not have one yet.
    """

    clif_fuzz: str
    cranelift: str
    digest: str

    def __str__(self) -> str:
        digest = self.digest or "unknown"
        return f"clif-fuzz {self.clif_fuzz} (Cranelift {self.cranelift}, build {digest})"


def build_identity() -> BuildIdentity:
    """Return the identity of the build that this process runs, with the engine that it runs on."""
    return _build_identity(_engines())


def _engines() -> str:
    return str(chosen_engines()) or DEFAULT_ENGINE


@cache
def _build_identity(engine: str) -> BuildIdentity:
    return BuildIdentity(_version("clif-fuzz"), cranelift_name(), digest_of(_ROOT))


def other_build(text: str) -> str:
    """Return the build that a finding's file names, by the file's text, if it is not this one.

    Returns:
        The build in words; empty if it is this one, or the file names none.
    """
    for line in text.splitlines():
        if not line.startswith(";"):
            break
        name, _, build = line.removeprefix("; ").partition(": ")
        if name == BUILD:
            return "" if build == str(build_identity()) else build
    return ""


def digest_of(root: Path) -> str:
    """Return the digest for the sources below a directory, and this process's everything else."""
    digest = hashlib.sha256()
    for line in _environment():
        digest.update(f"{line}\n".encode())
    for name in SOURCES:
        path = root / name
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            contents = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(root).as_posix()} {contents}\n".encode())
    return digest.hexdigest()[:_DIGITS]


def _environment() -> Iterator[str]:
    yield f"Cranelift {compiler.version()} {extension_id()}"
    yield f"engine {_engines()}"
    yield f"{platform.python_implementation()} {platform.python_version()}"
    for name in _DISTRIBUTIONS:
        yield f"{name} {_version(name)}"


def _version(distribution: str) -> str:
    """Return a distribution's version; ``unknown`` if it is not installed as one."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
