"""What the convention leaves undefined is garbage; what it demands to be preserved is checked."""

from __future__ import annotations

import pytest

from backend.cranelift.compiler import Target, compile_text
from backend.emulator.executor import StackError
from backend.emulator.guest_memory import SLOTS, STACK_TOP
from backend.isa.registry import ISAS
from backend.isa.riscv64 import encoding
from clif.function import AbiParam, Signature
from clif.outcome import Region, Status
from clif.types import F32, F64, I8, I16, I32, I64, by_name
from tests.backend.emulator.machine import (
    BOTH,
    SETTINGS,
    THREE,
    Code,
    arm,
    run_code,
    run_here,
    run_text,
    s390,
    signature,
    the_executor,
    values,
)
from tests.backend.emulator.pulley_code import RETURN, clobbers, is_pulley

# --- garbage ---


def first_argument(isa: str) -> bytes:
    """Returns its first argument's whole register."""
    if isa == "s390x":
        return s390()
    return bytes.fromhex("4889f8 c3") if isa == "x86_64" else arm(0xD65F03C0)


@THREE
@pytest.mark.parametrize("type_", [I8, I16, I32], ids=str)
def test_upper_bits_of_narrow_arguments_are_garbage(isa, type_):
    program = [Code("f", first_argument(isa))]
    outcomes = run_code(isa, program, signature([type_], [I64]), [[n] for n in range(8)])
    got = values(outcomes)
    assert [value & type_.mask for value in got] == list(range(8))
    upper = {value >> type_.bits for value in got}
    assert 0 not in upper
    assert len(upper) == 8


@pytest.mark.parametrize("isa", ["x86_64", run_here("s390x")])
def test_extended_arguments_are_extended(isa):
    """Cranelift's aarch64 leaves that to the callee, attribute or not."""
    program = [Code("f", first_argument(isa))]
    for extension, expected in (("uext", 0x80), ("sext", (1 << 64) - 0x80)):
        extended = Signature((AbiParam(I8, extension),), (AbiParam(I64),))
        assert values(run_code(isa, program, extended, [[0x80]])) == [expected]


@THREE
@pytest.mark.parametrize("type_", [F32, F64], ids=str)
def test_the_rest_of_a_vector_register_is_garbage(isa, type_):
    # Argument and result share a register, but on s390x: vlr v24, v0.
    code = {"x86_64": b"\xc3", "aarch64": arm(0xD65F03C0), "s390x": s390("e78000000856")}[isa]
    program, whole = [Code("f", code)], by_name(f"i{type_.bits}x{128 // type_.bits}")
    outcomes = run_code(isa, program, signature([type_], [whole]), [[n] for n in range(4)])
    upper = {value >> type_.bits for value in values(outcomes)}
    assert [value & ((1 << type_.bits) - 1) for value in values(outcomes)] == [0, 1, 2, 3]
    assert 0 not in upper
    # On s390x the garbage beneath an f64 is that of the thunk.
    assert len(upper) == (1 if isa == "s390x" and type_ is F64 else 4)


@THREE
def test_scratch_registers_and_fresh_stack_are_garbage(isa):
    if isa == "x86_64":
        codes = ["4889c0 c3", "4c89d0 c3", "4c89d8 c3", "488b442480 c3", "66490f7ec0 66440f7ec0 c3"]
        codes[4] = "664c0f7ec0 c3"  # movq rax, xmm8
        program = [[Code("f", bytes.fromhex(code))] for code in codes]
    elif isa == "s390x":
        # lgr r2, r0; halves of v16 and v8 (vlgvg r2, ...); lg r2, -256(r15)
        codes = ["b9040020", "e72000003421", "e72800013021", "e320ff00ff04"]
        program = [[Code("f", s390(code))] for code in codes]
    else:
        words = [0xAA0903E0, 0xAA0F03E0, 0x9E660200, 0xF85003E0]  # x9, x15, d16, [sp - 256]
        program = [[Code("f", arm(word, 0xD65F03C0))] for word in words]
    got = [values(run_code(isa, code, signature([], [I64]), [[]]))[0] for code in program]
    assert all(value >> 32 not in (0, 0xFFFFFFFF) for value in got)
    assert len(set(got)) == len(got)


# --- what must be preserved ---


def breaking(isa: str, register: str) -> bytes:
    """Code that increments a register and returns."""
    if isa == "x86_64":
        number = (
            ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"].index(register)
            if (register[1:] not in ("12", "13", "14", "15"))
            else int(register[1:])
        )
        return bytes([0x48 | number >> 3, 0x83, 0xC0 | number & 7, 1, 0xC3])  # add register, 1
    if is_pulley(isa):
        return clobbers(isa, register)[0] + RETURN
    number = int(register[1:])
    if isa == "s390x":
        if register.startswith("r"):
            return s390(f"a7{number:x}b0001")  # aghi register, 1
        return s390(f"b31300{number:x}{number:x}")  # lcdbr f, f
    if isa == "riscv64":
        add_double = 0x0200_0053 | number << 20 | number << 15 | number << 7
        word = encoding.addi(number, number, 1) if register[0] == "x" else add_double
        return encoding.pack([word, encoding.RETURN])
    if register.startswith("d"):
        return arm(0x5EE08400 | number << 16 | number << 5 | number, 0xD65F03C0)  # add d, d, d
    return arm(0x91000400 | number << 5 | number, 0xD65F03C0)  # add x, x, 1


CALLEE_SAVED = [
    run_here(isa.name, register)
    for isa in ISAS.values()
    for register in isa.conventions["system_v"].integers + isa.conventions["system_v"].floats
]


@pytest.mark.parametrize(("isa", "register"), CALLEE_SAVED)
def test_a_clobbered_callee_saved_register_is_a_violation(isa, register):
    program = [Code("f", breaking(isa, register))]
    outcomes = run_code(isa, program, signature([], []), [[]] * 3)
    assert outcomes.status.tolist() == [Status.VIOLATED] * 3
    assert outcomes.details == dict.fromkeys(range(3), f"callee-saved {register} clobbered")


#: So many that the driver needs callee-saved registers to get them together.
MANY = [I8] * 30


@pytest.mark.parametrize(("isa", "register"), CALLEE_SAVED)
def test_also_where_the_driver_uses_these_registers(isa, register):
    program = [Code("f", breaking(isa, register))]
    outcomes = run_code(isa, program, signature(MANY, []), [[*range(30)]] * 2)
    assert outcomes.details == dict.fromkeys(range(2), f"callee-saved {register} clobbered")


@THREE
def test_registers_that_belong_to_the_callee_may_change(isa):
    if isa == "x86_64":
        code = bytes.fromhex("31c0 31c9 31d2 31f6 31ff 4531c0 4531c9 4531d2 4531db c3")
    elif isa == "s390x":
        # lghi r0 to r5, 0; vleig v8, 1, 1
        code = s390(*(f"a7{n:x}90000" for n in range(6)), "e78000011042")
    else:
        # x0..x17 to zero, and the upper half of v8: mov v8.d[1], xzr
        code = arm(*(0xD2800000 | n for n in range(18)), 0x4E181FE8, 0xD65F03C0)
    outcomes = run_code(isa, [Code("f", code)], signature([], []), [[]] * 2)
    assert outcomes.status.tolist() == [Status.RETURNED] * 2


@THREE
@pytest.mark.parametrize("distance", [-16, -8, 8, 16, 64])
def test_a_stack_pointer_that_is_off_is_a_violation(isa, distance):
    if isa == "x86_64":
        # pop rcx; add rsp, distance; jmp rcx
        code = bytes([0x59, 0x48, 0x83, 0xC4, distance & 0xFF, 0xFF, 0xE1])
    elif isa == "s390x":
        code = s390(f"a7fb{distance & 0xFFFF:04x}")  # aghi r15, distance
    else:
        operation = 0x910003FF if distance > 0 else 0xD10003FF  # add or sub sp, sp, distance
        code = arm(operation | abs(distance) << 10, 0xD65F03C0)
    outcomes = run_code(isa, [Code("f", code)], signature([], []), [[]] * 2)
    assert outcomes.details == dict.fromkeys(range(2), f"stack pointer off by {distance}")


@THREE
def test_several_violations_are_all_named(isa):
    if isa == "x86_64":
        code = bytes.fromhex("59 4883c408 31db 4531ff ffe1")
        names = "callee-saved rbx clobbered; callee-saved r15 clobbered; stack pointer off by 8"
    elif isa == "s390x":
        code = s390("a7690000", "a7d90000", "a7fb0008")
        names = "callee-saved r6 clobbered; callee-saved r13 clobbered; stack pointer off by 8"
    else:
        code = arm(0xD2800013, 0x910043FF, 0xD65F03C0)
        names = "callee-saved x19 clobbered; stack pointer off by 16"
    assert run_code(isa, [Code("f", code)], signature([], []), [[]]).details == {0: names}


@THREE
def test_only_inputs_that_break_something_are_marked(isa):
    code = {
        "x86_64": bytes.fromhex("4801fb 4889f8 c3"),  # add rbx, rdi; mov rax, rdi; ret
        "aarch64": arm(0x8B000273, 0xD65F03C0),  # add x19, x19, x0; ret
        "s390x": s390("b9080082"),  # agr r8, r2
    }[isa]
    rows = [[n % 4] for n in range(100)]
    outcomes = run_code(isa, [Code("f", code)], signature([I64], [I64]), rows)
    broken = [n for n in range(100) if n % 4]
    assert sorted(outcomes.details) == broken
    assert [values(outcomes)[n] for n in range(0, 100, 4)] == [0] * 25


@THREE
@pytest.mark.parametrize("values_in_registers", [1, 30])
def test_registers_are_preserved_for_the_driver(isa, values_in_registers):
    """Whatever way the thunk takes: all inputs run, in order, with their own arguments."""
    count = values_in_registers
    params = ", ".join(f"v{n}: i8" for n in range(count))
    text = f"function %f({', '.join(['i8'] * count)}) -> i8 {{\nblock0({params}):\n"
    for n in range(1, count):
        text += f"    v{99 + n} = iadd v{n}, {f'v{98 + n}' if n > 1 else 'v0'}\n"
    text += f"    return {f'v{98 + count}' if count > 1 else 'v0'}\n}}"
    outcomes = run_text(isa, text, [[n] * count for n in range(50)])
    assert values(outcomes) == [n * count % 256 for n in range(50)]


# --- memory around the region ---

STRAY = """
function %f(i64, i64) {
block0(v0: i64, v1: i64):
    v2 = iadd v0, v1
    v3 = iconst.i8 1
    store v3, v2
    return
}"""


@THREE
def test_a_write_outside_of_the_region_is_a_violation(isa):
    """The first input has its page below the region, the second above."""
    rows = [[0, (1 << 64) - 1], [0, 16], [0, 3], [0, 4095]]
    outcomes = run_text(isa, STRAY, rows, region=Region(0, b"abcdefghijklmnop"))
    assert outcomes.details == {
        0: "wrote outside of the region, at its offset -1",
        1: "wrote outside of the region, at its offset +16",
        3: "wrote outside of the region, at its offset +4095",
    }
    # The next case finds everything in order.
    again = run_text(isa, STRAY, [[0, 3]] * 4, region=Region(0, b"abcdefghijklmnop"))
    assert again.status.tolist() == [Status.RETURNED] * 4


@THREE
def test_registers_are_checked_with_cranelifts_own_code_too(isa):
    """A function under pressure saves what it uses: no false alarm."""
    lines = [f"    v{n} = iadd v{n - 1}, v{max(n - 9, 0)}" for n in range(1, 40)]
    folds = [f"    v{n} = bxor v{n - 1}, v{n - 40}" for n in range(40, 79)]
    text = "function %f(i64) -> i64 {\nblock0(v0: i64):\n" + "\n".join([*lines, *folds])
    text += "\n    return v78\n}"
    outcomes = run_text(isa, text, [[n] for n in range(10)])
    assert outcomes.status.tolist() == [Status.RETURNED] * 10
    code = compile_text(text, Target.of(isa, SETTINGS))[0].code
    assert len(code) > 200


# --- more garbage ---


@THREE
@pytest.mark.parametrize("type_", [I8, I16, I32], ids=str)
def test_upper_bits_of_narrow_arguments_on_the_stack_are_garbage(isa, type_):
    """The code returns the whole word of the first argument that no register has room for."""
    code, registers = {
        "x86_64": (bytes.fromhex("488b442408 c3"), 6),
        "aarch64": (arm(0xF94003E0, 0xD65F03C0), 8),
        "s390x": (s390("e320f0a00004"), 5),  # lg r2, 160(r15)
    }[isa]
    types = [I64] * registers + [type_]
    rows = [[0] * (len(types) - 1) + [n] for n in range(8)]
    got = values(run_code(isa, [Code("f", code)], signature(types, [I64]), rows))
    assert [value & type_.mask for value in got] == list(range(8))
    # Only the narrow part is stored: above it is what was on the stack before.
    assert all(value >> type_.bits not in (0, I64.mask >> type_.bits) for value in got)


@THREE
def test_every_register_without_a_meaning_is_garbage(isa):
    """Registers of arguments that the function does not have, and the upper halves of vectors."""
    if isa == "x86_64":
        integers = ["4889c8", "4889d0", "4889f0", "4889f8", "4c89c0", "4c89c8"]  # rcx ... r9
        codes = [bytes.fromhex(code + "c3") for code in integers]
        # pextrq rax, xmm<n>, 1
        codes += [
            bytes([0x66, 0x48 | n >> 3 << 2, 0x0F, 0x3A, 0x16, 0xC0 | (n & 7) << 3, 1, 0xC3])
            for n in range(16)
        ]
    elif isa == "s390x":
        codes = [s390(f"b904002{n:x}") for n in (0, 3, 4, 5)]  # lgr r2, r<n>
        # vlgvg r2, v<n>, 1
        codes += [s390(f"e72{n & 15:x}0001{0x30 | n >> 4 << 2:02x}21") for n in range(32)]
    else:
        codes = [arm(0xAA0003E0 | n << 16, 0xD65F03C0) for n in (0, 3, 7, 8, 9, 12, 15)]
        codes += [arm(0x4E183C00 | n << 5, 0xD65F03C0) for n in range(32)]  # umov x0, v<n>.d[1]
    got = [
        values(run_code(isa, [Code("f", code)], signature([], [I64]), [[]]))[0] for code in codes
    ]
    plain = [n for n, value in enumerate(got) if value >> 32 in (0, 0xFFFFFFFF)]
    # The driver addresses its tables with a few of them.
    assert all(n < 7 for n in plain)
    assert len(plain) <= 3


@THREE
@pytest.mark.parametrize("depth", [64, 1024, 8192, 30000])
def test_fresh_stack_is_garbage_before_every_batch(isa, depth):
    """The code returns a word far below its stack pointer, and leaves zero there."""
    if isa == "x86_64":
        low = (-depth & 0xFFFFFFFF).to_bytes(4, "little")
        # mov rax, [rsp - depth]; mov qword [rsp - depth], 0; ret
        code = b"\x48\x8b\x84\x24" + low + b"\x48\xc7\x84\x24" + low + bytes(4) + b"\xc3"
    elif isa == "s390x":
        low, high = -depth & 0xFFF, -depth >> 12 & 0xFF
        # lg r2, -depth(r15); lghi r0, 0; stg r0, -depth(r15)
        place = f"f{low:03x}{high:02x}"
        code = s390(f"e320{place}04", "a7090000", f"e300{place}24")
    else:
        # mov x9, depth; sub x9, sp, x9; ldr x0, [x9]; str xzr, [x9]; ret
        code = arm(0xD2800009 | depth << 5, 0xCB2963E9, 0xF9400120, 0xF900013F, 0xD65F03C0)
    count = SLOTS + 6  # two batches
    got = values(run_code(isa, [Code("f", code)], signature([], [I64]), [[]] * count))
    assert [n for n, value in enumerate(got) if value] == [0, SLOTS]
    assert all(got[n] >> 32 not in (0, 0xFFFFFFFF) for n in (0, SLOTS))


@THREE
def test_the_stack_pointer_is_as_aligned_as_the_convention_says(isa):
    code = {
        "x86_64": bytes.fromhex("4889e0 c3"),
        "aarch64": arm(0x910003E0, 0xD65F03C0),
        "s390x": s390("b904002f"),
    }[isa]
    for count in range(12):
        types = [I64] * count
        outcomes = run_code(isa, [Code("f", code)], signature(types, [I64]), [[0] * count] * 2)
        # On x86-64 the return address lies on an aligned stack.
        alignment = 16 if isa == "x86_64" else ISAS[isa].stack_alignment
        remainder = {v % alignment for v in values(outcomes)}
        assert remainder == {8 if isa == "x86_64" else 0}


# --- more of what must not be touched ---


@THREE
@pytest.mark.parametrize("distance", [0, 8, 248])
def test_a_write_above_the_callers_frame_is_a_violation(isa, distance):
    above = the_executor(isa).cpu.stack_pointer + ISAS[isa].save_area + distance
    assert above < STACK_TOP
    text = f"""
function %f() {{
block0:
    v0 = iconst.i64 {above}
    v1 = iconst.i8 7
    store v1, v0
    return
}}"""
    outcomes = run_text(isa, text, [[]] * 3)
    detail = f"wrote above the stack, {distance:#x} bytes over the caller's frame"
    assert outcomes.details == dict.fromkeys(range(3), detail)
    outcomes = run_text(isa, "function %f() {\nblock0:\n    return\n}", [[]] * 3)
    assert outcomes.status.tolist() == [Status.RETURNED] * 3


@THREE
@pytest.mark.parametrize("kind", ["load", "store"])
@pytest.mark.parametrize("size", [16, 48, 4096])
def test_a_byte_too_many_faults_at_either_end(isa, kind, size):
    """Even slots have their region against the end of a page, odd ones against the start."""
    line = "v3 = load.i64 v2\n    return" if kind == "load" else "store v0, v2\n    return"
    text = f"""
function %f(i64, i64) {{
block0(v0: i64, v1: i64):
    v2 = iadd v0, v1
    {line}
}}"""
    below, above = (1 << 64) - 1, size - 7
    rows = [[0, 0], [0, size - 8], [0, above], [0, below]]
    settings = {"opt_level": "none"}  # the load's result has no user
    outcomes = run_text(isa, text, rows, region=Region(0, bytes(size)), settings=settings)
    # The load or store has a trap code: a fault there is a trap.
    assert outcomes.status.tolist()[:2] == [Status.RETURNED] * 2
    assert outcomes.traps == {2: "heap_oob", 3: "heap_oob"}


@THREE
def test_a_frame_that_is_larger_than_the_stack_is_refused(isa):
    text = """
function %f() -> i64 {
    ss0 = explicit_slot 700000000
    fn0 = %g() -> i64
block0:
    v0 = call fn0()
    v1 = stack_addr.i64 ss0
    v2 = load.i64 notrap v1
    return v2
}
function %g() -> i64 {
    ss0 = explicit_slot 700000000
block0:
    v0 = stack_addr.i64 ss0
    v1 = load.i64 notrap v0
    return v1
}"""
    with pytest.raises(StackError, match=r"more than the emulated (64|1088) MiB"):
        run_text(isa, text, [[]])
    small = text.replace("700000000", "1048576")
    assert run_text(isa, small, [[]]).status.tolist() == [Status.RETURNED]


@BOTH
def test_frames_may_be_larger_where_memory_that_nobody_touches_is_free(isa):
    text = """
function %f(i64) -> i64 {
    ss0 = explicit_slot 900000000
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    store.i64 notrap v0, v1
    v2 = load.i64 notrap v1
    return v2
}"""
    executor = the_executor(isa)
    if executor.cpu.largest_frames < 1 << 30:
        pytest.skip("an engine with 64 MiB of stack")
    settings = {"opt_level": "none", "enable_probestack": "false"}
    assert values(run_text(isa, text, [[77]], settings=settings)) == [77]
    run_text(isa, "function %f() {\nblock0:\n return\n}", [[]])
    assert executor.cpu.memory.deep_stack is None  # what it took is given back


def test_signing_return_addresses_executes_and_changes_nothing():
    """The emulated CPU has the instructions, but no keys switched on."""
    signed = {"sign_return_address": "true", "sign_return_address_all": "true", "use_bti": "true"}
    text = "function %f(i64) -> i64 {\nblock0(v0: i64):\n v1 = iadd v0, v0\n return v1\n}"
    for more in ({}, {"sign_return_address_with_bkey": "true"}, {"has_pauth": "true"}):
        flags = {**signed, **more}
        assert values(run_text("aarch64", text, [[4]], flags=flags)) == [8]
        code = compile_text(text, Target.of("aarch64", SETTINGS, flags))[0].code
        assert code != compile_text(text, Target.of("aarch64", SETTINGS))[0].code
    # pacia x30, sp; mov x0, x30; autia x30, sp; sub x0, x0, x30; ret
    words = [0xD503233F, 0xAA1E03E0, 0xD50323BF, 0xCB1E0000, 0xD65F03C0]
    outcomes = run_code("aarch64", [Code("f", arm(*words))], signature([], [I64]), [[]])
    assert values(outcomes) == [0]
