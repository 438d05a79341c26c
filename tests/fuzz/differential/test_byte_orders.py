"""Cases for machines of both byte orders: what is interpreted, compared and written down.

AArch64 passes for a big-endian machine here. Its code is little-endian all the same, so what
depends on byte order is wrong on it, and nothing else.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.isa.registry import ISAS
from clif.byte_order import ByteOrder
from clif.outcome import Outcomes
from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case, read_case
from fuzz.differential.finding import FindingKind
from fuzz.differential.finding_file import finding_text
from fuzz.differential.oracle import interpreter
from fuzz.differential.pipeline import Pipeline
from fuzz.reporting.replay import replay

LITTLE, BIG = "x86_64", "aarch64"
BOTH = (LITTLE, BIG)

HEAD = "; region: argument 0, 16 bytes\n; contents: 0102030405060708\n"
NATIVE = (
    HEAD
    + """function %main(i64) -> i32 {
block0(v0: i64):
    v1 = load.i32 v0
    istore16 v1, v0+8
    return v1
}
; input: %main(0)
"""
)
EXPLICIT = NATIVE.replace("load.i32", "load.i32 little").replace("istore16", "istore16 little")
BYTES = NATIVE.replace("load.i32", "uload8.i32").replace("istore16", "istore8")


@pytest.fixture(autouse=True)
def big_endian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ISAS, BIG, replace(ISAS[BIG], byte_order="big"))


class Counting:
    """An oracle that notes in which byte orders it is asked."""

    def __init__(self) -> None:
        self.asked: list[ByteOrder] = []

    def __call__(self, case: Case, fuel: int) -> Outcomes:
        self.asked.append(case.byte_order)
        return interpreter(case, fuel)


@pytest.mark.parametrize(
    ("text", "isas", "asked"),
    [
        (NATIVE, (LITTLE,), ["little"]),
        (NATIVE, (BIG,), ["big"]),
        (NATIVE, BOTH, ["little", "big"]),
        (EXPLICIT, BOTH, ["little"]),
        (BYTES, BOTH, ["little"]),
    ],
)
def test_a_case_is_interpreted_in_the_orders_that_matter(
    text: str, isas: tuple[str, ...], asked: list[str]
) -> None:
    oracle = Counting()
    Pipeline(isas, oracle=oracle).check(read_case(text).case)
    assert oracle.asked == asked


def test_a_case_for_one_machine_has_its_order() -> None:
    case = read_case(NATIVE).case
    oracle = Counting()
    Pipeline(BOTH, oracle=oracle).check(replace(case, isas=(LITTLE,)))
    Pipeline(BOTH, oracle=oracle).check(replace(case, isas=(BIG,)))
    assert oracle.asked == ["little", "big"]


def test_each_run_is_compared_with_the_outcomes_of_its_order() -> None:
    verdict = Pipeline(BOTH).check(read_case(NATIVE).case)
    assert [o.results[0].tolist() for o in verdict.oracle.values()] == [
        [[0x04030201]],
        [[0x01020304]],
    ]
    (finding,) = verdict.findings  # of the machine that claims to be big-endian
    assert (finding.isa, finding.kind, finding.byte_order) == (BIG, FindingKind.MISCOMPILE, "big")
    assert "byte order: big" in finding.explanation
    assert "  expected result 0: 0x01020304 (16909060)" in finding.explanation
    assert "  actual   result 0: 0x04030201 (67305985)" in finding.explanation


def test_what_does_not_depend_on_it_agrees() -> None:
    for text in (EXPLICIT, BYTES):
        verdict = Pipeline(BOTH).check(read_case(text).case)
        assert verdict.findings == []
        assert verdict.executions == 2


def findings_text() -> str:
    case = read_case(NATIVE).case
    verdict = Pipeline(BOTH).check(case)
    (finding,) = verdict.findings
    return finding_text(finding, case, verdict.expected_on(finding.isa), BOTH)


def test_the_file_of_a_finding_is_for_machines_of_one_order() -> None:
    text = findings_text()
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("; byte order: ")] == [
        "; byte order: big"
    ] * 2
    assert [line for line in lines if line.startswith("target ")] == [f"target {BIG}"]
    assert "test interpret" not in lines  # Cranelift's interpreter has this machine's order
    assert lines[-1] == "; input: %main(0) == 16909060 memory 8:0304"
    again = read_case(text)
    assert again.case.byte_order == "big"
    assert print_case(again.case, interpreter(again.case)) in text


def test_a_replay_compares_with_the_file_in_its_order() -> None:
    replayed = replay(read_case(findings_text()), Pipeline(BOTH, second=True))
    by_name = {result.name: result for result in replayed.results}
    assert by_name["interp"].agrees
    assert by_name["cranelift-interpreter"].agrees
    assert by_name[LITTLE].problem == "not run"
    assert [d.input for d in by_name[BIG].differences] == [0]
    assert replayed.outlier == BIG


def test_a_file_for_machines_of_both_orders_expects_what_the_usual_ones_do() -> None:
    text = NATIVE.replace("%main(0)", "%main(0) == 0x04030201 memory 8:0102")
    replayed = replay(read_case(text), Pipeline(BOTH))
    assert [result.agrees for result in replayed.results] == [True, True, False]


@pytest.mark.parametrize(("isa", "order"), [(LITTLE, "little"), (BIG, "big")])
def test_the_byte_order_of_a_case_is_that_of_its_machines(isa: str, order: ByteOrder) -> None:
    case = read_case(NATIVE).case
    assert case.byte_order == "little"
    assert replace(case, isas=(isa,)).byte_order == order
    assert replace(case, isas=BOTH).byte_order == "little"
    assert case.in_byte_order(order, BOTH).isas == (isa,)
    assert replace(case, order="big").byte_order == "big"
