"""The state of a function while it is generated, and the means to append to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from clif.floats import canonical_nan
from clif.function import (
    DEFAULT_FLAGS,
    Block,
    BlockCall,
    External,
    Function,
    GlobalValue,
    Inst,
    MemFlags,
    Signature,
    StackSlot,
    Value,
)
from clif.nan_payload import NanEffect, has_nondeterministic_nans
from clif.opcodes import CONSTANT_FORMATS
from clif.typed_instructions import OpcodeType, TypedInstruction
from clif.types import I64, I128, INTS, Type
from fuzz.generate.case_plan import Callee, CasePlan, Redrawable
from fuzz.generate.value_pool import ValuePool

#: The scalar integer type of each width.
SCALAR_OF_BITS = {type_.bits: type_ for type_ in INTS}


@dataclass(slots=True, eq=False)
class MemoryObject:
    """Memory that a function may access: ``size`` bytes from an address aligned to ``align``.

    Attributes:
        base: the address of an object that came as a parameter.
        slot: the stack slot of any other object.
        writable: where writing may begin; everything below is never written by any function.
        region: the number of the alias region that accesses of this function name, or None.
        results: whether it is where the caller wants the results, through an ``sret`` argument.
    """

    size: int
    base: Value | None = None
    slot: StackSlot | None = None
    writable: int = 0
    region: int | None = None
    align: int = 16
    results: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A value of a type at an offset in a stack slot."""

    slot: StackSlot
    type: Type
    offset: int


@dataclass(slots=True, eq=False)
class Edge:
    """A branch target or a return whose arguments are chosen later.

    Attributes:
        block: the block that ends in it.
        args: the argument list to fill, of the ``BlockCall`` or of the ``return``.
        own: unused values, which should become arguments.
        candidates: other values in scope, by type.
    """

    block: Block
    args: list[Value | str] | list[Value]
    own: list[Value]
    candidates: dict[Type, list[Value]]


@dataclass(slots=True, eq=False)
class Loop:
    """A loop that is being generated.

    Attributes:
        depth: the nesting depth of its body.
        breaks: its breaks so far; None if there may be none, because what follows the loop uses
            values of its body.
    """

    depth: int
    breaks: list[Edge] | None


class Writer:
    """Appends to one function, and tracks what is in scope.

    Methods that emit an instruction do not add its results to the pool; ``keep`` does.

    Attributes:
        nondeterministic_nans: the float values that may be a NaN with a sign and payload that CLIF
            leaves open.
        count: how many instructions the function has.
        steps: an upper bound on the instructions that it executes; ``limit`` bounds it.
        weight: how often the current block is executed at most.
        depth: the nesting depth of control flow.
        required: the (opcode, type) pairs that this function must contain and does not yet.
        tails: the functions that this one may end in with a tail call.
        fields: initialised places in big stack frames.
    """

    def __init__(self, plan: CasePlan, function: Function, limit: int) -> None:
        self.plan = plan
        self.entropy = plan.entropy
        self.swarm = plan.swarm
        self.instruction_set = plan.instruction_set
        self.function = function
        self.pool = ValuePool()
        self.nondeterministic_nans: set[Value] = set()
        self.memory: list[MemoryObject] = []
        self.returns: list[Edge] = []
        self.loops: list[Loop] = []
        self.required: list[OpcodeType] = []
        self.tails: list[Callee] = []
        self.fields: list[Field] = []
        self.count = 0
        self.steps = 0
        self.limit = limit
        self.weight = 1
        self.depth = 0
        self._next_value = 0
        self._next_block = 0
        self.block = self.new_block()

    # --- blocks ---

    def new_block(self, params: Sequence[Type] = ()) -> Block:
        """Create a block and append it to the layout."""
        block = Block(self._next_block)
        self._next_block += 1
        block.params = [self.value(type_) for type_ in params]
        self.function.blocks.append(block)
        return block

    def enter(self, block: Block) -> None:
        """Continue in a new block, at the end of the layout, with its parameters in the pool."""
        if self.function.blocks[-1] is not block:
            self.function.blocks.remove(block)
            self.function.blocks.append(block)
        self.block = block
        self.keep_params(block)

    def keep_params(self, block: Block) -> None:
        """Add the parameters of a block to the pool."""
        for param in block.params:
            if has_nondeterministic_nans(param.type) and not self.plan.canonical_nans:
                self.nondeterministic_nans.add(param)
            self.pool.add(param)

    @contextmanager
    def reopened(self, block: Block) -> Iterator[None]:
        """Emit before the terminator of a finished block."""
        here, self.block = self.block, block
        terminator = block.instructions.pop()
        yield
        block.instructions.append(terminator)
        self.block = here

    # --- instructions ---

    @property
    def address(self) -> Type:
        """The type of addresses."""
        return self.instruction_set.address

    def value(self, type_: Type) -> Value:
        """Create a value."""
        value = Value(type_, self._next_value)
        self._next_value += 1
        return value

    def keep(self, value: Value) -> Value:
        """Add a value to the pool, and return it."""
        self.pool.add(value)
        return value

    def apply(
        self,
        instruction: TypedInstruction,
        args: list[Value],
        imm: int = 0,
        cond: str = "",
        trap: str = "",
    ) -> list[Value]:
        """Emit a typed instruction and return its results.

        Operands of instructions that expose NaNs must be canonical.
        """
        results: list[Value] = []
        number = self._next_value
        for type_ in instruction.results:
            results.append(Value(type_, number))
            number += 1
        self._next_value = number
        flags = instruction.flags
        if flags.endianness and len(orders := self.instruction_set.orders[instruction.key]) > 1:
            flags = replace(flags, endianness=self.entropy.choice(orders))
        inst = Inst(
            instruction.opcode,
            instruction.type,
            args,
            results,
            imm,
            cond,
            flags,
            trap=trap,
        )
        self.block.instructions.append(inst)
        self.count += 1
        self.steps += self.weight
        if instruction.floats and self._has_nondeterministic_nans(instruction.nan_effect, args):
            self.nondeterministic_nans.update(results)
        return results

    def _has_nondeterministic_nans(self, payload: NanEffect, args: list[Value]) -> bool:
        """Return whether the results of an instruction may be nondeterministic NaNs."""
        if payload is NanEffect.PRODUCES:
            return not self.plan.canonical_nans
        if payload is NanEffect.IGNORES or payload is NanEffect.EXPOSES:
            return False
        return any(arg in self.nondeterministic_nans for arg in args)

    def can_store(self, type_: Type) -> bool:
        """Return whether values of a type can be stored: an ISA may have a fault there."""
        return self.instruction_set.has("store", type_, type_, self.address)

    def emit(
        self,
        name: str,
        *args: Value,
        type: Type | None = None,
        results: Sequence[Type] = (),
        imm: int = 0,
        flags: MemFlags = DEFAULT_FLAGS,
        offset: int = 0,
        ref: StackSlot | External | GlobalValue | Signature | None = None,
        targets: Sequence[BlockCall] = (),
        trap: str = "",
    ) -> Inst:
        """Emit an instruction of any kind: control flow, calls, memory accesses, constants.

        An access has the byte order of its flags only if that is supported, and another one if it
        needs one.
        """
        opcode = self.instruction_set.opcodes[name]
        if flags.endianness is not None and not self.instruction_set.has_order(
            flags.endianness, name, type, *(arg.type for arg in args)
        ):
            flags = replace(flags, endianness=None)
        if needed := self.instruction_set.needed_orders:
            order = needed.get((name, type, tuple([arg.type for arg in args])))
            flags = replace(flags, endianness=flags.endianness or order)
        inst = Inst(opcode, type, list(args), imm=imm, flags=flags, offset=offset, ref=ref)
        inst.trap = trap
        if targets:
            inst.targets = list(targets)
        if results:
            inst.results = [self.value(t) for t in results]
        self.block.instructions.append(inst)
        self.count += 1
        self.steps += self.weight
        return inst

    def op(
        self,
        name: str,
        *args: Value,
        type: Type | None = None,
        imm: int = 0,
        cond: str = "",
        trap: str = "",
    ) -> Value:
        """Emit a typed instruction with one result, found by its opcode and operands.

        Raises:
            KeyError: the instruction is not supported.
        """
        return self.apply(self.lookup(name, *args, type=type), list(args), imm, cond, trap)[0]

    def lookup(self, name: str, *args: Value, type: Type | None = None) -> TypedInstruction:
        """Return a typed instruction by its opcode and operands.

        Raises:
            KeyError: it is not supported.
        """
        operand = self.instruction_set.opcodes[name].typevar_operand
        ctrl = args[operand].type if operand is not None else type
        return self.instruction_set.by_key[name, ctrl, tuple(arg.type for arg in args)]

    def note_redrawable(self, instruction: TypedInstruction | None) -> None:
        """Note that siblings may have another instruction in place of the last one.

        Args:
            instruction: what it is; None for a constant.
        """
        self.plan.redrawable.append(Redrawable(self.block.instructions[-1], instruction))

    # --- constants ---

    def redrawable_constant(self, type_: Type, bits: int) -> Value:
        """Return a constant with these bits, which may be another one in siblings."""
        value = self.constant(type_, bits)
        if self.block.instructions[-1].opcode.format in CONSTANT_FORMATS:
            self.note_redrawable(None)
        return value

    def constant(self, type_: Type, bits: int) -> Value:
        """Return a constant with these bits.

        As ``i128`` has no constants, its halves are concatenated.
        """
        if type_ is I128:
            low = self._simple("iconst", I64, I64, bits & I64.mask)
            high = self._simple("iconst", I64, I64, bits >> 64)
            return self.op("iconcat", low, high)
        if type_.is_vector:
            if self.instruction_set.has("vconst", type_):
                return self._simple("vconst", type_, type_, bits)
            same = SCALAR_OF_BITS[type_.bits]
            return self.op("bitcast", self.constant(same, bits), type=type_)
        if type_.is_float:
            return self._simple(f"{type_.name}const", None, type_, bits)
        return self._simple("iconst", type_, type_, bits & type_.mask)

    def _simple(self, name: str, ctrl: Type | None, result: Type, imm: int) -> Value:
        return self.emit(name, type=ctrl, results=(result,), imm=imm).results[0]

    def canonical_nan(self, type_: Type) -> Value:
        """Return the NaN that canonicalisation yields, in every lane."""
        lane = canonical_nan(type_.lane)
        bits = sum(lane << (n * type_.lane_bits) for n in range(type_.lanes))
        return self.constant(type_, bits)

    # --- room ---

    def room(self, steps: int) -> bool:
        """Return whether ``steps`` more instructions, at the current weight, fit in the limit."""
        return self.steps + steps * self.weight <= self.limit
