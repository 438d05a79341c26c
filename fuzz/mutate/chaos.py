"""The mutation ``chaos``: other decisions of Cranelift's chaos mode."""

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
