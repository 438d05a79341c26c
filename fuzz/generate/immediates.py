"""Drawing the immediates of an instruction: condition codes, lane numbers and shuffle masks."""

from __future__ import annotations

from collections.abc import Callable

from clif.opcodes import Format
from clif.typed_instructions import LANE_FORMATS, LAST_LANE, TypedInstruction
from fuzz.entropy import Entropy


def patterned_shuffle_mask(entropy: Entropy) -> int:
    """Draw the mask of a ``shuffle``: 16 lane numbers below 32, one byte each.

    Runs, broadcasts and interleavings of lanes are as frequent as masks without a pattern, since
    instruction selection looks for them.
    """
    kind = entropy.below(5)
    start = entropy.below(17)
    if kind == 0:
        lanes = [start + n for n in range(16)]
    elif kind == 1:
        lanes = [start] * 16
    elif kind == 2:
        unit = 1 << entropy.below(4)
        base = entropy.below(2) * 8
        lanes = [base + n // 2 // unit * unit + n % unit + n // unit % 2 * 16 for n in range(16)]
        lanes = [lane % 32 for lane in lanes]
    elif kind == 3:
        unit = 1 << entropy.below(4)
        lanes = [n // unit * unit + (unit - 1 - n % unit) for n in range(16)]
    else:
        return random_shuffle_mask(entropy)
    return int.from_bytes(bytes(lanes), "little")


def random_shuffle_mask(entropy: Entropy) -> int:
    """Draw the mask of a ``shuffle`` without any pattern."""
    return int.from_bytes(bytes(entropy.below(32) for _ in range(16)), "little")


def draw_immediates(
    entropy: Entropy,
    instruction: TypedInstruction,
    shuffle_mask: Callable[[Entropy], int] = random_shuffle_mask,
) -> tuple[int, str]:
    """Draw an instruction's integer immediate and its condition code.

    Returns:
        0 and an empty string for what the instruction has not.
    """
    format_ = instruction.opcode.format
    if format_ in LANE_FORMATS:
        lanes = instruction.operands[0].lanes if LAST_LANE in instruction.variants else 1
        return entropy.below(lanes), ""
    if instruction.variants:
        return 0, entropy.choice(instruction.variants)
    if format_ is Format.SHUFFLE:
        return shuffle_mask(entropy), ""
    return 0, ""
