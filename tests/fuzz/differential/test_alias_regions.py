"""What the known fault ``regionless-load`` explains is known, and nothing else is."""

from __future__ import annotations

import pytest

from clif.printer import print_functions
from fuzz.cases.casefile import read_case
from fuzz.differential.alias_regions import FAULT, mixes_regions, without_regions
from fuzz.differential.finding import FindingKind
from fuzz.differential.pipeline import NO_INJECTION, Injection, Pipeline
from fuzz.known.status import has_fault
from tests.fuzz.alias_fault import HEADER, REPEATED_STORE

ISAS = ("x86_64", "aarch64")
#: The load names the region, too, and is right.
ALL_NAMED = REPEATED_STORE.replace("store.i64 v0", "store.i64 region0 v0").replace(
    "load.i8 v2", "load.i8 region0 v2"
)


@pytest.mark.skipif(not has_fault(FAULT), reason="this Cranelift does not have the fault")
def test_known_where_it_disappears_without_regions():
    findings = Pipeline(ISAS).check(read_case(HEADER + REPEATED_STORE).case).findings
    assert [finding.isa for finding in findings] == list(ISAS)
    assert all(finding.known and finding.detail.endswith(FAULT) for finding in findings)


@pytest.mark.parametrize("text", [REPEATED_STORE, ALL_NAMED], ids=["mixed", "all-named"])
def test_other_wrong_values_are_not_known(text: str):
    wrong = read_case(HEADER + text.replace("imul v0, v0", "bor v0, v0")).case.functions
    case = read_case(HEADER + text.replace("(0, 1) == [0, 0]", "(3, 1) == [3, 9]")).case
    findings = Pipeline(ISAS).check(case, Injection(functions=lambda _: wrong)).findings
    assert [(f.kind, f.known) for f in findings] == [(FindingKind.MISCOMPILE, False)] * 2


def test_accesses_that_all_name_a_region_are_right():
    verdict = Pipeline(ISAS).check(read_case(HEADER + ALL_NAMED).case, NO_INJECTION)
    assert not verdict.findings
    assert verdict.executions == 2


def test_mixing_is_a_matter_of_memory_accesses_alone():
    mixed, named = (read_case(HEADER + t).case.functions[0] for t in (REPEATED_STORE, ALL_NAMED))
    assert mixes_regions([mixed])
    assert not mixes_regions([named])  # its arithmetic has no region
    (bare,) = without_regions([mixed])
    assert not mixes_regions([bare])
    assert mixes_regions([bare, named])
    assert mixes_regions([mixed])  # it was copied
    assert "region0 v1" not in print_functions([bare])


#: main accesses memory without a region, and the function that is inlined in it with one.
INLINED = """; inlining: 01
test run
set opt_level=speed
target x86_64
target aarch64

function %callee(i64, i8) system_v {
    region0 = 1 "argument"
block0(v0: i64, v1: i8):
    store.i8 region0 v1, v0+10
    return
}

function %main(i64, i8) -> i64 system_v {
    ss0 = explicit_slot 16, align = 16
    sig0 = (i64, i8) system_v
    fn0 = colocated %callee sig0
block0(v0: i64, v1: i8):
    v2 = stack_addr.i64 ss0
    store.i64 v0, v2+8
    call fn0(v2, v1)
    v3 = load.i64 v2+8
    return v3
}
; run: %main(0, 1) == 0x10000
"""


def test_a_function_with_regions_is_inlined_in_one_without():
    findings = Pipeline(ISAS).check(read_case(INLINED).case).findings
    assert [(f.kind, f.known) for f in findings] == [(FindingKind.MISCOMPILE, True)] * 2
    assert all(f.bucket.endswith("regionless-load") for f in findings)
