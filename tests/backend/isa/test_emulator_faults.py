"""The emulator's known faults: each is shown, and recognised in code."""

from __future__ import annotations

import random
import struct
from importlib import import_module
from time import process_time

import pytest

from backend.cranelift.compiler import Compiled, Target, compile_text
from backend.emulator.disassembly import data_ranges, disassemble
from backend.emulator.emulator_faults import Effect, EmulatorFault, find_faults
from backend.emulator.unicorn_engine import UcError
from backend.isa.aarch64.emulator_faults import NARROW_SIGNED_ATOMIC
from backend.isa.registry import ISAS
from backend.isa.x86_64 import emulator_faults as x64
from clif.outcome import ints_from_words
from clif.types import I64
from tests.backend.emulator.machine import Code, arm, run_code, signature
from tests.backend.isa.host import BUFFER, PAGE, in_emulator, needs_host, on_host

X86_64, AARCH64 = ISAS["x86_64"], ISAS["aarch64"]

# movdqu xmm0, [rdi]; movdqu xmm1, [rdi + 16]; movdqu xmm2, [rdi + 32]; ...; movdqu [rdi], xmm0
VECTORS = "f30f6f07 f30f6f4f10 f30f6f5720 {} f30f7f07 c3"
# mov rax, [rdi]; mov rcx, [rdi + 16]; ...; mov [rdi], rax
INTEGERS = "488b07 488b4f10 {} 488907 c3"


def code_of(frame: str, instruction: str) -> bytes:
    return bytes.fromhex(frame.format(instruction))


def by_hand(code: bytes, *block_starts: int) -> Code:
    return Code("f", code, block_starts=block_starts)


def rows_of(seed: int, count: int = 200) -> list[bytes]:
    """Random bits, and as many rows of ordinary floats."""
    source = random.Random(seed)
    rows = [source.randbytes(48) for _ in range(count)]
    floats = [[source.uniform(-9, 9) for _ in range(12)] for _ in range(count)]
    return rows + [struct.pack("<12f", *row) for row in floats]


def nan_rows() -> list[bytes]:
    """Two NaNs per row, the second with the larger payload; as f32 and as f64 lanes."""
    single = b"\x01\x00\xc0\x7f" * 4 + b"\x02\x00\xd0\x7f" * 4 + bytes(16)
    double = b"\x01\0\0\0\0\0\xf8\x7f" * 2 + b"\x02\0\0\0\0\0\xfc\x7f" * 2 + bytes(16)
    return [single, double]


WRONG = [
    (x64.HORIZONTAL_SAME_REGISTER, VECTORS, "660f3801c0"),  # phaddw xmm0, xmm0
    (x64.HORIZONTAL_SAME_REGISTER, VECTORS, "660f3802c0"),  # phaddd
    (x64.HORIZONTAL_SAME_REGISTER, VECTORS, "660f3803c0"),  # phaddsw
    (x64.HORIZONTAL_SAME_REGISTER, VECTORS, "660f3805c0"),  # phsubw
    (x64.HORIZONTAL_SAME_REGISTER, VECTORS, "660f3806c0"),  # phsubd
    (x64.HORIZONTAL_SAME_REGISTER, VECTORS, "660f3807c0"),  # phsubsw
    (x64.DOT_PRODUCT, VECTORS, "660f3a40c1f1"),  # dpps xmm0, xmm1, 0xf1
    (x64.BEXTR, INTEGERS, "c4e2f0f7c0"),  # bextr rax, rax, rcx
    (x64.BZHI_UNMASKED, INTEGERS, "c4e2f0f5c0"),  # bzhi rax, rax, rcx
    (x64.VEX_SIMD, VECTORS, "c5f1fec2"),  # vpaddd xmm0, xmm1, xmm2
    (x64.VEX_SIMD, VECTORS, "c5f358c2"),  # vaddsd xmm0, xmm1, xmm2
]


@needs_host
@pytest.mark.parametrize(("fault", "frame", "instruction"), WRONG)
def test_the_emulator_is_wrong_and_the_form_is_recognised(fault, frame, instruction):
    code, rows = code_of(frame, instruction), rows_of(1)
    assert in_emulator(code, rows) != on_host(code, rows)
    assert find_faults(X86_64, by_hand(code)) == [fault]
    assert fault.effect is Effect.WRONG_RESULT


@needs_host
@pytest.mark.parametrize(
    "instruction",
    [
        f"{prefix}0f{operation}c1"
        for prefix in ("", "66", "f2", "f3")
        for operation in ("58", "59", "5c", "5e")  # add, mul, sub, div
    ]
    + ["660f3a41c131"],  # dppd xmm0, xmm1, 0x31
)
def test_payloads_of_two_nans(instruction):
    code = code_of(VECTORS, instruction)
    assert in_emulator(code, nan_rows()) != on_host(code, nan_rows())
    assert find_faults(X86_64, by_hand(code), harmless=True) == [x64.NAN_OF_TWO]
    assert find_faults(X86_64, by_hand(code)) == []


@needs_host
def test_an_exchange_clears_the_upper_half_of_rax():
    """Compiled code does not show it: what an i32 leaves of its register is undefined."""
    # mov rax, [rdi]; lock cmpxchg [rdi + 16], ecx; mov [rdi], rax; ret
    code = bytes.fromhex("488b07 f00fb14f10 488907 c3")
    exchanged = struct.pack("<4Q", 7 | 1 << 63, 0, 7, 0)
    kept = struct.pack("<4Q", 6 | 1 << 63, 0, 7, 0)
    (host,), (emulated,) = on_host(code, [exchanged]), in_emulator(code, [exchanged])
    assert (host[:8], emulated[:8]) == (exchanged[:8], (7).to_bytes(8, "little"))
    assert on_host(code, [kept])[0][:8] == in_emulator(code, [kept])[0][:8]
    assert find_faults(X86_64, by_hand(code), harmless=True) == [x64.EXCHANGE_UPPER_HALF]
    assert find_faults(X86_64, by_hand(code)) == []


ROUND = {"660f3a0a07 00": 4, "660f3a0b07 00": 8}  # roundss or roundsd xmm0, [rdi], 0


@needs_host
@pytest.mark.parametrize(("instruction", "size"), ROUND.items())
def test_rounding_from_memory_faults_at_the_end_of_a_page(instruction, size):
    code = bytes.fromhex(instruction + "f30f7f07 c3"[-2:])
    with pytest.raises(UcError):
        in_emulator(code, [bytes(size)], buffer=BUFFER + PAGE - size)
    assert in_emulator(code, [bytes(16)], buffer=BUFFER + PAGE - 16)
    assert find_faults(X86_64, by_hand(code)) == [x64.ROUND_FROM_MEMORY]
    assert x64.ROUND_FROM_MEMORY.effect is Effect.SPURIOUS_FAULT


RIGHT = [
    (VECTORS, "660f3802c1"),  # phaddd xmm0, xmm1
    (VECTORS, "660ffec1"),  # paddd xmm0, xmm1
    (VECTORS, "660f3a0bc103"),  # roundsd xmm0, xmm1, 3
    (INTEGERS, "4883e13f c4e2f0f5c0"),  # and rcx, 63; bzhi rax, rax, rcx
    (INTEGERS, "83e11f c4e270f5c0"),  # and ecx, 31; bzhi eax, eax, ecx
    (INTEGERS, "83e13f 4889ca c4e2e8f5c0"),  # and ecx, 63; mov rdx, rcx; bzhi rax, rax, rdx
    (INTEGERS, "f3480fbdc0"),  # lzcnt rax, rax
    (INTEGERS, "f3480fbcc0"),  # tzcnt rax, rax
    (INTEGERS, "f3480fb8c0"),  # popcnt rax, rax
    (INTEGERS, "c4e2f0f2c0"),  # andn rax, rcx, rax
    (INTEGERS, "c4e2f1f7c0"),  # shlx rax, rax, rcx
]


@needs_host
@pytest.mark.parametrize(("frame", "instruction"), RIGHT)
def test_what_is_right_is_not_suspected(frame, instruction):
    code, rows = code_of(frame, instruction), rows_of(2)
    assert in_emulator(code, rows) == on_host(code, rows)
    assert find_faults(X86_64, by_hand(code)) == []


MASKED_WRONGLY = [
    "4883e17f c4e2f0f5c0",  # and rcx, 127; bzhi rax, rax, rcx
    "83e13f c4e270f5c0",  # and ecx, 63; bzhi eax, eax, ecx
    "83e13f 48ffc1 c4e2f0f5c0",  # and ecx, 63; inc rcx; bzhi rax, rax, rcx
    "4883e03f c4e2f0f5c0",  # and rax, 63; bzhi rax, rax, rcx
]


@pytest.mark.parametrize("instruction", MASKED_WRONGLY)
def test_an_index_must_be_masked_by_the_width(instruction):
    assert find_faults(X86_64, by_hand(code_of(INTEGERS, instruction))) == [x64.BZHI_UNMASKED]


# --- what Cranelift emits ---


def compiled(text: str, **flags: str) -> Compiled:
    return compile_text(text, Target.of("x86_64", {"opt_level": "speed"}, flags))[0]


def test_cranelift_emits_the_horizontal_form():
    code = compiled(
        """
        function %f(i16x8) -> i32x4 {
        block0(v0: i16x8):
            v1 = swiden_low v0
            v2 = iadd_pairwise v1, v1
            return v2
        }""",
        has_sse3="true",
        has_ssse3="true",
        has_sse41="true",
    )
    assert find_faults(X86_64, code) == [x64.HORIZONTAL_SAME_REGISTER]


@pytest.mark.parametrize("type_", ["i32", "i64"])
def test_cranelift_masks_the_index_of_bzhi(type_):
    """If it ceased to, the emulator could not be believed on it: this test is the alarm."""
    code = compiled(
        f"""
        function %f({type_}, {type_}) -> {type_} {{
        block0(v0: {type_}, v1: {type_}):
            v2 = iconst.{type_} 1
            v3 = ishl v2, v1
            v4 = iconst.{type_} -1
            v5 = iadd v3, v4
            v6 = band v0, v5
            return v6
        }}""",
        has_bmi1="true",
        has_bmi2="true",
    )
    assert b"\xf5" in code.code  # bzhi's opcode
    assert find_faults(X86_64, code) == []


def test_cranelift_emits_vex_forms_only_with_their_flags():
    text = """
    function %f(f64, f64) -> f64 {
    block0(v0: f64, v1: f64):
        v2 = fadd v0, v1
        return v2
    }"""
    sse = {f"has_{name}": "true" for name in ("sse3", "ssse3", "sse41", "sse42")}
    assert find_faults(X86_64, compiled(text, **sse)) == []
    assert find_faults(X86_64, compiled(text, **sse, has_avx="true")) == [x64.VEX_SIMD]


def test_data_between_instructions_is_no_obstacle():
    jump_table = bytes.fromhex("ffffffff 06060606")
    code = bytes.fromhex("ffe0") + jump_table + bytes.fromhex("90 660f3802c0 c3")
    assert find_faults(X86_64, by_hand(code, 0, 10)) == [x64.HORIZONTAL_SAME_REGISTER]


def test_data_that_reads_like_an_instruction_is_none():
    horizontal = bytes.fromhex("660f3802c0")
    assert find_faults(X86_64, by_hand(b"\xc3" + horizontal)) == []


def test_code_behind_a_jump_table_is_taken_apart_in_step():
    """Straight through this table the walk would lose step, and not see the roundss behind it."""
    code = compiled(
        """
        function %f(i64, i32) -> f32 {
        block0(v0: i64, v1: i32):
            br_table v1, block1, [block1, block2, block1, block1]
        block1:
            v2 = f32const 0.0
            return v2
        block2:
            v3 = load.f32 notrap v0+49
            v4 = ceil v3
            return v4
        }""",
        has_sse41="true",
    )
    assert find_faults(X86_64, code) == [x64.ROUND_FROM_MEMORY]
    instructions = disassemble(X86_64, code)
    assert set(code.block_starts) <= {instruction.address for instruction in instructions}
    (table,) = (
        end - start for start, end in data_ranges(instructions, len(code.code)) if end - start >= 16
    )
    assert table == 4 * 5  # the default is an entry, too


# ldsmaxal/ldsminal x1, x2, [x9] by size: b, h, w, x.
SIGNED_ATOMICS = [
    (width, 0x38E0_0000 | size << 30 | 1 << 16 | opcode << 12 | 9 << 5 | 2, pick)
    for size, width in enumerate((8, 16, 32, 64))
    for opcode, pick in ((4, max), (5, min))
]


@pytest.mark.parametrize(("width", "atomic", "pick"), SIGNED_ATOMICS)
def test_narrow_signed_atomics_compare_unsigned_numbers(width, atomic, pick):
    # sub sp, sp, 16; str x0, [sp]; mov x9, sp; ...; ldr x0, [sp]; add sp, sp, 16; ret
    words = (0xD10043FF, 0xF90003E0, 0x910003E9, atomic, 0xF94003E0, 0x910043FF, 0xD65F03C0)
    code = Code("main", arm(*words))
    mask = (1 << width) - 1
    outcomes = run_code("aarch64", [code], signature([I64, I64], [I64]), [(1, mask), (mask, 1)])
    right = pick(1, -1) & mask  # what the architecture says
    seen = ints_from_words(outcomes.results[0])
    faults = find_faults(AARCH64, code)
    if width == 64:
        assert (seen, faults) == ([right, right], [])
    else:
        assert (seen, faults) == ([mask + 1 - right] * 2, [NARROW_SIGNED_ATOMIC])


@pytest.mark.parametrize(
    ("operation", "suspect"), [("smin", True), ("smax", True), ("umin", False)]
)
@pytest.mark.parametrize("type_", ["i8", "i16", "i32"])
def test_cranelift_emits_narrow_signed_atomics_with_lse(operation, suspect, type_):
    text = f"""function %f(i64, {type_}) -> {type_} {{
    block0(v0: i64, v1: {type_}):
        v2 = atomic_rmw.{type_} {operation} v0, v1
        return v2
    }}"""
    (lse,) = compile_text(text, Target.of("aarch64", {}, {"has_lse": "true"}))
    (loop,) = compile_text(text, Target.of("aarch64"))
    assert bool(find_faults(AARCH64, lse)) is suspect
    assert find_faults(AARCH64, loop) == []


@pytest.mark.parametrize("isa", ISAS.values(), ids=list(ISAS))
def test_every_fault_has_its_name_and_explanation(isa):
    module = import_module(f"{isa.package}.emulator_faults")
    faults = [value for value in vars(module).values() if isinstance(value, EmulatorFault)]
    assert all(fault.explanation.endswith(".") for fault in faults)
    assert len({(fault.name, fault.engine) for fault in faults}) == len(faults)
    assert x64.VEX_SIMD.name == "vex-simd"


def test_padding_hides_nothing_and_costs_nothing():
    """Blocks may be apart by much more than they are long."""
    round_from_memory = bytes.fromhex("660f3a0b07 08")  # roundsd xmm0, [rdi], 8
    padding = bytes(4 << 20)
    # A jump over the padding.
    code = b"\xe9" + len(padding).to_bytes(4, "little") + padding + round_from_memory + b"\xc3"
    started = process_time()
    assert find_faults(X86_64, by_hand(code)) == [x64.ROUND_FROM_MEMORY]
    assert process_time() - started < 0.5
