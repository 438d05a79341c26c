"""Bytes for Cranelift's chaos mode."""

from __future__ import annotations

from fuzz.mutate.context import MutationContext


def change_chaos(context: MutationContext) -> bool:
    """The decisions of chaos mode are others, or there are none any more.

    Keeps: everything; chaos mode may change no outcome.
    """
    entropy, before = context.entropy, context.case.chaos
    if before and entropy.below(4) == 0:
        context.case.chaos = b""
    else:
        count = 1 + entropy.below(24)
        context.case.chaos = entropy.bits(8 * count).to_bytes(count, "little")
    return context.case.chaos != before
