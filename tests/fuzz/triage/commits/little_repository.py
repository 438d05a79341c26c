"""A real little git repository with the outline of a Wasmtime tree, and a builder without cargo.

What a commit's Cranelift does stands as a word in ``cranelift/codegen/src/lib.rs``: ``good``,
``bad``, or ``broken``, which does not build.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from backend.cranelift.release_build import UnavailableError

LIBRARY = "cranelift/codegen/src/lib.rs"
MANIFESTS = {
    "Cargo.toml": """\
[workspace]
[workspace.dependencies]
wasmtime-core = { path = "crates/core", version = "=1.0.0", package = "wasmtime-internal-core" }
cranelift-codegen = { path = "cranelift/codegen" }
""",
    "Cargo.lock": "",
    "cranelift/codegen/Cargo.toml": """\
[package]
name = "cranelift-codegen"
version = "0.135.0"
[dependencies]
wasmtime-core = { workspace = true }
smallvec = "1"
[build-dependencies]
cranelift-isle = { path = "../isle/isle" }
[dev-dependencies]
left-out = { path = "../filetests" }
""",
    "cranelift/reader/Cargo.toml": """\
[package]
name = "cranelift-reader"
[dependencies]
cranelift-codegen = { workspace = true }
""",
    "cranelift/isle/isle/Cargo.toml": "[package]\nname = 'cranelift-isle'\n",
    "cranelift/filetests/Cargo.toml": "[package]\nname = 'cranelift-filetests'\n",
    "crates/core/Cargo.toml": "[package]\nname = 'wasmtime-internal-core'\n",
    "manual/guide.md": "A page.\n",
}


@dataclass
class LittleRepository:
    """A repository in a folder of its own."""

    path: Path
    _clock: int = 1_700_000_000

    def git(self, *arguments: str) -> str:
        """Run git, and return what it prints."""
        self._clock += 60
        date = f"{self._clock} +0000"
        environment = {
            **os.environ,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_DATE": date,
        }
        settings = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        done = subprocess.run(
            ["git", *settings, *arguments],
            cwd=self.path,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    @classmethod
    def create(cls, path: Path, manifests: dict[str, str] | None = None) -> LittleRepository:
        """Make one with a first commit, which is good."""
        path.mkdir()
        made = cls(path)
        made.git("init", "--quiet", "--initial-branch=main")
        made.commit("good", manifests or MANIFESTS)
        return made

    def commit(self, word: str, files: dict[str, str] | None = None) -> str:
        """Commit a Cranelift that does what a word says, and return the hash."""
        number = self.git("rev-list", "--count", "--all")
        for name, text in {LIBRARY: f"{word} {number}\n", **(files or {})}.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"Change {number} is {word}")
        return self.git("rev-parse", "HEAD")

    def commits(self, words: str) -> list[str]:
        """Commit one after the other, by first letters: ``g``, ``b``, ``x`` for broken."""
        names = {"g": "good", "b": "bad", "x": "broken"}
        return [self.commit(names[letter]) for letter in words]

    def unrelated(self) -> str:
        """Commit what no program is built from, and return the hash."""
        number = self.git("rev-list", "--count", "--all")
        (self.path / "manual" / "guide.md").write_text(f"Page {number}.\n")
        self.git("commit", "--quiet", "--all", "--message", f"Write page {number}")
        return self.git("rev-parse", "HEAD")

    def state(self) -> tuple[str, ...]:
        """Return all of the user's that must not change."""
        index = self.path / ".git" / "index"
        files = sorted(p for p in self.path.rglob("*") if ".git" not in p.parts and p.is_file())
        return (
            self.git("status", "--porcelain=v2", "--branch", "--untracked-files=all"),
            self.git("for-each-ref"),
            self.git("worktree", "list", "--porcelain"),
            self.git("config", "--local", "--list"),
            (self.path / ".git" / "HEAD").read_text(),
            index.read_bytes().hex(),
            "".join(f"{p} {p.stat().st_mtime_ns}" for p in files),
            " ".join(sorted(p.name for p in (self.path / ".git").iterdir())),
        )


@dataclass
class FakeBuilder:
    """Instead of cargo: the program is the word of the tree.

    Attributes:
        built: what was built, in order: the contents of the library.
        before: is called with the tree before each build.
    """

    built: list[str] = field(default_factory=list)
    before: Callable[[Path], None] = lambda tree: None

    def build(
        self, place: Path, tree: Path, on_crate: Callable[[int], None] | None = None
    ) -> tuple[Path, str]:
        """Build a tree as ``release_build.build_tree`` does."""
        self.before(tree)
        file = next(f for f in (tree / LIBRARY, tree / "src" / "lib.rs") if f.exists())
        text = file.read_text()
        self.built.append(text.strip())
        if on_crate is not None:
            on_crate(1)
        if text.startswith("broken"):
            raise UnavailableError("does not build: error[E0308]: mismatched types")
        program = place / "program"
        program.write_text(text)
        return program, "0.135.0"
