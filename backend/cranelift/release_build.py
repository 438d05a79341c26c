"""Builds the program of ``backend/release`` with a release of Cranelift, once."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from backend.cranelift import _cranelift
from backend.cranelift.disk_cache import folder, save

_BACKEND: Final = Path(__file__).parents[1]
_SOURCES: Final = _BACKEND / "release"
#: Sources of the extension that the program contains, too.
_SHARED: Final = (
    *(
        _BACKEND / "src" / f"{name}.rs"
        for name in ("call_sites", "failure", "inline", "labels", "names", "panics", "unwind")
    ),
    _BACKEND / "build" / "cranelift_sources.rs",
)
_NAME: Final = "clif-fuzz-release"
_CODEGEN: Final = "cranelift-codegen"
_READER: Final = "cranelift-reader"
_CONTROL: Final = "cranelift-control"
#: The first minor version whose program has chaos mode (``backend/release/build.rs``).
_CHAOS_SINCE: Final = 134
#: What cargo prints if it cannot reach the registry.
_UNREACHABLE: Final = re.compile(
    r"unable to update registry|failed to download|network failure", re.I
)

#: What cargo and rustc print if the machine lacks disk space or memory.
_EXHAUSTED: Final = re.compile(
    r"no space left on device|disk quota exceeded|signal: 9\b|memory allocation of \d+ bytes",
    re.I,
)
#: What cargo prints of a crate for which the toolchain is too old.
_NEEDED_RUST: Final = re.compile(r"requires rustc (\d+)\.(\d+)")


class UnavailableError(Exception):
    """A release that is not available: never published, or it does not build on this machine."""


class InconclusiveBuildError(Exception):
    """Building failed for a reason that says nothing about the release."""


class RegistryError(InconclusiveBuildError):
    """The registry cannot be reached, so it is unknown whether a release is available."""


def local_version(path: Path) -> str:
    """Return the version of the Cranelift in a folder.

    Raises:
        ValueError: there is none.
    """
    package = _local_manifest(path).get("package", {})
    if isinstance(package.get("version"), str):
        return str(package["version"])
    raise ValueError(
        f"{path} is neither a Wasmtime working tree (no cranelift/codegen) nor a {_CODEGEN} folder"
    )


def _local_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of the ``cranelift-codegen`` in a folder; empty if there is none."""
    for file in (path / "cranelift" / "codegen" / "Cargo.toml", path / "Cargo.toml"):
        try:
            manifest = tomllib.loads(file.read_text())
        except (OSError, ValueError):
            continue
        package = manifest.get("package")
        if isinstance(package, dict) and package.get("name") == _CODEGEN:
            return manifest
    return {}


def build(
    version: str, path: Path | None, on_crate: Callable[[int], None] | None = None
) -> tuple[Path, str]:
    """Build the program of a release, unless it is there.

    For a local Cranelift cargo runs each time, as it knows whether anything changed.

    Args:
        version: ``0.121`` for the last of its patch releases, or ``0.121.2``.
        path: the folder of a local Cranelift; None for a published release.
        on_crate: is called with the number of crates that have been built.

    Returns:
        The program, and the exact version.

    Raises:
        UnavailableError: it was never published, or does not build here.
        InconclusiveBuildError: the registry cannot be reached, or the disk is full.
    """
    place = folder() / "releases" / _key(version, path)
    place.mkdir(parents=True, exist_ok=True)
    with _exclusive(place / "lock"):
        stamp = place / "stamp.json"
        known = _read_stamp(stamp)
        if path is None and known.get("digest") == sources_digest():
            if known["failure"]:
                raise UnavailableError(known["failure"])
            if (place / _NAME).exists():
                return place / _NAME, known["version"]
        _write_manifest(place, version, path)
        failure = _cargo(place, on_crate)
        exact = "" if failure else _exact_version(place)
        save(stamp, json.dumps({"digest": sources_digest(), "version": exact, "failure": failure}))
        if path is None:
            shutil.rmtree(place / "target", ignore_errors=True)  # much larger than the program
        if failure:
            raise UnavailableError(failure)
    return place / _NAME, exact


def build_tree(
    place: Path, tree: Path, on_crate: Callable[[int], None] | None = None
) -> tuple[Path, str]:
    """Build the program of a tree that changes from one call to the next.

    Args:
        place: a folder that no other process uses. What cargo builds stays there, so that the next
            call recompiles only what has changed.
        tree: a Wasmtime working tree, or a folder with a ``cranelift-codegen``.
        on_crate: is called with the number of crates that have been built.

    Returns:
        The program, which the next call replaces, and the exact version.

    Raises:
        UnavailableError: it does not build here.
        InconclusiveBuildError: the registry cannot be reached, or the disk is full.
    """
    try:
        version = local_version(tree)
    except ValueError as error:
        raise UnavailableError(str(error)) from error
    quick = [name for name in _QUICK_FEATURES if name in _local_manifest(tree).get("features", {})]
    _write_manifest(place, version, tree, quick)
    failure = _cargo(place, on_crate, _QUICK)
    if failure and _CRASHED.search((place / "build.log").read_text(errors="replace")):
        shutil.rmtree(place / "target", ignore_errors=True)  # what was left of it may be the cause
        failure = _cargo(place, on_crate, {**_QUICK, "CARGO_INCREMENTAL": "0"})
    if failure:
        raise UnavailableError(failure)
    return place / _NAME, _exact_version(place)


def _key(version: str, path: Path | None) -> str:
    if path is None:
        return version
    return f"{path.name}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _read_stamp(stamp: Path) -> dict[str, Any]:
    try:
        known = json.loads(stamp.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


@cache
def sources_digest() -> str:
    """Return a digest of everything that a build depends on, except the release."""
    digest = hashlib.sha256(
        f"{_rust_version()}{_MANIFEST}{_CHAOS}{_cranelift.debug_assertions}".encode()
    )
    for source in (*_SHARED, *sorted(_SOURCES.glob("*.rs"))):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _rust_version() -> str:
    try:
        return subprocess.run(
            ["rustc", "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise UnavailableError(f"needs a Rust toolchain: {error}") from error


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file, so that one process builds at a time.

    The file is never removed: another process could be about to lock it.
    """
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- the crate ---


#: The feature with all of a release's ISAs. Old releases lack some, and the names of these.
_EVERY_ISA: Final = "all-arch"
#: Features of ``cranelift-codegen`` that have it build faster.
_QUICK_FEATURES: Final = ("isle-split-match",)


def _write_manifest(
    place: Path, version: str, path: Path | None, features: Sequence[str] = ()
) -> None:
    """Write the manifest of the crate, whose version is that of Cranelift."""
    features = ["std", "unwind", _EVERY_ISA, *features]
    text = _MANIFEST.format(
        name=_NAME,
        version=version if version.count(".") == 2 else f"{version}.0",
        sources=_SOURCES,
        codegen=_requirement(_CODEGEN, version, path),
        features=json.dumps(features),
        reader=_requirement(_READER, version, path),
        chaos=_CHAOS.format(control=_requirement(_CONTROL, version, path))
        if _has_chaos(version)
        else "",
        assertions=str(_cranelift.debug_assertions).lower(),
    )
    if path is not None and not (path / "cranelift" / "codegen").is_dir():
        # A folder of cranelift-codegen alone: all other crates are the published ones.
        text += f"\n[patch.crates-io]\n{_CODEGEN} = {{ path = {json.dumps(str(path))} }}\n"
    (place / "Cargo.toml").write_text(text)
    lock = place / "Cargo.lock"
    lock.unlink(missing_ok=True)
    if path is not None and (path / "cranelift" / "codegen").is_dir():
        with suppress(FileNotFoundError):  # the other crates, too, are those that the tree is for
            shutil.copyfile(path / "Cargo.lock", lock)


def _has_chaos(version: str) -> bool:
    major, minor = (int(number) for number in version.split(".")[:2])
    return (major, minor) >= (0, _CHAOS_SINCE)


def _requirement(crate: str, version: str, path: Path | None) -> str:
    tree = path / "cranelift" if path is not None else None
    if tree is not None and tree.is_dir():
        return f"path = {json.dumps(str(tree / crate.removeprefix('cranelift-')))}"
    exact = "=" * (version.count(".") == 2)
    return f'version = "{exact}{version}"'


_MANIFEST: Final = """\
[package]
name = "{name}"
version = "{version}"
edition = "2024"
publish = false
build = "{sources}/build.rs"

[[bin]]
name = "{name}"
path = "{sources}/main.rs"

[dependencies]
cranelift-codegen = {{ {codegen}, default-features = false, features = {features} }}
cranelift-reader = {{ {reader} }}
serde_json = "1"
{chaos}
[build-dependencies]
serde_json = "1"

[profile.release]
opt-level = 1
debug-assertions = {assertions}
incremental = false
panic = "unwind"
strip = true

[workspace]
resolver = "3"
"""
_CHAOS: Final = """\
arbitrary = "1"
cranelift-control = {{ {control}, features = ["fuzz", "chaos"] }}
"""


#: What a build script prints of what is wrong: ``type error: unknown term``, or that it panicked.
_OF_A_SCRIPT: Final = re.compile(r"(\w+ )?error: |thread .* panicked at", re.I)

#: What cargo prints if the compiler itself fails.
_CRASHED: Final = re.compile(r"internal compiler error|compiler unexpectedly panicked|signal: \d")

#: Has cargo build quickly a program that is hardly run, and recompile only the changed parts of a
#: crate.
_QUICK: Final[Mapping[str, str]] = {
    "CARGO_INCREMENTAL": "1",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
}


def _cargo(
    place: Path,
    on_crate: Callable[[int], None] | None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Run cargo, and put the program in its place.

    Args:
        more: variables of the environment for cargo.

    Returns:
        Why that failed; empty if it did not.
    """
    command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics"]
    command += ["--target-dir", str(place / "target")]
    done = 0
    log = place / "build.log"
    # These flags, although empty, override those of any configuration: no coverage counters.
    environment = os.environ | {"CARGO_ENCODED_RUSTFLAGS": ""} | dict(more)
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            cwd=place,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            process_group=0,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                message = json.loads(line) if line.startswith("{") else {}
                if message.get("reason") != "compiler-artifact":
                    continue
                done += 1
                if on_crate is not None:
                    on_crate(done)
                if message.get("executable") and message["target"]["name"] == _NAME:
                    shutil.copy2(message["executable"], place / _NAME)
            status = process.wait()
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)  # the compilers that cargo has started, too
            raise
    return _reason(log.read_text(errors="replace")) if status else ""


def _reason(log: str) -> str:
    """Return in one line why cargo failed.

    Raises:
        InconclusiveBuildError: it could not reach the registry, or the machine is exhausted.
    """
    lines = [" ".join(line.split()) for line in log.splitlines()]
    first = next((n for n, line in enumerate(lines) if line.startswith("error")), None)
    if first is None:
        return "cargo failed"
    if _UNREACHABLE.search(log):
        raise RegistryError(f"the registry cannot be reached: {lines[first]}")
    if exhausted := _EXHAUSTED.search(log):
        raise InconclusiveBuildError(f"cannot build: {exhausted[0]}")
    if "failed to select a version for the requirement" in lines[first]:
        return "never published"
    if "is not supported by the following" in log:
        return f"needs a newer Rust{_other_toolchain(log)}"
    wrong = lines[first]
    if "failed to run custom build command" in wrong:  # ISLE's compiler is run by one
        wrong = next((line for line in lines[first + 1 :] if _OF_A_SCRIPT.match(line)), wrong)
    return f"does not build: {wrong.removeprefix('error: ')}"


def _other_toolchain(log: str) -> str:
    """Return which Rust cargo asks for, and an installed toolchain that would do.

    Cargo says ``cranelift-codegen@0.137.1 requires rustc 1.97.0`` for each crate.
    """
    needed = max(
        ((int(major), int(minor)) for major, minor in _NEEDED_RUST.findall(log)), default=(0, 0)
    )
    if needed == (0, 0):
        return ""
    text = f", {needed[0]}.{needed[1]} at least"
    name = next((name for name in _toolchains() if _rust_number(name) >= needed), None)
    return f"{text}: --toolchain {name} would do" if name else text


def _toolchains() -> list[str]:
    """List the toolchains of rustup by their short names."""
    try:
        done = subprocess.run(
            ["rustup", "toolchain", "list"], capture_output=True, text=True, check=False
        )
    except OSError:
        return []
    names = (line.partition(" ")[0] for line in done.stdout.splitlines())
    return [re.sub(r"-\w+-(unknown|apple|pc)-.*", "", name) for name in names if name]


def _rust_number(toolchain: str) -> tuple[int, int]:
    done = subprocess.run(
        ["rustc", "--version"],
        env=os.environ | {"RUSTUP_TOOLCHAIN": toolchain},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.match(r"rustc (\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _exact_version(place: Path) -> str:
    lock = tomllib.loads((place / "Cargo.lock").read_text())
    versions = (p["version"] for p in lock["package"] if p["name"] == _CODEGEN)
    return str(next(versions))
