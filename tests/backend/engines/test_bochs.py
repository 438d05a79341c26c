"""Bochs: what code may do there, how it ends, and what is kept from one run to the next."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

from backend.emulator.emulator_faults import find_faults
from backend.emulator.executor import Executor
from backend.emulator.guest_memory import READ_WRITE
from backend.emulator.linker import PlainCode
from backend.engines import bochs_library, long_mode
from backend.engines.bochs import Bochs
from backend.engines.bochs_library import DISTRIBUTION, BochsError, library_path, load
from backend.engines.bochs_machine import BochsMachine, BochsMappings
from backend.engines.elf_slots import jump_slots
from backend.engines.features import FEATURES, supported_flags
from backend.isa.executors import executor_for
from backend.isa.registry import DESCRIBED
from clif.function import AbiParam, Signature
from clif.outcome import Inputs, Outcomes, Region, Status, ints_from_words, words_from_ints
from clif.types import I64
from tests.backend.engines.installed import needs_bochs, needs_qemu, runs

pytestmark = needs_bochs

ISA = "x86_64"
SIGNATURE = Signature((AbiParam(I64), AbiParam(I64)), (AbiParam(I64),), "system_v")


@pytest.fixture
def executor() -> Executor:
    return executor_for(ISA, "bochs")


def run(executor: Executor, code: bytes | str, *arguments: int) -> Outcomes:
    data = bytes.fromhex(code) if isinstance(code, str) else code
    words = [words_from_ints(I64, [a]) for a in (*arguments, 0, 0)[:2]]
    inputs = Inputs(1, words, None)
    return executor.run([PlainCode("f", data, frame_size=64)], SIGNATURE, inputs, settings={})


def returned(outcomes: Outcomes) -> int:
    assert outcomes.status[0] == Status.RETURNED, outcomes.details
    return int(ints_from_words(outcomes.results[0])[0])


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("f4", "general protection"),  # hlt
        ("0f20c0", "general protection"),  # mov rax, cr0
        ("0f22d8", "general protection"),  # mov cr3, rax
        ("0f30", "general protection"),  # wrmsr
        ("0f01d1", "general protection"),  # xsetbv
        ("0f09", "general protection"),  # wbinvd
        ("e50f", "general protection"),  # in eax, 15
        ("e60f", "general protection"),  # out 15, al
        ("6c", "general protection"),  # insb
        ("fa", "general protection"),  # cli
        ("cd80", "general protection"),  # int 128
        ("0f05", "invalid opcode"),  # syscall
        ("0f34", "general protection"),  # sysenter
        ("0f01c1", "invalid opcode"),  # vmcall
        ("f3480faed0", "invalid opcode"),  # wrfsbase rax
    ],
)
def test_privileges_are_not_for_code(executor: Executor, code: str, why: str) -> None:
    outcomes = run(executor, f"{code}c3")
    assert outcomes.status[0] == Status.VIOLATED
    assert why in outcomes.details[0]


@pytest.mark.parametrize(
    "page",
    [long_mode.CODE, long_mode.TABLES, long_mode.STATE, long_mode.STACK, long_mode.STOP],
)
@pytest.mark.parametrize("access", ["488b07", "488907", "ffe7"])  # load, store, jump to rdi
def test_the_kernel_is_not_for_code(executor: Executor, page: int, access: str) -> None:
    outcomes = run(executor, f"{access}c3", page)
    assert outcomes.status[0] == Status.VIOLATED
    assert outcomes.details[0].startswith(f"page fault at {page:#x}")


def test_random_code_harms_nothing(executor: Executor) -> None:
    random = Random(5)
    prefixes = [
        b"",
        b"\x66",
        b"\x0f",
        b"\xc5",
        b"\xc4",
        b"\x62",
        b"\x0f\x01",
        b"\x0f\xae",
        b"\x0f\xc7",
    ]
    executor.limit_seconds(0.05)
    for _ in range(500):
        parts = (
            random.choice(prefixes) + random.randbytes(random.randrange(1, 6)) for _ in range(8)
        )
        run(executor, b"".join(parts), random.getrandbits(64), random.getrandbits(64))
    executor.limit_seconds(2.0)
    assert returned(run(executor, "488d0437c3", 20, 22)) == 42  # lea rax, [rdi + rsi]


def test_what_never_ends_is_stopped_and_the_next_runs(executor: Executor) -> None:
    executor.limit_seconds(0.05)
    assert run(executor, "ebfe").status[0] == Status.HUNG
    executor.limit_seconds(2.0)
    assert returned(run(executor, "4889f8c3", 7)) == 7


def test_memory_that_is_not_there_stops_the_cpu() -> None:
    """Even where page tables lead to a physical address that has no memory."""
    machine = BochsMachine(DESCRIBED[ISA], load())
    place, missing = 0x6000_0000_0000, machine.bochs.missing_page()
    machine.mappings.tables.map(place, missing, 4096, writes=True, executes=False, user=True)
    executor = Executor(DESCRIBED[ISA], machine)
    outcomes = run(executor, "488b07c3", place)
    assert outcomes.status[0] == Status.VIOLATED
    assert "memory that there is not" in outcomes.details[0]
    assert returned(run(executor, "4889f8c3", 7)) == 7


def test_two_machines_of_a_process_have_memory_of_their_own(executor: Executor) -> None:
    other = Executor(DESCRIBED[ISA], BochsMachine(DESCRIBED[ISA], load()))
    place = 0x6100_0000_0000
    for number, each in enumerate((executor, other)):
        machine = each.cpu
        assert isinstance(machine, BochsMachine)
        memory = machine.memory.map(place, 4096, READ_WRITE)
        memory.view(np.uint64)[0] = 40 + number
    try:
        for _ in range(2):
            assert returned(run(executor, "488b07c3", place)) == 40
            assert returned(run(other, "488b07c3", place)) == 41
    finally:
        for each in (executor, other):
            each.cpu.memory.mappings.unmap(place, 4096)
    assert "page fault" in run(executor, "488b07c3", place).details[0]


def test_memory_is_used_again_and_is_blank(executor: Executor) -> None:
    mappings = executor.cpu.memory.mappings
    assert isinstance(mappings, BochsMappings)
    place, size = 0x6200_0000_0000, 3 * 4096
    first = mappings.allocate(size)
    mappings.map(place, first, READ_WRITE)
    first[:] = 9
    mappings.unmap(place, size)
    again = mappings.allocate(size)
    assert again.ctypes.data == first.ctypes.data
    assert not again.any()


def test_wide_vectors_and_masks_begin_with_garbage(executor: Executor) -> None:
    # vextracti32x4 xmm0, zmm15, 3; vmovq rax, xmm0; ret
    assert returned(run(executor, "62737d4839f803 c4e1f97ec0 c3")) not in (0, (1 << 64) - 1)
    assert returned(run(executor, "c5f893c1 c3"))  # kmovw eax, k1


def test_avx_512_is_there_and_what_is_not_is_known() -> None:
    flags = supported_flags(DESCRIBED[ISA], executor_for(ISA, "bochs"))
    assert {"has_avx2", "has_fma", "has_avx512f", "has_avx512vl", "has_avx512dq"} <= flags
    assert {"has_avx512bitalg", "has_avx512vnni"} <= FEATURES.of(DESCRIBED[ISA]).keys() - flags


def test_a_missing_package_is_said_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.engines.bochs.library_path", lambda: None)
    engine = Bochs()
    assert engine.missing(DESCRIBED[ISA]) == (
        "bochscpu-python is not installed: pip install 'clif-fuzz[bochs]'"
    )
    assert not engine.version(DESCRIBED[ISA])


def test_a_file_that_is_no_library_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "_bochscpu.so"
    file.write_bytes(b"nothing")
    monkeypatch.setattr(bochs_library, "library_path", lambda: file)
    with pytest.raises(BochsError, match=r"_bochscpu\.so"):
        load.__wrapped__()


def test_a_library_that_decides_about_ports_otherwise_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bochs_library, "_MAY_USE_PORTS", "another")
    with pytest.raises(BochsError, match=f"{DISTRIBUTION} decides about ports"):
        load.__wrapped__()


def test_slots_of_a_library() -> None:
    path = library_path()
    assert path is not None
    assert {"memcpy", "__isoc23_sscanf"} <= jump_slots(path).keys()


# --- what it gets wrong, and what others do ---


@pytest.mark.parametrize("shift", ["660fd3c1", "c5f9d3c1"])  # psrlq, vpsrlq: xmm0 by xmm1
@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1 << 32, (1 << 64) - 1])
def test_a_shift_by_64_leaves_the_value(executor: Executor, shift: str, count: int) -> None:
    code = f"66480f6ec7 66480f6ece {shift} 66480f7ec0 c3"  # from rdi and rsi, to rax
    value = 0xF123_4567_89AB_CDEF
    right = value >> count if count < 64 else 0
    assert returned(run(executor, code, value, count)) == (value if count == 64 else right)
    if runs("qemu-user", ISA):
        assert returned(run(executor_for(ISA, "qemu-user"), code, value, count)) == right
    faults = find_faults(DESCRIBED[ISA], PlainCode("f", bytes.fromhex(code)), engine="bochs")
    assert [fault.name for fault in faults] == ["shift-by-64"]


@needs_qemu
@pytest.mark.parametrize(
    ("instruction", "fault", "right", "wrong"),
    [
        ("0fbcc6", "scan-of-zero", 0xAAAA_AAAA_BBBB_BBBB, 0xBBBB_BBBB),  # bsf eax, esi
        ("0fbdc6", "scan-of-zero", 0xAAAA_AAAA_BBBB_BBBB, 0xBBBB_BBBB),  # bsr eax, esi
    ],
)
def test_a_scan_that_finds_nothing(
    executor: Executor, instruction: str, fault: str, right: int, wrong: int
) -> None:
    code = f"4889f8 {instruction} c3"  # mov rax, rdi
    assert returned(run(executor, code, right, 0)) == right
    for engine in ("unicorn", "qemu-user"):
        assert returned(run(executor_for(ISA, engine), code, right, 0)) == wrong
        plain = PlainCode("f", bytes.fromhex(code))
        found = find_faults(DESCRIBED[ISA], plain, engine=engine, harmless=True)
        assert [each.name for each in found] == [fault]


@needs_qemu
@pytest.mark.parametrize("add", ["f20f58c1", "c5fb58c1"])  # addsd, vaddsd: xmm0, xmm1
def test_of_two_nans_the_first_is_kept(executor: Executor, add: str) -> None:
    code = f"66480f6ec7 66480f6ece {add} 66480f7ec0 c3"
    first, second = 0x7FF8_0000_0000_0001, 0x7FF8_0000_0000_0009
    assert returned(run(executor, code, first, second)) == first
    assert returned(run(executor_for(ISA, "qemu-user"), code, first, second)) == second
    plain = PlainCode("f", bytes.fromhex(code))
    found = find_faults(DESCRIBED[ISA], plain, engine="qemu-user", harmless=True)
    assert [each.name for each in found] == ["nan-of-two"]
    assert find_faults(DESCRIBED[ISA], plain, engine="qemu-user") == []


def test_shifts_by_immediates_are_not_suspected() -> None:
    code = PlainCode("f", bytes.fromhex("660f73d040 c3"))  # psrlq xmm0, 64
    assert find_faults(DESCRIBED[ISA], code, engine="bochs") == []


@pytest.mark.parametrize(
    ("instruction", "size"),
    [
        ("c4e271b907", 4),  # vfmadd231ss xmm0, xmm1, [rdi]
        ("c4e2f1b907", 8),  # vfmadd231sd xmm0, xmm1, [rdi]
        ("f30fe607", 8),  # cvtdq2pd xmm0, [rdi]
        ("660f3a0a0700", 4),  # roundss xmm0, [rdi], 0
    ],
)
def test_no_more_memory_is_read_than_there_is(
    executor: Executor, instruction: str, size: int
) -> None:
    """Which other engines do."""
    at_the_end = f"4883c7{16 - size:02x}"  # add rdi, so that the operand ends with the page
    code = PlainCode("f", bytes.fromhex(f"{at_the_end} {instruction} c3"), frame_size=64)
    types = Signature((AbiParam(I64),), (), "system_v")
    inputs = Inputs(1, [words_from_ints(I64, [0])], Region(0, bytes(16)))
    outcomes = executor.run([code], types, inputs, settings={})
    assert outcomes.status[0] == Status.RETURNED, outcomes.details
