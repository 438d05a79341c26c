"""Which features AArch64 instructions need is told by their bits."""

from __future__ import annotations

import pytest

from backend.cranelift.compiler import Target
from backend.emulator.linker import PlainCode
from backend.isa.aarch64.cpu_features import CPU_FEATURES, _needs
from backend.isa.registry import ISAS
from fuzz.differential.cpu_features import forbidden_features
from fuzz.selfcheck.emitted import _probes
from tests.backend.emulator.machine import arm

RETURN = 0xD65F03C0
NEEDING = {
    "LSE": {
        "ldadd x1, x2, [sp]": 0xF82103E2,
        "swpal w1, w2, [x2]": 0xB8E18042,
        "casal x0, x1, [x2]": 0xC8E0FC41,
        "casp x0, x1, x2, x3, [x4]": 0x48207C82,
        "ldsminalb w1, w0, [x9]": 0x38E15120,
    },
    "FP16": {
        "fadd h0, h0, h1": 0x1EE12800,
        "fmov h0, h1": 0x1EE04020,
        "fcmp h0, h1": 0x1EE12000,
        "fcsel h0, h1, h2, eq": 0x1EE20C20,
        "fmov h0, #1": 0x1EEE1000,
        "frintn h0, h1": 0x1EE44020,
        "fcvtzs w0, h0": 0x1EF80000,
        "scvtf h0, x0": 0x9EE20000,
        "fmadd h0, h1, h2, h3": 0x1FC20C20,
        "fadd v0.8h, v1.8h, v2.8h": 0x4E421420,
        "fneg v0.8h, v1.8h": 0x6EF8F820,
        "fmaxnmv h0, v1.8h": 0x4E30C820,
        "fmla v0.8h, v1.8h, v2.h[0]": 0x4F021020,
        "fmov v0.8h, #1": 0x4F03FE00,
    },
    "DotProd": {
        "udot v0.4s, v1.16b, v1.16b": 0x6E819420,
        "sdot v0.4s, v1.16b, v2.4b[0]": 0x4F82E020,
    },
    "I8MM": {
        "usdot v0.4s, v1.16b, v1.16b": 0x4E819C20,
        "smmla v0.4s, v1.16b, v1.16b": 0x4E81A420,
        "usmmla v0.4s, v1.16b, v1.16b": 0x4E81AC20,
        "sudot v0.4s, v1.16b, v2.4b[0]": 0x4F02F020,
    },
    "PAuth": {"paciza x0": 0xDAC123E0, "retaa": 0xD65F0BFF},
}
ALL = [
    pytest.param(feature, word, id=text)
    for feature, words in NEEDING.items()
    for text, word in words.items()
]
#: Close to the others, and in every CPU.
FREE = {
    "ldrsw x0, [x1, x2]": 0xB8A26820,
    "ldr x0, [x1, x2]": 0xF8626820,
    "ldaxr x0, [x1]": 0xC85FFC20,
    "ldxp x0, x1, [x2]": 0xC87F0440,
    "fcvt s0, h1": 0x1EE24020,
    "fcvt h0, s1": 0x1E23C020,
    "fadd d0, d0, d1": 0x1E612800,
    "fadd v0.2d, v1.2d, v2.2d": 0x4E62D420,
    "fcvtl v0.4s, v1.4h": 0x0E217820,
    "mla v0.8h, v1.8h, v2.8h": 0x4E629420,
    "uzp1 v0.8h, v1.8h, v2.8h": 0x4E421820,
    "mov h0, v1.h[1]": 0x5E060420,
    "paciasp": 0xD503233F,
    "bti c": 0xD503245F,
}


def needs(*words: int, allowed: frozenset[str] = frozenset()) -> list[str]:
    code = PlainCode("f", arm(*words, RETURN))
    return [feature for feature, _, _ in _needs(code, allowed)]


@pytest.mark.parametrize(("feature", "word"), ALL)
def test_what_an_instruction_needs(feature: str, word: int) -> None:
    assert needs(word) == [feature]
    assert needs(word, allowed=frozenset({feature})) == []


@pytest.mark.parametrize("word", [pytest.param(word, id=text) for text, word in FREE.items()])
def test_what_every_cpu_has(word: int) -> None:
    assert needs(word) == []


def test_data_needs_nothing() -> None:
    assert needs(RETURN, 0xF82103E2) == []


def test_every_flag_of_instructions_is_in_the_table() -> None:
    flags = ISAS["aarch64"].flags
    assert {
        flag for flag in flags.has | flags.lacks if flag.startswith("has_")
    } == CPU_FEATURES.of_flag.keys()


def test_no_typed_instruction_needs_what_is_off() -> None:
    """And with each flag on there are instructions of it, so that the patterns are right."""
    seen: set[str] = set()
    plain = {**ISAS["aarch64"].settings, "opt_level": "none", "enable_verifier": "false"}
    without = Target.of("aarch64", plain)
    every = Target.of("aarch64", plain, {"has_lse": "true", "has_fp16": "true"})
    for functions in _probes():
        for compiled in without.compile_each(functions):
            if not isinstance(compiled, Exception):
                assert list(forbidden_features("aarch64", without, [compiled])) == []
        for compiled in every.compile_each(functions):
            if not isinstance(compiled, Exception):
                seen |= {feature for feature, _, _ in _needs(compiled, frozenset())}
    assert {"LSE", "FP16"} <= seen
