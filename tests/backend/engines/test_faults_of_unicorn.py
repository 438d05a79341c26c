"""What Unicorn gets wrong, qemu-user gets right: so it can say whose fault a difference is."""

from __future__ import annotations

import pytest

from backend.emulator.emulator_faults import EmulatorFault
from clif.outcome import Region, Status, ints_from_words
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
