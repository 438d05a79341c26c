"""Registers and temporaries as bytes, each a part of a term that was written there."""

from __future__ import annotations

from collections.abc import Callable

import z3

from fuzz.prove.terms import Term, choose, join, part

#: What was never written is asked for in pieces of so many bytes.
_PIECE = 8


class Cells:
    """One space of p-code.

    Args:
        unwritten: returns the 8 bytes at an offset that nothing has written.
    """

    def __init__(self, unwritten: Callable[[int], Term]) -> None:
        self._unwritten = unwritten
        self._bytes: dict[int, tuple[Term, int]] = {}

    def copy(self) -> Cells:
        """Return cells that can be written by themselves."""
        other = Cells(self._unwritten)
        other._bytes = self._bytes.copy()
        return other

    def write(self, offset: int, term: Term) -> None:
        """Write a term, its lowest byte first."""
        for at in range(term.size() // 8):
            self._bytes[offset + at] = (term, at)

    def read(self, offset: int, size: int) -> Term:
        """Return so many bytes as one term."""
        found: list[Term] = []
        at = 0
        while at < size:
            term, first = self._byte(offset + at)
            count = 1
            while at + count < size:
                other, number = self._byte(offset + at + count)
                if other is not term or number != first + count:
                    break
                count += 1
            found.append(part(term, 8 * first, 8 * count))
            at += count
        return join(found)

    def _byte(self, offset: int) -> tuple[Term, int]:
        known = self._bytes.get(offset)
        if known is not None:
            return known
        start = offset // _PIECE * _PIECE
        fresh = self._unwritten(start)
        for at in range(_PIECE):
            self._bytes.setdefault(start + at, (fresh, at))
        return self._bytes[offset]

    def merge(self, condition: z3.BoolRef, other: Cells) -> None:
        """Take the bytes of other cells where a condition holds."""
        changed = [
            at
            for at in self._bytes.keys() | other._bytes.keys()
            if not _same(self._byte(at), other._byte(at))
        ]
        for start, size in _runs(sorted(changed)):
            self.write(start, choose(condition, other.read(start, size), self.read(start, size)))


def _same(x: tuple[Term, int], y: tuple[Term, int]) -> bool:
    return x[1] == y[1] and x[0].eq(y[0])


def _runs(offsets: list[int]) -> list[tuple[int, int]]:
    """Return offsets as pieces of neighbours, none across a multiple of 8: start and size."""
    found: list[tuple[int, int]] = []
    for offset in offsets:
        if found and sum(found[-1]) == offset and offset % _PIECE:
            start, size = found.pop()
            found.append((start, size + 1))
        else:
            found.append((offset, 1))
    return found
