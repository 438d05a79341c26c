"""The name of a local Cranelift, which tells one state of a tree from another."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from packages import site_packages
from variant import Variant
from versions import CODEGEN

#: The file beside the extension; ``backend/cranelift/cranelift_name.py`` reads it.
_FILE = "local_cranelift.txt"
_DIGITS = 8
#: Folders of no source of Cranelift's.
_IGNORED = frozenset({".git", "target"})


def write_name(variant: Variant, name: str) -> None:
    """Put the name of the local Cranelift beside the extension that was built with it."""
    file = site_packages(variant) / "backend" / "cranelift" / _FILE
    file.write_text(f"{name}\n", encoding="utf-8")


def tree_name(variant: Variant) -> str:
    """Return the name of an environment's local Cranelift.

    It is the folder's name, then ``git describe`` if the folder is a work tree of git's, then how
    many files are changed, with a digest of them. Without git, a lone ``cranelift-codegen`` is
    compared with the published one; if there is none to compare with, the digest is of all sources.
    """
    folder = variant.cranelift
    assert folder is not None
    words = [re.sub(r"[^\w.+-]", "_", folder.name)]
    published = None if variant.whole_tree else _published(folder)
    if _is_own(folder):
        words.append(_git(folder, "describe", "--always", "--tags", "--abbrev=9"))
        words.append(_changes(folder, _changed_in_git(folder)))
    elif published is not None:
        words.append(_changes(folder, _changed_files(folder, published)))
    else:
        words.append(f"sources {_digest(folder, sorted(_sources(folder)))}")
    return ", ".join(filter(None, words))


def _is_own(folder: Path) -> bool:
    """Return whether git tracks the folder, and not only one that it happens to lie in."""
    return bool(_git(folder, "ls-files", "--", "Cargo.toml"))


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints; nothing if it fails."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except (OSError, UnicodeDecodeError):
        return ""
    return "" if result.returncode else result.stdout.strip("\n")


def _changed_in_git(folder: Path) -> list[Path]:
    """Return the files that differ from the commit, also new and deleted ones."""
    top = Path(_git(folder, "rev-parse", "--show-toplevel") or folder)
    status = _git(folder, "status", "--porcelain", "-z", "--no-renames", "-uall", "--", ".")
    return [top / entry[3:] for entry in status.split("\0") if entry]


def _changed_files(folder: Path, published: Path) -> list[Path]:
    """Return the files of a crate that differ from the published one, also missing ones."""
    names = {path.relative_to(folder) for path in _sources(folder)}
    names |= {path.relative_to(published) for path in _sources(published)}
    return [
        folder / name
        for name in sorted(names)
        if _contents(folder / name) != _contents(published / name)
    ]


def _published(folder: Path) -> Path | None:
    """Return where cargo unpacked the release that a lone ``cranelift-codegen`` is a copy of."""
    manifest = (_contents(folder / "Cargo.toml") or b"").decode(errors="replace")
    version = re.search(r'^version = "([\w.+-]+)"$', manifest, re.MULTILINE)
    if version is None:
        return None
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    return next(home.glob(f"registry/src/*/{CODEGEN}-{version[1]}"), None)


def _sources(folder: Path) -> Iterable[Path]:
    """Yield the files that a build depends on."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        is_source = path.suffix in (".rs", ".isle", ".toml") and not parts[-1].startswith(".")
        if is_source and _IGNORED.isdisjoint(parts) and path.is_file():
            yield path


def _changes(folder: Path, files: list[Path]) -> str:
    """Return how many files are changed, with a digest of their contents; nothing for none."""
    if not files:
        return ""
    return f"{len(files)} changed file{'s' * (len(files) != 1)} {_digest(folder, files)}"


def _digest(folder: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        contents = _contents(path)
        size = "none" if contents is None else len(contents)
        digest.update(f"{os.path.relpath(path, folder)} {size} ".encode())
        digest.update(contents or b"")
    return digest.hexdigest()[:_DIGITS]


def _contents(path: Path) -> bytes | None:
    """Return a file's contents; None where there is no such file."""
    try:
        return path.read_bytes()
    except OSError:
        return None
