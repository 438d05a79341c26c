"""Findings: their buckets, their files, and what a person reads in them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from clif.outcome import Status
from clif.types import F32, I32
from fuzz.cases.build_identity import build_identity
from fuzz.cases.casefile import read_case
from fuzz.cases.compare import Difference, DifferenceKind, Observed
from fuzz.differential.explain import explain_differences
from fuzz.differential.finding import Finding, FindingKind, opcodes_in_bucket
from fuzz.differential.finding_file import (
    check_directory,
    finding_text,
    folder_of,
    write_finding,
)
from fuzz.differential.oracle import interpreter

TEXT = """\
; trapping
function %main(i32) -> i32 {
block0(v0: i32):
    trapz v0, user1
    v1 = imul v0, v0
    return v1
}
; input: %main(2)
; input: %main(0)
; input: %main(3)
"""

FINDING = Finding(FindingKind.MISCOMPILE, "x86_64", "result: imul.i32", ("look:", "  here"), (2,))


def test_bucket() -> None:
    assert FINDING.bucket == "miscompile x86_64 result: imul.i32"
    assert Finding(FindingKind.HANG, "", "x").bucket == "hang x"


def test_opcodes_name_small_cases_only() -> None:
    case = read_case(TEXT).case
    assert opcodes_in_bucket(case.functions) == "imul.i32 trapz.i32"
    names = ["iadd", "isub", "imul", "band", "bor", "bxor", "ishl", "ushr", "sshr"]
    body = "\n".join(f"v{n + 1} = {name} v{n}, v{n}" for n, name in enumerate(names))
    big = f"function %m(i32) -> i32 {{\nblock0(v0: i32):\n{body}\nreturn v9\n}}\n; print: %m(1)"
    assert opcodes_in_bucket(read_case(big).case.functions) == ""


def test_text_is_a_case_with_the_failing_inputs_first() -> None:
    case = read_case(TEXT).case
    text = finding_text(FINDING, case, interpreter(case), ["x86_64", "aarch64"])
    assert text.startswith(
        "; finding: miscompile\n; isa: x86_64\n; bucket: miscompile x86_64 result: imul.i32\n"
        f"; build: {build_identity()}\n; look:\n;   here\n; trapping\n"
    )
    found = read_case(text)
    assert found.isas == ("x86_64", "aarch64")
    assert found.case.inputs.args[0].tolist() == [[3], [2], [0]]
    nine, four, trapped = (e.observed for e in found.expectations if e is not None)
    assert (nine.results, four.results, trapped.trap) == ((9,), (4,), "user1")


def test_explanations_show_hex_and_numbers() -> None:
    expected = Observed(Status.RETURNED, (I32, F32), (1, 0x3F800000), memory=b"\0\1\2\3")
    actual = Observed(Status.RETURNED, (I32, F32), (0xFFFFFFFF, 0x3F800000), memory=b"\0\1\xff\3")
    lines = explain_differences(
        [Difference(DifferenceKind.RESULT, 5, expected, actual)],
        canonical_nans=True,
        initial=bytes(4),
    )
    assert lines == [
        "input 5, result:",
        "  expected result 0: 0x00000001 (1)",
        "  actual   result 0: 0xffffffff (-1)",
        "  memory at 2: expected 02, actual ff, before 00",
    ]


def test_explanations_show_traps() -> None:
    expected = Observed(Status.TRAPPED, (I32,), trap="int_divz")
    actual = Observed(Status.RETURNED, (I32,), (0,))
    lines = explain_differences(
        [Difference(DifferenceKind.STATUS, 0, expected, actual)], canonical_nans=True
    )
    assert lines[1:] == ["  expected trap int_divz", "  actual   results 0x00000000 (0)"]


def test_file_name_is_the_sha1_of_the_contents(tmp_path: Path) -> None:
    path = write_finding(TEXT, tmp_path)
    assert path.name == f"crash-{hashlib.sha1(TEXT.encode()).hexdigest()}.clif"
    assert path.read_text() == TEXT
    assert write_finding(TEXT, tmp_path) == path
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_finding(TEXT, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        check_directory(tmp_path / "file" / "out")
    check_directory(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_files_of_known_faults_have_a_folder_of_their_own(tmp_path: Path) -> None:
    new = Finding(FindingKind.MISCOMPILE, "x86_64", "result")
    known = Finding(FindingKind.EMULATOR_FAULT, "x86_64", "form", known=True)
    assert folder_of(new, tmp_path) == tmp_path
    path = write_finding(TEXT, folder_of(known, tmp_path))
    assert path.parent == tmp_path / "known-faults"
    assert path.read_text() == TEXT
