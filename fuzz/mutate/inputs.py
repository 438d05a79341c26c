"""The mutation ``inputs``: other arguments, or other contents of the region."""

from __future__ import annotations

from dataclasses import replace

from clif.function import Value
from clif.outcome import Inputs, Region, words_from_ints
from fuzz.generate.constants import draw_bits
from fuzz.generate.inputs import draw_inputs
from fuzz.mutate.context import MutationContext


def change_inputs(context: MutationContext) -> bool:
    """Draw anew all arguments of a parameter, one of them, or some bytes of the region.

    The number of inputs and the region's size stay. Parameters that an unproved hazard depends on
    are protected.
    """
    kind = context.entropy.below(4)
    if context.analysis.protected.everything:
        return False
    if kind == 3 and context.case.inputs.region is not None:
        return _change_contents(context, context.case.inputs.region)
    params = [p for p in context.case.main.entry.params if _may_change(context, p)]
    param = context.pick(params)
    if param is None or not context.case.inputs.count:
        return False
    at = context.case.main.entry.params.index(param)
    inputs = context.case.inputs
    args = list(inputs.args)
    if kind < 2:
        drawn = draw_inputs(context.entropy, [param.type], inputs.count, None)
        args[at] = drawn.args[0]
    else:
        row = context.entropy.below(inputs.count)
        words = args[at].copy()
        words[row] = words_from_ints(param.type, [draw_bits(context.entropy, param.type)])[0]
        args[at] = words
    context.case.inputs = Inputs(inputs.count, args, inputs.region)
    return True


def _may_change(context: MutationContext, param: Value) -> bool:
    return (
        param not in context.analysis.protected.inputs and param not in context.analysis.addresses
    )


def _change_contents(context: MutationContext, region: Region) -> bool:
    if not region.size:
        return False
    entropy = context.entropy
    count = 1 << entropy.below(5)
    start = entropy.below(region.size)
    piece = entropy.bits(8 * count).to_bytes(count, "little")
    contents = region.contents[:start] + piece + region.contents[start + count :]
    contents = contents[: region.size]
    context.case.inputs = replace(context.case.inputs, region=region.with_contents(contents))
    return contents != region.contents
