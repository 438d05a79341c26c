"""Unicorn's engine, with types: its own package hides them from type checkers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unicorn.unicorn_py3.unicorn import Uc, UcError
else:
    from unicorn import Uc, UcError

__all__ = ["Uc", "UcError", "add_hook", "remove_hook"]


def add_hook(
    uc: Uc, kind: int, callback: Callable[..., object], begin: int = 1, end: int = 0
) -> int:
    """Have ``callback`` called for events of a kind, within addresses if ``begin <= end``.

    Returns:
        A number for ``remove_hook``.
    """
    add: Any = uc.hook_add
    return int(add(kind, callback, begin=begin, end=end))


def remove_hook(uc: Uc, hook: int) -> None:
    """Remove a hook from code that is translated from now on."""
    remove: Any = uc.hook_del
    remove(hook)
