"""Compiling with other releases of Cranelift than the one that is linked.

A release is built when it is first needed, as a program that reads CLIF on stdin and writes machine
code to stdout (``backend/release``), and kept in the user's cache folder. As it compiles few cases,
it is built with little optimisation and without coverage counters. Debug assertions are on where
the linked Cranelift has them: else what fails by one would seem to be new.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

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

__all__ = [
    "Release",
    "ReleaseCode",
    "ReleaseCompiler",
    "ReleaseCrashError",
    "ReleaseTimeoutError",
]

E = TypeVar("E", bound=Exception)
_MINOR: Final = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?")
_SECONDS: Final = 60.0

#: Settings that are newer than what they switch on. Older releases behave as if they had these
#: values.
_ALWAYS_SO: Final = {"enable_multi_ret_implicit_sret": "true"}


class ReleaseTimeoutError(Exception):
    """A release took too long to compile a case."""


class ReleaseCrashError(CompilerPanic):
    """The program of a release died while it compiled a case: of a stack overflow, for example.

    Attributes:
        memory: whether it ran out of memory.
    """

    memory = False


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Cranelift, published or local.

    Attributes:
        version: of a published release ``0.121``, for the last of its patch releases, or
            ``0.121.2``; of a local one what its manifest says.
        path: a Wasmtime working tree, or a folder with a ``cranelift-codegen`` of a published
            version; None for a published release.
    """

    version: str
    path: Path | None = None

    @classmethod
    def of(cls, text: str) -> Release:
        """Return the release of a version or a folder.

        Raises:
            ValueError: the text is neither.
        """
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
    """One function's machine code, with attributes as in ``_cranelift.Compiled``."""

    name: str
    code: bytes
    relocations: list[tuple[int, str, str, int]]
    traps: list[tuple[int, str]]
    alignment: int
    block_starts: list[int]
    instructions: int
    clif: str
    cpu_features: list[tuple[str, str, int]]
    frame_size: int | None = None
    #: The tables of its frames as the program says them, if they were asked for.
    tables: Mapping[str, Any] = field(default_factory=dict)

    def debug_frame(self, _: Any, /) -> bytes | None:
        """Return the section ``.debug_frame`` with this function's entry; None if the ISA has none.

        Raises:
            CompileError, UnsupportedError, CompilerPanic: the release fails to make it.
        """
        return self._table("debug_frame")

    def windows_unwind_info(self, _: Any, /) -> bytes | None:
        """Return Windows' ``UNWIND_INFO``; errors as for ``debug_frame``."""
        return self._table("windows")

    def _table(self, name: str) -> bytes | None:
        match self.tables[name]:
            case {"error": facts}:
                _raise(facts)
            case str(digits):
                return bytes.fromhex(digits)
        return None


@dataclass(frozen=True, slots=True)
class DetailedReleaseCode(ReleaseCode):
    """The code of a release that also says what is known of its calls and values.

    All attributes are as in ``_cranelift.Compiled``.
    """

    convention: str = ""
    handler_sites: list[tuple[int, int | None, list[tuple[str, int, int]]]] = field(
        default_factory=list
    )
    stack_maps: list[tuple[int, int, list[tuple[str, int]]]] = field(default_factory=list)
    source_locations: list[tuple[int, int, int]] = field(default_factory=list)
    locations: list[tuple[int, int, int, int | None, int]] = field(default_factory=list)

    def value_locations(self, _: Any, /) -> list[tuple[int, int, int, int | None, int]]:
        """Return the places of labelled values."""
        return self.locations


class ReleaseCompiler:
    """A release that has been built.

    Args:
        seconds: how long a text may take by the clock.
        memory_mb: how large the address space of the program may be; None for no limit.

    Attributes:
        version: the exact version.
    """

    def __init__(
        self,
        program: Path,
        version: str,
        *,
        seconds: float = _SECONDS,
        memory_mb: int | None = None,
    ) -> None:
        self.program = program
        self.version = version
        self.seconds = seconds
        self.memory_mb = memory_mb

    @classmethod
    def build(
        cls, release: Release, on_crate: Callable[[int], None] | None = None
    ) -> ReleaseCompiler:
        """Build a release, unless it is there.

        Args:
            on_crate: is called with the number of crates that have been built.

        Raises:
            UnavailableError: it was never published, or does not build here.
            RegistryError: the registry cannot be reached.
        """
        return cls(*release_build.build(release.version, release.path, on_crate))

    def compile(
        self,
        text: str,
        target: Target,
        chaos: bytes = b"",
        inlining: bytes = b"",
        *,
        tables: bool = False,
        labels: bool = False,
    ) -> list[ReleaseCode]:
        """Compile all functions of a text.

        A setting that the release does not know is left out if it has the default value of the
        linked Cranelift: an older release behaves as if it had that value.

        Args:
            chaos: the bytes that control chaos mode, which releases before 0.134 do not have here.
            inlining: says which calls are inlined before, which older releases cannot do.
            tables: ask for the tables of frames, too, which the oldest releases cannot make.
            labels: label all values, which older releases cannot do.

        Raises:
            ReadError, SettingsError, VerifierError, CompileError, UnsupportedError, CompilerPanic:
                as with the linked Cranelift.
            ReleaseCrashError: its program died.
            ReleaseTimeoutError: it takes longer than it may.
        """
        asked = {"inlining": inlining.hex(), "tables": tables, "labels": labels}
        answer = self._ask(_request(text, target, chaos) | asked)
        if "error" in answer:
            _raise(answer["error"])
        if tables and not all("tables" in entry for entry in answer["functions"]):
            raise SettingsError("its program cannot make the tables of frames that are checked")
        return [_code(entry, target.triple) for entry in answer["functions"]]

    def _ask(self, request: Mapping[str, object]) -> Any:
        try:
            done = subprocess.run(
                [self.program],
                input=json.dumps(request),
                capture_output=True,
                text=True,
                timeout=self.seconds,
                check=False,
                preexec_fn=self._limit,
            )
        except subprocess.TimeoutExpired:
            raise ReleaseTimeoutError(f"took longer than {self.seconds:.0f} s") from None
        if done.returncode == -signal.SIGXCPU:
            raise ReleaseTimeoutError(f"took longer than {self.seconds:.0f} s")
        if done.returncode:  # a stack overflow, or an abort
            raise _crash(done.returncode, done.stderr)
        return json.loads(done.stdout)

    def _limit(self) -> None:
        """Limit the program, which would go on for ever if this process were killed meanwhile."""
        seconds = int(self.seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if self.memory_mb is not None:
            limit = self.memory_mb << 20
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


#: What Rust's runtime prints before it aborts.
_ALLOCATION_FAILED: Final = "memory allocation of "


def _crash(returncode: int, errors: str) -> ReleaseCrashError:
    reason = " ".join(errors.split()[:20])
    error = ReleaseCrashError(f"the compiler died ({returncode}): {reason}")
    error.memory = _ALLOCATION_FAILED in errors
    return _filled(error, {"message": str(error)})


def _request(text: str, target: Target, chaos: bytes = b"") -> dict[str, object]:
    values = [*target.settings, *target.flags]
    defaults = _defaults(None) | _defaults(target.triple) | _ALWAYS_SO
    return {
        "text": text,
        "triple": target.triple,
        "settings": dict(target.settings),
        "flags": dict(target.flags),
        "chaos": chaos.hex(),
        "optional": {name: True for name, value in values if defaults.get(name) == value},
    }


@cache
def _defaults(triple: str | None) -> dict[str, str]:
    return {entry["name"]: entry["default"] for entry in _cranelift.settings(triple)}


def _code(entry: Mapping[str, Any], triple: str) -> ReleaseCode:
    code = bytes.fromhex(entry["code"])
    relocated = {offset for offset, *_ in entry["relocations"]}
    # Not the starts of blocks: an empty one at the end lies where constants begin.
    starts = [offset for offset, _ in entry["traps"]]
    common = ReleaseCode(
        name=entry["name"],
        code=code,
        relocations=[(o, kind, target, addend) for o, kind, target, addend in entry["relocations"]],
        traps=[(offset, code) for offset, code in entry["traps"]],
        alignment=entry["alignment"],
        block_starts=entry["block_starts"],
        instructions=entry["instructions"],
        clif=entry["clif"],
        cpu_features=_cranelift.cpu_features(triple, code, starts, relocated),
        tables=entry.get("tables", {}),
    )
    details = entry.get("details")
    return common if details is None else _detailed(common, details)


def _detailed(code: ReleaseCode, details: Mapping[str, Any]) -> DetailedReleaseCode:
    """Add what JSON has as lists where the extension has tuples."""
    return DetailedReleaseCode(
        **{each.name: getattr(code, each.name) for each in fields(code)},
        convention=details["convention"],
        handler_sites=[
            (address, frame, [(kind, number, offset) for kind, number, offset in entries])
            for address, frame, entries in details["handler_sites"]
        ],
        stack_maps=[
            (address, size, [(kind, offset) for kind, offset in entries])
            for address, size, entries in details["stack_maps"]
        ],
        source_locations=[(s, e, at) for s, e, at in details["source_locations"]],
        locations=[(v, s, e, r, offset) for v, s, e, r, offset in details["value_locations"]],
    )


_ERRORS: Final[Mapping[str, type[Exception]]] = {
    "read": ReadError,
    "settings": SettingsError,
    "verifier": VerifierError,
    "compile": CompileError,
    "unsupported": UnsupportedError,
    "panic": CompilerPanic,
}


#: What an exception of the extension has, where the program does not say it.
_ATTRIBUTES: Final[dict[str, Any]] = {
    "function": "",
    "location": "",
    "phase": "other",
    "line": 0,
    "frames": [],
}


def _raise(facts: Mapping[str, Any]) -> NoReturn:
    """Raise the exception that the extension would raise, with its attributes."""
    kind = _ERRORS.get(facts["kind"])
    if kind is None:
        raise RuntimeError(f"backend/release: {facts['message']}")
    raise _filled(kind(facts["message"]), facts)


def _filled(error: E, facts: Mapping[str, Any]) -> E:
    for name, value in (_ATTRIBUTES | dict(facts)).items():
        setattr(error, name, value)
    return error
