"""Pass: types get simpler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

from backend.cranelift.opcodes import OPCODES
from clif.function import AbiParam, Function, Inst, Signature
from clif.outcome import Words, ints_from_words, words_from_ints
from clif.types import F32, F64, I8, I16, I32, I64, Type
from fuzz.cases.case import Case
from fuzz.minimize.order import type_weight
from fuzz.minimize.working_copy import Change, WorkingCopy

_CONSTANTS = ("iconst", "vconst", "f16const", "f32const", "f64const", "f128const")
_SCALARS = (I8, I16, I32, I64, F32, F64)


def narrow_types(work: WorkingCopy) -> list[Change]:
    """Give all values of a type a simpler one: a narrower one, or a lane instead of a vector.

    Preserves: the operations. Candidates that do not verify are refused by the engine.
    Decreases: ``order.type_weight``.
    """
    return [partial(_retype, work.case, old, new) for old, new in _pairs(work.case)]


def _pairs(case: Case) -> Iterator[tuple[Type, Type]]:
    there = {v.type.name: v.type for f in case.functions for v in f.values()}
    for old in sorted(there.values(), key=type_weight, reverse=True):
        family = list(_SCALARS)
        if old.is_vector:
            family += [old.lane, *_narrower_vectors(old)]
        for new in sorted(dict.fromkeys(family), key=type_weight):
            if type_weight(new) < type_weight(old):
                yield old, new


def _narrower_vectors(old: Type) -> Iterator[Type]:
    with suppress(KeyError):
        yield old.by(old.lanes // 2)
    with suppress(KeyError):
        yield old.half_width


def _retype(case: Case, old: Type, new: Type) -> None:
    types = case.main.signature.param_types
    args = [
        _convert(words, old, new) if type_ is old else words
        for type_, words in zip(types, case.inputs.args, strict=True)
    ]
    case.inputs = replace(case.inputs, args=args)
    for function in case.functions:
        function.signature = _signature(function.signature, old, new)
        for external in function.externals:
            external.signature = _signature(external.signature, old, new)
        _retype_function(function, old, new)


def _retype_function(function: Function, old: Type, new: Type) -> None:
    for value in function.values():
        if value.type is old:
            value.type = new
    for inst in function.instructions():
        _retype_inst(inst, old, new)


def _retype_inst(inst: Inst, old: Type, new: Type) -> None:
    if isinstance(inst.ref, Signature):
        inst.ref = _signature(inst.ref, old, new)
    if inst.results and not inst.args and inst.opcode.name in _CONSTANTS:
        _retype_constant(inst, old, new)
    elif inst.type is old:
        inst.type = new


def _retype_constant(inst: Inst, old: Type, new: Type) -> None:
    """Change the opcode and the immediate. The result already has its new type."""
    if inst.results[0].type is not new or inst.type not in (old, None):
        return
    name = "vconst" if new.is_vector else f"{new.name}const" if new.is_float else "iconst"
    inst.opcode = OPCODES[name]
    inst.type = new if OPCODES[name].polymorphic else None
    inst.imm = _number(inst.imm, old, new)


def _signature(signature: Signature, old: Type, new: Type) -> Signature:
    def changed(params: tuple[AbiParam, ...]) -> tuple[AbiParam, ...]:
        return tuple(replace(p, type=new) if p.type is old else p for p in params)

    return replace(signature, params=changed(signature.params), returns=changed(signature.returns))


def _convert(words: Words, old: Type, new: Type) -> Words:
    return words_from_ints(new, [_number(value, old, new) for value in ints_from_words(words)])


def _number(value: int, old: Type, new: Type) -> int:
    """Convert a bit pattern.

    Integers and vectors keep their low bits. Floats keep their high bits, which hold sign and
    exponent; as an integer, a float becomes whether it is non-zero.
    """
    if old.is_float and not new.is_float:
        return int(value != 0)
    if old.is_float and not old.is_vector:
        return value >> (old.bits - new.bits) if new.bits < old.bits else value
    return value & (1 << new.bits) - 1
