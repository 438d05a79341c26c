"""Machine code whose loads acquire, by hand: which load is the atomic one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.emulator.access_order import MachineEvent, Ordering
from fuzz.cases.casefile import read_case
from fuzz.cases.code_order import TooManyWaysError, compare_code
from fuzz.cases.memory_events import EventKind, MemoryEvent
from fuzz.differential.pipeline import Pipeline
from interp.memory import REGION_BASE


def region() -> range:
    return range(REGION_BASE, REGION_BASE + 32)


def store(at: int) -> MemoryEvent:
    return MemoryEvent(EventKind.STORE, "store", at, 8, False)


def load(at: int) -> MemoryEvent:
    return MemoryEvent(EventKind.LOAD, "load", at, 8, False)


def fence() -> MemoryEvent:
    return MemoryEvent(EventKind.BARRIER, "fence", 0, 0, False)


def atomic(what: str, at: int) -> MemoryEvent:
    return MemoryEvent(EventKind.BARRIER, what, at, 8, True)


def test_an_atomic_load_may_look_like_the_load_before_it() -> None:
    source = [load(REGION_BASE), atomic("atomic_load", REGION_BASE), fence()]
    plain = MachineEvent(Ordering.NONE, 0, 8, False, 1)
    barrier = MachineEvent(Ordering.FENCE, None, 0, False, 2)
    assert compare_code(source, [plain, plain, barrier], region(), "x86_64") is None
    assert compare_code(source, [plain, barrier], region(), "x86_64") is None
    assert compare_code(source, [barrier], region(), "x86_64") is not None
    assert compare_code(source, [plain, barrier, plain], region(), "x86_64") is not None
    # On AArch64 an ordinary load is no atomic one.
    assert compare_code(source, [plain, plain, barrier], region(), "aarch64") is not None


def test_which_load_is_the_atomic_one_shows_by_what_comes_later() -> None:
    own, other = load(REGION_BASE), load(REGION_BASE + 8)
    source = [own, other, store(REGION_BASE + 8), atomic("atomic_load", REGION_BASE)]
    first = MachineEvent(Ordering.NONE, 0, 8, writes=False, pc=0)
    loaded, stored = replace(first, offset=8, pc=4), replace(first, offset=8, writes=True, pc=8)
    second = replace(first, pc=12)
    code = [first, loaded, stored, second]
    assert compare_code(source, code, region(), "x86_64") is None
    assert compare_code(source, code[1:], region(), "x86_64") is None
    late = compare_code(source, [first, loaded, second, stored], region(), "x86_64")
    assert str(late) == "a store on the wrong side of a barrier: before the end, 0x8"
    lost = compare_code(source, code[:3], region(), "x86_64")
    assert str(lost) == "a load on the wrong side of a barrier: before the end, 0x4"


def test_too_many_loads_that_may_be_atomic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.cases.code_order._MOST_WAYS", 3)
    plain = MachineEvent(Ordering.NONE, 0, 8, writes=False, pc=0)
    source = [load(REGION_BASE), atomic("atomic_load", REGION_BASE)] * 4
    with pytest.raises(TooManyWaysError):
        compare_code([*source, fence()], [plain] * 8, region(), "x86_64")


def test_what_the_emulator_reads_too_much_is_no_access() -> None:
    """Unicorn reads 16 bytes for ``roundsd``, of which the code loads 8."""
    text = """\
; region: argument 0, 32 bytes
; contents: 0000000000000000000000000000f03f00000000000000000000000000000000
; check: order
test run
set opt_level=speed
target x86_64 has_sse3 has_ssse3 has_sse41

function %main(i64) -> f64 system_v {
block0(v0: i64):
    fence
    v1 = load.f64 v0+8
    v2 = nearest v1
    return v2
}
; input: %main(0)
"""
    verdict = Pipeline(["x86_64"]).check(read_case(text).case)
    assert verdict.findings == []
    assert verdict.rejected == []
