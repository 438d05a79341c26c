"""Loads, stores and atomics on the region and on stack slots, in and out of bounds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from backend.cranelift.opcodes import OPCODES
from clif.builder import FunctionBuilder
from clif.function import AbiParam, Function, MemFlags, Signature, Value
from clif.outcome import Inputs, Outcomes, Region, Status, ints_from_words, words_from_ints
from clif.types import (
    I8,
    I16,
    I32,
    I64,
    I128,
    INTS,
    Type,
    by_name,
)
from interp import RunOptions, run
from tests.interp.asking import DEFAULT, TYPES, int_rows, join, signed, split

_CONTENTS = bytes(random.Random("region").randbytes(64))
_TYPES = TYPES


class Program:
    """A function to be built, of the region's address, an index and other parameters."""

    def __init__(self, *types: Type) -> None:
        self.function = Function("main", Signature())
        self.builder = FunctionBuilder(self.function, OPCODES)
        self.builder.block = self.builder.create_block([I64, I64, *types])
        self.types = [I64, I64, *types]
        self.region, index, *self.args = self.builder.block.params
        self.place = self.builder.value("iadd", self.region, index)

    def run(
        self, *results: Value, rows: Sequence[tuple[int, ...]], options: RunOptions = DEFAULT
    ) -> Outcomes:
        """Run with rows of (index, other arguments...)."""
        self.builder.ins("return", *results)
        returns = tuple(AbiParam(value.type) for value in results)
        self.function.signature = Signature(tuple(map(AbiParam, self.types)), returns)
        columns = [[0] * len(rows), *map(list, zip(*rows, strict=True))]
        words = [words_from_ints(t, c) for t, c in zip(self.types, columns, strict=True)]
        return run([self.function], Inputs(len(rows), words, Region(0, _CONTENTS)), options)


def _lanes(type_: Type, raw: bytes, order: Any) -> int:
    size = type_.lane_bits // 8
    return join(type_, [int.from_bytes(raw[n : n + size], order) for n in range(0, len(raw), size)])


def _bytes(type_: Type, bits: int, order: Any) -> bytes:
    return b"".join(lane.to_bytes(type_.lane_bits // 8, order) for lane in split(type_, bits))


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("type_", _TYPES, ids=str)
def test_load_and_store_of_every_type_at_every_offset(type_: Type, order: Any) -> None:
    flags = MemFlags(endianness=order)
    indices = range(64 - type_.bytes - 3)
    program = Program(type_)
    old = program.builder.value("load", program.place, type=type_, offset=3, flags=flags)
    fixed = program.builder.value("load", program.region, type=type_, offset=5, flags=flags)
    program.builder.ins("store", program.args[0], program.place, offset=3, flags=flags)
    again = program.builder.value("load", program.place, type=type_, offset=3, flags=flags)
    values = [bits for (bits,) in int_rows([type_], len(indices), f"store {type_}")]
    outcomes = program.run(old, fixed, again, rows=list(zip(indices, values, strict=True)))
    loaded, same, back = map(ints_from_words, outcomes.results)
    assert outcomes.memory is not None
    for n, (index, value) in enumerate(zip(indices, values, strict=True)):
        place = slice(index + 3, index + 3 + type_.bytes)
        assert loaded[n] == _lanes(type_, _CONTENTS[place], order)
        assert same[n] == _lanes(type_, _CONTENTS[5 : 5 + type_.bytes], order)
        assert back[n] == value
        memory = bytearray(_CONTENTS)
        memory[place] = _bytes(type_, value, order)
        assert outcomes.memory[n].tobytes() == bytes(memory)


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize(
    ("bits", "to"), [(b, t) for b in (8, 16, 32) for t in (I16, I32, I64) if b < t.bits]
)
def test_narrow_forms(bits: int, order: Any, to: Type) -> None:
    flags = MemFlags(endianness=order)
    how: dict[str, Any] = {"offset": 1, "flags": flags}
    if bits < 32:
        how["type"] = to
    program = Program(to)
    zero = program.builder.value(f"uload{bits}", program.place, **how)
    sign = program.builder.value(f"sload{bits}", program.place, **how)
    program.builder.ins(f"istore{bits}", program.args[0], program.region, offset=40, flags=flags)
    rows = [(index, 0x1234_5678_9ABC_DEF0 * (index + 1) & to.mask) for index in range(30)]
    outcomes = program.run(zero, sign, rows=rows)
    unsigned, extended = map(ints_from_words, outcomes.results)
    assert outcomes.memory is not None
    for n, (index, value) in enumerate(rows):
        raw = int.from_bytes(_CONTENTS[index + 1 : index + 1 + bits // 8], order)
        assert unsigned[n] == raw
        assert extended[n] == signed(raw, bits) & to.mask
        stored = outcomes.memory[n].tobytes()[40 : 40 + bits // 8]
        assert stored == (value % 2**bits).to_bytes(bits // 8, order)


@pytest.mark.parametrize("shape", ["8x8", "16x4", "32x2"])
@pytest.mark.parametrize("order", ["little", "big"])
def test_widening_vector_loads(shape: str, order: Any) -> None:
    narrow = by_name(f"i{shape}")
    program = Program()
    flags = MemFlags(endianness=order)
    zero = program.builder.value(f"uload{shape}", program.place, flags=flags)
    sign = program.builder.value(f"sload{shape}", program.place, flags=flags)
    outcomes = program.run(zero, sign, rows=[(index,) for index in range(50)])
    unsigned, extended = map(ints_from_words, outcomes.results)
    wide = zero.type
    for index in range(50):
        lanes = split(narrow, _lanes(narrow, _CONTENTS[index : index + 8], order))
        assert unsigned[index] == join(wide, lanes)
        widened = [signed(lane, narrow.lane_bits) & wide.mask for lane in lanes]
        assert extended[index] == join(wide, widened)


# --- bounds, alignment, flags ---


def _status(flags: MemFlags, index: int, type_: Type = I32, *, store: bool = False) -> Outcomes:
    """Return the outcome of one input among others that stay in bounds."""
    program = Program()
    value = program.builder.value("load", program.region, type=type_)
    results: tuple[Value, ...] = ()
    if store:
        program.builder.ins("store", value, program.place, flags=flags)
    else:
        results = (program.builder.value("load", program.place, type=type_, flags=flags),)
    return program.run(*results, rows=[(0,), (index & I64.mask,), (8,)])


@pytest.mark.parametrize("index", [61, 64, -1, -4, 1 << 40, 1 << 63, -(1 << 40)])
@pytest.mark.parametrize("store", [False, True])
def test_out_of_bounds_traps_with_the_code_of_the_flags(index: int, store: bool) -> None:
    for flags, code in ((MemFlags(), "heap_oob"), (MemFlags(trap="user3"), "user3")):
        outcomes = _status(flags, index, store=store)
        assert outcomes.status.tolist() == [0, Status.TRAPPED, 0]
        assert outcomes.traps == {1: code}
        assert outcomes.memory is not None
        assert outcomes.memory[1].tobytes() == _CONTENTS  # nothing was written before the trap


def test_out_of_bounds_with_notrap_violates() -> None:
    outcomes = _status(MemFlags(trap=None), 64)
    assert outcomes.status.tolist() == [0, Status.VIOLATED, 0]
    assert "notrap" in outcomes.details[1]


def test_the_last_bytes_are_in_bounds() -> None:
    assert _status(MemFlags(), 60).status.tolist() == [0, 0, 0]


def test_misaligned_with_aligned_flag_violates() -> None:
    assert _status(MemFlags(aligned=True), 4).status.tolist() == [0, 0, 0]
    outcomes = _status(MemFlags(aligned=True), 2)
    assert outcomes.status.tolist() == [0, Status.VIOLATED, 0]
    assert "aligned" in outcomes.details[1]


def test_store_to_readonly_memory_violates() -> None:
    outcomes = _status(MemFlags(readonly=True), 4, store=True)
    assert outcomes.status.tolist() == [Status.VIOLATED] * 3


@pytest.mark.parametrize(
    ("second", "index", "violates"),
    [(1, 3, True), (1, 4, False), (0, 0, False), (None, 0, False), (1, 0, True)],
)
def test_accesses_that_name_two_alias_regions_must_not_meet(
    second: int | None, index: int, violates: bool
) -> None:
    program = Program(I32)
    program.function.alias_regions = ['1 "one"', '2 "other"']
    first, then = MemFlags(alias_region=0), MemFlags(alias_region=second)
    program.builder.ins("store", program.args[0], program.region, flags=first)
    loaded = program.builder.ins("load", program.place, type=I32, flags=then).result
    outcomes = program.run(loaded, rows=[(index, 9), (8, 9)])
    assert (outcomes.status[0] == Status.VIOLATED) == violates
    assert outcomes.status[1] == Status.RETURNED


def test_memory_of_an_input_that_traps_is_that_of_the_moment() -> None:
    program = Program()
    builder = program.builder
    value = builder.iconst(I8, 0xEE)
    builder.ins("store", value, program.region)
    builder.ins("store", value, program.place)
    builder.ins("store", value, program.region, offset=1)
    outcomes = program.run(rows=[(5,), (99,), (6,)])
    assert outcomes.memory is not None
    before = b"\xee" + _CONTENTS[1:]
    assert outcomes.memory[1].tobytes() == before
    assert outcomes.memory[0].tobytes() == b"\xee\xee" + before[2:5] + b"\xee" + before[6:]


# --- stack slots ---


def _slots(options: RunOptions = DEFAULT) -> tuple[list[int], Outcomes]:
    program = Program(I32)
    builder = program.builder
    slot, other = builder.stack_slot(16, 64), builder.stack_slot(8)
    address = builder.address(slot, 4)
    builder.ins("store", program.args[0], address)
    fresh = builder.value("load", builder.address(other), type=I32)
    back = builder.value("load", builder.address(slot), type=I32, offset=4)
    low = builder.value("band", builder.address(slot), builder.iconst(I64, 63))
    outcomes = program.run(
        back, fresh, address, low, rows=[(0, 7), (0, 8), (0, 9)], options=options
    )
    return ints_from_words(outcomes.results[0]), outcomes


def test_stack_slots_are_memory_of_each_input_and_aligned() -> None:
    values, outcomes = _slots()
    assert values == [7, 8, 9]
    assert ints_from_words(outcomes.results[3]) == [0, 0, 0]


def test_layout_changes_addresses_and_fresh_slots_but_not_what_is_stored() -> None:
    values, first = _slots()
    again, second = _slots(RunOptions(layout=1))
    assert values == again
    assert ints_from_words(first.results[1]) != ints_from_words(second.results[1])
    assert ints_from_words(first.results[2]) != ints_from_words(second.results[2])
    assert ints_from_words(second.results[3]) == [0, 0, 0]


@pytest.mark.parametrize("offset", [-1, 13, 16, 40])
def test_access_beside_a_stack_slot_violates(offset: int) -> None:
    program = Program()
    slot = program.builder.stack_slot(16)
    address = program.builder.address(slot)
    value = program.builder.value("load", address, type=I32, offset=offset)
    outcomes = program.run(value, rows=[(0,)])
    assert outcomes.status.tolist() == [Status.VIOLATED]
    assert "stack slot" in outcomes.details[0]


def test_inputs_may_access_different_segments_at_once() -> None:
    program = Program(I8)
    builder = program.builder
    slot = builder.stack_slot(8)
    address = builder.address(slot)
    builder.ins("store", builder.iconst(I64, 0x0102030405060708), address)
    where = builder.value("select", program.args[0], program.place, address)
    builder.ins("store", builder.iconst(I16, 0xBEEF), where, offset=2)
    value = builder.value("load", where, type=I64)
    outcomes = program.run(value, rows=[(8, 1), (8, 0), (70, 1), (16, 1)])
    found = ints_from_words(outcomes.results[0])
    assert outcomes.traps == {2: "heap_oob"}
    assert found[1] == 0x01020304BEEF0708
    for n, index in ((0, 8), (3, 16)):
        raw = bytearray(_CONTENTS[index : index + 8])
        raw[2:4] = b"\xef\xbe"
        assert found[n] == int.from_bytes(raw, "little")


# --- atomics ---


_RMW = ("add", "sub", "and", "nand", "or", "xor", "xchg", "umin", "umax", "smin", "smax")


def _atomic(operation: str, bits: int, old: int, x: int) -> int:
    a, b = signed(old, bits), signed(x, bits)
    results: dict[str, int] = {
        "add": old + x, "sub": old - x, "and": old & x, "nand": ~(old & x), "or": old | x,
        "xor": old ^ x, "xchg": x, "umin": min(old, x), "umax": max(old, x), "smin": min(a, b),
        "smax": max(a, b),
    }  # fmt: skip
    return results[operation] & ((1 << bits) - 1)


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("type_", INTS, ids=str)
def test_atomic_rmw(type_: Type, order: Any) -> None:
    flags = MemFlags(endianness=order)
    for operation in _RMW:
        program = Program(type_)
        old = program.builder.value(
            "atomic_rmw", program.place, program.args[0], type=type_, rmw=operation, flags=flags
        )
        rows = [(16 * (n % 4), *x) for n, x in enumerate(int_rows([type_], 24, operation))]
        outcomes = program.run(old, rows=rows)
        assert outcomes.memory is not None
        for n, (index, x) in enumerate(rows):
            place = slice(index, index + type_.bytes)
            before = int.from_bytes(_CONTENTS[place], order)
            assert ints_from_words(outcomes.results[0])[n] == before
            after = int.from_bytes(outcomes.memory[n].tobytes()[place], order)
            assert after == _atomic(operation, type_.bits, before, x), operation


@pytest.mark.parametrize("type_", INTS, ids=str)
def test_atomic_cas_load_store(type_: Type) -> None:
    program = Program(type_, type_)
    builder, (expected, new) = program.builder, program.args
    old = builder.value("atomic_cas", program.place, expected, new)
    now = builder.value("atomic_load", program.place, type=type_)
    builder.ins("fence")
    builder.ins("atomic_store", expected, program.region)
    there = int.from_bytes(_CONTENTS[16 : 16 + type_.bytes], "little")
    outcomes = program.run(old, now, rows=[(16, there, 5), (16, there ^ 1, 5)])
    assert ints_from_words(outcomes.results[0]) == [there, there]
    assert ints_from_words(outcomes.results[1]) == [5, there]
    assert outcomes.memory is not None
    stored = [row.tobytes()[: type_.bytes] for row in outcomes.memory]
    assert stored == [x.to_bytes(type_.bytes, "little") for x in (there, there ^ 1)]


def test_misaligned_atomics_violate() -> None:
    program = Program()
    value = program.builder.value("atomic_load", program.place, type=I128)
    outcomes = program.run(value, rows=[(16,), (8,)])
    assert outcomes.status.tolist() == [0, Status.VIOLATED]


def test_addresses_of_32_bits() -> None:
    program = Program()
    narrow = program.builder.value("ireduce", program.place, type=I32)
    value = program.builder.value("load", narrow, type=I16)
    outcomes = program.run(value, rows=[(3,), (9,)])
    expected = [int.from_bytes(_CONTENTS[n : n + 2], "little") for n in (3, 9)]
    assert ints_from_words(outcomes.results[0]) == expected
