"""The sources of a published cranelift-codegen, as cargo unpacks them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from fuzz.changes.errors import ChangeError

_CODEGEN: Final = "cranelift-codegen"
_MANIFEST: Final = """\
[package]
name = "sources"
version = "0.0.0"
edition = "2021"
[lib]
path = "lib.rs"
[dependencies]
{name} = "{version}"
[workspace]
"""


def release_sources(version: str) -> Path:
    """Return the folder of a release, downloaded by cargo if it is not there.

    Args:
        version: ``0.135.8``, or ``0.135`` for the last of its patch releases.

    Raises:
        ChangeError: there is no such release, or it is not to be had here.
    """
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    unpacked = next(home.glob(f"registry/src/*/{_CODEGEN}-{version}"), None)
    return unpacked or _downloaded(version)


def _downloaded(version: str) -> Path:
    exact = version.count(".") > 1
    wanted = f"={version}" if exact else f"~{version}.0"
    with TemporaryDirectory() as folder:
        (Path(folder) / "lib.rs").touch()
        manifest = Path(folder) / "Cargo.toml"
        manifest.write_text(_MANIFEST.format(name=_CODEGEN, version=wanted), encoding="utf-8")
        command = ["cargo", "metadata", "--format-version=1", "--manifest-path", str(manifest)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise ChangeError("cargo is not installed") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("error")]
        raise ChangeError(f"{_CODEGEN} {version}: {lines[0] if lines else 'cargo failed'}")
    packages = json.loads(done.stdout)["packages"]
    found = next(each["manifest_path"] for each in packages if each["name"] == _CODEGEN)
    return Path(found).parent
