"""Instructions as SLEIGH has them, and the meanings that take the place of wrong ones."""

from __future__ import annotations

import json

import pytest

from fuzz.prove.machine.registry import MACHINES
from fuzz.selfcheck import sleigh_sweep
from fuzz.selfcheck.sleigh_sweep import SleighSweep, sweep_sleigh
from tests.backend.emulator.machine import arm
from tests.backend.engines.installed import needs_qemu
from tests.fuzz.selfcheck.test_engine_sweep import forms_of

#: By mnemonic, an instruction that SLEIGH gets wrong: what it forgets is said beside each meaning.
WRONG = {
    "x86_64": {
        "psllw": "660ff1c5",  # psllw xmm0, xmm5
        "pslld": "660ff2c5",
        "psllq": "660ff3c5",
        "movmskpd": "660f50c0",
        "movmskps": "0f50c0",
        "xchg": "8707",  # xchg [rdi], eax
        "lzcnt": "f3480fbdf6",  # lzcnt rsi, rsi
    },
    "aarch64": {
        "addv": "f0b8314e",
        "fcvtzu": "00b8e16e",
        "fmadd": arm(0x1F410800).hex(),
        "fmsub": arm(0x1F418800).hex(),
        "fmax": "0048611e",
        "fmin": "0058211e",
        "fmls": "a0cce14e",
        "frintm": "0040651e",
        "frintn": "0040641e",
        "frintp": "00c0641e",
        "frintz": "00c0651e",
        "ld1r": "40c8400d",
        "ldar": "00fcdf88",
        "stlrb": "01fc9f08",
        "stlrh": "01fc9f48",
        "sli": "80547f7f",  # sli d0, d4, 63
        "abs": arm(0x4E20B820).hex(),  # abs v0.16b, v1.16b
        "sdot": arm(0x4E829420).hex(),  # sdot v0.4s, v1.16b, v2.16b
        "urhadd": arm(0x2EA11400).hex(),  # urhadd v0.2s, v0.2s, v1.2s
        "ldaddal": arm(0xB8E10062).hex(),  # ldaddal w1, w2, [x3]
        "ldaddalb": arm(0x38E10062).hex(),
        "casal": arm(0x88E0FCA2).hex(),  # casal w0, w2, [x5]
        "fmov": arm(0x1EE70020).hex(),  # fmov h0, w1
    },
}
#: Some that SLEIGH has right, or leaves to us: arithmetic, flags, vectors, memory.
RIGHT = {
    "x86_64": [
        "4801c8",  # add rax, rcx
        "4811c8",  # adc rax, rcx
        "480fafc1",  # imul rax, rcx
        "48f7e1",  # mul rcx
        "660f3800c1",  # pshufb xmm0, xmm1
        "660f3810c1",  # pblendvb xmm0, xmm1
        "660f3a0ac10a",  # roundss xmm0, xmm1, 10
        "f30f5dc1",  # minss xmm0, xmm1
        "0f2ec1",  # ucomiss xmm0, xmm1
        "660f70c14e",  # pshufd xmm0, xmm1, 0x4e
        "f3480fb8c1",  # popcnt rax, rcx
        "480fbcc1",  # bsf rax, rcx
        "480fbdc1",  # bsr rax, rcx
        "f3480fbcc1",  # tzcnt rax, rcx
        "660f63c1",  # packsswb xmm0, xmm1
        "f20f2cc1",  # cvttsd2si eax, xmm1
        "f0480fc101",  # lock xadd [rcx], rax
    ],
    "aarch64": [
        arm(0x8B010000).hex(),  # add x0, x0, x1
        arm(0xBA010000).hex(),  # adcs x0, x0, x1
        arm(0x9BC17C00).hex(),  # umulh x0, x0, x1
        arm(0x5AC01020).hex(),  # clz w0, w1
        arm(0xDAC00020).hex(),  # rbit x0, x1
        arm(0x1E612800).hex(),  # fadd d0, d0, d1
        arm(0x4EA16C00).hex(),  # smin v0.4s, v0.4s, v1.4s
        arm(0x2EA06C00).hex(),  # umin v0.2s, v0.2s, v0.2s
        arm(0x0E214800).hex(),  # sqxtn v0.8b, v0.8h
        arm(0x4E200800).hex(),  # rev64 v0.16b, v0.16b
        arm(0x4E020020).hex(),  # tbl v0.16b, {v1.16b}, v2.16b
        arm(0x4EA10C00).hex(),  # sqadd v0.4s, v0.4s, v1.4s
        arm(0x1E220020).hex(),  # scvtf s0, w1
        arm(0xF8408441).hex(),  # ldr x1, [x2], 8
    ],
}


def swept(isa: str, codes: list[str], rows: int = 24) -> SleighSweep:
    return sweep_sleigh(forms_of(isa, codes), seed=1, encodings=4, rows=rows)


@pytest.mark.parametrize("isa", MACHINES)
def test_what_sleigh_gets_wrong_is_mended(isa):
    found = swept(isa, list(WRONG[isa].values()))
    assert found.wrong == []
    assert found.undecided == {}
    assert found.mended_mnemonics == sorted(WRONG[isa])


def test_what_sleigh_rounds_twice_is_mended():
    """That shows for few operands only."""
    codes = {
        "fmla": "a010814f",  # fmla v0.4s, v5.4s, v1.s[0]
        "fnmadd": arm(0x1F210800).hex(),
        "fnmsub": arm(0x1F218800).hex(),
    }
    found = sweep_sleigh(forms_of("aarch64", list(codes.values())), seed=2, rows=40)
    assert (found.wrong, found.undecided) == ([], {})
    assert set(found.mended_mnemonics) == codes.keys()


@pytest.mark.parametrize("isa", MACHINES)
def test_what_sleigh_has_right_is_as_the_emulator_has_it(isa):
    found = swept(isa, RIGHT[isa], rows=12)
    assert found.encodings == len(RIGHT[isa])
    assert (found.wrong, found.undecided) == ([], {})


@needs_qemu
def test_what_unicorn_gets_wrong_is_as_qemu_has_it(monkeypatch):
    """Unicorn compares narrow minima unsigned, and takes too many bits of an index."""
    codes = [arm(0x38E04041).hex(), arm(0x78E05041).hex()]  # ldsmaxalb, ldsminalh w0, w1, [x2]
    assert "known fault" in next(iter(swept("aarch64", codes[:1]).undecided.values()))
    monkeypatch.setattr(sleigh_sweep, "default_engine", lambda _: "qemu-user")
    found = swept("aarch64", codes)
    assert (found.wrong, found.undecided) == ([], {})
    assert found.mended_mnemonics == ["ldsmaxalb", "ldsminalh"]
    found = swept("x86_64", ["c4e2c8f5d7"])  # bzhi rdx, rdi, rsi
    assert (found.wrong, found.undecided, found.mended) == ([], {}, [])


def test_a_wrong_meaning_is_seen(monkeypatch):
    monkeypatch.setitem(MACHINES["x86_64"].opaque, "pshufb", lambda _, bits, operands: operands[1])
    (wrong,) = swept("x86_64", ["660f3800c1"], rows=4).wrong
    assert (wrong.mnemonic, wrong.form) == ("pshufb", "pshufb xmm, xmm")
    assert wrong.where.startswith("row 0, vector register 0: ")


def test_the_command(command, monkeypatch):
    codes = ["4801c8", "660f3800c1"]
    monkeypatch.setattr(sleigh_sweep, "emitted_forms", lambda isa, *_, **__: forms_of(isa, codes))
    found = command("selfcheck", "--sleigh", "--isa", "x86_64")
    assert found.code == 0
    assert "x86_64, SLEIGH: 2 forms, 2 instructions, 16 states, 0 instructions wrong" in found.out
    monkeypatch.setitem(MACHINES["x86_64"].opaque, "pshufb", lambda _, bits, operands: operands[1])
    found = command("selfcheck", "--sleigh", "--isa", "x86_64", "--json", "-")
    assert found.code == 1
    (sweep,) = json.loads(found.out)["sweeps"]
    assert [fault["mnemonic"] for fault in sweep["wrong"]] == ["pshufb"]
