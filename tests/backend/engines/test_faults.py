"""What Unicorn gets wrong, qemu-user gets right; and what that one gets wrong."""

from __future__ import annotations

import pytest

from backend.emulator.emulator_faults import Effect, EmulatorFault, find_faults
from backend.engines.names import QEMU_USER
from backend.isa.registry import ISAS
from backend.isa.x86_64 import emulator_faults as x64
from clif.outcome import Outcomes, Region, Status, ints_from_words
from clif.types import I64
from tests.backend.emulator import machine
from tests.backend.emulator.machine import Code, arm, run_code, signature
from tests.backend.engines.installed import needs_qemu
from tests.backend.isa.host import in_emulator, needs_host, on_host
from tests.backend.isa.test_emulator_faults import (
    RIGHT,
    ROUND,
    SIGNED_ATOMICS,
    WRONG,
    code_of,
    rows_of,
)

pytestmark = needs_qemu

SIZE = 48


@pytest.fixture(autouse=True)
def _on_qemu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "ENGINE", "qemu-user")


def on_qemu(code: bytes, row: bytes) -> bytes:
    """The buffer after running code on it, whose address is in rdi."""
    region = Region(0, row)
    outcomes = run_code("x86_64", [Code("f", code)], signature([I64], []), [[0]], region=region)
    assert outcomes.status.tolist() == [Status.RETURNED], outcomes.details
    assert outcomes.memory is not None
    return bytes(outcomes.memory[0])


@needs_host
@pytest.mark.parametrize(("fault", "frame", "instruction"), WRONG)
def test_it_is_right_where_unicorn_is_wrong(
    fault: EmulatorFault, frame: str, instruction: str
) -> None:
    code, rows = code_of(frame, instruction), rows_of(1)
    right = on_host(code, rows)
    assert in_emulator(code, rows) != right
    assert [on_qemu(code, row) for row in rows] == right


@needs_host
@pytest.mark.parametrize(("frame", "instruction"), RIGHT)
def test_it_is_right_where_unicorn_is(frame: str, instruction: str) -> None:
    code, rows = code_of(frame, instruction), rows_of(2, count=40)
    assert [on_qemu(code, row) for row in rows] == on_host(code, rows)


@pytest.mark.parametrize(("instruction", "size"), ROUND.items())
def test_rounding_from_memory_reads_no_more_than_it_should(instruction: str, size: int) -> None:
    at_the_end = b"\x48\x83\xc7" + bytes([SIZE - size])  # add rdi, so that it ends with the page
    on_qemu(at_the_end + bytes.fromhex(instruction) + b"\xc3", bytes(SIZE))


@pytest.mark.parametrize(("width", "atomic", "pick"), SIGNED_ATOMICS)
def test_signed_atomics_compare_signed_numbers(width: int, atomic: int, pick) -> None:
    words = (0xD10043FF, 0xF90003E0, 0x910003E9, atomic, 0xF94003E0, 0x910043FF, 0xD65F03C0)
    mask = (1 << width) - 1
    types, rows = signature([I64, I64], [I64]), [(1, mask), (mask, 1)]
    outcomes = run_code("aarch64", [Code("main", arm(*words))], types, rows)
    assert ints_from_words(outcomes.results[0]) == [pick(1, -1) & mask] * 2


# --- what qemu-user gets wrong ---

FMA = ["99", "9b", "9d", "9f", "a9", "ab", "ad", "af", "b9", "bb", "bd", "bf"]
READS_TOO_MUCH = [
    # vfmadd132ss xmm0, xmm1, [rdi] and its relatives, and the same of doubles
    *((x64.FMA_FROM_MEMORY, f"c4e271{opcode}07", 4) for opcode in FMA),
    *((x64.FMA_FROM_MEMORY, f"c4e2f1{opcode}07", 8) for opcode in FMA),
    (x64.CONVERT_FROM_MEMORY, "f30fe607", 8),  # cvtdq2pd xmm0, [rdi]
    (x64.CONVERT_FROM_MEMORY, "c5fae607", 8),  # vcvtdq2pd xmm0, [rdi]
]


def read_at(instruction: str, size: int, distance: int) -> Outcomes:
    """Run an instruction on memory that ends so far from the end of a page."""
    to = b"\x48\x83\xc7" + bytes([SIZE - size - distance])  # add rdi, ...
    code = Code("f", to + bytes.fromhex(instruction) + b"\xc3")
    return run_code("x86_64", [code], signature([I64], []), [[0]], region=Region(0, bytes(SIZE)))


@pytest.mark.parametrize(("fault", "instruction", "size"), READS_TOO_MUCH)
def test_some_instructions_read_too_much_memory(
    fault: EmulatorFault, instruction: str, size: int
) -> None:
    assert read_at(instruction, size, 0).status.tolist() == [Status.VIOLATED]
    assert read_at(instruction, size, 16 - size).status.tolist() == [Status.RETURNED]
    code = Code("f", bytes.fromhex(instruction) + b"\xc3")
    assert find_faults(ISAS["x86_64"], code, engine=QEMU_USER) == [fault]
    assert fault not in find_faults(ISAS["x86_64"], code)
    assert fault.effect is Effect.SPURIOUS_FAULT


@pytest.mark.parametrize(
    "instruction",
    [
        "c4e271a9c2",  # vfmadd213ss xmm0, xmm1, xmm2
        "c4e271a807",  # vfmadd213ps xmm0, xmm1, [rdi]
        "c5f25807",  # vaddss xmm0, xmm1, [rdi]
        "f30fe6c1",  # cvtdq2pd xmm0, xmm1
    ],
)
def test_their_relatives_are_not_suspected(instruction: str) -> None:
    code = Code("f", bytes.fromhex(instruction) + b"\xc3")
    assert find_faults(ISAS["x86_64"], code, engine=QEMU_USER) == []
    size = 16 if instruction.endswith("a807") else 4
    assert read_at(instruction, size, 0).status.tolist() == [Status.RETURNED]
