"""RISC-V's known faults of engines: each is shown on the one, and not on the other."""

from __future__ import annotations

import struct

import pytest

from backend.emulator.emulator_faults import Effect, find_faults
from backend.engines.names import QEMU_USER
from backend.isa.executors import executor_with
from backend.isa.registry import ISAS
from backend.isa.riscv64.emulator_faults import (
    COUNT_IN_WORD,
    SIGNALLING_MINIMUM,
    STATIC_ROUNDING,
    UNBOXED_SINGLE,
)
from backend.isa.riscv64.encoding import RETURN, move_from_float, pack
from clif.types import F32, F64, I64
from tests.backend.emulator import machine
from tests.backend.emulator.machine import Code, inputs, run_code, signature, values
from tests.backend.engines.installed import needs_qemu

ISA = ISAS["riscv64"]
ONES = 0xFFFF_FFFF << 32
SIGNALLING = 0x7FF0_0000_0000_0001
THREE = 0x4008_0000_0000_0000


def code(*words: int) -> list[Code]:
    return [Code("f", pack([*words, RETURN]))]


SINGLES = {
    "fadd.s fa0, fa0, fa1": 0x00B5_7553,
    "fneg.s fa0, fa0": 0x20A5_1553,
    "fmin.s fa0, fa0, fa1": 0x28B5_0553,
    "fcvt.s.w fa0, a0": 0xD005_7553,
    "fmv.w.x fa0, a0": 0xF005_0553,
}


@pytest.mark.parametrize("word", SINGLES.values(), ids=list(SINGLES))
def test_unicorn_puts_no_ones_above_a_single(word: int) -> None:
    program = code(word, move_from_float(10, 10))
    (got,) = values(run_code("riscv64", program, signature([F32, F32], [I64]), [[1, 2]]))
    assert got >> 32 != ONES >> 32
    assert UNBOXED_SINGLE in find_faults(ISA, program[0], harmless=True)
    assert UNBOXED_SINGLE.effect is Effect.UNREAD_BITS


@needs_qemu
@pytest.mark.parametrize("word", SINGLES.values(), ids=list(SINGLES))
def test_qemu_does(word: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "ENGINE", QEMU_USER)
    program = code(word, move_from_float(10, 10))
    (got,) = values(run_code("riscv64", program, signature([F32, F32], [I64]), [[1, 2]]))
    assert got >> 32 == ONES >> 32
    assert not find_faults(ISA, program[0], engine=QEMU_USER, harmless=True)


MINIMA = {"fmin.d fa0, fa0, fa1": 0x2AB5_0553, "fmax.d fa0, fa0, fa1": 0x2AB5_1553}


@pytest.mark.parametrize("word", MINIMA.values(), ids=list(MINIMA))
def test_unicorn_takes_a_signalling_nan_for_the_minimum(word: int) -> None:
    program, called = code(word), signature([F64, F64], [F64])
    got = values(run_code("riscv64", program, called, [[SIGNALLING, THREE], [THREE, THREE]]))
    assert struct.unpack("<2d", struct.pack("<2Q", *got))[0] != 3.0
    assert got[1] == THREE
    assert find_faults(ISA, program[0]) == [SIGNALLING_MINIMUM]


@needs_qemu
@pytest.mark.parametrize("word", MINIMA.values(), ids=list(MINIMA))
def test_qemu_takes_the_number(word: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "ENGINE", QEMU_USER)
    called = signature([F64, F64], [F64])
    assert values(run_code("riscv64", code(word), called, [[SIGNALLING, THREE]])) == [THREE]


@needs_qemu
def test_qemu_counts_beyond_a_word() -> None:
    """By definition the result depends on the lower half alone: here it does not."""
    program, called = code(0x6015_151B), signature([I64], [I64])  # ctzw a0, a0
    rows = [[0], [1 << 40], [1 << 63], [4], [1 << 63 | 4], [1 << 40 | 1 << 31]]
    executor = executor_with("riscv64", {"has_zbb": "true"})
    outcomes = executor.run(program, called, inputs([I64], rows), settings={})
    assert values(outcomes)[3:] == [2, 2, 31]
    assert len(set(values(outcomes)[:3])) > 1
    assert find_faults(ISA, program[0], engine=QEMU_USER) == [COUNT_IN_WORD]
    assert not find_faults(ISA, code(0x6005_151B)[0], engine=QEMU_USER)  # clzw


#: vsetivli zero, 4, e32, m1, ta, ma
_FOUR_SINGLES = 0xCD02_7057
_STATIC = {"vfcvt.rtz.xu.f.v v29, v28": 0x4BC3_1ED7, "vfcvt.rtz.x.f.v v29, v28": 0x4BC3_9ED7}


@needs_qemu
@pytest.mark.parametrize("word", _STATIC.values(), ids=list(_STATIC))
def test_a_rounding_of_its_own_ends_qemu(word: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "ENGINE", QEMU_USER)
    program = code(_FOUR_SINGLES, word)
    found = run_code("riscv64", program, signature([], []), [[]])
    assert found.details[0].startswith("the engine died: SIGABRT")
    assert find_faults(ISA, program[0], engine=QEMU_USER) == [STATIC_ROUNDING]
    usual = code(_FOUR_SINGLES, 0x4BC1_1ED7)  # vfcvt.f.xu.v
    assert run_code("riscv64", usual, signature([], []), [[]]).details == {}
    assert not find_faults(ISA, usual[0], engine=QEMU_USER)
