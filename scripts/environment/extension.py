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
from tree_name import tree_name, write_name
from variant import Variant
from versions import ROOT, is_tried, needed_rust, require_rust


def require_buildable(variant: Variant, *, built_before: bool) -> None:
    """Check what can be checked of another Cranelift before anything is built or installed.

    These are the toolchain that it needs and, of one that was not tried, whether the extension
    compiles with it: the folder of a user may be any commit.

    Args:
        built_before: whether its environment was built once; then building it again is as quick.

    Raises:
        SetupError: it does not build; the message says why.
    """
    if variant.pinned:
        return
    try:
        needed = needed_rust(manifest_for(variant), variant.target_dir)
    except SetupError as error:
        if variant.cranelift is None or variant.whole_tree:
            raise
        raise SetupError(
            f"{error}; of a version that is not published give the whole tree"
        ) from None
    require_rust(needed, variant.version)
    if not built_before and (variant.cranelift is not None or not is_tried(variant.version)):
        _run_cargo(variant, "check", "checking that the extension fits this Cranelift")


def build_extension(variant: Variant) -> None:
    """Build what is out of date, and install the extension.

    For a local Cranelift this is called every time, since its files may have changed; if they have
    not, cargo takes a second.

    Raises:
        SetupError: cargo failed; the message is its first error.
    """
    # Named first: what is changed while it is being built is built, and named, the next time.
    name = tree_name(variant) if variant.cranelift is not None else ""
    library = _run_cargo(variant, "build", "building Cranelift and the extension")
    if library is None:
        raise SetupError(f"cargo made no extension (log: {variant.log})")
    _install(variant, library)
    if name:
        write_name(variant, name)


def _run_cargo(variant: Variant, subcommand: str, what: str) -> Path | None:
    """Check or build the extension, and return the library that was made.

    If the reader of Cranelift's rules does not compile with this Cranelift, the extension does
    without the rules.
    """
    library, status = _cargo(variant, subcommand, what, rules=True)
    if status and not variant.pinned and _rules_unreadable(variant):
        say("this Cranelift's rules cannot be read: goes on without directing cases at rules")
        library, status = _cargo(variant, subcommand, what, rules=False)
    if status:
        if "is not supported by the following" in variant.log.read_text(errors="replace"):
            require_rust(needed_rust(manifest_for(variant), variant.target_dir), variant.version)
        raise SetupError(_reason(variant))
    return library


def _rules_unreadable(variant: Variant) -> bool:
    """Return whether our build script did not compile, of which the rules' reader is a part."""
    log = variant.log.read_text(errors="replace")
    return "could not compile `clif-fuzz-backend` (build script)" in log


def _profile(variant: Variant) -> list[str]:
    if variant.assertions:
        return []
    return ["--config", "profile.release.debug-assertions=false"]


def _cargo(variant: Variant, subcommand: str, what: str, *, rules: bool) -> tuple[Path | None, int]:
    """Run cargo, show progress, and return the library that it made, and its exit code."""
    command = ["cargo", subcommand, "--release", "--message-format=json-render-diagnostics"]
    command += ["--manifest-path", str(manifest_for(variant, rules=rules))]
    command += ["--target-dir", str(variant.target_dir)]
    command += _profile(variant)
    if variant.pinned:
        command.append("--locked")
    library = None
    variant.log.parent.mkdir(exist_ok=True)
    with variant.log.open("w") as log, Progress(what) as progress:
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
    return library, status


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
    if not variant.pinned:
        text = f"this Cranelift ({variant.version}) does not build with the extension: {text}"
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
