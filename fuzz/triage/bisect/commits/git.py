"""Runs git so that the user's hooks, settings and environment do not matter."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PROGRAM: Final = "git"
#: Settings for every call. Nothing of the user's runs, and what is read is not coloured.
_SETTINGS: Final = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "submodule.recurse=false",
    "color.ui=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
)
#: What a hook of git's, from which this program may be run, has set for the user's repository.
_OTHERS: Final = frozenset(
    {
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_COMMON_DIR",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_NAMESPACE",
    }
)


class GitError(Exception):
    """Git refuses something: its own words, in one line."""


class Git:
    """Runs git in one folder.

    Attributes:
        folder: a repository, a folder in one, or a worktree.
    """

    def __init__(self, folder: Path, settings: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self._options = [word for text in (*_SETTINGS, *settings) for word in ("-c", text)]

    def __call__(self, *arguments: str) -> str:
        """Return what git prints, without the newline at the end.

        Raises:
            GitError: it fails.
        """
        done = self.attempt(*arguments)
        if done.returncode:
            raise GitError(reason(done.stderr) or f"git {arguments[0]} failed")
        return done.stdout.rstrip("\n")

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run git, and return how it ended.

        Raises:
            GitError: there is no git.
        """
        try:
            return subprocess.run(
                [_PROGRAM, *self._options, *arguments],
                cwd=self.folder,
                env=_environment(os.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        except FileNotFoundError as error:
            raise GitError(f"git cannot be run: {error}") from error


def _environment(inherited: Mapping[str, str]) -> dict[str, str]:
    own = {
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",  # the user's index is not even refreshed
        "GIT_TERMINAL_PROMPT": "0",  # a partial clone that cannot fetch must not ask for a password
    }
    return {name: value for name, value in inherited.items() if name not in _OTHERS} | own


def reason(text: str) -> str:
    """Return the line of git's that says why it failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wrong = [line for line in lines if line.startswith(("fatal:", "error:"))]
    line = (wrong or lines or [""])[0]
    return line.removeprefix("fatal: ").removeprefix("error: ")
