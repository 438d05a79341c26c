"""Other arguments, other contents of the region."""

from __future__ import annotations

from dataclasses import replace

from clif.function import Value
from clif.outcome import Inputs, Region, words_from_ints
from fuzz.generate.constants import draw_bits
from fuzz.generate.inputs import draw_inputs
from fuzz.mutate.draft import Draft


def change_inputs(draft: Draft) -> bool:
    """All arguments of a parameter are drawn anew, or one of them, or some bytes of the region.

    Keeps: the number of inputs and the region's size. Parameters that something unproved rests on
    are locked.
    """
    kind = draft.entropy.below(4)
    if draft.facts.locks.everything:
        return False
    if kind == 3 and draft.case.inputs.region is not None:
        return _change_contents(draft, draft.case.inputs.region)
    params = [p for p in draft.case.main.entry.params if _may_change(draft, p)]
    param = draft.pick(params)
    if param is None or not draft.case.inputs.count:
        return False
    at = draft.case.main.entry.params.index(param)
    inputs = draft.case.inputs
    args = list(inputs.args)
    if kind < 2:
        drawn = draw_inputs(draft.entropy, [param.type], inputs.count, None)
        args[at] = drawn.args[0]
    else:
        row = draft.entropy.below(inputs.count)
        words = args[at].copy()
        words[row] = words_from_ints(param.type, [draw_bits(draft.entropy, param.type)])[0]
        args[at] = words
    draft.case.inputs = Inputs(inputs.count, args, inputs.region)
    return True


def _may_change(draft: Draft, param: Value) -> bool:
    return param not in draft.facts.locks.inputs and param not in draft.facts.addresses


def _change_contents(draft: Draft, region: Region) -> bool:
    if not region.size:
        return False
    entropy = draft.entropy
    count = 1 << entropy.below(5)
    start = entropy.below(region.size)
    piece = entropy.bits(8 * count).to_bytes(count, "little")
    contents = region.contents[:start] + piece + region.contents[start + count :]
    contents = contents[: region.size]
    draft.case.inputs = replace(draft.case.inputs, region=Region(region.param, contents))
    return contents != region.contents
