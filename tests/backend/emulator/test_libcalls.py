"""What stubs of library calls leave to the host: the value, and the bits above it."""

from __future__ import annotations

import ctypes
import ctypes.util
import random
import struct

import numpy as np
import pytest

import interp
from backend.cranelift.reader import read_functions
from backend.emulator.control_block import MAILBOX
from backend.isa.executors import executor_for
from clif.outcome import ints_from_words
from clif.types import F32, F64, Type
from tests.backend.emulator.machine import inputs, run_text

WIDTHS = pytest.mark.parametrize("type_", [F32, F64], ids=str)
CANONICAL = {"enable_nan_canonicalization": "true"}


def operands(type_: Type) -> list[list[int]]:
    """Rows of zeros, ones, infinities, subnormals and NaNs of both kinds, and of random bits."""
    rng, fraction = random.Random(type_.name), {32: 23, 64: 52}[type_.bits]
    infinity = (1 << type_.bits - 1) - (1 << fraction)
    one = (1 << type_.bits - 2) - (1 << fraction)
    quiet = infinity | 1 << fraction - 1
    values = [0, 1, one, one + 1, infinity - 1, infinity, quiet, quiet | 5, infinity | 3]
    values += [value | 1 << type_.bits - 1 for value in values]
    values += [rng.getrandbits(type_.bits) for _ in range(12)]
    return [[rng.choice(values) for _ in range(3)] for _ in range(500)]


def computed(name: str, words: list[int]) -> int:
    """Call a function of the extension as an engine does; return the first word that it leaves."""
    library = executor_for("x86_64").library
    library.memory.control[MAILBOX : MAILBOX + 6] = np.array(words, np.uint64)
    (address,) = (at for at, each in library.hooks.items() if each == name)
    library.call(address)
    return int(library.memory.control[MAILBOX])


@pytest.mark.parametrize("size", [8, 24, 4096])
def test_a_structure_is_copied_by_the_c_library(size: int) -> None:
    text = f"""function %main(i64, i64) -> i64, i64, i64 system_v {{
    ss0 = explicit_slot {size}
    fn0 = colocated %take(i64 sarg({size}), i64) -> i64, i64 system_v
block0(v0: i64, v1: i64):
    v2 = stack_addr.i64 ss0
    store v0, v2+{size - 8}
    v3, v4 = call fn0(v2, v1)
    v5 = load.i64 v2+{size - 8}
    return v3, v4, v5
}}
function %take(i64 sarg({size}), i64) -> i64, i64 system_v {{
block0(v0: i64, v1: i64):
    v2 = load.i64 v0+{size - 8}
    store v1, v0+{size - 8}
    return v2, v1
}}"""
    settings = {"enable_multi_ret_implicit_sret": "true"}
    found = run_text("x86_64", text, [[5, 7], [2**64 - 1, 3]], settings=settings)
    assert not found.status.any()
    assert [ints_from_words(words) for words in found.results] == [
        [5, 2**64 - 1],
        [7, 3],
        [5, 2**64 - 1],
    ]


@WIDTHS
def test_fma_is_that_of_the_interpreter(type_):
    """Bit by bit, as the compiler makes every NaN the canonical one."""
    params, rows = ", ".join(f"v{n}: {type_}" for n in range(3)), operands(type_)
    text = (
        f"function %f({type_}, {type_}, {type_}) -> {type_} system_v {{\nblock0({params}):\n"
        "    v3 = fma v0, v1, v2\n    return v3\n}"
    )
    found = run_text("x86_64", text, rows, settings=CANONICAL)
    options = interp.RunOptions(canonical_nans=True)
    functions = read_functions(text)
    expected = interp.run(functions, inputs([type_] * 3, rows), options)
    assert not found.status.any()
    assert ints_from_words(found.results[0]) == ints_from_words(expected.results[0])


def test_fma_has_the_bits_of_the_c_library_for_a_nan_too():
    library = ctypes.CDLL(ctypes.util.find_library("m") or "libm.so.6")
    library.fma.argtypes, library.fma.restype = [ctypes.c_double] * 3, ctypes.c_double
    for row in operands(F64):
        asked = library.fma(*struct.unpack("<3d", struct.pack("<3Q", *row)))
        x, y, z = row
        assert computed("fma", [x, 7, y, 7, z, 7]) == int.from_bytes(
            struct.pack("<d", asked), "little"
        )


def test_the_bits_above_a_narrow_result_come_back_inverted():
    one, two, upper = 0x3F80_0000, 0x4000_0000, 0x0123_4567
    found = computed("fmaf", [upper << 32 | one, 7, one, 7, one, 7])
    assert found == (upper ^ 0xFFFF_FFFF) << 32 | two
