"""Exceptions: from where they are thrown to the block that handles them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from clif.function import BlockCall, Handler, Value
from clif.throwing import PAYLOAD
from interp.lanes import Lanes, Mask, choose
from interp.registry import Unsupported


class Exceptions:
    """The exceptions that were thrown and are not handled yet, at most one for each input.

    Attributes:
        thrown: the inputs that have one.
        words: tag, context and payload; rows of other inputs mean nothing.
    """

    def __init__(self, n: int) -> None:
        self.thrown: Mask = np.zeros(n, np.bool_)
        self.words: list[Lanes] = []

    def throw(self, words: Sequence[Lanes], mask: Mask) -> None:
        """Note the exceptions that inputs throw."""
        if self.words:
            words = [choose(mask, *pair) for pair in zip(words, self.words, strict=True)]
        self.words = list(words)
        self.thrown = self.thrown | mask

    def payload(self) -> Mapping[str, Lanes]:
        """Return the words of the payload, as arguments of handlers name them."""
        return {f"exn{n}": word for n, word in enumerate(self.words[-PAYLOAD:])}

    def handle(
        self, handlers: Sequence[Handler], mask: Mask, env: Mapping[Value, Lanes]
    ) -> Iterator[tuple[BlockCall, Mask]]:
        """Take the exceptions that a table handles, of inputs that are in its call.

        Yields:
            The handler, and the inputs that go there.
        """
        context: Lanes | None = None
        for handler in handlers:
            rest = self.thrown & mask
            if not np.count_nonzero(rest):
                return
            tag, current, *_ = self.words
            if handler.contexts:
                context = _context(handler.contexts[-1], env, current)
            if handler.tag is not None:
                rest = rest & (tag == handler.tag)
                if context is not None:
                    rest = rest & (current == context)
            if np.count_nonzero(rest):
                self.thrown = self.thrown & ~rest
                yield handler.target, rest


def _context(value: Value, env: Mapping[Value, Lanes], current: Lanes) -> Lanes:
    """Return the array of a context's value.

    Raises:
        Unsupported: it is no word of an address's size, so that an unwinder cannot tell its bits.
    """
    array = env[value]
    if value.type.is_float or array.dtype != current.dtype:
        raise Unsupported("try_call", value.type.name, "a context has the size of an address")
    return array
