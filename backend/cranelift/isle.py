"""The rules of the Cranelift that is linked: mid-end, and instruction selection per ISA.

Cranelift's own parser read them when the extension was built (``backend/build/isle.rs``), so they
are those of a local checkout where the extension was built against one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from backend.cranelift import _cranelift
from backend.cranelift.isa_names import CRANELIFT_NAMES

#: Names of the sets of rules, as Cranelift's build calls them.
MID_END: Final = "opt"
#: The set of lowering rules of an ISA, by the ISA's name.
LOWERING: Final[Mapping[str, str]] = {name: isa.rules for name, isa in CRANELIFT_NAMES.items()}
UNITS: Final = (MID_END, *LOWERING.values())


class IsleError(Exception):
    """The rules are not known. The message is one line."""


# --- patterns and expressions: what both have in common is one class ---


@dataclass(frozen=True, slots=True)
class Var:
    """A variable: in a pattern its first mention binds it, later ones must be equal."""

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
    """Anything."""

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
    """Patterns that all match the same."""

    patterns: tuple[Pattern, ...]

    def __str__(self) -> str:
        return _list("and", self.patterns)


@dataclass(frozen=True, slots=True)
class Term:
    """An extractor, a constructor or a variant of an enum (``IntCC.Equal``) with arguments."""

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
        line: of the first thing behind the word ``rule``, from 1. Comments in the code that
            Cranelift generates count the same lines from 0.
        name: what the rule is called, or None.
        left: what it matches, a term: ``(simplify (iadd ty x y))``.
        conditions: its ``if-let`` clauses: pattern, and the expression that must match it.
        right: what is made of the match.
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
    """An extractor that is an abbreviation: ``(eq ty x y)`` of ``(icmp ty (IntCC.Equal) x y)``."""

    name: str
    params: tuple[str, ...]
    template: Pattern


@dataclass(frozen=True, slots=True)
class Declaration:
    """The types of a term's arguments and of its result."""

    name: str
    args: tuple[str, ...]
    result: str


@dataclass(frozen=True, slots=True)
class Unit:
    """One set of rules that Cranelift compiles together.

    Attributes:
        rules: all but those of generated files, in the order of files and lines.
        extractors: by name; ``external`` are the names of those that are Rust functions.
        terms: by name.
        enums: by name: for each variant the types of its fields.
    """

    name: str
    rules: tuple[Rule, ...]
    extractors: Mapping[str, Extractor]
    external: frozenset[str]
    terms: Mapping[str, Declaration]
    enums: Mapping[str, Mapping[str, tuple[str, ...]]]


@cache
def unit(name: str) -> Unit:
    """One of ``UNITS``. Raises IsleError where the rules were not to be had in the build."""
    document = _document()
    for raw in document["units"]:
        if raw["name"] == name:
            return _unit(raw)
    raise IsleError(f"there are no rules called {name}; there are {', '.join(UNITS)}")


@cache
def _document() -> Any:
    document = json.loads(_cranelift.isle())
    if "error" in document:
        raise IsleError(f"the extension was built without Cranelift's rules: {document['error']}")
    return document


def _unit(raw: dict[str, Any]) -> Unit:
    extractors = (Extractor(name, tuple(params), _node(t)) for name, params, t in raw["extractors"])
    terms = (Declaration(name, tuple(args), result) for name, args, result in raw["terms"])
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
    raise IsleError(f"the extension shows a rule in a form of its own: {kind}")
