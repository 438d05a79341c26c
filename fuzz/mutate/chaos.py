"""Bytes for Cranelift's chaos mode."""

from __future__ import annotations

from fuzz.mutate.draft import Draft


def change_chaos(draft: Draft) -> bool:
    """The decisions of chaos mode are others, or there are none any more.

    Keeps: everything; chaos mode may change no outcome.
    """
    entropy, before = draft.entropy, draft.case.chaos
    if before and entropy.below(4) == 0:
        draft.case.chaos = b""
    else:
        count = 1 + entropy.below(24)
        draft.case.chaos = entropy.bits(8 * count).to_bytes(count, "little")
    return draft.case.chaos != before
