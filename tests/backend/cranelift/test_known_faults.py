"""Known failures are recognised in cases that contain what they need, and in no others."""

from __future__ import annotations

import pytest

from backend.cranelift import known_faults
from backend.cranelift.known_failures import FAILURES
from backend.cranelift.reader import read_file
from clif.function import Function
from fuzz.differential.diagnosis import mark_known
from fuzz.differential.finding import Finding, FindingKind

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


pytestmark = pytest.mark.skipif(not known_faults.current(), reason="another Cranelift")


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


def test_another_version_is_under_suspicion_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_faults, "version", lambda: "9.9.9")
    assert mark_known(found(), functions("i128")) == found()
    assert known_faults.current() == ()


def test_a_patched_build_of_the_release_keeps_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    patched = f"{known_faults.RELEASE}-1f2e3d4c"
    monkeypatch.setattr(known_faults, "version", lambda: patched)
    assert mark_known(found(), functions("i128")).known
    assert known_faults.current() == known_faults.FAULTS


def test_an_operand_of_the_type_that_it_takes() -> None:
    def shift(amount: str) -> list[Function]:
        text = f"""function %main(i32, {amount}) -> i32 {{
        block0(v0: i32, v1: {amount}):
            v2 = ishl v0, v1
            return v2
        }}"""
        return [function for function, _ in read_file(text).functions]

    panic = found("lower cranelift-codegen/src/isa/x64/lower/isle.rs:289:5")
    assert mark_known(panic, shift("i128")).bucket.endswith("bzhi-i128-amount")
    assert mark_known(panic, shift("i64")) == panic


def test_every_entry_has_its_case() -> None:
    from tests.corpus.test_cranelift import FOUND

    names = {fault.name for fault in known_faults.FAULTS} | {f.name for f in FAILURES}
    assert names <= FOUND.keys()
