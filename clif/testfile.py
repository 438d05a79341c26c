"""A Cranelift test file as data: header lines, functions, run commands, comments.

``backend.cranelift.reader`` makes these of text, with Cranelift's own parser.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from clif.function import Function
from clif.types import Type


@dataclass(frozen=True, slots=True)
class Literal:
    """A value of a run command: its type and its whole bit pattern, lane 0 lowest."""

    type: Type
    bits: int


@dataclass(frozen=True, slots=True)
class RunCommand:
    """``run: %name(args) == expected``; without expectation it is a ``print:``.

    ``comparison`` is ``"=="``, ``"!="``, or empty for ``print:``.
    """

    function: str
    args: tuple[Literal, ...]
    comparison: str = ""
    expected: tuple[Literal, ...] = ()


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment's text, its ``;`` included, and the line it stands on (1-based)."""

    text: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class TargetLine:
    """``target NAME FLAG=false``: the ISA's or triple's name and the flags behind it."""

    name: str
    flags: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class TestFile:
    """What Cranelift's parser makes of a ``.clif`` file.

    Attributes:
        commands: the ``test`` lines, without that word.
        settings: the ``set`` lines, without that word.
        targets: the ``target`` lines in order.
        preamble: comments before the first function.
        functions: each with its comments, those after its end included.
    """

    __test__ = False  # no test class, whatever its name makes pytest think

    commands: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    targets: list[TargetLine] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    preamble: list[Comment] = field(default_factory=list)
    functions: list[tuple[Function, list[Comment]]] = field(default_factory=list)
