"""Reads CLIF text into objects of ``clif``, with Cranelift's own parser.

A few things that the parser accepts cannot be represented in ``clif``, dynamic vectors above all.
They are refused with an exception of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from backend.cranelift import _cranelift
from backend.cranelift._cranelift import ReadError
from backend.cranelift.opcodes import OPCODES
from clif import types
from clif.function import (
    DEFAULT_FLAGS,
    AbiParam,
    Annotations,
    Block,
    BlockCall,
    External,
    Function,
    GlobalValue,
    Handler,
    Inst,
    MemFlags,
    Signature,
    StackMapEntry,
    StackSlot,
    Value,
)
from clif.testfile import Comment, Literal, RunCommand, TargetLine, TestFile
from clif.types import Type

_ANNOTATIONS = ("location", "tags", "stack_map")
_FUNCTION = re.compile(r"^function\b", re.MULTILINE)


class UnrepresentableError(ReadError):
    """CLIF that Cranelift's parser accepts and that ``clif`` cannot represent."""


def read_file(text: str) -> TestFile:
    """Read a ``.clif`` file, with or without header lines.

    Raises:
        ReadError: it does not parse.
        UnrepresentableError: ``clif`` cannot represent a function.
        CompilerPanic: Cranelift's parser panicked.
    """
    file, refused = read_file_in_part(text)
    for error in refused.values():
        raise error
    return file


def read_file_in_part(text: str) -> tuple[TestFile, dict[str, UnrepresentableError]]:
    """Read a file, some functions of which ``clif`` may not be able to represent.

    Returns:
        The file, and by name the functions that cannot be represented, with the reason. In the file
        they have no blocks; the signature is empty if it is what cannot be represented.

    Raises:
        ReadError: it does not parse.
        CompilerPanic: Cranelift's parser panicked.
    """
    raw = _cranelift.read(text)
    refused: dict[str, UnrepresentableError] = {}
    functions = []
    for function in raw["functions"]:
        reader = _FunctionReader(function)
        try:
            functions.append((reader.read(), _comments(function["comments"])))
        except UnrepresentableError as error:
            refused[function["name"]] = error
            functions.append((reader.bare(), _comments(function["comments"])))
    file = TestFile(
        commands=[" ".join([command, *options]) for command, options in raw["commands"]],
        settings=raw["settings"],
        targets=[TargetLine(name, tuple(flags)) for name, flags in raw["targets"]],
        features=[name if wanted else f"!{name}" for name, wanted in raw["features"]],
        preamble=_comments(raw["preamble_comments"]),
        functions=functions,
    )
    return file, refused


def read_header(text: str) -> tuple[list[str], list[TargetLine]]:
    """Read the header of a file without reading its functions.

    Returns:
        The ``set`` lines without that word, and the ``target`` lines.

    Raises:
        ReadError: the header does not parse.
    """
    raw = _cranelift.read(text[: _header_size(text)])
    targets = [TargetLine(name, tuple(flags)) for name, flags in raw["targets"]]
    return raw["settings"], targets


def without_header(text: str) -> str:
    """Return the functions of a file without its header, each on the line where it was."""
    size = _header_size(text)
    return "\n" * text.count("\n", 0, size) + text[size:]


def _header_size(text: str) -> int:
    start = _FUNCTION.search(text)
    return start.start() if start else 0


def read_functions(text: str) -> list[Function]:
    """Return the functions of a text; raises as ``read_file`` does."""
    return [function for function, _ in read_file(text).functions]


def read_run_command(comment: str, signature: Signature) -> RunCommand | None:
    """Read a comment as ``; run:`` or ``; print:``.

    Args:
        signature: that of the function that the command calls.

    Returns:
        The command; None for a comment of another kind.

    Raises:
        ReadError: it is a command that does not parse, or that does not fit the signature.
    """
    params = [param.type.name for param in signature.params]
    returns = [param.type.name for param in signature.returns]
    raw = _cranelift.parse_run_command(comment, params, returns)
    if raw is None:
        return None
    return RunCommand(
        raw["function"],
        _literals(raw["args"]),
        raw.get("comparison", ""),
        _literals(raw.get("expected", ())),
    )


def _literals(raw: Iterable[tuple[str, int]]) -> tuple[Literal, ...]:
    return tuple(Literal(types.by_name(name), bits) for name, bits in raw)


def _comments(raw: Iterable[tuple[str, int]]) -> list[Comment]:
    return [Comment(text, line) for text, line in raw]


class _FunctionReader:
    """Makes the objects of one function, and finds them by their numbers in the text."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.line: int = raw["line"]
        self.values: dict[int, Value] = {}
        self.blocks: dict[int, Block] = {}
        self.signatures: dict[str, Signature] = {}
        self.entities: dict[str, StackSlot | External | GlobalValue] = {}

    def read(self) -> Function:
        raw = self.raw
        function = Function(raw["name"], self._signature(raw["signature"]))
        function.stack_limit = raw["stack_limit"]
        function.alias_regions = [
            f'{region["user_id"]} "{region["description"]}"' for region in raw["alias_regions"]
        ]
        self._preamble(function)
        # Blocks and values first: an instruction may name one before the place of its definition.
        for block in raw["blocks"]:
            self.blocks[block["number"]] = self._define(block)
        for block in raw["blocks"]:
            instructions = self.blocks[block["number"]].instructions
            instructions.extend(map(self._inst, block["instructions"]))
        function.blocks = list(self.blocks.values())
        return function

    def bare(self) -> Function:
        """Return the function without body, and without a signature that is not representable."""
        try:
            return Function(self.raw["name"], self._signature(self.raw["signature"]))
        except UnrepresentableError:
            return Function(self.raw["name"], Signature())

    def _refuse(self, what: str) -> NoReturn:
        error = UnrepresentableError(f"line {self.line}: {what}")
        error.line = self.line
        error.message = what
        raise error

    def _type(self, name: str) -> Type:
        try:
            return types.by_name(name)
        except KeyError:
            dynamic = name.endswith("xN")
            what = "dynamic vectors are" if dynamic else f"the type {name} is"
            self._refuse(f"{what} not supported")

    def _signature(self, raw: dict[str, Any]) -> Signature:
        def params(raw: Iterable[dict[str, Any]]) -> tuple[AbiParam, ...]:
            return tuple(
                AbiParam(self._type(param["type"]), param["extension"], param["purpose"])
                for param in raw
            )

        return Signature(params(raw["params"]), params(raw["returns"]), raw["call_conv"])

    def _preamble(self, function: Function) -> None:
        for raw in self.raw["signatures"]:
            self.signatures[raw["name"]] = self._signature(raw)
        for raw in self.raw["stack_slots"]:
            slot = StackSlot(raw["size"], raw["align"], raw["kind"], raw["key"])
            function.stack_slots.append(slot)
            self.entities[raw["name"]] = slot
        for raw in self.raw["externals"]:
            signature = self.signatures.get(raw["signature"])
            if signature is None:
                continue  # a text may declare fn1 without fn0
            name = raw["target"].removeprefix("%")
            external = External(name, signature, raw["colocated"], raw["patchable"])
            function.externals.append(external)
            self.entities[raw["name"]] = external
        for raw in self.raw["global_values"]:
            symbol = raw.get("symbol")
            global_value = GlobalValue(
                raw["text"],
                raw["kind"],
                symbol.removeprefix("%") if symbol else None,
                raw.get("offset", 0),
            )
            function.global_values.append(global_value)
            self.entities[raw["name"]] = global_value

    def _define(self, raw: dict[str, Any]) -> Block:
        block = Block(raw["number"])
        block.cold = raw["cold"]
        block.params = self._define_values(raw["params"])
        for inst in raw["instructions"]:
            self.line = inst["line"] or self.line
            self._define_values(inst["results"])
        return block

    def _define_values(self, raw: Sequence[tuple[int, str]]) -> list[Value]:
        values = [Value(self._type(name), number) for number, name in raw]
        self.values.update((value.number, value) for value in values)
        return values

    def _inst(self, raw: dict[str, Any]) -> Inst:
        self.line = raw["line"] or self.line
        opcode = OPCODES.get(raw["opcode"])
        if opcode is None:
            self._refuse(f"opcode {raw['opcode']} is not supported")
        inst = Inst(
            opcode,
            self._type(raw["type"]) if raw["type"] is not None else None,
            [self.values[number] for number in raw["args"]],
            [self.values[number] for number, _ in raw["results"]],
        )
        inst.imm = raw.get("imm", 0)
        inst.cond = raw.get("cond", "")
        inst.offset = raw.get("offset", 0)
        inst.trap = raw.get("trap", "")
        inst.rmw = raw.get("rmw", "")
        inst.ref = self._ref(raw)
        if "flags" in raw:
            flags = MemFlags(**raw["flags"])
            inst.flags = DEFAULT_FLAGS if flags == DEFAULT_FLAGS else flags
        inst.targets = [self._target(target) for target in raw.get("targets", ())]
        inst.handlers = self._handlers(raw.get("handlers", ()))
        if not raw.keys().isdisjoint(_ANNOTATIONS):
            inst.annotations = self._annotations(raw)
        return inst

    def _annotations(self, raw: dict[str, Any]) -> Annotations:
        tags = (tag if isinstance(tag, int) else self._slot(tag) for tag in raw.get("tags", ()))
        return Annotations(
            raw.get("location"),
            tuple(tags),
            tuple(
                StackMapEntry(self._type(type_), self._slot(slot), offset)
                for type_, slot, offset in raw.get("stack_map", ())
            ),
        )

    def _slot(self, name: str) -> StackSlot:
        slot = self.entities.get(name)
        if not isinstance(slot, StackSlot):
            self._refuse(f"{name} is not defined")
        return slot

    def _ref(
        self, raw: dict[str, Any]
    ) -> StackSlot | External | GlobalValue | Signature | Block | None:
        for key in ("callee", "slot", "global_value"):
            if key in raw:
                entity = self.entities.get(raw[key])
                if entity is None:
                    dynamic = raw[key].startswith("dss")
                    what = "dynamic stack slots are" if dynamic else f"{raw[key]} is"
                    self._refuse(f"{what} not supported")
                return entity
        if "signature" in raw:
            signature = self.signatures.get(raw["signature"])
            if signature is None:  # Cranelift's reader accepts that in a try_call_indirect
                self._refuse(f"{raw['signature']} is not defined")
            return signature
        if "block" in raw:
            return self._block(raw["block"])
        return None

    def _block(self, number: int) -> Block:
        """Return a block. Cranelift's reader accepts a branch to one that is not defined."""
        block = self.blocks.get(number)
        if block is None:
            self._refuse(f"block{number} is not defined")
        return block

    def _target(self, raw: tuple[int, list[int | str]]) -> BlockCall:
        number, args = raw
        return BlockCall(
            self._block(number),
            [arg if isinstance(arg, str) else self.values[arg] for arg in args],
        )

    def _handlers(self, raw: Iterable[tuple[str, int, Any]]) -> list[Handler]:
        handlers = []
        contexts: list[Value] = []
        for kind, number, target in raw:
            if kind == "context":
                contexts.append(self.values[number])
                continue
            tag = number if kind == "tag" else None
            handlers.append(Handler(tag, self._target(target), contexts))
            contexts = []
        if contexts:
            self._refuse("a context behind the last handler of an exception table means nothing")
        return handlers
