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

ISAS_HERE = ("pulley64", "pulley64be")
pytestmark = pytest.mark.parametrize("isa", [run_here(isa) for isa in ISAS_HERE])

ADD = "function %f(i64, i64) -> i64 {\nblock0(v0: i64, v1: i64):\n v2 = iadd v0, v1\n return v2\n}"
LOAD = "function %f(i64) -> i64 {{\nblock0(v0: i64):\n v1 = load.i64 {} v0\n return v1\n}}"
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
    rows = [[0], [0x1234_5678_9000]]
    assert run_text(isa, LOAD.format(""), rows).traps == dict.fromkeys(range(2), "heap_oob")
    outcomes = run_text(isa, LOAD.format("notrap"), rows)
    assert outcomes.details[1].startswith("SIGSEGV at 0x123456789000, pc %f+0x")


def test_a_process_is_replaced_before_its_faults_fill_its_stack(
    isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulley, "_MOST_FAULTS", 100)
    executor(isa).machine.process.replace(Replaced.SUSPECT)
    before = replaced(isa, Replaced.WORN)
    outcomes = run_text(isa, LOAD.format(""), [[8 * n] for n in range(350)])
    assert set(outcomes.traps.values()) == {"heap_oob"}
    assert len(outcomes.traps) == 350
    assert replaced(isa, Replaced.WORN) == before + 3


def test_a_big_frame_gets_stack_when_it_is_reached(isa: str) -> None:
    """The access that failed is made again, and goes on."""
    text = """function %f(i64) -> i64 {
    ss0 = explicit_slot 4194304
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    store notrap v0, v1
    v2 = load.i64 notrap v1
    return v2
}"""
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
