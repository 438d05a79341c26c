"""Operations without effects, drawn from the opcodes' constraints."""

from __future__ import annotations

from clif.function import Value
from clif.nan_payload import NanEffect
from clif.opcodes import Format
from clif.typed_instructions import TypedInstruction
from clif.types import I8, Type
from fuzz.generate.constants import draw_solid_bits
from fuzz.generate.conversions import canonicalise
from fuzz.generate.immediates import draw_immediates, patterned_shuffle_mask
from fuzz.generate.operands import constant, convert, pick
from fuzz.generate.writer import Writer

_SHIFTS = frozenset({"ishl", "ushr", "sshr", "rotl", "rotr"})
#: Opcodes that are not folded if both operands are the same value.
_REPEATABLE = frozenset(
    {"iadd", "imul", "umulhi", "smulhi", "fadd", "fmul", "fma", "fdiv", "fsub", "iconcat", *_SHIFTS}
)
#: Formats whose instructions often get a constant operand.
_WITH_CONSTANT = frozenset(
    {Format.BINARY, Format.INT_COMPARE, Format.FLOAT_COMPARE, Format.TERNARY, Format.SHUFFLE}
)


def pure_operation(w: Writer) -> None:
    """Emit a drawn operation, and keep its results."""
    instruction = _draw_instruction(w)
    if instruction is None:
        _fallback(w)
        return
    emit_instruction(w, instruction)


def emit_instruction(w: Writer, instruction: TypedInstruction) -> None:
    """Emit an instruction with drawn operands and immediates, and keep its results."""
    args = _operands(w, instruction)
    imm, cond = draw_immediates(w.entropy, instruction, patterned_shuffle_mask)
    results = w.apply(instruction, args, imm, cond)
    w.note_redrawable(instruction)
    for result in results:
        w.pool.add(result)
    if instruction.name == "fcmp" and results[0].type is I8 and w.entropy.below(2):
        _select_by(w, results[0])


def _select_by(w: Writer, flag: Value) -> None:
    """Select by a float comparison: some conditions take two tests, which lowering combines here
    in a way of its own."""
    type_ = w.entropy.choice([type_ for type_ in w.swarm.types if not type_.is_vector])
    if w.instruction_set.has("select", type_, I8, type_, type_):
        w.keep(w.op("select", flag, pick(w, type_), pick(w, type_)))


def _draw_instruction(w: Writer) -> TypedInstruction | None:
    """Draw an instruction whose operands are in the pool; after a few tries any instruction."""
    instruction = None
    for _ in range(4):
        drawn = w.swarm.draw_pure(w.entropy)
        if drawn is not None:
            instruction = drawn
            if all(w.pool.has(type_) for type_ in instruction.operands):
                break
    return instruction


def _fallback(w: Writer) -> None:
    """Emit an addition, for a case whose swarm has no operation on its types."""
    type_ = next(t for t in w.swarm.types if t.is_int and not t.is_vector)
    w.keep(w.op("iadd", pick(w, type_), pick(w, type_)))


def _operands(w: Writer, instruction: TypedInstruction) -> list[Value]:
    constant_at = _constant_position(w, instruction)
    exposing = instruction.nan_effect is NanEffect.EXPOSES
    args: list[Value] = []
    for position, type_ in enumerate(instruction.operands):
        if position == constant_at:
            value = _constant_operand(w, instruction, type_)
        else:
            value = _variable_operand(w, instruction, type_, args)
        if exposing or (instruction.nan_effect is NanEffect.EXPOSES_SIGN and position == 1):
            value = canonicalise(w, value)
        args.append(value)
    return args


def _constant_position(w: Writer, instruction: TypedInstruction) -> int:
    """Draw which operand is a constant, usually the last; -1 for none."""
    if instruction.opcode.format not in _WITH_CONSTANT or not w.entropy.chance(w.swarm.constant):
        return -1
    last = len(instruction.operands) - 1
    if instruction.opcode.format is Format.TERNARY:
        return 1 + w.entropy.below(last)
    return last if w.entropy.below(6) < 5 else 0


def _variable_operand(
    w: Writer, instruction: TypedInstruction, type_: Type, args: list[Value]
) -> Value:
    value = pick(w, type_)
    if value not in args or (instruction.name in _REPEATABLE and w.entropy.chance(0.3)):
        return value
    for _ in range(3):
        other = w.pool.pick(w.entropy, type_, w.swarm.unused)
        if other is not None and other not in args:
            return other
    if instruction.name in _REPEATABLE:
        return value
    return convert(w, type_) if w.entropy.chance(0.5) else _solid(w, instruction, type_)


def _constant_operand(w: Writer, instruction: TypedInstruction, type_: Type) -> Value:
    if instruction.name in _SHIFTS and type_ is instruction.operands[1] and not type_.is_vector:
        assert instruction.type is not None
        if w.entropy.below(8):
            bits = 1 + w.entropy.below(instruction.type.lane_bits - 1)
            return w.redrawable_constant(type_, bits)
    if w.entropy.below(16) == 0:
        return constant(w, type_)
    return _solid(w, instruction, type_)


def _solid(w: Writer, instruction: TypedInstruction, type_: Type) -> Value:
    """Return a constant that the operation does not fold with."""
    return w.redrawable_constant(type_, draw_solid_bits(w.entropy, type_))
