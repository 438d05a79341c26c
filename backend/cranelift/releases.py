"""Compiling with other releases of Cranelift than the one that is linked.

A release is built when it is first asked for, into a program that takes CLIF on stdin and leaves
machine code on stdout (``backend/release``), and kept in the user's cache folder. It is built
without coverage, without debug assertions and with little optimisation: it compiles a case or two.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, NoReturn

from backend.cranelift import _cranelift, release_build
from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    ReadError,
    SettingsError,
    Target,
    UnsupportedError,
    VerifierError,
)

__all__ = ["Release", "ReleaseCode", "ReleaseCompiler", "ReleaseTimeoutError"]

_MINOR: Final = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?")
_SECONDS: Final = 60.0

#: Settings that came later than what they switch: a release without them does as with these values.
_ALWAYS_SO: Final = {"enable_multi_ret_implicit_sret": "true"}


class ReleaseTimeoutError(Exception):
    """A release took too long over a case."""


@dataclass(frozen=True, slots=True)
class Release:
    """A Cranelift to be built.

    Attributes:
        version: of a published one: ``0.121`` for the last of its patch releases, or ``0.121.2``;
            of a local one what its manifest says.
        path: a Wasmtime working tree, or a folder with a ``cranelift-codegen`` of a published
            version; None for a published release.
    """

    version: str
    path: Path | None = None

    @classmethod
    def of(cls, text: str) -> Release:
        """The release of a version or a folder. Raises ValueError for what is neither."""
        if _MINOR.fullmatch(text):
            return cls(text)
        path = Path(text).expanduser().resolve()
        if not path.is_dir():
            raise ValueError(f"'{text}' is neither a version (0.121, 0.121.2) nor a folder")
        return cls(release_build.local_version(path), path)

    @property
    def order(self) -> tuple[int, int]:
        """Major and minor version."""
        found = _MINOR.match(self.version)
        assert found is not None
        return int(found[1]), int(found[2])

    def __str__(self) -> str:
        return self.version if self.path is None else f"{self.path} ({self.version})"


@dataclass(frozen=True, slots=True)
class ReleaseCode:
    """One function's machine code, as ``backend.cranelift.compiler.Compiled`` has it."""

    name: str
    code: bytes
    relocations: list[tuple[int, str, str, int]]
    traps: list[tuple[int, str]]
    alignment: int
    block_starts: list[int]
    instructions: int
    clif: str


class ReleaseCompiler:
    """One release, built.

    Attributes:
        version: the exact version.
    """

    def __init__(self, program: Path, version: str) -> None:
        self.program = program
        self.version = version

    @classmethod
    def build(
        cls, release: Release, on_crate: Callable[[int], None] | None = None
    ) -> ReleaseCompiler:
        """Builds the release unless it is there; ``on_crate`` is told how many crates are done.

        Raises:
            UnavailableError: it was never published, or does not build here.
            RegistryError: the registry cannot be reached.
        """
        return cls(*release_build.build(release.version, release.path, on_crate))

    def compile(self, text: str, target: Target) -> list[ReleaseCode]:
        """Compiles all functions of a text.

        Settings that this release does not know are left out where they have the default of the
        Cranelift that is linked: a release from before does the same.

        Raises:
            ReadError, SettingsError, VerifierError, CompileError, UnsupportedError, CompilerPanic:
                as those of the linked Cranelift.
            ReleaseTimeoutError: it took longer than a minute.
        """
        answer = self._ask(_request(text, target))
        if "error" in answer:
            _raise(answer["error"])
        return [_code(entry) for entry in answer["functions"]]

    def _ask(self, request: Mapping[str, object]) -> Any:
        try:
            done = subprocess.run(
                [self.program],
                input=json.dumps(request),
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ReleaseTimeoutError(f"took longer than {_SECONDS:.0f} s") from None
        if done.returncode:  # a stack overflow, or an abort
            reason = " ".join(done.stderr.split()[:20])
            _raise({"kind": "panic", "message": f"the compiler died ({done.returncode}): {reason}"})
        return json.loads(done.stdout)


def _request(text: str, target: Target) -> dict[str, object]:
    values = [*target.settings, *target.flags]
    defaults = _defaults(None) | _defaults(target.triple) | _ALWAYS_SO
    return {
        "text": text,
        "triple": target.triple,
        "settings": dict(target.settings),
        "flags": dict(target.flags),
        "optional": {name: True for name, value in values if defaults.get(name) == value},
    }


@cache
def _defaults(triple: str | None) -> dict[str, str]:
    return {entry["name"]: entry["default"] for entry in _cranelift.settings(triple)}


def _code(entry: Mapping[str, Any]) -> ReleaseCode:
    return ReleaseCode(
        name=entry["name"],
        code=bytes.fromhex(entry["code"]),
        relocations=[(o, kind, target, addend) for o, kind, target, addend in entry["relocations"]],
        traps=[(offset, code) for offset, code in entry["traps"]],
        alignment=entry["alignment"],
        block_starts=entry["block_starts"],
        instructions=entry["instructions"],
        clif=entry["clif"],
    )


_ERRORS: Final[Mapping[str, type[Exception]]] = {
    "read": ReadError,
    "settings": SettingsError,
    "verifier": VerifierError,
    "compile": CompileError,
    "unsupported": UnsupportedError,
    "panic": CompilerPanic,
}


def _raise(facts: Mapping[str, Any]) -> NoReturn:
    """The exception that the extension would have raised, its attributes included."""
    kind = _ERRORS.get(facts["kind"])
    if kind is None:
        raise RuntimeError(f"backend/release: {facts['message']}")
    error = kind(facts["message"])
    attributes = {"function": "", "location": "", "phase": "other", "line": 0, **facts}
    for name, value in attributes.items():
        setattr(error, name, value)
    raise error
