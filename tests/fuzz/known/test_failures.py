"""Known failures are recognised in cases that contain what they need, and in no others."""

from __future__ import annotations

import pytest

from backend.cranelift.compiler import CompilerPanic
from backend.cranelift.reader import read_file
from clif.function import Function
from fuzz.differential.diagnosis import mark_known
from fuzz.differential.finding import Finding, FindingKind
from fuzz.known import faults as known_faults
from fuzz.known import status
from fuzz.known.failures import FAILURES, is_known_reader_panic
from fuzz.known.reproduce import MENDED, FaultStatus, Observation, unclear
from fuzz.known.status import KNOWN_CASES, PULLEY, SHARED_ISAS

WORDS = "smin.i128, which is not in the case: should be implemented in ISLE"


def functions(type_: str) -> list[Function]:
    text = f"""function %main(i8, {type_}, {type_}) -> {type_} {{
    block0(v0: i8, v1: {type_}, v2: {type_}):
        v3 = select v0, v1, v2
        return v3
    }}"""
    return [function for function, _ in read_file(text).functions]


def found(detail: str = WORDS, isa: str = "x86_64") -> Finding:
    return Finding(FindingKind.COMPILE_ERROR, isa, detail)


@pytest.fixture(autouse=True)
def present(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], Observation]:
    """Return the faults that the Cranelift under test is said to have: all, at made-up places."""
    found = {
        (name, isa): Observation(FaultStatus.PRESENT, f"src/{name}-{isa}.rs:1:2")
        for name, isas in KNOWN_CASES.items()
        for isa in isas
    }
    monkeypatch.setattr(status, "statuses", lambda: found)
    return found


def test_a_known_failure_is_recognised_and_named() -> None:
    finding = mark_known(found(), functions("i128"))
    assert finding.known
    assert finding.bucket.endswith("select-icmp-i128")


def test_the_same_words_without_the_instruction_alarm() -> None:
    assert mark_known(found(), functions("i64")) == found()


def test_other_words_alarm() -> None:
    other = found("smin.i64, which is not in the case: should be implemented in ISLE")
    assert mark_known(other, functions("i128")) == other


def test_another_isa_alarms() -> None:
    assert mark_known(found(isa="aarch64"), functions("i128")) == found(isa="aarch64")


def test_what_is_mended_alarms_again(present: dict[tuple[str, str], Observation]) -> None:
    present["select-icmp-i128", "x86_64"] = MENDED
    assert mark_known(found(), functions("i128")) == found()
    on_the_other = found("lower cranelift-codegen/src/isa/aarch64/lower/isle.rs:76:5", "aarch64")
    assert mark_known(on_the_other, functions("i128")).known


def test_a_fault_applies_on_the_isas_that_have_it(
    present: dict[tuple[str, str], Observation],
) -> None:
    def isas() -> dict[str, tuple[str, ...]]:
        return {fault.name: fault.isas for fault in known_faults.current()}

    assert known_faults.current() == known_faults.FAULTS
    present["bxor-self-f16", "aarch64"] = unclear("of no matter")
    others = tuple(isa for isa in (*SHARED_ISAS, *PULLEY) if isa != "aarch64")
    assert isas()["bxor-self-f16"] == others
    for isa in others:
        present["bxor-self-f16", isa] = MENDED
    assert "bxor-self-f16" not in isas()


def test_without_any_known_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(status.OFF, "off")
    assert known_faults.current() == ()
    assert mark_known(found(), functions("i128")) == found()


def test_an_operand_of_the_type_that_it_takes() -> None:
    def shift(amount: str) -> list[Function]:
        text = f"""function %main(i32, {amount}) -> i32 {{
        block0(v0: i32, v1: {amount}):
            v2 = ishl v0, v1
            return v2
        }}"""
        return [function for function, _ in read_file(text).functions]

    panic = found("lower src/bzhi-i128-amount-x86_64.rs:1:2")
    assert mark_known(panic, shift("i128")).bucket.endswith("bzhi-i128-amount")
    assert mark_known(panic, shift("i64")) == panic


def test_the_place_of_a_panic_is_that_which_the_case_shows() -> None:
    text = """function %f(i64, i128) -> i64 {
    block0(v0: i64, v1: i128):
        v2 = ishl v0, v1
        return v2
    }"""
    shift = [function for function, _ in read_file(text).functions]
    elsewhere = found("lower src/bzhi-i128-amount-x86_64.rs:3:2")
    assert mark_known(elsewhere, shift) == elsewhere


def test_panics_of_the_reader(present: dict[tuple[str, str], Observation]) -> None:
    def panic(location: str, message: str) -> CompilerPanic:
        error = CompilerPanic(message)
        error.location, error.message = location, message
        return error

    constant, split = (
        panic("src/constant.rs:7:13", "any"),
        panic("src/inst.rs:9:1", "invalid type for x"),
    )
    assert not is_known_reader_panic(constant)
    present["vconst-too-long", ""] = Observation(FaultStatus.PRESENT, "src/constant.rs:7:1")
    present["uunarrow-of-a-scalar", ""] = Observation(FaultStatus.PRESENT, "src/inst.rs:5:1")
    assert is_known_reader_panic(constant)
    assert not is_known_reader_panic(panic("src/constant.rs:77:13", "any"))
    assert is_known_reader_panic(split)
    assert not is_known_reader_panic(panic("src/inst.rs:9:1", "something else"))


def test_every_entry_has_its_case() -> None:
    names = {fault.name: fault.isas for fault in known_faults.FAULTS}
    names |= {failure.name: () for failure in FAILURES}
    for name, isas in names.items():
        assert set(isas) <= set(KNOWN_CASES[name])
