"""The versions of Cranelift that the extension builds with, and the Rust that each needs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final

from messages import SetupError

ROOT: Final = Path(__file__).resolve().parents[2]

#: The crate that a folder must contain to count as a Cranelift.
CODEGEN: Final = "cranelift-codegen"

#: The oldest minor version that the extension builds with, and the newest that was tried. A newer
#: one is tried with ``cargo check`` before anything is built.
OLDEST: Final = (0, 134)
NEWEST_TRIED: Final = (0, 137)

_NUMBER: Final = re.compile(r"(\d+)\.(\d+)(\.\d+)?")


def is_version(text: str) -> bool:
    """Return whether a text is ``0.137``, for the last of its patch releases, or ``0.137.1``."""
    return _NUMBER.fullmatch(text) is not None


@cache
def pinned_version() -> str:
    """Return the version of the release that is built by default."""
    data = tomllib.loads((ROOT / "backend" / "Cargo.toml").read_text())
    return str(data["dependencies"][CODEGEN]["version"]).removeprefix("=")


def package(manifest: Path) -> dict[str, Any]:
    """Return the ``[package]`` of a manifest; empty if there is none."""
    try:
        found = tomllib.loads(manifest.read_text()).get("package", {})
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def require_supported(version: str) -> None:
    """Check that a version is not older than the oldest one that the extension builds with.

    Raises:
        SetupError: it is.
    """
    minor = _minor(version)
    if minor is not None and minor < OLDEST:
        raise SetupError(
            f"--cranelift: {version} is older than {OLDEST[0]}.{OLDEST[1]}, the oldest Cranelift "
            "that the extension builds with (clif-fuzz bisect builds older ones)"
        )


def is_tried(version: str) -> bool:
    """Return whether a version is one that the extension is known to build with."""
    minor = _minor(version)
    return minor is not None and OLDEST <= minor <= NEWEST_TRIED


def _minor(version: str) -> tuple[int, int] | None:
    found = _NUMBER.match(version)
    return (int(found[1]), int(found[2])) if found else None


# --- the toolchain ---


def needed_rust(manifest: Path, target_dir: Path) -> tuple[int, int]:
    """Return the oldest Rust with which all crates of a manifest build.

    Cargo downloads the crates for that, and builds nothing.

    Raises:
        SetupError: cargo cannot tell, as for a version that was never published.
    """
    command = ["cargo", "metadata", "--format-version=1", "--manifest-path", str(manifest)]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target_dir)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SetupError(f"--cranelift: {_cargo_reason(done.stderr)}")
    packages = json.loads(done.stdout)["packages"]
    versions = (_NUMBER.match(crate["rust_version"] or "") for crate in packages)
    return max(((int(v[1]), int(v[2])) for v in versions if v), default=(0, 0))


def _cargo_reason(log: str) -> str:
    """Return the first error of cargo in one line, with what it was looking for."""
    lines = [line.strip() for line in log.splitlines()]
    start = next((n for n, line in enumerate(lines) if line.startswith("error")), None)
    if start is None:
        return "cargo metadata failed"
    details = [line for line in lines[start + 1 :] if line and line != "Caused by:"]
    return " ".join([lines[start].removeprefix("error: "), *details[:2]])


def require_rust(needed: tuple[int, int], version: str) -> None:
    """Check that the toolchain at hand is new enough for a Cranelift.

    Raises:
        SetupError: it is not; the message names an installed one that would do.
    """
    found = rust_version()
    if found is None or found >= needed:
        return
    text = f"Cranelift {version} needs Rust {_dotted(needed)} or newer (found {_dotted(found)})"
    other = next((name for name, rust in _installed() if rust >= needed), None)
    if other is not None:
        raise SetupError(f"{text}; an installed toolchain would do: --toolchain {other}")
    raise SetupError(f"{text}, and no installed toolchain of rustup is: rustup toolchain install")


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def rust_version(toolchain: str = "") -> tuple[int, int] | None:
    """Return the version of rustc; None if it does not run.

    Args:
        toolchain: one of rustup's, instead of the one at hand.
    """
    environment = {**os.environ, "RUSTUP_TOOLCHAIN": toolchain} if toolchain else None
    try:
        result = subprocess.run(
            ["rustc", "--version"], env=environment, capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    match = re.match(r"rustc (\d+)\.(\d+)", result.stdout)
    return (int(match[1]), int(match[2])) if match else None


def _installed() -> list[tuple[str, tuple[int, int]]]:
    """List the toolchains of rustup with their versions."""
    try:
        done = subprocess.run(
            ["rustup", "toolchain", "list"], capture_output=True, text=True, check=False
        )
    except OSError:
        return []
    found = []
    for line in done.stdout.splitlines():
        name = line.partition(" ")[0]
        rust = rust_version(name) if name else None
        if rust is not None:
            # `nightly` alone: what follows is the triple of the host
            found.append((re.sub(r"-\w+-(unknown|apple|pc)-.*", "", name), rust))
    return found
