"""Which instructions of AArch64 order accesses to memory."""

from __future__ import annotations

import re
from typing import Final

from backend.emulator.access_order import AccessOrdering, Ordering

#: Operations of LSE that acquire and release, of any size.
_ATOMIC: Final = re.compile(r"(ld(add|clr|eor|set|smax|smin|umax|umin)|swp|casp?)al[bh]?")
_PATTERNS: Final = (
    (re.compile(r"dmb"), Ordering.FENCE),
    (re.compile(r"lda(p?)r[bh]?"), Ordering.ACQUIRE),
    (re.compile(r"stlr[bh]?"), Ordering.RELEASE),
    (re.compile(r"ldaxp|ldaxr[bh]?"), Ordering.EXCLUSIVE_LOAD),
    (re.compile(r"stlxp|stlxr[bh]?"), Ordering.EXCLUSIVE_STORE),
    (_ATOMIC, Ordering.ATOMIC),
)


def _ordering(mnemonic: str, operands: str) -> Ordering:
    """Return what an instruction does for the order of accesses.

    Exclusive accesses without acquiring and releasing order nothing.
    """
    found = (what for pattern, what in _PATTERNS if pattern.fullmatch(mnemonic))
    return next(found, Ordering.NONE)


ORDERING: Final = AccessOrdering(_ordering)
