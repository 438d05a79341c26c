"""The byte order of a run: accesses without one of their own, pointers and numbers."""

from __future__ import annotations

import numpy as np
import pytest

from backend.cranelift.reader import read_functions
from clif.byte_order import ByteOrder
from clif.outcome import Inputs, Outcomes, Region, words_from_ints
from clif.types import I64
from interp import RunOptions, run

STORED = """
    v1 = stack_addr.i64 ss0
    v2 = iconst.i32 0x01020304
    store v2, v1+2
    v3 = load.i8 v1+2
    return v3
"""
BYTES = bytes.fromhex("00112233445566778899aabbccddeeff")


def outcomes(body: str, types: str, order: ByteOrder, region: Region) -> Outcomes:
    returns = f"-> {types}" if types else ""
    functions = read_functions(
        f"function %f(i64) {returns} {{\nss0 = explicit_slot 16\nblock0(v0: i64):\n{body}\n}}"
    )
    inputs = Inputs(1, [words_from_ints(I64, [0])], region)
    return run(functions, inputs, RunOptions(byte_order=order))


@pytest.mark.parametrize(
    ("body", "type_", "little", "big"),
    [
        ("v1 = load.i16 v0+1\nreturn v1", "i16", [0x2211], [0x1122]),
        ("v1 = load.i32 v0+4\nreturn v1", "i32", [0x77665544], [0x44556677]),
        ("v1 = load.i32 little v0+4\nreturn v1", "i32", [0x77665544], [0x77665544]),
        ("v1 = load.i32 big v0+4\nreturn v1", "i32", [0x44556677], [0x44556677]),
        ("v1 = load.i8 v0+3\nreturn v1", "i8", [0x33], [0x33]),
        (
            "v1 = sload16.i64 v0+8\nreturn v1",
            "i64",
            [0xFFFF_FFFF_FFFF_9988],
            [0xFFFF_FFFF_FFFF_8899],
        ),
        (
            "v1 = load.i128 v0\nreturn v1",
            "i128",
            [0x7766554433221100, 0xFFEEDDCCBBAA9988],
            [0x8899AABBCCDDEEFF, 0x0011223344556677],
        ),
        (
            "v1 = load.i32x2 v0\nreturn v1",
            "i32x2",
            [0x33221100, 0x77665544],
            [0x00112233, 0x44556677],
        ),
        (
            "v1 = uload16x4 v0\nreturn v1",
            "i32x4",
            [0x1100, 0x3322, 0x5544, 0x7766],
            [0x11, 0x2233, 0x4455, 0x6677],
        ),
        (
            "v2 = iconst.i64 2\nv3 = iadd v0, v2\nv1 = atomic_load.i16 v3\nreturn v1",
            "i16",
            [0x3322],
            [0x2233],
        ),
        ("v1 = load.f32 v0+12\nv2 = bitcast.i32 v1\nreturn v2", "i32", [0xFFEEDDCC], [0xCCDDEEFF]),
        (
            "v1 = load.i32x4 v0\nv2 = bitcast.i64x2 little v1\nreturn v2",
            "i64x2",
            [0x7766554433221100, 0xFFEEDDCCBBAA9988],
            [0x4455667700112233, 0xCCDDEEFF8899AABB],
        ),
        (
            "v1 = load.i32x4 v0\nv2 = bitcast.i64x2 big v1\nreturn v2",
            "i64x2",
            [0x3322110077665544, 0xBBAA9988FFEEDDCC],
            [0x0011223344556677, 0x8899AABBCCDDEEFF],
        ),
        (
            STORED,
            "i8",
            [4],
            [1],
        ),
    ],
)
def test_loads(body: str, type_: str, little: list[int], big: list[int]) -> None:
    for order, words in (("little", little), ("big", big)):
        found = outcomes(body, type_, order, Region(0, BYTES))  # type: ignore[arg-type]
        assert found.results[0].tolist() == [words]


@pytest.mark.parametrize(
    ("body", "little", "big"),
    [
        ("v1 = iconst.i32 0x01020304\nstore v1, v0", "04030201", "01020304"),
        ("v1 = iconst.i32 0x01020304\nistore16 v1, v0", "0403", "0304"),
        ("v1 = iconst.i32 0x01020304\nstore little v1, v0", "04030201", "04030201"),
        ("v1 = iconst.i16 0x0102\nv2 = atomic_rmw.i16 add v0, v1", "0212", "0113"),
        (
            "v1 = vconst.i16x8 [1 2 3 4 5 6 7 8]\nstore v1, v0",
            "01000200030004000500060007000800",
            "00010002000300040005000600070008",
        ),
    ],
)
def test_stores(body: str, little: str, big: str) -> None:
    for order, digits in (("little", little), ("big", big)):
        found = outcomes(f"{body}\nreturn", "", order, Region(0, BYTES))  # type: ignore[arg-type]
        assert found.memory is not None
        wanted = bytes.fromhex(digits)
        assert found.memory[0].tobytes() == wanted + BYTES[len(wanted) :]


@pytest.mark.parametrize("order", ["little", "big"])
def test_pointers_and_numbers_lie_in_the_order_of_the_machine(order: ByteOrder) -> None:
    region = Region(0, bytes(48), pointers=((0, 32),), numbers=((8, 0x1234),))
    body = """
        v1 = load.i64 v0
        v2 = load.i64 v0+8
        store v2, v1+8
        v3 = load.i8 v0+8
        v4 = isub v1, v0
        return v2, v3, v4"""
    found = outcomes(body, "i64, i8, i64", order, region)
    assert [words.tolist() for words in found.results] == [
        [[0x1234]],
        [[0x34 if order == "little" else 0]],
        [[32]],
    ]
    assert found.memory is not None
    kept, stored = found.memory[0, :16].tobytes(), found.memory[0, 40:48].tobytes()
    assert kept == region.contents[:16]  # what stands for a pointer is the same in any order
    assert kept.hex() == "20000000000000003412000000000000"
    assert stored == (0x1234).to_bytes(8, order)


def test_what_was_overwritten_stays_as_it_is() -> None:
    region = Region(0, bytes(16), pointers=((0, 8),), numbers=((8, 7),))
    body = "v1 = iconst.i64 7\nstore v1, v0\nstore little v1, v0+8\nreturn"
    found = outcomes(body, "", "big", region)
    assert found.memory is not None
    assert found.memory[0].tobytes().hex() == "0000000000000007" + "0700000000000000"
    again = np.array([[*(7).to_bytes(8, "big"), *(7).to_bytes(8, "big")]], np.uint8)
    region.hide_pointers(again, np.zeros(1, np.uint64), "big")
    assert again[0, 8:].tobytes() == (7).to_bytes(8, "little")
