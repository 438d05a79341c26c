"""ISLE's source text as forms: the rules, declarations and so on that a file consists of.

The rules of the Cranelift under test are known already (``backend.cranelift.isle``). Of the base of
a change there is text alone, and so both are compared as text, but for comments and white space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

_TOKEN: Final = re.compile(r"\(;|;\)|;|\n|[()@]|[^\s();@]+")
_INTEGER: Final = re.compile(r"-?\d+")
_CONDITIONS: Final = ("if-let", "if")

#: An atom, or a list.
Node: TypeAlias = "str | list[Node]"


@dataclass(frozen=True, slots=True)
class Form:
    """A form at the top of a file.

    Attributes:
        kind: its first word: ``rule``, ``decl``, ``extern``...
        line, last: its first and its last line, counted from 1.
        place: the line of what follows the first word, as ``Rule.line`` is.
        words: its words and parentheses between the outermost ones, without comments.
    """

    kind: str
    line: int
    last: int
    place: int
    words: tuple[str, ...]

    @property
    def meaning(self) -> tuple[str, ...]:
        """The words without a rule's name, which means nothing."""
        return self.words[:1] + self.words[2:] if self._named else self.words

    @property
    def _named(self) -> bool:
        return self.kind == "rule" and len(self.words) > 1 and _is_name(self.words[1])

    @property
    def nodes(self) -> list[Node]:
        """What the form consists of, after its first word; of a rule its name is left out."""
        return _nodes(iter(self.meaning[1:]))

    @property
    def name(self) -> str:
        """What a form other than a rule says something about; empty if that is nothing known."""
        words = self.words
        match self.kind:
            case "decl":
                return words[words.index("(") - 1] if "(" in words[1:] else ""
            case "extractor":
                return words[words.index("(") + 1] if "(" in words[:-1] else ""
            case "extern":
                constant = words[1:2] == ("const",)
                at = 2 if constant else -2
                return words[at].removeprefix("$") if len(words) > 3 else ""
            case "type":
                return words[1] if len(words) > 1 else ""
            case "convert":
                return words[-1]
        return ""


@dataclass(frozen=True, slots=True)
class RuleText:
    """A rule as text.

    Attributes:
        left: the words of its left-hand side; the first one after the parenthesis is its term.
        conditions: those of its conditions.
    """

    priority: int
    left: tuple[str, ...]
    conditions: frozenset[tuple[str, ...]]

    @property
    def term(self) -> str:
        """The term that it is a rule of."""
        return self.left[1] if len(self.left) > 1 else ""

    @classmethod
    def of(cls, form: Form) -> RuleText:
        """Return the parts of a form that is a rule."""
        nodes = form.nodes
        priority = 0
        if nodes and isinstance(nodes[0], str) and _INTEGER.fullmatch(nodes[0]):
            priority = int(nodes.pop(0).__str__())
        left = tuple(_words(nodes[0])) if nodes else ()
        conditions = (
            tuple(_words(node))
            for node in nodes[1:-1]
            if isinstance(node, list) and node and node[0] in _CONDITIONS
        )
        return cls(priority, left, frozenset(conditions))


def forms(text: str) -> list[Form]:
    """Return the forms of a file, in their order. What is not balanced at its end is left out."""
    found: list[Form] = []
    words: list[str] = []
    lines: list[int] = []
    depth = start = 0
    for word, line in _tokens(text):
        depth += (word == "(") - (word == ")")
        if word == "(" and depth == 1:
            words, lines, start = [], [], line
        elif depth == 0 and word == ")":
            if words:
                place = lines[1] if len(lines) > 1 else start
                found.append(Form(words[0], start, line, place, tuple(words)))
        else:
            words.append(word)
            lines.append(line)
    return found


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Yield words and parentheses with their lines."""
    line = 1
    depth = 0  # of comments in parentheses, which nest
    rest_is_comment = False
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == "\n":
            line += 1
            rest_is_comment = False
        elif rest_is_comment:
            continue
        elif token == "(;":
            depth += 1
        elif depth:
            depth -= token == ";)"
        elif token.startswith(";"):
            rest_is_comment = True
        else:
            yield token, line


def _nodes(words: Iterator[str]) -> list[Node]:
    """Return what stands up to the next closing parenthesis."""
    found: list[Node] = []
    for word in words:
        if word == ")":
            break
        found.append(_nodes(words) if word == "(" else word)
    return found


def _words(node: Node) -> Iterator[str]:
    if isinstance(node, str):
        yield node
        return
    yield "("
    for part in node:
        yield from _words(part)
    yield ")"


def _is_name(word: str) -> bool:
    return word != "(" and not _INTEGER.fullmatch(word)
