"""The ISLE rules of the Cranelift that is linked: of the mid-end and of instruction selection.

Cranelift's own parser reads them while the extension is built (``backend/build/isle.rs``). Where
the extension is built against a local checkout, they are those of the checkout.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from backend.cranelift import _cranelift
from backend.cranelift.isa_names import CRANELIFT_NAMES

#: The name of the mid-end's set of rules, as Cranelift's build calls it.
MID_END: Final = "opt"
#: The set of lowering rules of an ISA, by the ISA's name.
LOWERING: Final[Mapping[str, str]] = {name: isa.rules for name, isa in CRANELIFT_NAMES.items()}
UNITS: Final = tuple(dict.fromkeys((MID_END, *LOWERING.values())))


def units_of(isas: Iterable[str]) -> tuple[str, ...]:
    """Return the sets of rules that code for these ISAs is made by, the mid-end's first."""
    own = (LOWERING[isa] for isa in isas if isa in LOWERING)
    return tuple(dict.fromkeys((MID_END, *own)))


class IsleError(Exception):
    """The rules are not available; the message, of one line, says why."""


# --- patterns and expressions; what both have is one class ---


@dataclass(frozen=True, slots=True)
class Var:
    """A variable. In a pattern its first mention binds it, and later ones must equal it."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Int:
    """An integer."""

    value: int

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Bool:
    """``true`` or ``false``."""

    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True, slots=True)
class Const:
    """An external constant, without its dollar sign: ``I32``."""

    name: str

    def __str__(self) -> str:
        return f"${self.name}"


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A pattern that matches anything."""

    def __str__(self) -> str:
        return "_"


@dataclass(frozen=True, slots=True)
class Bind:
    """``name @ pattern``."""

    name: str
    pattern: Pattern

    def __str__(self) -> str:
        return f"{self.name} @ {self.pattern}"


@dataclass(frozen=True, slots=True)
class And:
    """Patterns that must all match the same thing."""

    patterns: tuple[Pattern, ...]

    def __str__(self) -> str:
        return _list("and", self.patterns)


@dataclass(frozen=True, slots=True)
class Term:
    """An extractor, a constructor or an enum's variant (``IntCC.Equal``), with arguments."""

    name: str
    args: tuple[Any, ...]

    def __str__(self) -> str:
        return _list(self.name, self.args)


@dataclass(frozen=True, slots=True)
class Let:
    """``(let ((name type value) ...) body)``, in expressions only."""

    definitions: tuple[tuple[str, str, Expr], ...]
    body: Expr

    def __str__(self) -> str:
        parts = " ".join(f"({name} {type_} {value})" for name, type_, value in self.definitions)
        return f"(let ({parts}) {self.body})"


Pattern = Var | Int | Bool | Const | Wildcard | Bind | And | Term
Expr = Var | Int | Bool | Const | Term | Let


def _list(head: str, items: tuple[Any, ...]) -> str:
    return f"({' '.join([head, *map(str, items)])})"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rewrite.

    Attributes:
        file: below the sources of ``cranelift-codegen``: ``"src/opts/icmp.isle"``.
        line: where what follows the word ``rule`` begins, counted from 1. Comments in the code that
            Cranelift generates count from 0.
        name: the rule's name, or None.
        left: the left-hand side: ``(simplify (iadd ty x y))``.
        conditions: the ``if-let`` clauses: a pattern, and the expression that it must match.
        right: the right-hand side.
    """

    file: str
    line: int
    name: str | None
    priority: int
    left: Term
    conditions: tuple[tuple[Pattern, Expr], ...]
    right: Expr

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        conditions = "".join(f" (if-let {p} {e})" for p, e in self.conditions)
        return f"(rule {self.left}{conditions} {self.right})"


@dataclass(frozen=True, slots=True)
class Extractor:
    """An extractor that stands for a pattern.

    ``(eq ty x y)`` stands for ``(icmp ty (IntCC.Equal) x y)``.
    """

    name: str
    params: tuple[str, ...]
    template: Pattern


@dataclass(frozen=True, slots=True)
class TermDeclaration:
    """The types of a term's arguments and of its result."""

    name: str
    args: tuple[str, ...]
    result: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A set of rules that Cranelift compiles together.

    Attributes:
        rules: those of files that are not generated, in the order of files and lines.
        extractors: those that stand for patterns, by name.
        external: the names of those that are Rust functions.
        terms: their declarations, by name.
        enums: for each enum, the types of each variant's fields.
    """

    name: str
    rules: tuple[Rule, ...]
    extractors: Mapping[str, Extractor]
    external: frozenset[str]
    terms: Mapping[str, TermDeclaration]
    enums: Mapping[str, Mapping[str, tuple[str, ...]]]


@cache
def unit(name: str) -> Unit:
    """Return one of ``UNITS``.

    Raises:
        IsleError: there is no such set, or the extension was built without the rules.
    """
    document = _document()
    for raw in document["units"]:
        if raw["name"] == name:
            return _unit(raw)
    raise IsleError(f"there are no rules called {name}; there are {', '.join(UNITS)}")


def sources() -> Path:
    """Return the folder of the ``cranelift-codegen`` that was built, which may be gone by now.

    Raises:
        IsleError: the extension was built without the rules.
    """
    return Path(_document()["sources"])


@cache
def _document() -> Any:
    document = json.loads(_cranelift.isle())
    if "error" in document:
        raise IsleError(f"the extension was built without Cranelift's rules: {document['error']}")
    return document


def _unit(raw: dict[str, Any]) -> Unit:
    extractors = (Extractor(name, tuple(params), _node(t)) for name, params, t in raw["extractors"])
    terms = (TermDeclaration(name, tuple(args), result) for name, args, result in raw["terms"])
    return Unit(
        raw["name"],
        tuple(_rule(rule) for rule in raw["rules"]),
        {extractor.name: extractor for extractor in extractors},
        frozenset(raw["external"]),
        {term.name: term for term in terms},
        {
            name: {variant: tuple(types) for variant, types in variants}
            for name, variants in raw["enums"]
        },
    )


def _rule(raw: list[Any]) -> Rule:
    (file, line), name, priority, left, conditions, right = raw
    return Rule(
        file,
        line,
        name,
        priority,
        _node(left),
        tuple((_node(pattern), _node(expr)) for pattern, expr in conditions),
        _node(right),
    )


_ANYTHING: Final = Wildcard()


def _node(raw: list[Any]) -> Any:
    kind, *rest = raw
    match kind:
        case "var":
            return Var(rest[0])
        case "int":
            return Int(int(rest[0]))
        case "bool":
            return Bool(rest[0])
        case "const":
            return Const(rest[0])
        case "any":
            return _ANYTHING
        case "bind":
            return Bind(rest[0], _node(rest[1]))
        case "and":
            return And(tuple(map(_node, rest[0])))
        case "term":
            return Term(rest[0], tuple(map(_node, rest[1])))
        case "let":
            definitions = tuple((name, type_, _node(value)) for name, type_, value in rest[0])
            return Let(definitions, _node(rest[1]))
    raise IsleError(f"the extension's rules have a node of an unknown kind: {kind}")
