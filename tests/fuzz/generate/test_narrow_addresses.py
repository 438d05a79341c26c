"""Cases for ISAs with addresses of 32 bits.

Cranelift has such an ISA, which is enough to compile the cases; the interpreter runs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from backend.cranelift.compiler import Functions, isas
from backend.isa.registry import DESCRIBED, ISAS
from clif.memory_access import address_operand, has_narrow_addresses
from clif.outcome import Status
from clif.printer import print_functions
from clif.types import I32
from fuzz.cases.case import Case, width_problem
from fuzz.cases.casefile import print_case, read_case
from fuzz.cases.compare import compare
from fuzz.cases.filetest_export import filetest_text, memory_checksum
from fuzz.cases.interpretation import run_options
from fuzz.cases.target import target_of
from fuzz.differential.pipeline import Pipeline
from fuzz.entropy import PrngEntropy
from fuzz.generate import Generator, Options
from interp import run

NARROW = "pulley32"
WIDTH = """
function %main(i64) -> i64 {
block0(v0: i64):
{}
    return v0
}
; run: %main(1) == 1
"""
pytestmark = pytest.mark.skipif(NARROW not in isas(), reason="not in this build")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    if NARROW not in ISAS:
        usual = DESCRIBED["aarch64"]
        flags = replace(
            usual.flags, has=frozenset(), lacks=frozenset(), drawn=(), levels=(), needs={}
        )
        conventions = {name: usual.conventions[name] for name in ("system_v", "fast", "tail")}
        isa = replace(
            usual, name=NARROW, triple=NARROW, pointer_bytes=4, flags=flags, conventions=conventions
        )
        monkeypatch.setitem(ISAS, NARROW, isa)


def drawn(count: int, trapping_share: float = 0.05) -> Iterator[Case]:
    generator = Generator(
        Options(
            inputs=8,
            isas=(NARROW,),
            settings=False,
            vectors=False,
            trapping_share=trapping_share,
        )
    )
    for number in range(count):
        yield generator.generate(PrngEntropy((11, number)))


def test_all_addresses_have_32_bits() -> None:
    accesses = 0
    for case in drawn(40):
        assert case.isas == (NARROW,)
        region = case.inputs.region
        assert region is None or case.main.entry.params[region.param].type is I32
        for inst in (inst for function in case.functions for inst in function.instructions()):
            operand = address_operand(inst.opcode)
            accesses += operand is not None
            assert operand is None or inst.args[operand].type is I32
            if inst.opcode.name in ("stack_addr", "func_addr", "symbol_value"):
                assert inst.results[0].type is I32
    assert accesses > 100


def test_all_of_it_is_compiled() -> None:
    for case in drawn(40):
        target_of(case, NARROW).compile(Functions(print_functions(case.functions)))


def test_no_outcome_depends_on_where_things_lie() -> None:
    narrow = 0
    for case in drawn(40, trapping_share=0.2):
        outcomes = run(case.functions, case.inputs, run_options(case))
        allowed = {Status.RETURNED, Status.TRAPPED} if case.trapping else {Status.RETURNED}
        assert {Status(status) for status in outcomes.status.tolist()} <= allowed
        narrow += has_narrow_addresses(case.functions)
        for layout in (1, 2, 12):
            other = run(case.functions, case.inputs, run_options(case, layout=layout))
            assert compare(outcomes, other, canonical_nans=False) == []
    assert narrow > 20


def test_a_file_may_have_a_region_at_such_an_address() -> None:
    case = next(case for case in drawn(40) if case.inputs.region is not None)
    outcomes = run(case.functions, case.inputs, run_options(case))
    again = read_case(print_case(case, outcomes)).case
    assert (
        compare(
            outcomes, run(again.functions, again.inputs, run_options(again)), canonical_nans=False
        )
        == []
    )


def test_a_case_runs_only_on_isas_of_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    wide, narrow, neither = (
        read_case(WIDTH.replace("{}", body)).case
        for body in ("    v1 = load.i8 v0", "    v1 = ireduce.i32 v0\n    v2 = load.i8 v1", "")
    )
    assert width_problem(wide, NARROW) == "addresses of 64 bits, and the ISA has 32"
    assert width_problem(narrow, "aarch64") == "addresses of 32 bits, and the ISA has 64"
    assert [width_problem(case, isa) for case in (neither, wide) for isa in ("aarch64",)] == [
        "",
        "",
    ]
    assert [width_problem(case, NARROW) for case in (neither, narrow)] == ["", ""]
    # Here the ISA runs nothing: that it is left out shows in the pipeline.
    monkeypatch.setitem(ISAS, "x86_64", replace(ISAS["x86_64"], pointer_bytes=4))
    verdict = Pipeline(["x86_64", "aarch64"]).check(wide)
    assert "x86_64: addresses of 64 bits, and the ISA has 32" in verdict.rejected
    assert [bool(run.compiled) for run in verdict.runs] == [False, True]


def test_a_filetest_has_such_addresses() -> None:
    case = next(case for case in drawn(40) if case.inputs.region is not None)
    outcomes = run(case.functions, case.inputs, run_options(case))
    again = read_case(filetest_text(case, outcomes, [NARROW])).case
    found = run(again.functions, again.inputs, run_options(again))
    assert set(found.status.tolist()) == {Status.RETURNED}
    checksums = [memory_checksum(row.tobytes()) for row in outcomes.memory]  # type: ignore[union-attr]
    assert found.results[-1][:, 0].tolist() == checksums
    target_of(again, NARROW).compile(Functions(print_functions(again.functions)))
