"""Masks of ``shuffle`` that instruction selection looks for, drawn from what its extractors test.

A mask consists of 16 lane numbers below 32, one byte each, the first in the lowest bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from fuzz.entropy import Entropy

Lanes = list[int]


def mask_of(lanes: Sequence[int]) -> int:
    """Return the mask that moves wider lanes, of which there are 2, 4, 8 or 16."""
    size = 16 // len(lanes)
    return int.from_bytes(bytes(lane * size + n for lane in lanes for n in range(size)), "little")


def lanes_of(mask: int, count: int) -> tuple[int, ...] | None:
    """Return the numbers of the wider lanes that a mask moves as a whole, or None."""
    size = 16 // count
    data = mask.to_bytes(16, "little")
    lanes = tuple(data[n * size] // size for n in range(count))
    return lanes if mask_of(lanes) == mask else None


def _some(entropy: Entropy, count: int, low: int, high: int) -> Lanes:
    return [entropy.between(low, high - 1) for _ in range(count)]


def _run(most: int) -> Callable[[Entropy], Lanes]:
    def draw(entropy: Entropy) -> Lanes:
        start = entropy.below(most)
        return [start + n for n in range(16)]

    return draw


def _same(count: int) -> Callable[[Entropy], Lanes]:
    return lambda entropy: [entropy.below(count)] * count


def _blend(entropy: Entropy) -> Lanes:
    return [n + 8 * entropy.below(2) for n in range(8)]


def _low(start: int) -> Callable[[Entropy], Lanes]:
    return lambda e: _some(e, 4, start, start + 4) + [start + n for n in range(4, 8)]


def _high(start: int) -> Callable[[Entropy], Lanes]:
    return lambda e: [start + n for n in range(4)] + _some(e, 4, start + 4, start + 8)


#: Draws what an extractor accepts, by its name.
_ACCEPTED: Final[dict[str, Callable[[Entropy], Lanes]]] = {
    "shuffle64_from_imm": lambda e: _some(e, 2, 0, 4),
    "shuffle32_from_imm": lambda e: _some(e, 4, 0, 8),
    "shuffle16_from_imm": lambda e: _some(e, 8, 0, 16),
    "shuffle_dup8_from_imm": _same(16),
    "shuffle_dup16_from_imm": _same(8),
    "shuffle_dup32_from_imm": _same(4),
    "shuffle_dup64_from_imm": _same(2),
    "vec_extract_imm4_from_immediate": _run(16),
    "palignr_imm_from_immediate": _run(17),
    "pblendw_imm": _blend,
    "pshuflw_lhs_imm": _low(0),
    "pshuflw_rhs_imm": _low(8),
    "pshufhw_lhs_imm": _high(0),
    "pshufhw_rhs_imm": _high(8),
    "pshufd_lhs_imm": lambda e: _some(e, 4, 0, 4),
    "pshufd_rhs_imm": lambda e: _some(e, 4, 4, 8),
    "shufps_imm": lambda e: _some(e, 2, 0, 4) + _some(e, 2, 4, 8),
    "shufps_rev_imm": lambda e: _some(e, 2, 4, 8) + _some(e, 2, 0, 4),
}
#: The names of the extractors over masks.
NAMES: Final = tuple(_ACCEPTED)
#: The number of lanes of extractors that bind them.
WIDE_LANES: Final = {"shuffle64_from_imm": 2, "shuffle32_from_imm": 4, "shuffle16_from_imm": 8}


def draw_mask(entropy: Entropy, name: str, known: Sequence[int | None] = ()) -> int:
    """Draw a mask that the extractor accepts.

    Args:
        known: the lanes that are known, where not None, for extractors that bind lanes.
    """
    lanes = _ACCEPTED[name](entropy)
    if len(known) == len(lanes):
        lanes = [lane if given is None else given for lane, given in zip(lanes, known, strict=True)]
    return mask_of(lanes)
