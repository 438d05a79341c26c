"""Files whose failure does not show with this build."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.cli.errors import EXIT_CLEAN, EXIT_NOT_FAILING
from tests.fuzz.command import Command

CRANELIFT = Path(__file__).parents[3] / "corpus" / "cranelift"

HEALTHY = """\
; finding: miscompile
; isa: x86_64
; bucket: miscompile x86_64 result: iadd.i8
test run
target x86_64
target aarch64

function %main(i8) -> i8 {
block0(v0: i8):
    v1 = iadd v0, v0
    return v1
}
; run: %main(1) == 2
"""
#: The emulator reads 16 bytes for roundss from memory, and there are only 4 up to an unmapped page.
TABLE_AND_ROUND = """\
; region: argument 0, 16 bytes
test run
target x86_64 has_sse41
target aarch64

function %main(i64, i32) -> i32, f32 {
block0(v0: i64, v1: i32):
    v9 = f32const 0.0
    br_table v1, block4(v9), [block1, block2, block3, block1]
block1:
    v2 = f32const 0x1.0
    jump block4(v2)
block2:
    v3 = load.f32 notrap v0+12
    v4 = floor v3
    jump block4(v4)
block3:
    v5 = f32const 0x2.0
    jump block4(v5)
block4(v6: f32):
    return v1, v6
}
; input: %main(0, 1) == [1, 0.0]
; input: %main(0, 3) == [3, 0x1.0]
"""


#: A known fault of Cranelift 0.135, but not the failure that the file records: no wrong trap.
ANOTHER_BUCKET = """\
; finding: miscompile
; isa: aarch64
; bucket: miscompile aarch64 trap code: fpromote.f64
""" + (CRANELIFT / "fpromote-f16-f64.clif").read_text().partition("\n")[2]


@pytest.mark.parametrize("text", [HEALTHY, ANOTHER_BUCKET], ids=["healthy", "another-bucket"])
@pytest.mark.parametrize(
    "args",
    [
        ("replay",),
        ("minimize", "-o", "-"),
        ("triage",),
        ("report", "--markdown", "-"),
    ],
)
def test_all_commands_say_so_with_one_exit_code(
    command: Command, tmp_path: Path, text: str, args: tuple[str, ...]
) -> None:
    file = tmp_path / "crash.clif"
    file.write_text(text)
    output = command(args[0], file, *args[1:])
    assert output.code == EXIT_NOT_FAILING
    assert "does not" in output.out + output.err


def test_the_report_says_which_failure_it_shows_instead(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "crash.clif"
    file.write_text(ANOTHER_BUCKET)
    said = command("report", file, "--markdown", "-").out
    assert "(miscompile aarch64 trap code: fpromote.f64) does not show" in said
    assert "It shows another one: miscompile aarch64 result: fpromote.f64." in said


@pytest.mark.parametrize("name", ["replay", "minimize", "triage"])
def test_a_known_fault_of_the_emulator_decides_no_exit_code(
    command: Command, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "case.clif"
    file.write_text(TABLE_AND_ROUND)
    output = command(name, file)
    assert output.code == (EXIT_CLEAN if name == "replay" else EXIT_NOT_FAILING)
    if name == "replay":
        assert "a known fault of the emulator: round-from-memory" in output.out


def test_a_jump_table_is_shown_as_data(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "case.clif"
    file.write_text(TABLE_AND_ROUND)
    output = command("replay", "--isa", "x86_64", "--code", file)
    code = output.out.partition("%main on x86_64")[2]
    assert code.count("roundss") == 1
    assert "(bad)" not in code
    assert "data" in code or ".byte" in code or ".long" in code
