"""An instruction twice."""

from __future__ import annotations

from dataclasses import replace

from clif.function import Function, Inst
from clif.memory_access import access_of
from clif.place import Place
from clif.uses import Use
from fuzz.mutate.context import MutationContext


def duplicate_instruction(context: MutationContext) -> bool:
    """A copy of an operation or load serves one of its users; or a store is made twice.

    Keeps: everything, or nearly: the copy stands right in front of its user, and a load gives there
    what memory holds by then. What GVN, alias analysis and rematerialisation may merge is the idea.
    """
    function = context.function()
    choice = context.pick(_loads_and_operations(context, _places(context, function)))
    if choice is None:
        return False
    place, use = choice
    copy = _copy(context, place)
    if use is None:
        place.block.instructions.insert(_later(context, place), copy)
        return True
    use.block.instructions.insert(use.at, copy)
    at = next(n for n, r in enumerate(place.inst.results) if r is use.value)
    use.put(copy.results[at])
    return True


def _places(context: MutationContext, function: Function) -> list[Place]:
    """Where operations, loads and stores stand that may be made twice."""
    pure = [place for place, _ in context.pure_places(function)]
    memory = [
        place
        for place in context.places(function)
        if access_of(place.inst) is not None
        and place.inst not in context.analysis.unproved
        and "other_side_effects" not in place.inst.opcode.flags
    ]
    return pure + memory


def _loads_and_operations(
    context: MutationContext, places: list[Place]
) -> list[tuple[Place, Use | None]]:
    """Each with one of its users that may be changed; stores without."""
    found: list[tuple[Place, Use | None]] = []
    for place in places:
        if not place.inst.results:
            found.append((place, None))
            continue
        uses = [use for r in place.inst.results for use in context.index(place.function).uses[r]]
        if len(uses) > 1 or (uses and uses[0].block is not place.block):
            found.append((place, context.entropy.choice(uses)))
    return found


def _copy(context: MutationContext, place: Place) -> Inst:
    inst = place.inst
    results = [context.fresh(place.function, result.type) for result in inst.results]
    return replace(inst, args=list(inst.args), results=results)


def _later(context: MutationContext, place: Place) -> int:
    """Somewhere behind, in the same block."""
    last = len(place.block.instructions) - 1
    return context.entropy.between(place.index + 1, max(place.index + 1, last))
