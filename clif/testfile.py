"""Cranelift test files as data: header lines, functions, run commands, comments.

``backend.cranelift.reader`` makes these objects with Cranelift's own parser.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from clif.function import Function
from clif.types import Type


@dataclass(frozen=True, slots=True)
class Literal:
    """A value of a run command: its type, and its bit pattern with lane 0 in the lowest bits."""

    type: Type
    bits: int


@dataclass(frozen=True, slots=True)
class RunCommand:
    """A command ``run: %name(args) == expected`` or ``print: %name(args)``.

    Attributes:
        comparison: ``"=="``, ``"!="``, or empty for ``print:``.
    """

    function: str
    args: tuple[Literal, ...]
    comparison: str = ""
    expected: tuple[Literal, ...] = ()


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment's text, its ``;`` included, and its line, counted from 1."""

    text: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class TargetLine:
    """``target NAME FLAG=false``: the ISA's or triple's name and the flags behind it."""

    name: str
    flags: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class TestFile:
    """The contents of a ``.clif`` file.

    Attributes:
        commands: the ``test`` lines, without that word.
        settings: the ``set`` lines, without that word.
        targets: the ``target`` lines in order.
        preamble: comments before the first function.
        features: the ``feature`` lines, without that word.
        functions: each with its comments, those after its end included.
    """

    __test__ = False  # pytest would take it for a test class

    commands: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    targets: list[TargetLine] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    preamble: list[Comment] = field(default_factory=list)
    functions: list[tuple[Function, list[Comment]]] = field(default_factory=list)
