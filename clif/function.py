"""Functions as mutable Python data: signatures, blocks, instructions, values.

A value is an object with a type and a number. It has no link to its definition, so that moving an
instruction is one list operation; ``clif.uses`` finds definitions and uses. One class ``Inst``
serves all formats: the opcode's format says which of the optional attributes count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from clif.opcodes import Opcode
from clif.types import Type

#: How functions are named in a namespace of numbers, as in ``u0:3``; no test name reads like that.
_USER_NAME = re.compile(r"u\d+:\d+")


def format_name(name: str) -> str:
    """Return a function's name as CLIF text has it: ``%name``, or ``u0:3`` as it is."""
    return name if _USER_NAME.fullmatch(name) else f"%{name}"


class Value:
    """An SSA value, compared by identity. ``number`` is its name in the text."""

    __slots__ = ("number", "type")

    def __init__(self, type_: Type, number: int) -> None:
        self.type = type_
        self.number = number

    def __repr__(self) -> str:
        return f"v{self.number}"


@dataclass(frozen=True, slots=True)
class MemFlags:
    """Memory flags of a load or store. ``str`` gives their text.

    Attributes:
        trap: the trap code of an access that faults; None for ``notrap``.
        endianness: ``little`` or ``big``; None for the target's own.
        alias_region: a number declared in ``Function.alias_regions``.
    """

    trap: str | None = "heap_oob"
    aligned: bool = False
    readonly: bool = False
    can_move: bool = False
    endianness: str | None = None
    alias_region: int | None = None

    def __str__(self) -> str:
        words = [
            "notrap" if self.trap is None else "" if self.trap == "heap_oob" else self.trap,
            "aligned" if self.aligned else "",
            "readonly" if self.readonly else "",
            "can_move" if self.can_move else "",
            self.endianness or "",
            f"region{self.alias_region}" if self.alias_region is not None else "",
        ]
        return " ".join(word for word in words if word)


DEFAULT_FLAGS = MemFlags()


#: Begins the purpose of a parameter that is the address of a structure, which is copied.
_STRUCTURE: Final = "sarg("


@dataclass(frozen=True, slots=True)
class AbiParam:
    """A parameter or result of a signature.

    Attributes:
        extension: ``uext``, ``sext`` or None.
        purpose: ``normal``, ``sret``, ``vmctx``, ``sarg(16)``...
    """

    type: Type
    extension: str | None = None
    purpose: str = "normal"

    @property
    def structure_bytes(self) -> int | None:
        """The size of a structure that is handed over by value; None for any other value."""
        if not self.purpose.startswith(_STRUCTURE):
            return None
        return int(self.purpose[len(_STRUCTURE) : -1])

    def __str__(self) -> str:
        words = [self.type.name]
        if self.extension:
            words.append(self.extension)
        if self.purpose != "normal":
            words.append(self.purpose)
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Signature:
    """Parameters, results and calling convention."""

    params: tuple[AbiParam, ...] = ()
    returns: tuple[AbiParam, ...] = ()
    call_conv: str = "system_v"

    def __str__(self) -> str:
        text = f"({', '.join(map(str, self.params))})"
        if self.returns:
            text += f" -> {', '.join(map(str, self.returns))}"
        return f"{text} {self.call_conv}"

    @property
    def param_types(self) -> tuple[Type, ...]:
        return tuple(param.type for param in self.params)

    @property
    def return_types(self) -> tuple[Type, ...]:
        return tuple(param.type for param in self.returns)


@dataclass(slots=True, eq=False)
class StackSlot:
    """``ss0 = explicit_slot 16, align = 8, key = 3``; sizes in bytes.

    ``key`` is what debuggers find the slot by; it changes no code.
    """

    size: int
    align: int = 1
    kind: str = "explicit_slot"
    key: int | None = None

    def __str__(self) -> str:
        text = f"{self.kind} {self.size}"
        if self.align > 1:
            text += f", align = {self.align}"
        return text if self.key is None else f"{text}, key = {self.key}"


@dataclass(slots=True, eq=False)
class External:
    """A function that is called or whose address is taken: ``fn0 = colocated %callee sig0``."""

    name: str
    signature: Signature
    colocated: bool = True
    patchable: bool = False


@dataclass(slots=True, eq=False)
class GlobalValue:
    """A global value such as ``gv0 = symbol colocated %name+8``, the definition kept as text."""

    text: str
    kind: str = "symbol"
    symbol: str | None = None
    offset: int = 0


class Block:
    """A basic block: parameters, then instructions, the last of them a terminator."""

    __slots__ = ("cold", "instructions", "number", "params")

    def __init__(self, number: int) -> None:
        self.number = number
        self.params: list[Value] = []
        self.instructions: list[Inst] = []
        self.cold = False

    def __repr__(self) -> str:
        return f"block{self.number}"


@dataclass(slots=True, eq=False)
class BlockCall:
    """A branch's target, with the arguments for its parameters.

    In the exception table of a ``try_call`` an argument may be a word: ``"ret0"``, ``"exn0"``.
    """

    block: Block
    args: list[Value | str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Handler:
    """One entry of a ``try_call``'s exception table.

    Attributes:
        tag: None for ``default``.
        contexts: the values of the ``context`` entries before it. They tell an unwinder which
            instance of a module it is in, and mean nothing to the code.
    """

    tag: int | None
    target: BlockCall
    contexts: list[Value] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class StackMapEntry:
    """A place of a stack slot where the garbage collector finds a reference: ``i32 @ ss0+4``."""

    type: Type
    slot: StackSlot
    offset: int


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """What an instruction carries beside its meaning.

    Attributes:
        location: source location, as in ``@0030``; None for none.
        tags: debug tags, as in ``<1, ss0>``.
        stack_map: of a call, where references lie while it runs.
    """

    location: int | None = None
    tags: tuple[int | StackSlot, ...] = ()
    stack_map: tuple[StackMapEntry, ...] = ()

    def slots(self) -> Iterator[StackSlot]:
        """Yield the stack slots that are named."""
        yield from (tag for tag in self.tags if isinstance(tag, StackSlot))
        yield from (entry.slot for entry in self.stack_map)


@dataclass(slots=True, eq=False)
class Inst:
    """One instruction.

    Attributes:
        opcode: its entry of the opcode table.
        type: the controlling type, None where the opcode is not polymorphic.
        args: value operands in the order of the text (of calls: the callee's address first for
            the indirect ones, then the arguments).
        results: the values that it defines.
        imm: integer immediate, lane number, bit pattern of a float or vector constant or shuffle
            mask (little endian: lane 0 in the lowest bits). It may be signed or unsigned: whoever
            reads it has to mask it.
        cond: condition code of ``icmp`` and ``fcmp``.
        flags, offset: of loads and stores; ``offset`` also of ``stack_addr``.
        ref: the entity that is named: a ``StackSlot``, ``External``, ``GlobalValue``, the
            ``Signature`` of an indirect call, or a ``Block`` (``get_exception_handler_address``).
        targets: of ``jump`` [to], ``brif`` [then, else], ``br_table`` [default, 0, 1, ...] and
            ``try_call`` [normal return].
        handlers: exception table of ``try_call`` and ``try_call_indirect``.
        trap: trap code of ``trap``, ``trapz``, ``uadd_overflow_trap``...
        rmw: operation of ``atomic_rmw``.
        annotations: None where there are none.
    """

    opcode: Opcode
    type: Type | None = None
    args: list[Value] = field(default_factory=list)
    results: list[Value] = field(default_factory=list)
    imm: int = 0
    cond: str = ""
    flags: MemFlags = DEFAULT_FLAGS
    offset: int = 0
    ref: StackSlot | External | GlobalValue | Signature | Block | None = None
    targets: list[BlockCall] = field(default_factory=list)
    handlers: list[Handler] = field(default_factory=list)
    trap: str = ""
    rmw: str = ""
    annotations: Annotations | None = None

    @property
    def result(self) -> Value:
        """The only result.

        Raises:
            ValueError: there is none, or more than one.
        """
        (only,) = self.results
        return only

    def __repr__(self) -> str:
        return f"<{self.opcode.name} {self.results} <- {self.args}>"


@dataclass(slots=True, eq=False)
class Function:
    """One function: name without the ``%``, signature, and blocks in layout order.

    The first block is the entry; its parameters are the function's. Stack slots, callees and
    global values belong to the function and are numbered by their place in these lists.
    """

    name: str
    signature: Signature
    blocks: list[Block] = field(default_factory=list)
    stack_slots: list[StackSlot] = field(default_factory=list)
    externals: list[External] = field(default_factory=list)
    global_values: list[GlobalValue] = field(default_factory=list)
    alias_regions: list[str] = field(default_factory=list)
    stack_limit: str | None = None

    def __repr__(self) -> str:
        return f"<function {format_name(self.name)}{self.signature}>"

    @property
    def entry(self) -> Block:
        return self.blocks[0]

    def instructions(self) -> Iterator[Inst]:
        """Yield every instruction in layout order."""
        for block in self.blocks:
            yield from block.instructions

    def values(self) -> Iterator[Value]:
        """Yield every value in the order of definition."""
        for block in self.blocks:
            yield from block.params
            for inst in block.instructions:
                yield from inst.results

    def clone(self) -> Function:
        """Return a deep copy that shares nothing mutable with this function."""
        return _Cloner().function(self)


class _Cloner:
    """Copies a function, and maps old objects to new ones by identity."""

    def __init__(self) -> None:
        self.values: dict[Value, Value] = {}
        self.blocks: dict[Block, Block] = {}
        self.entities: dict[int, StackSlot | External | GlobalValue] = {}

    def function(self, old: Function) -> Function:
        new = Function(old.name, old.signature, stack_limit=old.stack_limit)
        new.alias_regions = list(old.alias_regions)
        for slot in old.stack_slots:
            new.stack_slots.append(copy_slot := replace(slot))
            self.entities[id(slot)] = copy_slot
        for external in old.externals:
            new.externals.append(copy_external := replace(external))
            self.entities[id(external)] = copy_external
        for global_value in old.global_values:
            new.global_values.append(copy_global := replace(global_value))
            self.entities[id(global_value)] = copy_global
        # Blocks and values first: an instruction may name one before the place of its definition.
        for block in old.blocks:
            self.blocks[block] = Block(block.number)
        for value in old.values():
            self.values[value] = Value(value.type, value.number)
        new.blocks = [self._block(block) for block in old.blocks]
        return new

    def _block(self, old: Block) -> Block:
        new = self.blocks[old]
        new.cold = old.cold
        new.params = [self.values[param] for param in old.params]
        new.instructions = [self._inst(inst) for inst in old.instructions]
        return new

    def _target(self, old: BlockCall) -> BlockCall:
        args = [arg if isinstance(arg, str) else self.values[arg] for arg in old.args]
        return BlockCall(self.blocks[old.block], args)

    def _inst(self, old: Inst) -> Inst:
        # Not with ``dataclasses.replace``, which takes four times as long.
        values = self.values
        new = Inst(
            old.opcode,
            old.type,
            [values[arg] for arg in old.args],
            [values[result] for result in old.results],
            old.imm,
            old.cond,
            old.flags,
            old.offset,
            None if old.ref is None else self._ref(old.ref),
            trap=old.trap,
            rmw=old.rmw,
        )
        if old.targets:
            new.targets = [self._target(target) for target in old.targets]
        if old.handlers:
            new.handlers = [
                Handler(h.tag, self._target(h.target), [values[v] for v in h.contexts])
                for h in old.handlers
            ]
        if old.annotations is not None:
            new.annotations = self._annotations(old.annotations)
        return new

    def _annotations(self, old: Annotations) -> Annotations:
        tags = tuple(tag if isinstance(tag, int) else self._slot(tag) for tag in old.tags)
        stack_map = tuple(replace(entry, slot=self._slot(entry.slot)) for entry in old.stack_map)
        return Annotations(old.location, tags, stack_map)

    def _slot(self, old: StackSlot) -> StackSlot:
        new = self.entities[id(old)]
        assert isinstance(new, StackSlot)
        return new

    def _ref(
        self, old: StackSlot | External | GlobalValue | Signature | Block | None
    ) -> StackSlot | External | GlobalValue | Signature | Block | None:
        if isinstance(old, Block):
            return self.blocks[old]
        if old is None or isinstance(old, Signature):
            return old
        return self.entities[id(old)]
