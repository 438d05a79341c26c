"""What each opcode means in terms, one function each. Importing this registers all of them."""

from __future__ import annotations

from fuzz.prove.semantics import float as _float
from fuzz.prove.semantics import integer, memory, overflow, vector
from fuzz.prove.semantics.registry import EFFECTS, PURE, UndecidedError

__all__ = ["EFFECTS", "PURE", "UndecidedError", "_float", "integer", "memory", "overflow", "vector"]
