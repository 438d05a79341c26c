"""Build the extension with cargo, and install it where the environment's Python finds it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from manifest import manifest_for
from messages import SetupError, say
from packages import site_packages
from progress import Progress
from variant import ROOT, Variant


def build_extension(variant: Variant) -> None:
    """Build what is out of date, and install the extension.

    For a local Cranelift this is called every time, since its files may have changed; if they have
    not, cargo takes a second.

    Raises:
        SetupError: cargo failed; the message is its first error.
    """
    command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics"]
    command += ["--manifest-path", str(manifest_for(variant))]
    command += ["--target-dir", str(variant.target_dir)]
    command += _profile(variant)
    if variant.cranelift is None:
        command.append("--locked")
    library = _cargo(variant, command)
    _install(variant, library)


def _profile(variant: Variant) -> list[str]:
    if variant.assertions:
        return []
    return ["--config", "profile.release.debug-assertions=false"]


def _cargo(variant: Variant, command: list[str]) -> Path:
    """Run cargo, show progress, and return the library that it made."""
    library = None
    with variant.log.open("w") as log, Progress("building Cranelift and the extension") as progress:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=_variables(variant),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                message = _message(line)
                if message.get("reason") != "compiler-artifact":
                    continue
                progress.crate_done(fresh=message["fresh"])
                if message["target"]["name"] == "_cranelift":
                    library = Path(message["filenames"][0])
            status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if status:
        raise SetupError(_reason(variant))
    if library is None:
        raise SetupError(f"cargo made no extension (log: {variant.log})")
    return library


def _variables(variant: Variant) -> dict[str, str]:
    """Return cargo's environment, with the user's flags and those of ``.cargo/config.toml``.

    Cargo alone would let the one replace the other.
    """
    config = tomllib.loads((ROOT / ".cargo" / "config.toml").read_text())
    flags: list[str] = [*os.environ.get("RUSTFLAGS", "").split(), *config["build"]["rustflags"]]
    if variant.cranelift and not variant.whole_tree:
        # A panic's location must not depend on where the folder lies: buckets are made of it.
        flags.append(f"--remap-path-prefix={variant.cranelift}=cranelift-codegen")
    environment = {key: value for key, value in os.environ.items() if key != "RUSTFLAGS"}
    return {**environment, "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags)}


def _message(line: str) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _reason(variant: Variant) -> str:
    text = _first_error(variant.log.read_text(errors="replace").splitlines())
    if variant.cranelift:
        text = f"this Cranelift does not build with the extension: {text}"
    return f"{text} (log: {variant.log})"


def _first_error(lines: list[str]) -> str:
    """Return what went wrong and where, as far as one line can say it."""
    for number, line in enumerate(lines):
        if not line.startswith("error"):
            continue
        rest = [text.strip() for text in lines[number + 1 :]]
        if rest and rest[0].startswith("-->"):  # rustc's place
            return f"{line} {rest[0]}"
        if killed := re.search(r"\(signal: .*\)$", "\n".join(rest[:4]), re.MULTILINE):
            return f"{line} {killed[0]}"  # nothing of the code's, such as a lack of memory
        if "build command" in line:  # there Cranelift compiles its rules
            for start, text in enumerate(rest):
                if re.match(r"Error|thread .* panicked", text):
                    return f"error: {' '.join(rest[start + 1 : start + 3])}"
        return line
    return "cargo failed"


def _install(variant: Variant, library: Path) -> None:
    """Copy the library into the environment.

    Each environment has its own copy, outside the sources; ``backend/cranelift/__init__.py`` adds
    that folder to the package.
    """
    folder = site_packages(variant) / "backend" / "cranelift"
    folder.mkdir(parents=True, exist_ok=True)
    module = folder / "_cranelift.abi3.so"
    if module.exists() and module.stat().st_mtime_ns == library.stat().st_mtime_ns:
        return
    # Replace the file instead of writing into it: a process may be running with the old one.
    temporary = folder / f".{os.getpid()}.so"
    shutil.copy2(library, temporary)
    temporary.replace(module)
    say("the extension is built")
