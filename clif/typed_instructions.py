"""Every typed instruction: an opcode with a type for each operand and result.

``typed_instructions`` enumerates them from the constraints of the opcode table. The support matrix
compiles each of them once, and the generator chooses among those that compile, so both know the
same ones by the same names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Final

from clif.builder import resolve
from clif.function import DEFAULT_FLAGS, Inst, MemFlags
from clif.memory_access import accessed_bytes, address_operand
from clif.nan_payload import NanEffect, nan_effect_of
from clif.opcodes import Constraint, Format, Opcode
from clif.types import I64, Type, by_name


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: The order of these tuples is the order in which the generator draws from them: a seed makes the
#: same cases only as long as it stays.
INT_CONDITIONS: Final = _words("eq ne slt sge sgt sle ult uge ugt ule")
FLOAT_CONDITIONS: Final = _words("eq ne lt le gt ge ord uno one ueq ult ule ugt uge")
RMW_OPERATIONS: Final = _words("add sub and nand or xor xchg umin umax smin smax")
FIRST_LANE: Final = "first"
LAST_LANE: Final = "last"
#: The formats whose immediate is the number of a lane.
LANE_FORMATS: Final = frozenset({Format.BINARY_IMM8, Format.TERNARY_IMM8})
#: Only the first and the last lane are told apart: of some vectors only the first can be taken out.
_LANES: Final = (FIRST_LANE, LAST_LANE)
_VARIANTS: Final[dict[Format, tuple[str, ...]]] = {
    Format.INT_COMPARE: INT_CONDITIONS,
    Format.FLOAT_COMPARE: FLOAT_CONDITIONS,
    Format.ATOMIC_RMW: RMW_OPERATIONS,
    Format.BINARY_IMM8: _LANES,
    Format.TERNARY_IMM8: _LANES,
}

#: An opcode and its controlling type, None where it has none.
OpcodeType = tuple[str, Type | None]
#: An opcode, its controlling type and the types of all operands: what sets one typed instruction
#: apart from all others.
InstructionKey = tuple[str, Type | None, tuple[Type, ...]]
#: One variant of a typed instruction in plain text, as tables and JSON have it: opcode; controlling
#: type or ""; types of the open operands (see ``TypedInstruction.open_operands``); variant or "".
InstructionName = tuple[str, str, tuple[str, ...], str]

#: Opcodes whose controlling type is that of an address, or of a register as wide as one.
_ADDRESS_TYPED: Final = _words(
    "get_pinned_reg set_pinned_reg get_frame_pointer get_stack_pointer get_return_address "
    "call_indirect return_call_indirect try_call_indirect func_addr stack_addr symbol_value "
    "tls_value stack_switch uload32 sload32 uload8x8 sload8x8 uload16x4 sload16x4 uload32x2 "
    "sload32x2"
)
#: Constraints that do not follow from the controlling type alone.
_OPEN: Final = frozenset({"Free", "Narrower", "Wider"})


@dataclass(frozen=True, slots=True, eq=False)
class TypedInstruction:
    """An opcode at fixed types: all of an instruction but its values and immediates.

    Attributes:
        type: the controlling type, None where the opcode has none.
        operands, results: the types of all operands and results.
        nan_effect: how it treats NaNs whose sign and payload are not determined.
        floats: whether a result is a float.
        flags: memory flags without which the verifier refuses it.
        variants: condition codes of a comparison, operations of ``atomic_rmw``, or ``FIRST_LANE``
            and ``LAST_LANE`` where the immediate is a lane; empty for all other opcodes.
        signature: the operands' and the results' types in one tuple.
    """

    opcode: Opcode
    type: Type | None
    operands: tuple[Type, ...]
    results: tuple[Type, ...]
    nan_effect: NanEffect
    floats: bool
    flags: MemFlags = DEFAULT_FLAGS
    variants: tuple[str, ...] = ()
    signature: tuple[Type, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "signature", self.operands + self.results)

    @property
    def name(self) -> str:
        """The opcode's name."""
        return self.opcode.name

    @property
    def key(self) -> InstructionKey:
        return self.opcode.name, self.type, self.operands

    @property
    def accessed_bytes(self) -> int:
        """How many bytes it touches, of a memory access."""
        return accessed_bytes(self.opcode, (self.results or self.operands)[0])

    @property
    def open_operands(self) -> tuple[Type, ...]:
        """The types of the operands that the controlling type leaves open.

        These are a conversion's source, a shift's amount, a select's condition. Addresses do not
        count: all of a case have the same type.
        """
        return tuple(self.operands[index] for index in _open_operands(self.opcode))

    def names(self) -> tuple[InstructionName, ...]:
        """Return the name of each variant; one name, without a variant, if there are none."""
        type_ = self.type.name if self.type is not None else ""
        operands = tuple(operand.name for operand in self.open_operands)
        return tuple((self.name, type_, operands, variant) for variant in self.variants or ("",))

    def allows(self, imm: int, variant: str) -> bool:
        """Return whether ``variants`` has a lane, a condition code or an RMW operation.

        Args:
            imm: the lane, for opcodes whose immediate is one.
            variant: the condition code or operation; empty for opcodes without.
        """
        if self.opcode.format in LANE_FORMATS:
            return imm == 0 or LAST_LANE in self.variants
        return not variant or variant in self.variants


@cache
def _open_operands(opcode: Opcode) -> tuple[int, ...]:
    """Return the indices of the operands whose types the controlling type leaves open."""
    address = address_operand(opcode)
    return tuple(
        index
        for index, constraint in enumerate(opcode.args)
        if constraint.kind in _OPEN and index != address
    )


def name_of(inst: Inst) -> InstructionName:
    """Return the name of the variant of a typed instruction that an instruction is."""
    opcode = inst.opcode
    operands = tuple([inst.args[index].type.name for index in _open_operands(opcode)])
    variant = inst.cond or inst.rmw
    if opcode.format in LANE_FORMATS:
        variant = LAST_LANE if inst.imm else FIRST_LANE
    return opcode.name, inst.type.name if inst.type is not None else "", operands, variant


def variants_of(opcode: Opcode) -> tuple[str, ...]:
    """Return the condition codes, operations or lanes of an opcode; empty where it has none."""
    return _VARIANTS.get(opcode.format, ())


def typed_instructions(
    opcode: Opcode, types: Sequence[Type], address: Type = I64
) -> Iterator[TypedInstruction]:
    """Yield every typed instruction of an opcode whose operands and results are of these types.

    Whether any compiler supports it is not asked. What the verifier accepts but CLIF gives no
    meaning is left out. The order is that of the opcode's controlling types, then of ``types``.

    Args:
        address: the type of addresses.
    """
    for ctrl in _controlling_types(opcode, types, address):
        try:
            results = tuple(resolve(constraint, ctrl) for constraint in opcode.results)
            choices = [
                _operand_types(opcode, index, ctrl, types, address)
                for index in range(len(opcode.args))
            ]
        except KeyError:  # CLIF has no such type: half of an i8
            continue
        if all(result in types for result in results):
            for operands in product(*choices):
                if _has_meaning(opcode, ctrl, operands):
                    yield _make(opcode, ctrl, operands, results)


def _controlling_types(
    opcode: Opcode, types: Sequence[Type], address: Type
) -> Sequence[Type | None]:
    if not opcode.polymorphic:
        return (None,)
    if opcode.name in _ADDRESS_TYPED:
        types = (address,)
    return [type_ for type_ in map(by_name, opcode.ctrl_types) if type_ in types]


def _operand_types(
    opcode: Opcode, index: int, ctrl: Type | None, types: Sequence[Type], address: Type
) -> Sequence[Type]:
    constraint = opcode.args[index]
    if constraint.kind not in _OPEN:
        found = resolve(constraint, ctrl)
        return (found,) if found in types else ()
    if index == address_operand(opcode):
        return (address,)
    return [type_ for type_ in types if _fits(type_, constraint, ctrl)]


def _fits(type_: Type, constraint: Constraint, ctrl: Type | None) -> bool:
    """Return whether an open constraint admits a type."""
    if constraint.kind == "Free":
        return type_.name in constraint.types
    assert ctrl is not None
    if (type_.is_int, type_.lanes) != (ctrl.is_int, ctrl.lanes):
        return False
    if constraint.kind == "Wider":
        return type_.lane_bits > ctrl.lane_bits
    return type_.lane_bits < ctrl.lane_bits


def _has_meaning(opcode: Opcode, ctrl: Type | None, operands: Sequence[Type]) -> bool:
    """Return False for a bitcast to another size, and for a conversion to other lanes.

    The verifier accepts conversions that change the number of lanes; they have no meaning.
    """
    if ctrl is None or not operands:
        return True
    source = operands[0]
    if opcode.name == "bitcast":
        return source.bits == ctrl.bits
    if opcode.name == "x86_cvtt2dq":
        return (source.lanes, source.bits) == (ctrl.lanes, ctrl.bits)
    return not opcode.name.startswith("fcvt_") or source.lanes == ctrl.lanes


def _make(
    opcode: Opcode, ctrl: Type | None, operands: tuple[Type, ...], results: tuple[Type, ...]
) -> TypedInstruction:
    flags = DEFAULT_FLAGS
    if opcode.name == "bitcast" and results[0].lanes != operands[0].lanes:
        flags = MemFlags(endianness="little")  # the verifier requires a byte order
    return TypedInstruction(
        opcode,
        ctrl,
        operands,
        results,
        nan_effect_of(opcode, operands),
        floats=any(result.is_float for result in results),
        flags=flags,
        variants=variants_of(opcode),
    )


def has_settled_meaning(instruction: TypedInstruction) -> bool:
    """Return whether it is settled what an instruction computes.

    It is not for conversions between vectors of integers and of floats of another width (``i16x4``
    and ``f32x4``): the verifier accepts them, and backends disagree about them (docs/findings.md).
    """
    type_ = instruction.type
    if (
        type_ is None
        or not type_.is_vector
        or not instruction.name.startswith(("fcvt_from_", "fcvt_to_"))
    ):
        return True
    return instruction.operands[0].lane_bits == type_.lane_bits
