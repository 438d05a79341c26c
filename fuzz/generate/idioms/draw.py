"""Drawing one of the idioms, or of the extra parts that were handed in."""

from __future__ import annotations

from collections.abc import Sequence

from fuzz.generate.idioms import algebra, floats, integer, operands, vectors
from fuzz.generate.idioms.part import EmitPart
from fuzz.generate.writer import Writer

#: By theme. A theme is drawn first, so that a long list does not crowd out a short one.
THEMES: tuple[tuple[EmitPart, ...], ...] = (
    integer.IDIOMS,
    algebra.IDIOMS,
    operands.IDIOMS,
    floats.IDIOMS,
    operands.IDIOMS,
    algebra.IDIOMS,
)
_VECTORS: Sequence[tuple[EmitPart, ...]] = (*THEMES, vectors.IDIOMS, vectors.IDIOMS, vectors.IDIOMS)
_TRIES = 3


def idiom(w: Writer) -> bool:
    """Emit one. False where none of a few drawn ones fits the case's types."""
    entropy = w.entropy
    handed = w.plan.options.extra_parts
    if handed and entropy.below(2):
        return entropy.choice(handed)(w, entropy)
    vectors_too = any(type_.is_vector for type_ in w.swarm.types)
    themes = _VECTORS if vectors_too else THEMES
    return any(entropy.choice(entropy.choice(themes))(w, entropy) for _ in range(_TRIES))
