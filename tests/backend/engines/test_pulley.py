"""Pulley's interpreter in a process of its own: traps, faults, calls by number, lost processes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from backend.cranelift.compiler import Target, compile_text
from backend.emulator.disassembly import disassemble
from backend.emulator.machine import TIME_LIMIT
from backend.engines import pulley
from backend.engines.guest_process import Replaced
from backend.engines.process_executor import ProcessExecutor
from backend.isa.executors import executor_for
from backend.isa.pulley.encoding import encode, imm32
from backend.isa.registry import ISAS
from clif.outcome import Status
from clif.types import I64
from reports.disassembly import listing
from tests.backend.emulator.machine import Code, run_code, run_here, run_text, signature, values

ISAS_HERE = ("pulley64", "pulley64be", "pulley32", "pulley32be")
pytestmark = pytest.mark.parametrize("isa", [run_here(isa) for isa in ISAS_HERE])

ADD = "function %f(i64, i64) -> i64 {\nblock0(v0: i64, v1: i64):\n v2 = iadd v0, v1\n return v2\n}"
LOAD = "function %f({0}) -> i64 {{\nblock0(v0: {0}):\n v1 = load.i64 {1} v0\n return v1\n}}"
SUM = """function %f(i64) -> i64 {
block0(v0: i64):
    v1 = iconst.i64 0
    jump block1(v0, v1)
block1(v2: i64, v3: i64):
    v4 = iadd v3, v2
    v5 = iconst.i64 -1
    v6 = iadd v2, v5
    brif v6, block1(v6, v4), block2
block2:
    return v4
}"""


def is_narrow(isa: str) -> bool:
    return ISAS[isa].pointer_bytes == 4


def address(isa: str) -> str:
    """The type of an address."""
    return "i32" if is_narrow(isa) else "i64"


def executor(isa: str) -> ProcessExecutor:
    found = executor_for(isa)
    assert isinstance(found, ProcessExecutor)
    return found


def replaced(isa: str, why: Replaced) -> int:
    return executor(isa).machine.process.replaced[why]


def child(isa: str) -> int:
    """The number of the engine's process, started if need be."""
    assert values(run_text(isa, ADD, [[1, 2]])) == [3]
    number = executor(isa).machine.process.number
    assert number is not None
    return number


@pytest.mark.parametrize(
    ("type_", "line", "trap"),
    [
        ("i64", "udiv v0, v1", "int_divz"),
        ("i32", "urem v0, v1", "int_divz"),
        ("i64", "sdiv v0, v1", "int_divz"),
        ("i64", "uadd_overflow_trap v0, v0, user7", "user7"),
    ],
)
def test_instructions_that_trap_say_why(isa: str, type_: str, line: str, trap: str) -> None:
    """Of division Cranelift notes no trap: the interpreter knows its reason."""
    text = f"function %f({type_}, {type_}) -> {type_} {{\nblock0(v0: {type_}, v1: {type_}):\n"
    text += f" v2 = {line}\n return v2\n}}"
    most = 1 << int(type_[1:]) - 1
    assert run_text(isa, text, [[most, 0]]).traps == {0: trap}


def test_conversions_that_trap_say_why(isa: str) -> None:
    text = "function %f(f64) -> i32 {\nblock0(v0: f64):\n v1 = fcvt_to_sint.i32 v0\n return v1\n}"
    rows = [[0x7FF8 << 48], [0x4200 << 48], [0x3FF0 << 48]]  # a NaN, 2**33, 1.0
    outcomes = run_text(isa, text, rows)
    assert outcomes.traps == {0: "bad_toint", 1: "int_ovf"}
    assert values(outcomes)[2] == 1


def test_a_fault_is_a_trap_or_told_with_its_address(isa: str) -> None:
    far = 0x1234_5000 if is_narrow(isa) else 0x1234_5678_9000
    rows, type_ = [[0], [far]], address(isa)
    assert run_text(isa, LOAD.format(type_, ""), rows).traps == dict.fromkeys(range(2), "heap_oob")
    outcomes = run_text(isa, LOAD.format(type_, "notrap"), rows)
    assert outcomes.details[1].startswith(f"SIGSEGV at {far:#x}, pc %f+0x")


def test_addresses_wrap_around_at_their_width(isa: str) -> None:
    """What is added to the stack's address leads beyond 4 GiB, and the offset back."""
    offset = 0x2000_0000
    text = f"""function %f(i64, {address(isa)}) -> i64 {{
    ss0 = explicit_slot 16, align = 16
block0(v0: i64, v1: {address(isa)}):
    v2 = stack_addr.{address(isa)} ss0
    v3 = iadd v2, v1
    store notrap v0, v3-{offset}
    v4 = load.i64 notrap v2
    return v4
}}"""
    assert values(run_text(isa, text, [[7, offset], [9, offset]])) == [7, 9]


def test_the_upper_half_of_a_narrow_address_is_open(isa: str) -> None:
    """It is whatever the argument's register held; the interpreter as published takes it along."""
    if not is_narrow(isa):
        pytest.skip("all of the register is the address")
    text = """function %f(i64) -> i64 {
    ss0 = explicit_slot 16, align = 16
block0(v0: i64):
    v1 = stack_addr.i32 ss0
    v2 = ireduce.i32 v0
    v3 = iadd v1, v2
    store notrap v0, v3
    v4 = load.i64 notrap v1+8
    return v4
}"""
    assert values(run_text(isa, text, [[0xDEAD_BEEF << 32 | 8]])) == [0xDEAD_BEEF << 32 | 8]


BOUNDED = """function %f(i64, i32) -> i64 {{
    ss0 = explicit_slot 16, align = 16
    ss1 = explicit_slot 64, align = 16
block0(v0: i64, v1: i32):
    v2 = stack_addr.{0} ss0
    v3 = stack_addr.{0} ss1
    v4 = iconst.{0} 32
    store notrap v4, v2
    store notrap little v0, v3+24
    v5 = load.{0} notrap v2
    v6 = iconst.{0} 8
    v7 = isub v5, v6
    {1}
    v9 = icmp ugt v8, v7
    v10 = iadd v3, v8
    v11 = iconst.{0} 0
    v12 = select v9, v11, v10
    v13 = load.i64 little heap_oob v12
    return v13
}}"""


def test_a_heap_bound_in_memory_has_the_byte_order_and_width_of_the_guest(isa: str) -> None:
    """Such a check is one instruction, which loads the bound itself."""
    text = BOUNDED.format(address(isa), "" if is_narrow(isa) else "v8 = uextend.i64 v1")
    if is_narrow(isa):
        text = text.replace("v8", "v1")
    (compiled,) = compile_text(text, Target.of(isa, {"opt_level": "speed"}))
    found = {each.mnemonic for each in disassemble(ISAS[isa], compiled)}
    assert "xload64le_g32bne" in found
    outcomes = run_text(isa, text, [[77, 24], [77, 25]], settings={"opt_level": "speed"})
    assert values(outcomes)[0] == 77
    assert outcomes.traps == {1: "heap_oob"}


def test_a_process_is_replaced_before_its_faults_fill_its_stack(
    isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulley, "_MOST_FAULTS", 100)
    executor(isa).machine.process.replace(Replaced.SUSPECT)
    before = replaced(isa, Replaced.WORN)
    outcomes = run_text(isa, LOAD.format(address(isa), ""), [[8 * n] for n in range(350)])
    assert set(outcomes.traps.values()) == {"heap_oob"}
    assert len(outcomes.traps) == 350
    assert replaced(isa, Replaced.WORN) == before + 3


def test_a_big_frame_gets_stack_when_it_is_reached(isa: str) -> None:
    """The access that failed is made again, and goes on."""
    text = f"""function %f(i64) -> i64 {{
    ss0 = explicit_slot 4194304
block0(v0: i64):
    v1 = stack_addr.{address(isa)} ss0
    store notrap v0, v1
    v2 = load.i64 notrap v1
    return v2
}}"""
    outcomes = run_text(isa, text, [[n] for n in range(20)], settings={"opt_level": "none"})
    assert values(outcomes) == list(range(20))


def test_functions_that_are_not_near_are_called_by_number(isa: str) -> None:
    calls = "".join(f" v{n + 1} = call fn{n}(v{n})\n" for n in range(3))
    declared = "".join(f" fn{n} = %g{n}(i64) -> i64\n" for n in range(3))
    text = f"function %f(i64) -> i64 {{\n{declared}block0(v0: i64):\n{calls} return v3\n}}\n"
    for n in range(3):
        text += f"function %g{n}(i64) -> i64 {{\nblock0(v0: i64):\n v1 = iconst.i64 {n + 2}\n"
        text += " v2 = imul v0, v1\n return v2\n}\n"
    assert values(run_text(isa, text, [[1], [5]])) == [24, 120]


def test_a_process_that_is_killed_at_any_moment_loses_nothing(isa: str) -> None:
    rows = [[n] for n in range(1, 3001, 30)]
    expected = [n * (n + 1) // 2 for (n,) in rows]
    before = replaced(isa, Replaced.DIED)
    for turn in range(50):
        timer = threading.Timer(turn * 0.00005, os.kill, (child(isa), signal.SIGKILL))
        timer.start()
        outcomes = run_text(isa, SUM, rows)
        timer.join()
        assert values(outcomes) == expected
        assert not outcomes.status.any()
    child(isa)
    assert replaced(isa, Replaced.DIED) == before + 50


@pytest.fixture
def impatient(isa: str) -> Iterator[None]:
    executor(isa).limit_seconds(0.1)
    yield
    executor(isa).limit_seconds(TIME_LIMIT)


@pytest.mark.usefixtures("impatient")
def test_a_process_that_hangs_is_replaced(isa: str) -> None:
    before = replaced(isa, Replaced.HUNG)
    code = [Code("f", encode("jump", imm32(0)))]
    assert run_code(isa, code, signature([], []), [[]]).status.tolist() == [Status.HUNG]
    assert replaced(isa, Replaced.HUNG) == before + 1
    child(isa)


def test_code_after_wild_code_runs_in_a_new_process(isa: str) -> None:
    before, first = replaced(isa, Replaced.SUSPECT), child(isa)
    wild = encode("xconst8", 0, 8) + encode("xjump", 0)
    outcomes = run_code(isa, [Code("f", wild)], signature([I64], []), [[1]])
    assert outcomes.status.tolist() == [Status.VIOLATED]
    assert outcomes.details[0].startswith("SIGSEGV at 0x8, pc 0x8")
    assert child(isa) != first
    assert replaced(isa, Replaced.SUSPECT) == before + 1


def test_bytecode_is_taken_apart_to_its_last_byte(isa: str) -> None:
    """Jump tables included, which are parts of their instructions."""
    cases = ", ".join(["block1", "block2", "block1", "block3"])
    text = f"""function %f(i32, i64) -> i64 {{
block0(v0: i32, v1: i64):
    br_table v0, block3, [{cases}]
block1:
    return v1
block2:
    v2 = udiv v1, v1
    return v2
block3:
    trap user3
}}"""
    (compiled,) = compile_text(text, Target.of(isa, {"opt_level": "speed"}))
    found = disassemble(ISAS[isa], compiled)
    ends = [0, *(each.address + each.size for each in found)]
    assert [each.address for each in found] == ends[:-1]
    assert ends[-1] == len(compiled.code)
    assert {"br_table32", "xdiv64_u", "ret", "trap"} <= {each.mnemonic for each in found}
    assert any("trap user3" in line for line in listing(isa, compiled))
