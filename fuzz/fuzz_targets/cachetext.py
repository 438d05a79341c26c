"""CLIF text as the incremental cache is asked about it: with what may differ made explicit.

Functions are called by user names, ``u0:1``, which the cache takes no part of its key; names like
``%f1``, which only tests have, are part of it. Every instruction has a source location: only what
these are relative to the first one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clif.function import Function
from clif.printer import print_function

#: The reader takes ``u0:1+16`` for one number: a symbol with an offset keeps its name.
_DECLARED = re.compile(
    r"^(    (?:fn\d+ = (?:colocated )?|gv\d+ = symbol (?:colocated )?))%(\w+)(?![\w+-])"
)
_HEAD = re.compile(r"^function %(\w+)")


@dataclass(frozen=True, slots=True)
class Names:
    """What may differ.

    Attributes:
        own: appended to the functions' own names.
        namespace, shift: of the names of what they call.
        line: of the first instruction in the source.
    """

    own: str = ""
    namespace: int = 0
    shift: int = 0
    line: int = 0x1000


def print_for_cache(functions: Sequence[Function], names: Names) -> str:
    """The functions' text, one after another."""
    numbers: dict[str, int] = {}
    lines: list[str] = []
    for function in functions:
        lines += _lines(print_function(function), names, numbers)
    return "\n".join(lines) + "\n"


def _lines(text: str, names: Names, numbers: dict[str, int]) -> Iterator[str]:
    in_blocks, line_number = False, names.line

    def user_name(match: re.Match[str]) -> str:
        number = numbers.setdefault(match[2], len(numbers))
        return f"{match[1]}u{names.namespace}:{number + names.shift}"

    for line in text.splitlines():
        if line.startswith("block"):
            in_blocks = True
        if line.startswith("function"):
            yield _HEAD.sub(rf"function %\1{names.own}", line)
        elif in_blocks and line.startswith("    "):
            yield f"@{line_number:04x} {line}"
            line_number += 1
        else:
            yield _DECLARED.sub(user_name, line)


def body(function: Function) -> str:
    """A function's text but for its name and the names of what it calls."""
    text = _HEAD.sub("function", print_function(function))
    return "\n".join(_DECLARED.sub(r"\1", line) for line in text.splitlines())
