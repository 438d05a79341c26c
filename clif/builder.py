"""Builds functions instruction by instruction.

``FunctionBuilder.ins`` derives the types of results from the opcode's constraints, so a caller
names only the opcode, its operands and what its format needs besides. It checks nothing;
``clif.validity`` and Cranelift's verifier do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from clif.function import (
    DEFAULT_FLAGS,
    Block,
    BlockCall,
    External,
    Function,
    GlobalValue,
    Handler,
    Inst,
    MemFlags,
    Signature,
    StackSlot,
    Value,
)
from clif.opcodes import Constraint, Format, Opcode
from clif.types import I8, I64, Type, by_name

_CALLS = (Format.CALL, Format.CALL_INDIRECT)


def resolve(constraint: Constraint, ctrl: Type | None) -> Type:
    """Return the type that a constraint determines under a controlling type.

    Raises:
        KeyError: CLIF has no such type (``HalfWidth`` of ``i8``).
        ValueError: the constraint does not determine a type.
    """
    if constraint.kind == "Concrete":
        return by_name(constraint.types[0])
    if ctrl is None:
        raise ValueError(f"{constraint.kind} needs a controlling type")
    return _RESOLVE[constraint.kind](ctrl)


_RESOLVE: Final[dict[str, Callable[[Type], Type]]] = {
    "Same": lambda t: t,
    "LaneOf": lambda t: t.lane,
    "AsTruthy": lambda t: t.as_int if t.is_vector else I8,
    "HalfWidth": lambda t: t.half_width,
    "DoubleWidth": lambda t: t.double_width,
    "SplitLanes": lambda t: t.split_lanes,
    "MergeLanes": lambda t: t.merge_lanes,
    "Narrower": lambda t: _unresolved("Narrower"),
    "Wider": lambda t: _unresolved("Wider"),
    "Free": lambda t: _unresolved("Free"),
}


def _unresolved(kind: str) -> Type:
    raise ValueError(f"{kind} does not determine a type")


class FunctionBuilder:
    """Appends blocks and instructions to a function.

    Attributes:
        opcodes: the table of ``backend.cranelift.opcodes``.
        block: where ``ins`` appends instructions.
    """

    def __init__(self, function: Function, opcodes: Mapping[str, Opcode]) -> None:
        self.function = function
        self.opcodes = opcodes
        self.next_value = 1 + max((v.number for v in function.values()), default=-1)
        self.next_block = 1 + max((b.number for b in function.blocks), default=-1)
        self.address_type = I64
        self.block: Block = function.blocks[-1] if function.blocks else Block(-1)

    def new_value(self, type_: Type) -> Value:
        """Make a value that nothing defines yet."""
        value = Value(type_, self.next_value)
        self.next_value += 1
        return value

    def create_block(self, params: Sequence[Type] = (), *, append: bool = True) -> Block:
        """Make a block, at the end of the layout unless ``append`` is false.

        ``self.block`` stays the same.
        """
        block = Block(self.next_block)
        self.next_block += 1
        block.params = [self.new_value(type_) for type_ in params]
        if append:
            self.function.blocks.append(block)
        return block

    def stack_slot(self, size: int, align: int = 1) -> StackSlot:
        """Declare a stack slot."""
        slot = StackSlot(size, align)
        self.function.stack_slots.append(slot)
        return slot

    def external(self, name: str, signature: Signature, *, colocated: bool = True) -> External:
        """Declare a callee, or return the declaration that there is."""
        for external in self.function.externals:
            if external.name == name and external.signature == signature:
                return external
        external = External(name, signature, colocated)
        self.function.externals.append(external)
        return external

    def ins(
        self,
        name: str,
        *args: Value,
        type: Type | None = None,
        imm: int = 0,
        cond: str = "",
        flags: MemFlags = DEFAULT_FLAGS,
        offset: int = 0,
        ref: StackSlot | External | GlobalValue | Signature | Block | None = None,
        targets: Sequence[BlockCall] = (),
        handlers: Sequence[Handler] = (),
        trap: str = "",
        rmw: str = "",
    ) -> Inst:
        """Append an instruction to ``block``.

        Args:
            type: the controlling type; it may be left out if an operand determines it. All others
                are as in ``Inst``.
        """
        opcode = self.opcodes[name]
        if type is None and opcode.typevar_operand is not None:
            type = args[opcode.typevar_operand].type
        inst = Inst(
            opcode,
            type if opcode.polymorphic else None,
            list(args),
            imm=imm,
            cond=cond,
            flags=flags,
            offset=offset,
            ref=ref,
            targets=list(targets),
            handlers=list(handlers),
            trap=trap,
            rmw=rmw,
        )
        inst.results = [self.new_value(t) for t in self._result_types(inst)]
        self.block.instructions.append(inst)
        return inst

    def _result_types(self, inst: Inst) -> list[Type]:
        if inst.opcode.format in _CALLS and not inst.opcode.is_terminator:
            signature = inst.ref.signature if isinstance(inst.ref, External) else inst.ref
            assert isinstance(signature, Signature)
            return list(signature.return_types)
        return [resolve(constraint, inst.type) for constraint in inst.opcode.results]

    def value(self, name: str, *args: Value, **rest: object) -> Value:
        """Append an instruction that has one result, and return the result."""
        return self.ins(name, *args, **rest).result  # type: ignore[arg-type]

    def iconst(self, type_: Type, imm: int) -> Value:
        """Append an integer constant."""
        return self.ins("iconst", type=type_, imm=imm & type_.mask).result

    def address(self, slot: StackSlot, offset: int = 0) -> Value:
        """Append the address of a stack slot."""
        return self.ins("stack_addr", type=self.address_type, ref=slot, offset=offset).result
