"""The environments: one for each Cranelift and build option, each in a folder of its own."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from messages import SetupError
from versions import CODEGEN, ROOT, is_version, package, pinned_version, require_supported


@dataclass(frozen=True)
class Variant:
    """One environment.

    Attributes:
        folder: the virtual environment; what is built only for it lies in there too.
        cranelift: a local Cranelift; None for a published release.
        release: another published release than the pinned one, else empty.
        version: that of the Cranelift, as far as it is known: ``0.136`` stands for the last of its
            patch releases.
        whole_tree: it is a Wasmtime working tree, not a lone ``cranelift-codegen``.
        assertions: Cranelift's debug assertions are on.
    """

    folder: Path
    cranelift: Path | None
    release: str
    version: str
    whole_tree: bool
    assertions: bool

    @classmethod
    def of(cls, cranelift: str, assertions: str, toolchain: str = "") -> Variant:
        """Return the environment of these options; an empty string is the default of each.

        Args:
            cranelift: a version, or a folder.

        Raises:
            SetupError: there is no such folder, it is no Cranelift or one that is too old, or an
                option has another value.
        """
        if assertions not in ("", "on", "off"):
            raise SetupError(f"--assertions is on or off, not '{assertions}'")
        if toolchain and not re.fullmatch(r"[\w.+-]+", toolchain):
            raise SetupError(f"--toolchain is a name of rustup's, not '{toolchain}'")
        enabled = assertions != "off"
        name = ".venv"
        path, release, version = None, "", pinned_version()
        whole_tree = False
        if is_version(cranelift):
            release = cranelift if cranelift != version else ""
            version = cranelift
            name += f"-{release}" if release else ""
        elif cranelift:
            path = Path(cranelift).expanduser().resolve()
            whole_tree = _is_whole_tree(path)
            version = _local_version(path, whole_tree)
            name += f"-{path.name}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
        require_supported(version)
        if toolchain:
            name += f"-{toolchain}"
        if not enabled:
            name += "-no-assertions"
        return cls(ROOT / name, path, release, version, whole_tree, enabled)

    @property
    def python(self) -> Path:
        """The environment's Python."""
        return self.folder / "bin" / "python"

    @property
    def pinned(self) -> bool:
        """Whether it is the pinned release."""
        return self.cranelift is None and not self.release

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
        raise SetupError(f"--cranelift: there is no folder {path} (a version is like 0.137.1)")
    if package(_in_tree(path)).get("name") == CODEGEN:
        return True
    if package(path / "Cargo.toml").get("name") == CODEGEN:
        return False
    raise SetupError(
        f"--cranelift: {path} is neither a Wasmtime working tree (no cranelift/codegen) "
        f"nor a {CODEGEN} folder"
    )


def _in_tree(path: Path) -> Path:
    return path / "cranelift" / "codegen" / "Cargo.toml"


def _local_version(path: Path, whole_tree: bool) -> str:
    version = package(_in_tree(path) if whole_tree else path / "Cargo.toml").get("version")
    if not isinstance(version, str):
        raise SetupError(f"--cranelift: {path} does not say which version of {CODEGEN} it is")
    return version
