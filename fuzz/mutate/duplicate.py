"""The mutation ``duplicate``: a copy of an instruction."""

from __future__ import annotations

from dataclasses import replace

from clif.function import Function, Inst
from clif.memory_access import access_of
from clif.uses import Place, Use
from fuzz.mutate.context import MutationContext


def duplicate_instruction(context: MutationContext) -> bool:
    """Copy an operation or load for one of its users, or repeat a store.

    This gives GVN, alias analysis and rematerialisation something to merge. Results stay the same,
    except that a copied load, right in front of its user, reads what memory holds by then.
    """
    function = context.draw_function()
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
    """Return the operations, loads and stores that may be copied."""
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
    """Return the instructions each with a user that may get the copy's result, None for stores."""
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
    """Draw a position behind an instruction in its block."""
    last = len(place.block.instructions) - 1
    return context.entropy.between(place.index + 1, max(place.index + 1, last))
