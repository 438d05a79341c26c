"""Throwing: the functions that a case calls to throw an exception.

CLIF has no instruction that throws: a runtime does it. A case declares the runtime's function as it
declares any other that it does not define:

    fn0 = %throw_tail(i64, i64, i64, i64) tail

There is one for each calling convention, with the convention in its name, and where addresses have
32 bits one of words of 32 bits, ``%throw32_tail``. Its arguments are the exception's tag, the
context that it is thrown in, and its two words of payload. It never returns.
Entries of an exception table are tried in their order, the table of the innermost call first. An
entry with a tag takes the exception if that is the exception's tag, and the context that is named
before it, if there is one, is the exception's context; ``default`` takes any. If no entry takes it,
throwing is a trap with the code ``UNCAUGHT``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from clif.function import AbiParam, External, Function, Signature
from clif.types import I32, I64, Type

#: How names begin, by the type of the words.
_PREFIXES: Final = {I64: "throw_", I32: "throw32_"}
_WORDS: Final = 4
#: The words of an exception's payload: ``exn0`` and ``exn1`` in the arguments of handlers.
PAYLOAD: Final = 2
#: The trap code of an exception that nothing handles. Generated cases have no other use for it.
UNCAUGHT: Final = "user240"


@dataclass(frozen=True, slots=True)
class Thrower:
    """A function of the runtime that throws."""

    name: str
    signature: Signature

    @property
    def word(self) -> Type:
        """The type of its arguments, which is that of addresses."""
        return self.signature.params[0].type


def thrower(convention: str, word: Type = I64) -> Thrower:
    """Return the function that throws, of a calling convention.

    Args:
        word: the type of addresses.
    """
    signature = Signature((AbiParam(word),) * _WORDS, (), convention)
    return Thrower(_PREFIXES[word] + convention, signature)


def thrower_named(name: str) -> Thrower | None:
    """Return the function that throws of a name without ``%``; None if it is not such a name."""
    for word, prefix in _PREFIXES.items():
        convention = name.removeprefix(prefix)
        if convention and convention != name:
            return thrower(convention, word)
    return None


def is_of_thrower(signature: Signature) -> bool:
    """Whether a signature is that of functions that throw."""
    return any(thrower(signature.call_conv, word).signature == signature for word in _PREFIXES)


def throws(external: External) -> bool:
    """Whether a declaration is one of a function that throws, if the case defines no such name."""
    found = thrower_named(external.name)
    return found is not None and found.signature == external.signature


def may_throw(functions: Iterable[Function]) -> bool:
    """Whether one of the functions declares a function that throws."""
    return any(throws(external) for function in functions for external in function.externals)
