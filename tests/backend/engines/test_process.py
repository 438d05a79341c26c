"""Engines in processes of their own: what wild code can do, and what becomes of lost processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.emulator.machine import TIME_LIMIT
from backend.engines.guest_process import EngineError, Replaced
from backend.engines.linux_process import linux_machine
from backend.engines.process_executor import ProcessExecutor
from backend.isa.executors import executor_for
from backend.isa.registry import ISAS
from clif.outcome import Region, Status
from clif.types import I64
from tests.backend.emulator import machine
from tests.backend.emulator.machine import BOTH, Code, arm, run_code, run_text, signature, values
from tests.backend.engines.installed import needs_qemu

pytestmark = needs_qemu

FOUR = signature([I64] * 4, [I64])
#: Makes the system call that the first argument says, with the others as its arguments.
CALL = {
    "x86_64": bytes.fromhex("4889f8 4889f7 4889d6 4889ca 0f05 c3"),
    "aarch64": arm(0xAA0003E8, 0xAA0103E0, 0xAA0203E1, 0xAA0303E2, 0xD4000001, 0xD65F03C0),
}
NUMBERS = {
    "x86_64": {"openat": 257, "socket": 41, "execve": 59, "kill": 62, "clone": 56, "getpid": 39},
    "aarch64": {
        "openat": 56,
        "socket": 198,
        "execve": 221,
        "kill": 129,
        "clone": 220,
        "getpid": 172,
    },
}
ADD = "function %f(i64, i64) -> i64 {\nblock0(v0: i64, v1: i64):\n v2 = iadd v0, v1\n return v2\n}"


@pytest.fixture(autouse=True)
def _on_qemu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "ENGINE", "qemu-user")


def process_executor(isa: str) -> ProcessExecutor:
    found = executor_for(isa, "qemu-user")
    assert isinstance(found, ProcessExecutor)
    return found


def replaced(isa: str, why: Replaced) -> int:
    return process_executor(isa).machine.process.replaced[why]


def child(isa: str) -> int:
    """The number of the engine's process, started if need be."""
    assert values(run_text(isa, ADD, [[1, 2]])) == [3]
    process = process_executor(isa).machine.process
    assert process.number is not None
    return process.number


def system_call(isa: str, name: str, *arguments: int, path: bytes = b"") -> int:
    """What a system call of the guest's returns. A path is its second argument."""
    row = [NUMBERS[isa][name], *arguments, *[0] * (3 - len(arguments))]
    region = Region(2, path.ljust(512, b"\0")) if path else None
    (result,) = values(run_code(isa, [Code("f", CALL[isa])], FOUR, [row], region=region))
    return result - (1 << 64) if result >> 63 else result


# --- what wild code can do ---


@BOTH
def test_system_calls_of_the_guest_do_reach_the_host(isa: str) -> None:
    """Which is why the process is confined: this one is let through."""
    assert system_call(isa, "getpid") == child(isa)


@BOTH
def test_no_file_can_be_written(isa: str, tmp_path: Path) -> None:
    path = tmp_path / "written"
    here, create = (1 << 64) - 100, 0o101
    assert system_call(isa, "openat", here, 0, create, path=bytes(path)) < 0
    assert not path.exists()
    path.write_text("kept")
    for flags in (1, 2, 0o1001):
        assert system_call(isa, "openat", here, 0, flags, path=bytes(path)) < 0
    assert path.read_text() == "kept"


@BOTH
def test_nobody_else_can_be_reached(isa: str) -> None:
    assert system_call(isa, "socket", 2, 1, 0) < 0
    assert system_call(isa, "kill", os.getpid(), 0) < 0
    assert system_call(isa, "clone", 17, 0, 0) < 0


@BOTH
def test_no_other_program_can_be_started(isa: str) -> None:
    code = CALL[isa]
    region = Region(1, b"/bin/true".ljust(16, b"\0"))
    rows = [[NUMBERS[isa]["execve"], 0, 0, 0]]
    (result,) = values(run_code(isa, [Code("f", code)], FOUR, rows, region=region))
    assert result >> 63


@BOTH
def test_code_after_wild_code_runs_in_a_new_process(isa: str) -> None:
    before, first = replaced(isa, Replaced.SUSPECT), child(isa)
    wild = {"x86_64": bytes.fromhex("0fc7f8 ffe0"), "aarch64": arm(0xD2800000, 0xD61F0000)}[isa]
    outcomes = run_code(isa, [Code("f", wild)], FOUR, [[0] * 4])
    assert outcomes.status.tolist() == [Status.VIOLATED]
    assert outcomes.details[0].startswith(("SIGSEGV at 0x", "SIGILL"))
    assert child(isa) != first
    assert replaced(isa, Replaced.SUSPECT) == before + 1


@BOTH
def test_a_fault_is_told_with_its_address(isa: str) -> None:
    text = "function %f(i64) -> i64 {\nblock0(v0: i64):\n v1 = load.i64 notrap v0\n return v1\n}"
    outcomes = run_text(isa, text, [[0x1234_5678_9000]])
    assert outcomes.details[0].startswith("SIGSEGV at 0x123456789000, pc %f+0x")


# --- what becomes of lost processes ---


@BOTH
def test_a_process_that_is_killed_at_any_moment_loses_nothing(isa: str) -> None:
    """The sum of a loop that takes a while, with processes killed in the midst of it."""
    text = """function %f(i64) -> i64 {
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
    rows = [[n] for n in range(1, 3001, 30)]
    expected = [n * (n + 1) // 2 for (n,) in rows]
    before = replaced(isa, Replaced.DIED)
    killed = 0
    for turn in range(50):
        victim = child(isa)
        timer = threading.Timer(turn * 0.00005, os.kill, (victim, signal.SIGKILL))
        timer.start()
        outcomes = run_text(isa, text, rows)
        timer.join()
        killed += 1
        assert values(outcomes) == expected
        assert not outcomes.status.any()
    child(isa)
    assert replaced(isa, Replaced.DIED) == before + killed


@pytest.fixture
def impatient(isa: str) -> Iterator[None]:
    executor_for(isa, "qemu-user").limit_seconds(0.1)
    yield
    executor_for(isa, "qemu-user").limit_seconds(TIME_LIMIT)


@BOTH
@pytest.mark.usefixtures("impatient")
def test_a_process_that_hangs_is_replaced(isa: str) -> None:
    before = replaced(isa, Replaced.HUNG)
    forever = {"x86_64": b"\xeb\xfe", "aarch64": arm(0x14000000)}[isa]
    outcomes = run_code(isa, [Code("f", forever)], FOUR, [[0] * 4])
    assert outcomes.status.tolist() == [Status.HUNG]
    assert replaced(isa, Replaced.HUNG) == before + 1
    child(isa)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@BOTH
def test_a_forked_process_has_an_engine_of_its_own(isa: str) -> None:
    ours = child(isa)
    forked = os.fork()
    if forked == 0:
        code = 1
        try:
            right = values(run_text(isa, ADD, [[n, 1] for n in range(50)])) == list(range(1, 51))
            code = 0 if right and process_executor(isa).machine.process.number != ours else 2
        finally:
            process_executor(isa).machine.close()
            os._exit(code)
    for _ in range(20):
        assert values(run_text(isa, ADD, [[n, 7] for n in range(50)])) == list(range(7, 57))
    _, status = os.waitpid(forked, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert child(isa) == ours


def test_an_engine_that_is_not_there_says_so_in_one_line() -> None:
    isa = ISAS["x86_64"]
    lost = ProcessExecutor(isa, linux_machine(isa, lambda image: ["/nowhere/qemu", image]))
    program, types = [Code("f", b"\xc3")], signature([], [])
    with pytest.raises(EngineError, match=r"^x86_64: cannot start /nowhere/qemu$") as raised:
        lost.run(program, types, machine.inputs([], [[]]), settings={})
    assert "\n" not in str(raised.value)


def test_a_process_ends_with_the_one_that_started_it() -> None:
    read, write = os.pipe()
    forked = os.fork()
    if forked == 0:
        os.write(write, f"{child('x86_64')}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
    number = int(os.read(read, 32))
    os.waitpid(forked, 0)
    for _ in range(100):
        state = Path(f"/proc/{number}/stat")
        if not state.exists() or state.read_text().rpartition(") ")[2].startswith("Z"):
            return
        time.sleep(0.05)
    pytest.fail("the engine's process lives on")
