"""The mutation ``type``: another type for a web of connected instructions."""

from __future__ import annotations

from dataclasses import dataclass, field

from clif.function import Block, Function, Inst, Value
from clif.opcodes import Format
from clif.typed_instructions import TypedInstruction
from clif.types import FLOATS, INTS, Type
from clif.uses import Place
from fuzz.mutate.context import MutationContext

#: The most instructions of a web.
_MOST = 8


@dataclass(slots=True, eq=False)
class _Web:
    """Instructions that pass values of one type to each other.

    Attributes:
        members: the instructions; ``typed`` is what each becomes at the new type.
        home: by an instruction's identity, its block.
    """

    function: Function
    old: Type
    new: Type
    members: list[Inst] = field(default_factory=list)
    typed: list[TypedInstruction] = field(default_factory=list)
    home: dict[int, Block] = field(default_factory=dict)

    def contains(self, inst: Inst | None) -> bool:
        return inst is not None and id(inst) in self.home


def change_type(context: MutationContext) -> bool:
    """Have connected operations compute in another width, with conversions around them.

    The types of everything else stay. The case's ISAs lower each operation at the new type, and no
    protected value is touched.
    """
    function = context.draw_function()
    places = [
        (place, typed)
        for place, typed in context.pure_places(function)
        if typed.type in INTS + FLOATS and _same_results(place.inst)
    ]
    choice = context.pick(places)
    if choice is None:
        return False
    old = choice[1].type
    assert old is not None
    family = FLOATS if old.is_float else INTS
    known = context.instructions.instruction_set.types
    new = context.pick([t for t in family if t is not old and t in known])
    if new is None:
        return False
    web = _Web(function, old, new)
    _grow(context, web, choice[0], places)
    return bool(web.members) and _convert(context, web)


def _same_results(inst: Inst) -> list[Value]:
    """Return the results that have the controlling type."""
    pairs = zip(inst.opcode.results, inst.results, strict=False)
    return [value for constraint, value in pairs if constraint.kind == "Same"]


def _same_operands(inst: Inst) -> list[int]:
    """Return the positions of the operands that have the controlling type."""
    return [n for n, c in enumerate(inst.opcode.args) if c.kind == "Same"]


def _grow(
    context: MutationContext, web: _Web, start: Place, places: list[tuple[Place, TypedInstruction]]
) -> None:
    """Add an instruction to the web, and further ones along definitions and uses."""
    index = context.index(web.function)
    by_inst = {id(place.inst): place for place, typed in places if typed.type is web.old}
    todo = [start.inst]
    most = 1 + context.entropy.below(_MOST)
    while todo and len(web.members) < most:
        inst = todo.pop(context.entropy.below(len(todo)))
        place = by_inst.get(id(inst))
        if place is None or web.contains(inst):
            continue
        typed = _typed_at(context, inst, web.new)
        if typed is None:
            continue
        web.members.append(inst)
        web.typed.append(typed)
        web.home[id(inst)] = place.block
        feeding = [index.definition.get(inst.args[n]) for n in _same_operands(inst)]
        todo += [other for other in feeding if other is not None]
        todo += [use.inst for result in _same_results(inst) for use in index.uses[result]]


def _typed_at(context: MutationContext, inst: Inst, new: Type) -> TypedInstruction | None:
    operands = [arg.type for arg in inst.args]
    for n in _same_operands(inst):
        operands[n] = new
    typed = context.instructions.instruction_set.find(inst.opcode.name, new, *operands)
    if typed is None or (typed.variants and inst.cond not in typed.variants):
        return None
    for constraint, old, result in zip(
        inst.opcode.results, inst.results, typed.results, strict=True
    ):
        if constraint.kind != "Same" and old.type is not result:
            return None  # its type follows from the controlling type in another way
    return typed


def _convert(context: MutationContext, web: _Web) -> bool:
    """Change the types in the web, and convert what enters it and what is used outside of it."""
    if not _convertible(context, web):
        return False
    replaced: dict[Value, Value] = {}
    for inst in web.members:
        for result in _same_results(inst):
            replaced[result] = context.fresh(web.function, web.new)
    for inst in web.members:
        _convert_operands(context, web, inst, replaced)
    for old, new in replaced.items():
        _convert_uses(context, web, old, new)
    for inst, typed in zip(web.members, web.typed, strict=True):
        inst.type = typed.type
        inst.results = [replaced.get(result, result) for result in inst.results]
    return True


def _convertible(context: MutationContext, web: _Web) -> bool:
    """Return whether there are conversions in both directions."""
    there = context.conversion(web.function, Value(web.old, 0), web.new)
    return there is not None and (
        context.conversion(web.function, Value(web.new, 0), web.old) is not None
    )


def _convert_operands(
    context: MutationContext, web: _Web, inst: Inst, replaced: dict[Value, Value]
) -> None:
    """Give an instruction of the web operands of the new type."""
    block = web.home[id(inst)]
    for n in _same_operands(inst):
        arg = inst.args[n]
        if arg in replaced:
            inst.args[n] = replaced[arg]
            continue
        before = _converted(context, web, arg)
        at = next(k for k, other in enumerate(block.instructions) if other is inst)
        block.instructions[at:at] = before
        inst.args[n] = before[-1].result


def _converted(context: MutationContext, web: _Web, arg: Value) -> list[Inst]:
    """Make the instructions that convert an operand; a constant becomes one of the new type."""
    definition = context.index(web.function).definition.get(arg)
    if definition is not None and definition.opcode.format is Format.UNARY_IMM:
        imm = definition.imm & web.old.mask
        if imm & web.old.sign_bit and context.entropy.below(2):
            imm -= web.old.mask + 1
        return context.constant(web.function, web.new, imm & web.new.mask)
    made = context.conversion(web.function, arg, web.new)
    assert made is not None
    return [made]


def _convert_uses(context: MutationContext, web: _Web, old: Value, new: Value) -> None:
    """Convert a result back to the old type for its users outside of the web."""
    index = context.index(web.function)
    outside = [use for use in index.uses[old] if not _is_inside(web, use.inst, use.position)]
    if not outside:
        return
    made = context.conversion(web.function, new, web.old)
    assert made is not None
    inst = index.definition[old]
    block = web.home[id(inst)]
    at = next(k for k, other in enumerate(block.instructions) if other is inst)
    block.instructions.insert(at + 1, made)
    for use in outside:
        use.put(made.result)


def _is_inside(web: _Web, inst: Inst, position: int) -> bool:
    return web.contains(inst) and position in _same_operands(inst)
