"""The environments: one for each Cranelift and build option, each in a folder of its own."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from messages import SetupError

ROOT = Path(__file__).resolve().parents[2]

#: The crate that a folder must contain to count as a Cranelift.
CODEGEN = "cranelift-codegen"


@dataclass(frozen=True)
class Variant:
    """One environment.

    Attributes:
        folder: the virtual environment; what is built only for it lies in there too.
        cranelift: a local Cranelift, None for the pinned release.
        whole_tree: it is a Wasmtime working tree, not a lone ``cranelift-codegen``.
        assertions: Cranelift's debug assertions are on.
    """

    folder: Path
    cranelift: Path | None
    whole_tree: bool
    assertions: bool

    @classmethod
    def of(cls, cranelift: str, assertions: str, toolchain: str = "") -> Variant:
        """Return the environment of these options; an empty string is the default of each.

        Raises:
            SetupError: there is no such folder, it is no Cranelift, or an option has another value.
        """
        if assertions not in ("", "on", "off"):
            raise SetupError(f"--assertions is on or off, not '{assertions}'")
        if toolchain and not re.fullmatch(r"[\w.+-]+", toolchain):
            raise SetupError(f"--toolchain is a name of rustup's, not '{toolchain}'")
        enabled = assertions != "off"
        name = ".venv"
        path = None
        whole_tree = False
        if cranelift:
            path = Path(cranelift).expanduser().resolve()
            whole_tree = _is_whole_tree(path)
            name += f"-{path.name}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
        if toolchain:
            name += f"-{toolchain}"
        if not enabled:
            name += "-no-assertions"
        return cls(ROOT / name, path, whole_tree, enabled)

    @property
    def python(self) -> Path:
        """The environment's Python."""
        return self.folder / "bin" / "python"

    @property
    def target_dir(self) -> Path:
        """Cargo's target folder; for the default environment the one that plain cargo uses, too."""
        if self.folder.name == ".venv":
            return ROOT / "backend" / "target"
        return self.folder / "target"

    @property
    def log(self) -> Path:
        """The output of the last run of cargo."""
        return self.folder / "build.log"


def _is_whole_tree(path: Path) -> bool:
    if not path.is_dir():
        raise SetupError(f"--cranelift: there is no folder {path}")
    if _package_name(path / "cranelift" / "codegen" / "Cargo.toml") == CODEGEN:
        return True
    if _package_name(path / "Cargo.toml") == CODEGEN:
        return False
    raise SetupError(
        f"--cranelift: {path} is neither a Wasmtime working tree (no cranelift/codegen) "
        f"nor a {CODEGEN} folder"
    )


def _package_name(manifest: Path) -> str | None:
    try:
        package = tomllib.loads(manifest.read_text()).get("package", {})
    except (OSError, ValueError):
        return None
    name = package.get("name")
    return name if isinstance(name, str) else None
