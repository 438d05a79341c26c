"""Single instructions on every two engines: what is run, what is seen, what explains it."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import pytest

from backend.cranelift.compiler import Functions
from backend.emulator.disassembly import disassemble
from backend.engines.host_cpu import HOST, HostCpu, HostStopped
from backend.engines.instruction_sweep import INSTRUCTION_SWEEP
from backend.isa.registry import DESCRIBED, ISAS
from fuzz.cases.case_options import CaseOptions
from fuzz.selfcheck import emitted, engine_sweep
from fuzz.selfcheck.emitted import Forms, emitted_forms
from fuzz.selfcheck.engine_sweep import SweepResult, sweep
from tests.backend.emulator.machine import BOTH, Code, arm
from tests.backend.engines.installed import needs_bochs, needs_qemu
from tests.backend.isa.host import needs_host
from tests.fuzz.command import Command

ENGINES = ("unicorn", "qemu-user")
#: By ISA: instructions, each with its form; none means that it is not run by itself.
SEEN = {
    "x86_64": [
        ("4801c8", "add r64, r64"),  # add rax, rcx
        ("4801c0", "add r64, same r64"),  # add rax, rax
        ("660f3802c1", "phaddd xmm, xmm"),
        ("f20f584108", "addsd xmm, m64"),  # addsd xmm0, [rcx + 8]
        ("4a8b44e108", "mov r64, m64"),  # mov rax, [rcx + 8 r12 + 8]
        ("f0480fc101", "lock xadd m64, r64"),  # lock xadd [rcx], rax
        ("48f7f1", None),  # div rcx
        ("50", None),  # push rax
        ("488b0424", None),  # mov rax, [rsp]
        ("488b0500000000", None),  # mov rax, [rip]
    ],
    "aarch64": [
        (arm(0x8B010000).hex(), "add x, x, x"),
        (arm(0x4E6BD54A).hex(), "fadd v.2d, v.2d, v.2d"),
        (arm(0xF8408441).hex(), "ldr x, [x], #"),  # ldr x1, [x2], 8: writes back
        (arm(0x3DC00420).hex(), "ldr q, [x, #]"),
        (arm(0x4E0C1C20).hex(), "mov v.s[#], w"),  # mov v0.s[1], w1
        (arm(0xD503233F).hex(), None),  # paciasp
        (arm(0xC85FFC20).hex(), None),  # ldaxr x0, [x1]
        (arm(0xF94003E0).hex(), None),  # ldr x0, [sp]
    ],
}
RETURN = {"x86_64": b"\xc3", "aarch64": arm(0xD65F03C0)}


def forms_of(isa: str, codes: Sequence[str]) -> Forms:
    forms = Forms(isa)
    for code in codes:
        forms.add(Code("f", bytes.fromhex(code) + RETURN[isa]))
    return forms


def swept(isa: str, *codes: str) -> SweepResult:
    return sweep(forms_of(isa, codes), ENGINES, seed=1)


@BOTH
def test_forms(isa: str) -> None:
    described = INSTRUCTION_SWEEP.of(DESCRIBED[isa])
    for code, form in SEEN[isa]:
        instruction = disassemble(DESCRIBED[isa], Code("f", bytes.fromhex(code)))[0]
        if form is None:
            assert described.code(instruction) is None, code
        else:
            assert (described.form(instruction), bool(described.code(instruction))) == (form, True)


@needs_qemu
@BOTH
def test_what_is_right_agrees(isa: str) -> None:
    codes = [code for code, form in SEEN[isa] if form is not None]
    result = swept(isa, *codes)
    assert (result.forms, result.encodings) == (len(codes), len(codes))
    assert result.states == 4 * INSTRUCTION_SWEEP.of(DESCRIBED[isa]).rows * len(codes)
    assert result.disagreements == []
    assert result.left_out == ("ret",)


@BOTH
def test_instructions_change_every_row(isa: str) -> None:
    """So that it is not the state before them that is compared."""
    described = INSTRUCTION_SWEEP.of(DESCRIBED[isa])
    code, _ = SEEN[isa][0]
    instruction = disassemble(DESCRIBED[isa], Code("f", bytes.fromhex(code)))[0]
    rows = engine_sweep.rows_of(described, Random(1))
    after = engine_sweep.run_on(isa, "unicorn", described, instruction, rows)
    assert not isinstance(after, str)
    for number in range(described.rows):
        at = number * described.row
        before = [int.from_bytes(rows[at + 8 * n : at + 8 * n + 8], "little") for n in range(2)]
        total = int.from_bytes(after[at : at + 8].tobytes(), "little")
        assert total == (before[0] + before[1]) % (1 << 64)
        rest = slice(at + 8, at + described.flags)
        assert after[rest].tobytes() == rows[rest]


@needs_qemu
@pytest.mark.parametrize(
    ("isa", "code", "fault"),
    [
        ("x86_64", "660f3802c0", "horizontal-same-register"),  # phaddd xmm0, xmm0
        ("x86_64", "c4e2f0f5c0", "bzhi-unmasked"),  # bzhi rax, rax, rcx
        ("x86_64", "f00fb109", "exchange-upper-half"),  # lock cmpxchg [rcx], ecx
        ("aarch64", arm(0x38E15120).hex(), "narrow-signed-atomic"),  # ldsminalb w1, w0, [x9]
    ],
)
def test_what_unicorn_gets_wrong_is_seen(
    isa: str, code: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = swept(isa, code)
    (found,) = result.disagreements
    assert found.faults == (fault,)
    assert found.rows > 0
    assert found.where.startswith("row ")
    assert result.unexplained == []
    monkeypatch.setattr(engine_sweep, "find_faults", lambda *_, **__: [])
    assert len(swept(isa, code).unexplained) == 1


@needs_qemu
def test_what_only_one_engine_has_is_a_difference() -> None:
    result = swept("aarch64", arm(0x4E819C20).hex())  # usdot v0.4s, v1.16b, v1.16b
    (found,) = result.disagreements
    assert found.where.startswith("stops: ")
    assert found.where.endswith(" / returns")


@needs_qemu
def test_the_command(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    code, fault = "4801c8", "f00fb109"
    monkeypatch.setattr(
        engine_sweep, "emitted_forms", lambda isa, *_, **__: forms_of(isa, [code, fault])
    )
    output = command("selfcheck", "--engines", "--isa", "x86_64")
    assert output.code == 0
    assert "2 forms, 2 instructions, 768 states, 1 instructions differ, 0 of them unexplained" in (
        output.out
    )
    assert "known: exchange-upper-half" in output.out
    monkeypatch.setattr(engine_sweep, "find_faults", lambda *_, **__: [])
    output = command("selfcheck", "--engines", "--isa", "x86_64", "--json", "-")
    assert output.code == 1
    facts, *_ = json.loads(output.out)["sweeps"]
    assert (facts["isa"], facts["engines"], facts["unexplained"]) == ("x86_64", list(ENGINES), 1)


def test_one_engine_is_not_enough(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_sweep, "_engines", lambda isa, *, host: ["unicorn"])
    assert command.complaint("selfcheck", "--engines").startswith("there is one engine only")


def test_forms_are_taken_from_typed_instructions_and_cases(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = [next(iter(emitted._probes()))]
    monkeypatch.setattr(emitted, "_probes", lambda: iter(first))
    options = CaseOptions(isas=("aarch64",), without=frozenset(["rules"]))
    flags = frozenset({"has_lse"})
    few = emitted_forms("aarch64", options, seed=1, cases=0, flags=flags)
    more = emitted_forms("aarch64", options, seed=1, cases=3, flags=flags)
    assert set(few.encodings) < set(more.encodings)
    assert len(more.encodings) > 20
    assert max(map(len, more.encodings.values())) <= 4
    assert ISAS["aarch64"] is DESCRIBED["aarch64"]  # as it was before


def test_forms_are_those_of_flags_that_may_be_on(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = Functions(
        "function %f(f64) -> f64 {\nblock0(v0: f64):\n v1 = fadd v0, v0\n return v1\n}"
    )
    monkeypatch.setattr(emitted, "_probes", lambda: iter([probe]))
    options = CaseOptions(isas=("x86_64",))
    plain, avx = (
        emitted_forms("x86_64", options, seed=1, cases=0, flags=frozenset(flags))
        for flags in ([], ["has_avx"])
    )
    assert "vaddsd xmm, same xmm, same xmm" in avx.encodings.keys() - plain.encodings.keys()
    assert "addsd xmm, same xmm" in avx.encodings.keys() & plain.encodings.keys()


def test_decoders_are_compared() -> None:
    @dataclass
    class Decoded(Code):
        decoded: Sequence[tuple[int, int]] = ()

    forms = Forms("x86_64")
    add = bytes.fromhex("4801c8c3")
    forms.add(Decoded("f", add, decoded=[(0, 3), (3, 1)]))
    assert (forms.decoded, forms.undecided) == (2, {})
    forms.add(Decoded("f", add, decoded=[(0, 4)]))
    assert list(forms.undecided) == [
        "4801c8: add rax, rcx",
        "4801c8c3: not to Capstone",
        "c3: ret",
    ]


# --- this machine's CPU ---


@needs_host
def test_this_machines_cpu_agrees() -> None:
    codes = [code for code, form in SEEN["x86_64"] if form is not None]
    result = sweep(forms_of("x86_64", codes), ("unicorn", HOST), seed=1)
    assert (result.encodings, result.unexplained) == (len(codes), [])


@needs_host
def test_what_kills_the_process_is_how_it_ended() -> None:
    cpu = HostCpu()
    with pytest.raises(HostStopped, match="SIGILL"):
        cpu.run(b"\x0f\x0b", bytes(64), 0x5A17_0000_0000)
    with pytest.raises(HostStopped, match="SIGSEGV"):
        cpu.run(b"\x48\x8b\x00\xc3", bytes(64), 0x5A17_0000_0000)  # mov rax, [rax]
    assert cpu.run(b"\xc6\x07\x05\xc3", bytes(64), 0x5A17_0000_0000)[0] == 5  # mov [rdi], 5
    cpu.close()


@needs_host
def test_code_on_this_machines_cpu_reaches_nobody() -> None:
    # mov eax, 41 (socket); mov edi, 2; mov esi, 1; xor edx, edx; syscall; mov [rbx], rax; ret
    code = bytes.fromhex("53 4889fb b829000000 bf02000000 be01000000 31d2 0f05 488903 5b c3")
    cpu = HostCpu()
    (result,) = struct.unpack("<q", cpu.run(code, bytes(8), 0x5A17_0000_0000))
    cpu.close()
    assert result == -38  # there is no such call


def test_another_isas_code_is_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "vax")
    assert HostCpu().missing(DESCRIBED["x86_64"]) == "this machine is vax"


def test_the_host_is_for_engines_only(command: Command) -> None:
    assert "--host is for --engines" in command.complaint("selfcheck", "--host")


@needs_bochs
@needs_host
def test_what_bochs_gets_wrong_is_seen() -> None:
    for code in ("660fd3c1", "c5f9d3c1"):  # psrlq xmm0, xmm1; vpsrlq xmm0, xmm0, xmm1
        result = sweep(forms_of("x86_64", [code]), ("bochs", HOST), seed=1)
        (found,) = result.disagreements
        assert found.faults == ("shift-by-64",)
