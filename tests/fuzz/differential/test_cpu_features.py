"""Instructions that the flags of a case do not allow are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from backend.cranelift import _cranelift
from backend.cranelift.compiler import Functions, Target, UnsupportedError, compile_text
from backend.emulator.disassembly import disassemble
from backend.emulator.linker import CompiledCode
from backend.isa.registry import ISAS
from backend.isa.x86_64.cpu_features import CPU_FEATURES
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.cases.target import compile_case, target_of
from fuzz.differential.cpu_features import forbidden_features
from fuzz.differential.finding import FindingKind
from fuzz.differential.pipeline import Pipeline
from fuzz.entropy import PrngEntropy
from fuzz.generate.options import Options
from fuzz.isle.director import directed_generator

X86 = "x86_64"
#: Functions whose lowering uses an instruction of a feature where its flag is set.
USES = [
    ("has_sse41", "SSE4_1", "(f32) -> f32", "block0(v0: f32):\n v1 = trunc v0\n return v1"),
    ("has_ssse3", "SSSE3", "(i32x4) -> i32x4", "block0(v0: i32x4):\n v1 = iabs v0\n return v1"),
    ("has_popcnt", "POPCNT", "(i32) -> i32", "block0(v0: i32):\n v1 = popcnt v0\n return v1"),
    ("has_lzcnt", "LZCNT", "(i64) -> i64", "block0(v0: i64):\n v1 = clz v0\n return v1"),
    ("has_bmi1", "BMI1", "(i64) -> i64", "block0(v0: i64):\n v1 = ctz v0\n return v1"),
    ("has_bmi2", "BMI2", "(i64) -> i64", "block0(v0: i64):\n v2 = ishl v0, v0\n return v2"),
    ("has_fma", "FMA", "(f64) -> f64", "block0(v0: f64):\n v2 = fma v0, v0, v0\n return v2"),
    ("has_avx", "AVX", "(f64) -> f64", "block0(v0: f64):\n v2 = fadd v0, v0\n return v2"),
]
#: Other flags that Cranelift asks for as well.
ALSO = {"has_fma": {"has_avx": "true"}, "has_popcnt": {"has_sse42": "true"}}


def function(signature: str, body: str) -> str:
    return f"function %f{signature} {{\n{body}\n}}\n"


def needed(flags: dict[str, str], text: str) -> set[str]:
    (code,) = compile_text(text, Target.of(X86, flags=flags))
    return {feature for feature, _, _ in code.cpu_features}


@pytest.mark.parametrize(("flag", "feature", "signature", "body"), USES, ids=[u[0] for u in USES])
def test_a_feature_is_needed_where_its_flag_is_set(
    flag: str, feature: str, signature: str, body: str
):
    text = function(signature, body)
    flags = {flag: "true"} | ALSO.get(flag, {})
    assert feature in needed(flags, text)
    assert feature not in needed({}, text)
    assert feature in CPU_FEATURES.allowed([flag])
    assert feature not in CPU_FEATURES.allowed([])


def test_an_instruction_without_its_flag_is_a_finding():
    _, _, signature, body = USES[2]
    case = read_case(f"test run\ntarget {X86}\n{function(signature, body)}; run: %f(5) == 2\n").case

    def compiler(case: Case, isa: str, functions: Functions) -> Sequence[CompiledCode]:
        flags = {**case.isa_settings, isa: {"has_popcnt": "true", "has_sse42": "true"}}
        return compile_case(replace(case, isa_settings=flags), isa, functions)

    assert not Pipeline([X86]).check(case).findings
    (finding,) = Pipeline([X86], compiler=compiler).check(case).findings
    assert (finding.kind, finding.detail) == (FindingKind.FEATURE, "POPCNT: popcnt")
    assert finding.explanation[0].startswith("popcnt at %f+0x")
    assert finding.explanation[1] == "flags that are on: none"


def test_presets_allow_what_their_flags_do():
    text = function(*USES[2][2:])
    target = Target.of(X86, flags={"nehalem": "true"})
    assert "has_popcnt" in target.handle.flags
    assert list(forbidden_features(X86, target, compile_text(text, target))) == []


def test_bytes_that_are_no_instruction_are_told():
    triple = Target(X86).triple
    assert ("none", "invalid", 0) in _cranelift.cpu_features(triple, b"\x06\xc3", [], set())
    # What lies behind a jump is not looked at, unless something starts there.
    behind = b"\xeb\x01\x06\xc3"
    assert "none" not in {f for f, _, _ in _cranelift.cpu_features(triple, behind, [], set())}
    assert ("none", "invalid", 2) in _cranelift.cpu_features(triple, behind, [2], set())


def test_constants_behind_an_empty_block_are_no_code():
    """The last block becomes empty: its jump goes to the block before, which returns."""
    text = """function %f(i8, f32, i8) {
    block0(v0: i8, v1: f32, v2: i8):
        jump block1(v0, v1)
    block1(v3: i8, v4: f32):
        brif.i8 v2, block2, block3
    block2:
        v5 = f32const 0.0
        v6 = fsub.f32 v1, v5
        jump block1(v2, v6)
    block3 cold:
        jump block4
    block4:
        return
    }"""
    (code,) = compile_text(text, Target.of(X86, {"opt_level": "none"}))
    assert "none" not in {feature for feature, _, _ in code.cpu_features}
    assert code.block_starts == []  # no table names one


def test_every_isa_flag_is_in_the_table():
    flags = {s["name"] for s in _cranelift.settings(Target(X86).triple) if s["kind"] == "bool"}
    undecodable = {"has_apx"}  # the decoder does not know it yet: nothing is allowed by it
    assert flags - undecodable == CPU_FEATURES.of_flag.keys()


@pytest.mark.slow
def test_two_decoders_agree_on_drawn_cases():
    """Capstone and iced-x86 find the same instructions; nothing needs what is not allowed."""
    generator = directed_generator(Options(isas=(X86,)))
    compared = 0
    for index in range(150):
        case = generator.generate(PrngEntropy((41, index)), index)
        target = target_of(case, X86)
        try:
            compiled = target.compile(Functions(print_functions(case.functions)), chaos=case.chaos)
        except UnsupportedError:  # select-icmp-i128 of docs/findings.md
            continue
        assert list(forbidden_features(X86, target, compiled)) == []
        for code in compiled:
            other = [(i.address, i.size) for i in disassemble(ISAS[X86], code)]
            assert code.decoded == other
            compared += len(other)
    assert compared > 5_000
