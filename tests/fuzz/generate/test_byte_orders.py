"""Drawn byte orders: those that the ISAs have, and any where no code is generated."""

from __future__ import annotations

from collections import Counter

import pytest

from backend.cranelift.opcodes import OPCODES
from backend.isa.executors import left_out
from clif.function import MemFlags
from clif.memory_access import address_operand
from clif.types import I32, I64, by_name
from fuzz.entropy import PrngEntropy
from fuzz.generate import Generator, Options
from fuzz.generate.addresses import drawn_order
from fuzz.generate.instruction_set import InstructionSet, all_names
from fuzz.generate.options import PLAIN_TYPES


def orders(options: Options, count: int = 60) -> tuple[Counter[str | None], Counter[str | None]]:
    """Count byte orders of accesses and of bitcasts in drawn cases."""
    generator = Generator(options)
    accesses: Counter[str | None] = Counter()
    bitcasts: Counter[str | None] = Counter()
    for number in range(count):
        case = generator.generate(PrngEntropy((5, number)))
        for inst in (inst for function in case.functions for inst in function.instructions()):
            if address_operand(inst.opcode) is not None:
                accesses[inst.flags.endianness] += 1
            elif inst.opcode.name == "bitcast" and inst.flags != MemFlags():
                bitcasts[inst.flags.endianness] += 1
    return accesses, bitcasts


def test_what_no_isa_has_is_not_drawn() -> None:
    accesses, bitcasts = orders(Options(inputs=1))
    assert accesses["little"] > 0
    assert accesses[None] > 0
    assert accesses["big"] == 0
    assert bitcasts["big"] == 0


def test_any_is_drawn_where_no_code_is_generated() -> None:
    accesses, bitcasts = orders(Options(inputs=1, any_order=True))
    for order in ("little", "big"):
        assert accesses[order] > sum(accesses.values()) / 20
        assert bitcasts[order] > 0
    assert accesses[None] > accesses["big"]


def test_an_access_has_the_orders_of_all_its_variants() -> None:
    names = set(all_names(OPCODES, PLAIN_TYPES))
    names |= {("load", "i32", (), order) for order in ("little", "big")}
    names |= {("atomic_rmw", "i32", (), f"{name} big") for name in ("add", "sub")}
    found = InstructionSet(names, OPCODES, PLAIN_TYPES)
    assert found.orders["load", I32, (I64,)] == ("little", "big")
    assert found.orders["load", I64, (I64,)] == ()
    assert found.orders["atomic_rmw", I32, (I64, I32)] == ()  # most of its operations have none
    assert found.has_order("big", "load", I32, I64)
    assert not found.has_order("big", "iadd", I32, I32, I32)
    assert not found.has_order(None, "load", I32, I64)


def test_an_access_may_need_a_byte_order_of_its_own() -> None:
    vector = by_name("i32x4")
    native, little = ("load", "i32x4", (), ""), ("load", "i32x4", (), "little")
    names = set(all_names(OPCODES, [*PLAIN_TYPES, vector])) - {native} | {little}
    found = InstructionSet(names, OPCODES, [*PLAIN_TYPES, vector])
    assert found.needed_orders == {("load", vector, (I64,)): "little"}
    assert vector in found.types
    without = InstructionSet(names - {little}, OPCODES, [*PLAIN_TYPES, vector])
    assert vector not in without.types
    assert not without.needed_orders


def test_big_endian_vectors_of_pulley_are_accessed_little_endian() -> None:
    """Its other accesses of vectors have a known fault, or are not there."""
    if left_out("pulley64be"):
        pytest.skip("pulley64be is not run here")
    generator, seen = Generator(Options(inputs=1, isas=("pulley64be",))), 0
    for number in range(60):
        case = generator.generate(PrngEntropy((5, number)))
        for inst in (inst for function in case.functions for inst in function.instructions()):
            if inst.opcode.name in ("load", "store"):
                type_ = inst.results[0].type if inst.results else inst.args[0].type
                assert not type_.is_vector or inst.flags.endianness == "little"
                seen += type_.is_vector
    assert seen > 10


def test_two_bits_stand_for_a_byte_order() -> None:
    assert [drawn_order(bits) for bits in range(5)] == ["little", "big", None, None, "little"]
