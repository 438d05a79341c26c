"""Files that ask for the interpreter alone: every command takes them at their word."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.cli.errors import EXIT_CLEAN, EXIT_FINDINGS, EXIT_NOT_FAILING
from tests.fuzz.command import Command

#: Cranelift 0.135 panics on this for x86-64, and its interpreter saturates what is out of range.
FROM_FLOAT = """\
test interpret

function %convert(f32) -> i128 {
block0(v0: f32):
    v1 = fcvt_to_uint.i128 v0
    return v1
}
; run: %convert(0x1.0) == 1
; run: %convert(0x1.fffffep127) == 170141183460469231731687303715884105727
"""
NO_RUN = "no 'test run' line"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "convert.clif"
    path.write_text(FROM_FLOAT)
    return path


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("check",), EXIT_CLEAN),
        (("replay",), EXIT_CLEAN),
        (("minimize", "-o", "-"), EXIT_NOT_FAILING),
        (("triage",), EXIT_NOT_FAILING),
        (("report", "--markdown", "-"), EXIT_NOT_FAILING),
        (("bisect", "--from", "0.134"), EXIT_NOT_FAILING),
    ],
)
def test_no_command_calls_what_is_not_to_be_compiled_a_failure(
    command: Command, file: Path, words: tuple[str, ...], code: int
) -> None:
    output = command(words[0], file, *words[1:])
    assert output.code == code
    assert "panic" not in output.out + output.err


@pytest.mark.parametrize("name", ["check", "replay"])
def test_both_say_why_and_whose_fault_the_expectation_is(
    command: Command, file: Path, name: str
) -> None:
    said = command(name, file).out
    assert said.count(NO_RUN) == 2
    assert said.count("expects what Cranelift's interpreter gets wrong: i128-from-float") == 1


@pytest.mark.parametrize("name", ["check", "replay"])
def test_another_wrong_expectation_is_a_failure(command: Command, file: Path, name: str) -> None:
    file.write_text(FROM_FLOAT.replace("== 1\n", "== 2\n"))
    assert command(name, file).code == EXIT_FINDINGS


def test_replay_runs_the_code_for_an_isa_that_is_asked_for(command: Command, file: Path) -> None:
    output = command("replay", file, "--isa", "x86_64")
    assert output.code == EXIT_FINDINGS
    assert "compiler-panic x86_64" in output.out
    assert NO_RUN not in output.out
