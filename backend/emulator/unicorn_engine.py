"""Unicorn's engine, with types: its own package hides them from type checkers."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from unicorn.unicorn_const import UC_ERR_OK, UC_HOOK_TLB_FILL, UC_TLB_VIRTUAL

if TYPE_CHECKING:
    from unicorn.unicorn_py3.unicorn import Uc, UcError, uclib
else:
    from unicorn import Uc, UcError
    from unicorn.unicorn_py3.unicorn import uclib

#: Bytes of the widest register that is written so.
_WIDEST: Final = 16

__all__ = [
    "RegisterFile",
    "Uc",
    "UcError",
    "add_hook",
    "add_native_hook",
    "fill_tlb_with",
    "remove_hook",
]


def add_hook(
    uc: Uc, kind: int, callback: Callable[..., object], begin: int = 1, end: int = 0
) -> int:
    """Have ``callback`` called for events of a kind, within addresses if ``begin <= end``.

    Returns:
        A number for ``remove_hook``.
    """
    add: Any = uc.hook_add
    return int(add(kind, callback, begin=begin, end=end))


def add_native_hook(
    uc: Uc, kind: int, callback: int, data: int = 0, begin: int = 1, end: int = 0
) -> None:
    """Have a C function called for events of a kind, within addresses if ``begin <= end``.

    The package's own way to add a hook takes functions of Python only.

    Args:
        callback: the address of the function, of the type that the kind asks for.
        data: the address that it is handed as its data.

    Raises:
        UcError: the engine refuses the hook.
    """
    engine: Any = uc
    range_ = ctypes.c_uint64(begin), ctypes.c_uint64(end)
    function, hook = ctypes.c_void_p(callback), ctypes.c_size_t()
    handle, handed = ctypes.byref(hook), ctypes.c_void_p(data)
    error = uclib.uc_hook_add(engine._uch, handle, kind, function, handed, *range_)
    if error != UC_ERR_OK:
        raise UcError(error)


def remove_hook(uc: Uc, hook: int) -> None:
    """Remove a hook from code that is translated from now on."""
    remove: Any = uc.hook_del
    remove(hook)


class RegisterFile:
    """Values of many registers, which are written to an engine at once.

    Args:
        values: the engine's number of each register, and its value, of at most 128 bits.
    """

    def __init__(self, values: Sequence[tuple[int, int]]) -> None:
        count = len(values)
        data = b"".join(value.to_bytes(_WIDEST, sys.byteorder) for _, value in values)
        self._data = ctypes.create_string_buffer(data, len(data))
        first = ctypes.addressof(self._data)
        self._numbers = (ctypes.c_int * count)(*(number for number, _ in values))
        places = (first + _WIDEST * n for n in range(count))
        self._places = (ctypes.c_void_p * count)(*places)
        self._count = ctypes.c_int(count)

    def write(self, uc: Uc) -> None:
        """Write all of them.

        Raises:
            UcError: the engine refuses one.
        """
        engine: Any = uc
        error = uclib.uc_reg_write_batch(engine._uch, self._numbers, self._places, self._count)
        if error != UC_ERR_OK:
            raise UcError(error)


def fill_tlb_with(uc: Uc, callback: int) -> None:
    """Have a C function decide to which page an address belongs, and what may be done there.

    Args:
        callback: the address of a ``uc_cb_tlbevent_t``.

    Raises:
        UcError: the engine refuses the hook.
    """
    engine: Any = uc
    engine.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
    add_native_hook(uc, UC_HOOK_TLB_FILL, callback)
