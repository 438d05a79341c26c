"""The mutations ``chaos`` and ``inlining``: other decisions of chaos mode, and of the inliner."""

from __future__ import annotations

from fuzz.mutate.context import MutationContext


def change_chaos(context: MutationContext) -> bool:
    """Draw other bytes for chaos mode, or turn it off.

    Chaos mode must not change any outcome, so every case allows this.
    """
    entropy, before = context.entropy, context.case.chaos
    if before and entropy.below(4) == 0:
        context.case.chaos = b""
    else:
        count = 1 + entropy.below(24)
        context.case.chaos = entropy.bits(8 * count).to_bytes(count, "little")
    return context.case.chaos != before


def change_inlining(context: MutationContext) -> bool:
    """Draw other decisions for the inliner, or turn it off.

    Inlining must not change any outcome, so every case with several functions allows this.
    """
    case, entropy = context.case, context.entropy
    before = case.inlining
    if before and entropy.below(4) == 0:
        case.inlining = b""
    elif len(case.functions) > 1:
        case.inlining = bytes(entropy.below(8) for _ in range(1 + entropy.below(8)))
    return case.inlining != before
