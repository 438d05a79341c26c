"""The tools that the machine must have."""

from __future__ import annotations

import shutil
import sys

from messages import SetupError
from versions import rust_version

#: The oldest Rust that the pinned Cranelift and pyo3 build with.
RUST = (1, 95)


def require(*, extension: bool) -> None:
    """Check that everything is there; cargo and a C compiler only if the extension is to be built.

    Raises:
        SetupError: something is missing; the message names all of it.
    """
    missing = []
    if sys.platform not in ("linux", "darwin"):
        missing.append("Linux or macOS")
    if extension:
        wanted = f"Rust {RUST[0]}.{RUST[1]} or newer"
        found = rust_version()
        if shutil.which("cargo") is None:
            missing.append(f"cargo ({wanted}: https://rustup.rs)")
        elif found is None:
            missing.append(f"a working rustc ({wanted}: https://rustup.rs)")
        elif found < RUST:
            missing.append(f"{wanted} (found {found[0]}.{found[1]})")
        if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
            missing.append("a C compiler (cc, gcc or clang: Rust links with it)")
    if missing:
        raise SetupError(f"needs {', and '.join(missing)}")
