"""Cases with memory as filetests for Cranelift's own tools."""

from __future__ import annotations

import random

from fuzz.cases.casefile import read_case
from fuzz.cases.filetest_export import filetest_text, memory_checksum
from fuzz.differential.oracle import interpreter

TEXT = """\
; region: argument 1, 11 bytes
; contents: 0102030405060708090a0b
; trapping
function %put(i32, i64) -> i8 {
block0(v0: i32, v1: i64):
    trapz v0, user1
    store v0, v1+4
    v2 = load.i8 v1+10
    return v2
}
; input: %put(7, 0)
; input: %put(0, 0)
; input: %put(-1, 0)
"""


def checksum(memory: bytes) -> int:
    """Word by word, then byte by byte, in plain arithmetic."""
    total = 0
    words = [memory[n : n + 8] for n in range(0, len(memory) // 8 * 8, 8)]
    for piece in [*words, *(bytes([byte]) for byte in memory[8 * len(words) :])]:
        bits = f"{total:064b}"
        total = (int(bits[7:] + bits[:7], 2) + int.from_bytes(piece, "little")) % 2**64
    return total


def test_fold() -> None:
    rng = random.Random(1)
    for size in (0, 1, 7, 8, 9, 16, 31):
        memory = rng.randbytes(size)
        assert memory_checksum(memory) == checksum(memory)
    assert memory_checksum(bytes(8) + b"\1") != memory_checksum(b"\1" + bytes(8))


def test_memory_becomes_a_result_and_traps_are_left_out() -> None:
    case = read_case(TEXT).case
    text = filetest_text(case, interpreter(case), ["x86_64"])
    assert text.startswith("; 1 inputs that do not return are left out\n")
    found = read_case(text)
    assert [function.name for function in found.case.functions] == ["filetest", "put"]
    assert [slot.size for slot in found.case.main.stack_slots] == [11]
    first = bytes([1, 2, 3, 4, 7, 0, 0, 0, 9, 10, 11])
    second = bytes([1, 2, 3, 4, 255, 255, 255, 255, 9, 10, 11])
    expected = [e.observed.results for e in found.expectations if e is not None]
    assert expected == [(11, checksum(first)), (11, checksum(second))]
    outcome = interpreter(found.case)
    assert outcome.results[1].tolist() == [[checksum(first)], [checksum(second)]]


def test_a_case_without_memory_stays_as_it_is() -> None:
    text = "function %f(i8) -> i8 {\nblock0(v0: i8):\n    return v0\n}\n; run: %f(3) == 3\n"
    case = read_case(text).case
    found = read_case(filetest_text(case, interpreter(case), []))
    assert [function.name for function in found.case.functions] == ["f"]


def test_the_new_function_has_a_name_of_its_own() -> None:
    case = read_case(TEXT.replace("%put", "%filetest")).case
    found = read_case(filetest_text(case, interpreter(case), []))
    assert [function.name for function in found.case.functions] == ["filetest_", "filetest"]
