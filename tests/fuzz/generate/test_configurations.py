"""Configurations of generated cases: what may differ between them, and what must not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.cranelift.compiler import version
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case import Case, Configuration
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.casefile import read_case
from fuzz.entropy import PrngEntropy
from fuzz.generate import Options
from fuzz.generate.configurations import draw_alternatives, instruction_names
from fuzz.generate.settings import PROBESTACK_SETTINGS

CASES = 40
FOUR = CaseOptions(inputs=2, configurations=4)
#: Settings that decide what a function means, or whether it is allowed.
SAME = ("enable_nan_canonicalization", "enable_pinned_reg", *PROBESTACK_SETTINGS)

#: Vectors of f16 are lowered by AArch64 alone, and only with has_fp16.
HALF_ADD = """\
target aarch64 has_fp16
function %f(f16) -> f16 {
block0(v0: f16):
    v1 = fadd v0, v0
    return v1
}
; run: %f(0x1.0) == 0x1.0p1
"""
TAIL_CALL = """\
set preserve_frame_pointers=true
target x86_64
function %callee(i64) -> i64 tail {
block0(v0: i64):
    return v0
}
function %f(i64) -> i64 tail {
    fn0 = %callee(i64) -> i64 tail
block0(v0: i64):
    return_call fn0(v0)
}
; run: %f(1) == 1
"""


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    source = CaseSource(FOUR, 11)
    return [source.case(index) for index in range(CASES)]


def draw(text: str, count: int, options: Options | None = None) -> tuple[Configuration, ...]:
    case = read_case(text).case
    return draw_alternatives(PrngEntropy(3), case, options or Options(isas=case.isas), count)


def test_configurations_differ_from_each_other(cases: list[Case]) -> None:
    for case in cases:
        own = Configuration(case.settings, case.isa_settings, case.chaos, case.inlining)
        all_ = [own, *case.alternatives]
        assert len(all_) >= 3
        assert all(one != other for at, one in enumerate(all_) for other in all_[:at])


def test_what_they_are_drawn_of_is_varied(cases: list[Case]) -> None:
    drawn = [each for case in cases for each in case.alternatives]
    assert {each.settings["opt_level"] for each in drawn} == {"none", "speed", "speed_and_size"}
    assert any(each.settings.get("regalloc_algorithm") == "single_pass" for each in drawn)
    assert any(each.chaos for each in drawn)
    assert any(each.inlining for each in drawn)
    for isa in FOUR.isas:
        flags = [frozenset(each.isa_settings[isa]) for each in drawn if isa in each.isa_settings]
        assert len(set(flags)) > 20


def test_settings_that_decide_what_a_function_means_stay(cases: list[Case]) -> None:
    for case in cases:
        for each in case.alternatives:
            assert [each.settings.get(n) for n in SAME] == [case.settings.get(n) for n in SAME]
    assert any(case.settings.get("enable_probestack") == "true" for case in cases)


def test_the_case_itself_is_the_same_without_alternatives(cases: list[Case]) -> None:
    alone = CaseSource(replace(FOUR, configurations=1), 11)
    for index, case in enumerate(cases[:10]):
        other = alone.case(index)
        assert (other.settings, other.isa_settings) == (case.settings, case.isa_settings)
        assert other.inputs.args[0].tolist() == case.inputs.args[0].tolist()
        assert not other.alternatives


def test_they_are_a_function_of_seed_and_index(cases: list[Case]) -> None:
    source = CaseSource(FOUR, 11)
    for index in (7, 3):
        assert source.case(index).alternatives == cases[index].alternatives
    assert CaseSource(FOUR, 12).case(3).alternatives != cases[3].alternatives


@pytest.mark.skipif(version() != "0.135.8", reason="other versions lower other instructions")
def test_flags_that_an_instruction_needs_stay() -> None:
    for each in draw(HALF_ADD, 8):
        assert each.isa_settings["aarch64"].get("has_fp16") == "true"


def test_settings_that_tail_calls_need_stay() -> None:
    for each in draw(TAIL_CALL, 8):
        assert each.settings["preserve_frame_pointers"] == "true"


def test_settings_that_are_never_drawn_stay() -> None:
    text = TAIL_CALL.replace("target", "set tls_model=elf_gd\ntarget", 1)
    assert all(each.settings["tls_model"] == "elf_gd" for each in draw(text, 4))


def test_there_are_fewer_if_little_may_be_drawn() -> None:
    found = draw(TAIL_CALL, 8, Options(isas=("x86_64",), settings=False))
    assert {each.settings["opt_level"] for each in found} <= {"none", "speed", "speed_and_size"}
    assert 1 <= len(found) <= 3


def test_names_of_instructions() -> None:
    text = TAIL_CALL.replace(
        "return_call fn0(v0)",
        """\
v1 = icmp slt v0, v0
    v2 = splat.i8x16 v1
    v3 = extractlane v2, 15
    v4 = uextend.i64 v3
    v5 = ishl v4, v1
    return v5""",
    )
    assert instruction_names(read_case(text).case.functions) == {
        ("icmp", "i64", (), "slt"),
        ("splat", "i8x16", (), ""),
        ("extractlane", "i8x16", (), "last"),
        ("uextend", "i64", ("i8",), ""),
        ("ishl", "i64", ("i8",), ""),
    }
