"""Where a function's stack limit lies: what its declaration ``stack_limit = gv2`` stands for.

A function that has a limit traps when its frame would lie below it. The limit is a global value,
which is computed from the function's ``vmctx`` parameter by loads and additions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from clif.function import Function, GlobalValue

#: No executor has a stack as low as this, so that a function with such a limit does not trap.
HIGHEST_LIMIT: Final = 1 << 16

_LOAD: Final = re.compile(r"load\.i64\b.*?\bgv(\d+)\s*([+-]\d+)?")
_ADD: Final = re.compile(r"iadd_imm\.i64\s+gv(\d+),\s*(-?(?:0x[\da-fA-F_]+|\d+))")


class StackLimitError(ValueError):
    """A stack limit that is not computed from the ``vmctx`` parameter."""


def limit_path(function: Function) -> tuple[int, ...]:
    """Return how a function's stack limit is computed.

    Returns:
        The offsets that are added, the first to ``vmctx``. After each but the last, the address is
        replaced by the word that lies there.

    Raises:
        StackLimitError: the limit is something else, a symbol for example.
    """
    return _path(function.global_values, function.stack_limit or "", 0)


def _path(values: Sequence[GlobalValue], name: str, depth: int) -> tuple[int, ...]:
    number = int(name.removeprefix("gv")) if name.removeprefix("gv").isdigit() else len(values)
    if number >= len(values) or depth > len(values):
        raise StackLimitError(f"the stack limit {name} is not defined")
    text = values[number].text
    if text == "vmctx":
        return (0,)
    if load := _LOAD.fullmatch(text):
        *before, last = _path(values, f"gv{load[1]}", depth + 1)
        return (*before, last + int(load[2] or 0), 0)
    if add := _ADD.fullmatch(text):
        *before, last = _path(values, f"gv{add[1]}", depth + 1)
        return (*before, last + int(add[2], 0))
    raise StackLimitError(f"a stack limit of the kind '{text}' is not known")


def vmctx_parameter(function: Function) -> int | None:
    """Return the index of the parameter that receives the ``vmctx`` pointer; None without one."""
    purposes = [param.purpose for param in function.signature.params]
    return purposes.index("vmctx") if "vmctx" in purposes else None
