"""Which paths of a commit the program is built from, and an identity of their contents.

The crates of a tree refer to each other by path. Starting with those that the program needs, these
references are followed. What else changes in a repository cannot change the program.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fuzz.triage.bisect.commits.repository import Commit, Repository, joined, literal

#: The crates that the program names, in a Wasmtime tree.
_NEEDED: Final = ("cranelift/codegen", "cranelift/reader")
_TABLES: Final = ("dependencies", "build-dependencies")
#: Files at the root that versions of dependencies are in.
_SHARED: Final = ("Cargo.toml", "Cargo.lock")


def source_paths(repository: Repository, commit: Commit) -> tuple[str, ...]:
    """Return the paths that the program of a commit is built from, sorted.

    Raises:
        RepositoryError: the commit has no Cranelift.
    """
    root = repository.root(commit)
    codegen = joined(root, _NEEDED[0])
    if repository.manifest(commit, joined(codegen, "Cargo.toml")) is None:
        return (root,)  # a cranelift-codegen alone
    shared = (joined(root, name) for name in _SHARED)
    return tuple(sorted({*shared, *_crates(repository, commit, root)}))


def contents(repository: Repository, commit: Commit, paths: tuple[str, ...]) -> str:
    """Return a digest of what a commit has at some paths."""
    wanted = [path or "." for path in paths]
    if wanted == ["."]:
        entries = repository.git("rev-parse", f"{commit.id}^{{tree}}")
    else:
        entries = repository.git("ls-tree", "--full-tree", "-z", commit.id, "--", *wanted)
    return hashlib.sha256(entries.encode()).hexdigest()


def pathspecs(paths: tuple[str, ...]) -> list[str]:
    """Return what git has to be told to look at these paths alone."""
    return [literal(path) for path in paths]


def _crates(repository: Repository, commit: Commit, root: str) -> set[str]:
    """Return the folders of all crates that are needed, optional ones among them.

    Cargo reads the manifests of optional ones, too.
    """
    workspace = repository.manifest(commit, joined(root, "Cargo.toml")) or {}
    inherited = workspace.get("workspace", {}).get("dependencies", {})
    found: set[str] = set()
    waiting = [joined(root, folder) for folder in _NEEDED]
    while waiting:
        folder = waiting.pop()
        if folder in found:
            continue
        found.add(folder)
        manifest = repository.manifest(commit, joined(folder, "Cargo.toml")) or {}
        waiting += _by_path(manifest, folder, inherited, root)
    return found


def _by_path(
    manifest: Mapping[str, Any], folder: str, inherited: Mapping[str, Any], root: str
) -> Iterator[str]:
    """Yield the folders of the crates that a manifest refers to by path."""
    for section in (manifest, *manifest.get("target", {}).values()):
        for name, wanted in (entry for t in _TABLES for entry in section.get(t, {}).items()):
            base, entry = folder, wanted
            if isinstance(entry, dict) and entry.get("workspace"):
                base, entry = root, inherited.get(name)
            if isinstance(entry, dict) and isinstance(entry.get("path"), str):
                path = posixpath.normpath(posixpath.join(base, entry["path"]))
                if not path.startswith(".."):
                    yield path
