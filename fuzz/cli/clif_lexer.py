"""A lexer of CLIF for Pygments, which colours cases on the terminal."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, words
from pygments.token import (
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Token,
    Whitespace,
)

from backend.cranelift.opcodes import OPCODES
from clif.types import ALL

#: Words at the beginning of a line of a filetest's header.
_HEADER = ("test", "set", "target")
_DECLARATIONS = (
    *("function", "colocated", "explicit_slot", "dynamic_stack_slot", "symbol", "vmctx"),
    *("dyn_scale_target_const", "cold", "uext", "sext", "sret", "tls", "stack_limit", "align"),
)
_TYPES = tuple(type_.name for type_ in ALL)


class ClifLexer(RegexLexer):  # type: ignore[misc]  # which has no types
    """Opcodes come from Cranelift's own table, types from ``clif.types``."""

    name = "CLIF"
    aliases: ClassVar[list[str]] = ["clif"]
    filenames: ClassVar[list[str]] = ["*.clif"]

    tokens: ClassVar = {
        "root": [
            (r";.*", Comment.Single),
            (r"\s+", Whitespace),
            (r'"(?:[^"\\\n]|\\.)*"', String),
            (words(_HEADER, prefix=r"(?m)^", suffix=r"\b"), Keyword.Namespace),
            (r"%\w+|u\d+:\d+", Name.Function),
            (r"v\d+\b", Name.Variable),
            (r"block\d+\b", Name.Label),
            (r"(?:ss|dss|sig|fn|gv|jt|const|mt|ex|userextname)\d+\b", Name.Constant),
            # Before opcodes, as a type may follow one after a dot.
            (words(_TYPES, prefix=r"\b", suffix=r"\b"), Keyword.Type),
            (words(tuple(OPCODES), prefix=r"(?<![\w.])", suffix=r"\b"), Keyword),
            (words(_DECLARATIONS, prefix=r"\b", suffix=r"\b"), Keyword.Declaration),
            (r"[-+]?0x[0-9a-fA-F_]+(?:\.[0-9a-fA-F]*)?(?:p[-+]?\d+)?", Number.Hex),
            (r"[-+]?(?:NaN|sNaN|qNaN|Inf)(?::0x[0-9a-fA-F]+)?", Number),
            (r"[-+]?\d[\d_]*(?:\.\d+)?", Number),
            (r"->|==|[=+!]", Operator),
            (r"[()\[\]{},.:]", Punctuation),
            (r"\w+", Name),
            (r".", Token.Text),
        ]
    }
