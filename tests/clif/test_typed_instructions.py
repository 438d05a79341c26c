"""The enumeration of typed instructions, and the access that a memory opcode makes."""

from __future__ import annotations

import pytest

from backend.cranelift.opcodes import OPCODES
from clif import types
from clif.function import DEFAULT_FLAGS, Inst, Value
from clif.memory_access import access_of, accessed_bytes, address_operand
from clif.nan_payload import NanEffect
from clif.typed_instructions import (
    FIRST_LANE,
    FLOAT_CONDITIONS,
    LAST_LANE,
    TypedInstruction,
    has_settled_meaning,
    typed_instructions,
)
from clif.types import F16, F32, F64, I8, I16, I32, I64, by_name

TYPES = tuple(type_ for type_ in types.ALL if type_.bits <= 128)


def every(name: str) -> list[TypedInstruction]:
    return list(typed_instructions(OPCODES[name], TYPES))


def test_no_two_variants_have_one_name() -> None:
    names = [
        name
        for opcode in OPCODES.values()
        for instruction in typed_instructions(opcode, TYPES)
        for name in instruction.names()
    ]
    assert len(names) == len(set(names)) > 2000


def test_only_the_types_that_are_asked_for() -> None:
    found = list(typed_instructions(OPCODES["uextend"], (I8, I16)))
    assert [(i.operands, i.results) for i in found] == [((I8,), (I16,))]
    assert {i.type for i in every("fpromote")} == {F32, F64, types.F128}


def test_results_follow_from_the_controlling_type() -> None:
    vector = by_name("i16x8")
    (compare,) = (i for i in every("fcmp") if i.type is by_name("f16x8"))
    assert compare.results == (vector,)
    assert compare.variants == FLOAT_CONDITIONS
    assert compare.signature == (*compare.operands, vector)


def test_addresses_have_64_bits_and_are_not_open() -> None:
    for name in ("load", "store", "atomic_rmw", "uload32", "stack_addr", "call_indirect"):
        for instruction in every(name):
            assert I32 not in instruction.operands or instruction.type is I32
            assert instruction.open_operands == ()
    assert {i.type for i in every("uload32")} == {I64}


def test_open_operands_are_those_that_the_type_does_not_determine() -> None:
    assert {i.open_operands for i in every("ishl") if i.type is I32} > {(I8,), (I64,)}
    assert {i.open_operands for i in every("iadd")} == {()}


def test_conversions_keep_the_lanes() -> None:
    for name in ("bitcast", "x86_cvtt2dq"):
        assert all(i.operands[0].bits == i.results[0].bits for i in every(name))
    for name in ("fcvt_from_sint", "fcvt_to_uint_sat"):
        assert all(i.operands[0].lanes == i.results[0].lanes for i in every(name))


def test_a_bitcast_that_changes_lanes_has_a_byte_order() -> None:
    for instruction in every("bitcast"):
        same = instruction.operands[0].lanes == instruction.results[0].lanes
        assert (instruction.flags == DEFAULT_FLAGS) == same


def test_what_has_no_settled_meaning() -> None:
    for instruction in (*every("fcvt_from_sint"), *every("fcvt_to_sint_sat")):
        type_, operand = instruction.results[0], instruction.operands[0]
        settled = not type_.is_vector or type_.lane_bits == operand.lane_bits
        assert has_settled_meaning(instruction) == settled


def test_lanes_are_the_first_and_the_last() -> None:
    (instruction,) = (i for i in every("extractlane") if i.type is by_name("i32x4"))
    assert instruction.variants == (FIRST_LANE, LAST_LANE)
    assert instruction.allows(3, "")
    assert instruction.allows(0, "")
    (compare,) = (i for i in every("icmp") if i.type is I8)
    assert compare.allows(0, "ult")
    assert not compare.allows(0, "lt")


def test_effects_on_nans() -> None:
    effects = {i.type: i.nan_effect for i in every("fneg")}
    assert effects[F32] is NanEffect.PROPAGATES
    assert {i.nan_effect for i in every("fadd")} == {NanEffect.PRODUCES}
    assert {i.nan_effect for i in every("iadd")} == {NanEffect.IGNORES}
    assert {i.nan_effect for i in every("store") if i.type is F16} == {NanEffect.EXPOSES}


@pytest.mark.parametrize(
    ("name", "value", "address", "size"),
    [
        ("load", F64, 0, 8),
        ("store", I16, 1, 2),
        ("uload8", I32, 0, 1),
        ("istore32", I64, 1, 4),
        ("sload16x4", by_name("i32x4"), 0, 8),
        ("atomic_rmw", I32, 0, 4),
        ("atomic_store", I8, 1, 1),
    ],
)
def test_accesses(name: str, value: types.Type, address: int, size: int) -> None:
    assert address_operand(OPCODES[name]) == address
    assert accessed_bytes(OPCODES[name], value) == size


def test_what_accesses_no_memory_at_an_operand() -> None:
    for name in ("iadd", "bitcast", "call", "debugtrap", "stack_addr"):
        assert address_operand(OPCODES[name]) is None
    one = Value(I64, 0)
    assert access_of(Inst(OPCODES["bnot"], I64, [one], [Value(I64, 1)])) is None
    access = access_of(Inst(OPCODES["istore8"], I64, [one, Value(I64, 2)], offset=-4))
    assert access is not None
    assert (access.size, access.offset, access.writes) == (1, -4, True)
