"""The emulator's silent hazards: that they are there, and that the executor avoids them.

Those that concern single instructions are in ``test_emulator_faults``.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time

import numpy as np
import pytest
from unicorn.arm64_const import UC_ARM64_REG_SP
from unicorn.unicorn_const import (
    UC_ARCH_ARM64,
    UC_MEM_FETCH,
    UC_MEM_READ,
    UC_MEM_WRITE,
    UC_MODE_ARM,
    UC_PROT_EXEC,
    UC_PROT_READ,
    UC_PROT_WRITE,
)
from unicorn.x86_const import UC_CPU_X86_QEMU64, UC_X86_REG_RDI, UC_X86_REG_RIP, UC_X86_REG_RSP

from backend.cranelift import _cranelift
from backend.emulator.executor import Executor
from backend.emulator.guest_memory import (
    ARGUMENTS,
    CONTROL,
    DRIVERS,
    EXIT,
    LARGEST_STACK,
    RESULTS,
    RING,
    STACK,
    STACK_TOP,
    STUBS,
    TABLE_SIZE,
    THUNKS,
    watched_addresses,
)
from backend.emulator.mappings import private_memory
from backend.emulator.unicorn_engine import Uc, UcError
from backend.isa.executors import executor_for
from backend.isa.registry import ISAS
from clif.outcome import Region, Status
from clif.types import F64, I64
from tests.backend.emulator.machine import (
    BOTH,
    Code,
    arm,
    inputs,
    run_code,
    run_text,
    signature,
    unicorn_cpu,
    values,
)
from tests.backend.isa.host import BUFFER, CODE, bare_emulator, in_emulator, needs_host, on_host

DIVIDE = bytes.fromhex("31c0 31d2 48f7f0")  # xor eax, eax; xor edx, edx; div rax


def faults(uc: Uc, prepare) -> list[bool]:
    """Whether each of five divisions by zero on one engine is reported."""
    uc.mem_write(CODE, DIVIDE)
    seen = []
    for _ in range(5):
        prepare()
        try:
            uc.emu_start(CODE, CODE + len(DIVIDE))
            seen.append(False)
        except UcError:
            seen.append(True)
            assert uc.reg_read(UC_X86_REG_RIP) == CODE + 4
    return seen


def test_divide_faults_get_lost_on_a_reused_engine_but_for_a_fresh_context():
    uc = bare_emulator()
    assert False in faults(uc, lambda: None)
    uc = bare_emulator()
    context = uc.context_save()
    assert faults(uc, lambda: uc.context_restore(context)) == [True] * 5


def test_the_executor_does_not_take_the_emulators_word_for_success():
    """Here the fault is lost on purpose: no clean context between two starts."""
    executor = Executor(ISAS["x86_64"])
    program = [Code("f", DIVIDE, traps=[(4, "int_divz")])]
    cpu = unicorn_cpu(executor)
    cpu.uc.context_restore(cpu.context)

    class Stale:
        """Looks like the engine, but never restores all of its context."""

        def __init__(self, uc: Uc) -> None:
            self.uc = uc

        def __getattr__(self, name: str) -> object:
            return getattr(self.uc, name)

        def context_restore(self, context: object) -> None:
            self.uc.reg_write(UC_X86_REG_RSP, cpu.stack_pointer - 8)

    cpu.uc = Stale(cpu.uc)  # type: ignore[assignment]
    outcomes = executor.run(program, signature([], []), inputs([], [[]] * 6), settings={})
    assert outcomes.status.tolist() == [Status.TRAPPED] * 6
    assert set(outcomes.traps.values()) == {"int_divz"}


def test_host_writes_leave_translations_in_place():
    uc = bare_emulator()
    memory = private_memory(4096)
    uc.mem_map_ptr(0x50000, 4096, 7, memory.ctypes.data)
    seen = []
    for number in (1, 2):
        # mov edi, number; jmp +0; nop. The engine itself drops the block that ends the run.
        code = bytes([0xBF, number, 0, 0, 0, 0xEB, 0, 0x90])
        memory[: len(code)] = np.frombuffer(code, np.uint8)
        uc.emu_start(0x50000, 0x50000 + len(code))
        seen.append(uc.reg_read(UC_X86_REG_RDI))
    assert seen == [1, 1]


@BOTH
def test_no_program_runs_the_code_of_the_one_before_it(isa):
    text = "function %f() -> i64 {{\nblock0:\n    v0 = iconst.i64 {}\n    return v0\n}}"
    for number in range(50):
        assert values(run_text(isa, text.format(number), [[]])) == [number]


@needs_host
def test_lzcnt_is_another_instruction_on_old_models_and_right_on_ours():
    code = bytes.fromhex("488b07 f3480fbdc0 488907 c3")
    rows = [(1 << n).to_bytes(8, "little") for n in range(64)]
    assert in_emulator(code, rows, cpu=UC_CPU_X86_QEMU64) != on_host(code, rows)
    assert in_emulator(code, rows) == on_host(code, rows)


def test_a_misaligned_stack_pointer_does_not_fault_and_is_caught_at_the_exit():
    # sub sp, sp, 8; str x0, [sp]: hardware faults on the store
    store = arm(0xD10023FF, 0xF90003E0)
    uc = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
    uc.mem_map(CODE, 4096)
    uc.mem_write(CODE, store)
    uc.reg_write(UC_ARM64_REG_SP, CODE + 1024)
    uc.emu_start(CODE, CODE + len(store))
    assert uc.reg_read(UC_ARM64_REG_SP) == CODE + 1016
    outcomes = run_code("aarch64", [Code("f", store + arm(0xD65F03C0))], signature([], []), [[]])
    assert outcomes.details == {0: "stack pointer off by -8"}


def test_advanced_instructions_run_on_aarch64():
    """The default model would refuse these: LSE, and any floating point unless it is enabled."""
    text = """
    function %f(i64, i64) -> i64, f64 {
    block0(v0: i64, v1: i64):
        v2 = atomic_rmw.i64 add v0, v1
        v3 = fcvt_from_sint.f64 v2
        return v2, v3
    }"""
    region = Region(0, (5).to_bytes(16, "little"))
    outcomes = run_text("aarch64", text, [[0, 7]], region=region, flags={"has_lse": "true"})
    assert values(outcomes) == [5]
    assert values(outcomes, 1) == [0x4014 << 48]
    assert outcomes.memory is not None
    assert outcomes.memory[0][0] == 12


def test_flags_of_the_fpu_do_not_leak_from_one_input_to_the_next():
    """Rounding upward, set by one input, must not change the sum of the next."""
    # sub rsp, 8; mov dword [rsp], 0x5f80; test rdi, rdi; jz +4; ldmxcsr [rsp]; add rsp, 8;
    # addsd xmm0, xmm1; ret
    code = bytes.fromhex("4883ec08 c70424805f0000 4885ff 7404 0fae1424 4883c408 f20f58c1 c3")
    one, tiny = 0x3FF << 52, 1
    program, kinds = [Code("f", code)], signature([I64, F64, F64], [F64])
    rounded = values(run_code("x86_64", program, kinds, [[1, one, tiny]]))
    plain = values(run_code("x86_64", program, kinds, [[0, one, tiny]]))
    assert (rounded, plain) == ([one + 1], [one])


def test_stopping_an_engine_that_does_not_run_does_not_stop_the_next_run():
    """The watchdog may come too late."""
    uc = bare_emulator()
    uc.mem_write(CODE, bytes.fromhex("4889f8 488907 90"))
    uc.emu_stop()
    uc.reg_write(UC_X86_REG_RDI, BUFFER)
    uc.emu_start(CODE, CODE + 7)
    assert uc.reg_read(UC_X86_REG_RIP) == CODE + 7


@BOTH
def test_accesses_above_four_gigabytes_need_all_of_the_address(isa):
    """A region's address cut to 32 bits must not be a region's address."""
    text = """
    function %f(i64) -> i8 {
    block0(v0: i64):
        v1 = ireduce.i32 v0
        v2 = uextend.i64 v1
        v3 = load.i8 v2
        return v3
    }"""
    outcomes = run_text(isa, text, [[0]] * 4, region=Region(0, bytes(16)))
    assert outcomes.traps == dict.fromkeys(range(4), "heap_oob")


@BOTH
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_processes_do_not_share_their_executors(isa):
    """Both go on with an executor from before the fork, and must not meet in its memory."""
    text = """
    function %f(i64, i64) -> i64 {
    block0(v0: i64, v1: i64):
        store v1, v0
        v2 = load.i64 v0
        return v2
    }"""

    def all_right(number: int) -> bool:
        expected, region = [number] * 60, Region(0, bytes(16))
        rows = [[0, number]] * 60
        return all(values(run_text(isa, text, rows, region=region)) == expected for _ in range(40))

    executor_for(isa)
    child = os.fork()
    if child == 0:
        os._exit(0 if all_right(1) else 1)
    here = all_right(2)
    _, status = os.waitpid(child, 0)
    assert here
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_watchdog_watches_forked_processes_too():
    executor = executor_for("x86_64")
    child = os.fork()
    if child == 0:
        executor.limit_seconds(0.2)
        outcomes = run_code("x86_64", [Code("f", b"\xeb\xfe")], signature([], []), [[]])
        os._exit(0 if outcomes.status[0] == Status.HUNG else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_the_watchdog_measures_what_was_computed_not_what_passed():
    """A process that waits is not one that hangs."""
    watched = unicorn_cpu(executor_for("x86_64")).watched
    usual, watched.limit = watched.limit, 0.3
    try:
        watched.begin()
        time.sleep(0.8)
        assert not watched.end()
    finally:
        watched.limit = usual


def test_there_is_one_watchdog_for_all_engines():
    for isa in ISAS:
        executor_for(isa)
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("emulation watchdog") == 1


class TlbEntry(ctypes.Structure):
    """Unicorn's ``uc_tlb_entry``."""

    _fields_ = (("page", ctypes.c_uint64), ("permissions", ctypes.c_int))


@pytest.mark.parametrize(
    ("access", "permissions"),
    [
        (UC_MEM_READ, UC_PROT_READ | UC_PROT_WRITE),
        (UC_MEM_WRITE, UC_PROT_READ | UC_PROT_WRITE),
        (UC_MEM_FETCH, UC_PROT_READ | UC_PROT_EXEC),
    ],
)
def test_only_what_is_fetched_may_be_executed_according_to_the_tlb(access, permissions):
    """Each store to a page that may be executed as well costs the emulator 30 ns."""
    types = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p
    fill = ctypes.CFUNCTYPE(ctypes.c_bool, *types)(_cranelift.tlb_fill_callback())
    entry = TlbEntry()
    assert fill(None, 0x7000, access, ctypes.addressof(entry), None)
    assert (entry.page, entry.permissions) == (0x7000, permissions)


@BOTH
def test_stores_to_data_are_not_watched_and_code_is(isa):
    """A hook for an address makes every store there slow, and translating code there fast."""

    def watched(address: int) -> bool:
        return any(first <= address <= last for first, last in watched_addresses())

    executor = executor_for(isa)
    text = "function %f(i64) {\nblock0(v0: i64):\n    return\n}"
    run_text(isa, text, [[0]], region=Region(0, bytes(16)))
    data = [CONTROL, ARGUMENTS, RESULTS + TABLE_SIZE - 1, STACK, STACK_TOP - 1]
    data += executor.regions.addresses.tolist()
    assert not [address for address in data if watched(address)]
    below_the_stack = STACK_TOP - LARGEST_STACK, STACK - 1
    assert all(map(watched, (THUNKS, DRIVERS, RING, STUBS, EXIT, 0, *below_the_stack)))
