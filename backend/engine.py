"""Unicorn's engine, in the form that the rest imports: its package hides its types."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unicorn.unicorn_py3.unicorn import Uc, UcError
else:
    from unicorn import Uc, UcError

__all__ = ["Uc", "UcError", "add_hook"]


def add_hook(
    uc: Uc, kind: int, callback: Callable[..., object], begin: int = 1, end: int = 0
) -> None:
    """Have ``callback`` called for events of a kind, within addresses if ``begin <= end``."""
    add: Any = uc.hook_add
    add(kind, callback, begin=begin, end=end)
