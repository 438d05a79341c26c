"""The order of accesses on RISC-V: fences on either side, and pairs that load twice."""

from __future__ import annotations

from random import Random

import pytest

from backend.emulator.access_order import Ordering
from backend.isa.riscv64.ordering import ORDERING
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.differential.finding import FindingKind
from fuzz.differential.pipeline import Pipeline
from fuzz.selfcheck.registry import all_faults
from tests.fuzz.differential.injected_order import kinds_found

ISA = "riscv64"
TEXT = """\
; region: argument 0, 32 bytes
; contents: 0700000000000000000000000000000000000000000000000000000000000000
; check: order
test run
set opt_level=speed
target riscv64

function %main(i64, i64) -> i64 system_v {
    ss0 = explicit_slot 8
block0(v0: i64, v1: i64):
    v2 = stack_addr.i64 ss0
    atomic_store.i64 v1, v2
    store.i64 v1, v0+8
    fence
    v3 = atomic_load.i64 v0
    v4 = atomic_load.i64 v2
    atomic_store.i64 v1, v0
    v5 = atomic_rmw.i64 add v0, v1
    v6 = ireduce.i8 v1
    v7 = atomic_rmw.i8 nand v0, v6
    v8 = ireduce.i32 v1
    v9 = atomic_load.i32 v0
    v10 = atomic_cas.i32 v0, v9, v8
    v11 = iadd v3, v4
    return v11
}
; input: %main(0, 5)
"""


@pytest.mark.parametrize(
    ("mnemonic", "operands", "ordering"),
    [
        ("fence", "", Ordering.FENCE),
        ("fence", "rw, rw", Ordering.FENCE),
        ("fence", "orw, irw", Ordering.FENCE),
        ("fence", "r, rw", Ordering.ACQUIRE_FENCE),
        ("fence", "rw, w", Ordering.RELEASE_FENCE),
        ("fence", "w, w", Ordering.NONE),
        ("fence", "r, r", Ordering.NONE),
        ("fence", "io, io", Ordering.NONE),
        ("fence.i", "", Ordering.NONE),
        ("amoadd.d.aqrl", "a5, a1, (a2)", Ordering.ATOMIC),
        ("amomaxu.w.aqrl", "a5, a1, (a2)", Ordering.ATOMIC),
        ("amoadd.d.aq", "a5, a1, (a2)", Ordering.NONE),
        ("amoadd.d", "a5, a1, (a2)", Ordering.NONE),
        ("lr.w.aqrl", "a5, (a2)", Ordering.EXCLUSIVE_LOAD),
        ("lr.w.aq", "a5, (a2)", Ordering.NONE),
        ("sc.d.aqrl", "a5, a1, (a2)", Ordering.EXCLUSIVE_STORE),
        ("sc.d.rl", "a5, a1, (a2)", Ordering.EXCLUSIVE_STORE),
        ("sc.d.aq", "a5, a1, (a2)", Ordering.NONE),
        ("ld", "a5, (a2)", Ordering.NONE),
    ],
)
def test_which_instructions_order_accesses(
    mnemonic: str, operands: str, ordering: Ordering
) -> None:
    assert ORDERING.of(mnemonic, operands) is ordering


def test_atomic_accesses_to_the_region_and_the_stack() -> None:
    verdict = Pipeline([ISA]).check(read_case(TEXT).case)
    assert verdict.findings == []
    assert verdict.rejected == []


@pytest.mark.parametrize("name", ORDERING.faults)
def test_every_fault_is_seen_at_every_place(name: str) -> None:
    kinds = kinds_found(read_case(TEXT).case, ISA, name, 12)  # more than there are places
    assert kinds == {FindingKind.ORDER}


def test_a_pair_that_loads_twice() -> None:
    """The loop of a swap loads a byte's word once more, if the swap is done."""
    (finding,) = Pipeline([ISA]).check(with_byte_swap(8)).findings
    assert finding.known
    assert finding.detail == (
        "atomic_cas is a pair of exclusive accesses that loads twice in the code: "
        "atomic-cas-two-loads"
    )
    assert Pipeline([ISA]).check(with_byte_swap(32)).findings == []


def test_the_known_fault_hides_no_other() -> None:
    case = with_byte_swap(8)
    injection = all_faults()["fence-before-store-lost"].inject(case, Random(0))
    assert injection is not None
    (finding,) = Pipeline([ISA]).check(case, injection).findings
    assert not finding.known


def with_byte_swap(bits: int) -> Case:
    """Return the case with a swap of so many bits that is done."""
    text = TEXT.replace("v9 = atomic_load.i32", f"v9 = atomic_load.i{bits}")
    value = {8: "v6", 32: "v8"}[bits]
    return read_case(
        text.replace("atomic_cas.i32 v0, v9, v8", f"atomic_cas.i{bits} v0, v9, {value}")
    ).case
