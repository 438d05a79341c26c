"""Checks without a compiler whether a function is well formed.

Cranelift's verifier decides. These checks are cheaper, and mutating and minimising make them first:
blocks, types of operands and branch arguments, dominance.
"""

from __future__ import annotations

from collections.abc import Iterator

from clif.builder import resolve
from clif.function import Block, BlockCall, External, Function, Inst, Signature, Value
from clif.graph import dominates, immediate_dominators
from clif.opcodes import Constraint, Format
from clif.types import Type
from clif.uses import used_values

_DETERMINED = frozenset(
    ["Concrete", "Same", "LaneOf", "AsTruthy", "HalfWidth", "DoubleWidth", "SplitLanes"]
    + ["MergeLanes"]
)


def problems(function: Function) -> Iterator[str]:
    """Yield what is wrong with a function, in words."""
    if not function.blocks:
        yield "no blocks"
        return
    params = tuple(param.type for param in function.entry.params)
    if params != function.signature.param_types:
        yield "entry parameters differ from the signature"
    shape = [problem for block in function.blocks for problem in _shape(block)]
    yield from shape
    if not shape:
        yield from _definitions(function)
        for block in function.blocks:
            for inst in block.instructions:
                yield from _types(function, inst)


def is_valid(function: Function) -> bool:
    """Return whether ``problems`` finds none."""
    return next(problems(function), None) is None


def _shape(block: Block) -> Iterator[str]:
    if not block.instructions:
        yield f"{block} is empty"
        return
    if not block.instructions[-1].opcode.is_terminator:
        yield f"{block} does not end in a terminator"
    for inst in block.instructions[:-1]:
        if inst.opcode.is_terminator:
            yield f"{inst.opcode} in the middle of {block}"


def _definitions(function: Function) -> Iterator[str]:
    """Yield the values that are not defined once, in a place that dominates their uses."""
    place: dict[Value, tuple[Block, int]] = {}
    for block in function.blocks:
        for param in block.params:
            if param in place:
                yield f"{param} is defined twice"
            place[param] = (block, -1)
        for index, inst in enumerate(block.instructions):
            for result in inst.results:
                if result in place:
                    yield f"{result} is defined twice"
                place[result] = (block, index)
    dominator = immediate_dominators(function)
    for block in function.blocks:
        if block not in dominator:
            continue  # Cranelift's verifier lets unreachable code use anything
        for index, inst in enumerate(block.instructions):
            for value in used_values(inst):
                if value not in place:
                    yield f"{value} is not defined"
                elif not _reaches(dominator, place[value], (block, index)):
                    yield f"{value} does not dominate its use by {inst.opcode} in {block}"


def _reaches(
    dominator: dict[Block, Block], definition: tuple[Block, int], use: tuple[Block, int]
) -> bool:
    if definition[0] is use[0]:
        return definition[1] < use[1]
    return definition[0] in dominator and dominates(dominator, definition[0], use[0])


def _types(function: Function, inst: Inst) -> Iterator[str]:
    for target in inst.targets:
        if not any(isinstance(arg, str) for arg in target.args):
            yield from _branch(target)
    if inst.opcode.format in (Format.CALL, Format.CALL_INDIRECT):
        yield from _call(inst)
    elif inst.opcode.name == "return":
        if tuple(arg.type for arg in inst.args) != function.signature.return_types:
            yield "return does not match the signature"
    else:
        yield from _operands(inst)


def _branch(target: BlockCall) -> Iterator[str]:
    given = [arg.type for arg in target.args if isinstance(arg, Value)]
    if given != [param.type for param in target.block.params]:
        yield f"arguments do not match the parameters of {target.block}"


def _call(inst: Inst) -> Iterator[str]:
    signature = inst.ref.signature if isinstance(inst.ref, External) else inst.ref
    args = inst.args[1:] if inst.opcode.format is Format.CALL_INDIRECT else inst.args
    assert isinstance(signature, Signature)
    if tuple(arg.type for arg in args) != signature.param_types:
        yield f"arguments of {inst.opcode} do not match {signature}"


def _operands(inst: Inst) -> Iterator[str]:
    opcode = inst.opcode
    if opcode.polymorphic and (inst.type is None or inst.type.name not in opcode.ctrl_types):
        yield f"{opcode} of {inst.type}"
        return
    pairs = [*zip(opcode.args, inst.args, strict=False)]
    pairs += [*zip(opcode.results, inst.results, strict=False)]
    for constraint, value in pairs:
        if not _allows(constraint, inst.type, value.type):
            yield f"{value} of {opcode} is {value.type}"


def _allows(constraint: Constraint, ctrl: Type | None, type_: Type) -> bool:
    if constraint.kind in _DETERMINED:
        return resolve(constraint, ctrl) is type_
    return constraint.kind != "Free" or type_.name in constraint.types
