"""Small shapes that mid-end and lowering rules look for, built of drawn values."""

from fuzz.generate.idioms.draw import idiom

__all__ = ["idiom"]
