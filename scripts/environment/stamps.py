"""Records of what an environment was made from, so that nothing is done twice.

A stamp is written after its step has succeeded, so an interrupted step is done again.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from variant import Variant
from versions import ROOT


class Stamps:
    """The two stamps of an environment, in its ``stamps.json``."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.path = variant.folder / "stamps.json"
        try:
            self.data: dict[str, Any] = json.loads(self.path.read_text())
        except (OSError, ValueError):
            self.data = {}

    def packages_current(self) -> bool:
        """Return whether the Python packages are up to date."""
        return self._current("packages", _package_inputs()) and self.variant.python.exists()

    def extension_current(self) -> bool:
        """Return whether the extension is there and was built from the present sources."""
        module = self.data.get("module")
        return (
            isinstance(module, str)
            and (self.variant.folder / module).exists()
            and self._current("extension", _extension_inputs())
        )

    def usable(self) -> bool:
        """Return whether the virtual environment was finished once, for this checkout.

        Then its packages can be updated in place, even while somebody is using it.
        """
        stamp = self.data.get("packages")
        return (
            isinstance(stamp, dict)
            and stamp.get("root") == str(ROOT)
            and self.variant.python.exists()
        )

    def mark_packages(self) -> None:
        """Record that the packages are installed."""
        self._mark("packages", _package_inputs())

    def mark_extension(self) -> None:
        """Record that the extension is built and installed."""
        found = self.variant.folder.glob("lib/python*/site-packages/backend/cranelift/_cranelift.*")
        self.data["module"] = str(next(found).relative_to(self.variant.folder))
        self._mark("extension", _extension_inputs())

    def _current(self, name: str, inputs: Iterable[Path]) -> bool:
        stamp = self.data.get(name)
        if not isinstance(stamp, dict) or stamp.get("root") != str(ROOT):
            return False
        # Contents are compared only where the times differ, as after a checkout.
        paths = list(inputs)
        times = _times(paths)
        if stamp.get("times") == times:
            return True
        if stamp.get("digest") != _digest(paths):
            return False
        stamp["times"] = times
        self._write()
        return True

    def _mark(self, name: str, inputs: Iterable[Path]) -> None:
        paths = list(inputs)
        self.data[name] = {"root": str(ROOT), "times": _times(paths), "digest": _digest(paths)}
        self._write()

    def _write(self) -> None:
        temporary = self.path.with_suffix(f".{os.getpid()}")
        try:
            temporary.write_text(json.dumps(self.data))
            temporary.replace(self.path)
        except OSError:
            return  # a read-only checkout works all the same, only slower


def _package_inputs() -> list[Path]:
    return [
        ROOT / "pyproject.toml",
        ROOT / "constraints.txt",
        Path(__file__).with_name("packages.py"),
    ]


def _extension_inputs() -> list[Path]:
    backend = ROOT / "backend"
    scripts = Path(__file__).parent
    return [
        ROOT / ".cargo" / "config.toml",
        backend / "Cargo.toml",
        backend / "Cargo.lock",
        *sorted(backend.glob("*.rs")),
        *sorted((backend / "build").glob("*.rs")),
        *sorted((backend / "src").rglob("*.rs")),
        scripts / "extension.py",
        scripts / "manifest.py",
    ]


def _times(paths: Iterable[Path]) -> dict[str, list[int]]:
    times = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        times[str(path.relative_to(ROOT))] = [status.st_mtime_ns, status.st_size]
    return times


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            contents = _contents(path)
        except OSError:
            continue
        name = str(path.relative_to(ROOT)).encode()
        digest.update(b"%d %s %d " % (len(name), name, len(contents)))
        digest.update(contents)
    return digest.hexdigest()


def _contents(path: Path) -> bytes:
    """Return what matters of a file: of ``pyproject.toml`` all but the settings of the tools."""
    contents = path.read_bytes()
    if path.name != "pyproject.toml":
        return contents
    project = tomllib.loads(contents.decode())
    return json.dumps([project["project"], project["dependency-groups"]]).encode()
