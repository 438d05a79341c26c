"""Shows that another release of Cranelift is being built."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fuzz.cli.errors import complain

if TYPE_CHECKING:
    from backend.cranelift.releases import Release


class ReleaseProgress:
    """Shows on stderr that a release is being built; nothing if it is built already."""

    def __init__(self, release: Release) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)
        self.status = self.console.status(f"building Cranelift {release}")
        self.release = release
        self.told = False

    def __enter__(self) -> Callable[[int], None]:
        self.status.start()
        return self._on_crate

    def _on_crate(self, done: int) -> None:
        self.status.update(f"building Cranelift {self.release}: {done} crates done")
        if not self.told and not self.console.is_terminal:
            complain(f"building Cranelift {self.release}, which takes a minute or two")
        self.told = True

    def __exit__(self, *_: object) -> None:
        self.status.stop()
