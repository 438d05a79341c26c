"""The filetests of issues: they fail for the finding's reason, and for no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.cases.casefile import read_case
from fuzz.filetests.check import check_text
from fuzz.filetests.results import CommandStatus
from fuzz.reporting.finding import finding_page
from fuzz.reporting.issue import NoFiletestError, issue_filetest
from tests.fuzz.command import Command
from tests.paths import CORPUS

CRANELIFT = CORPUS / "cranelift"


def asked_of(filetest: str) -> list[str]:
    return [line for line in filetest.splitlines() if line.startswith("test ")]


@pytest.mark.parametrize(
    ("name", "tests"),
    [
        # The interpreter of Cranelift has no conversion from f16.
        ("fpromote-f16-f64", ["test run"]),
        ("fdemote-f128-f32", ["test run"]),
        # It runs these, and is right.
        ("atomic-cas-i32", ["test interpret", "test run"]),
        ("atomic-rmw-umin-i8", ["test interpret", "test run"]),
        # Nothing has to be run to see these.
        ("isub-self-i8x8", ["test compile"]),
        ("bzhi-i128-amount", ["test compile"]),
    ],
)
def test_the_interpreter_is_asked_only_where_it_has_a_say(name: str, tests: list[str]) -> None:
    assert asked_of(finding_page(CRANELIFT / f"{name}.clif").filetest) == tests


@pytest.mark.parametrize("name", ["fpromote-f16-f64", "atomic-cas-i32", "fdemote-f128-f32"])
def test_the_filetest_fails_on_the_blamed_isa_alone(name: str) -> None:
    page = finding_page(CRANELIFT / f"{name}.clif")
    report = check_text("test.clif", page.filetest, ("interp", *page.isas))
    assert report.results
    for _, by_executor in report.results:
        for executor, result in by_executor.items():
            passed = executor == "interp"
            assert (result.status is CommandStatus.PASSED) == passed
            assert (result.status is CommandStatus.FAILED) != passed


ADD = """\
test run
target x86_64 has_bmi1
target aarch64
function %f(i32) -> i32 {
block0(v0: i32):
    trapz v0, user1
    v1 = iconst.i32 1
    v2 = iadd v0, v1
    return v2
}
; run: %f(1) == 2
; run: %f(2) == 3
; input: %f(0) traps user1
; run: %f(3) == 4
"""


def test_only_inputs_that_fail_and_isas_that_are_blamed() -> None:
    text = issue_filetest(read_case(ADD).case, "miscompile", ["x86_64"], [1])
    assert [line for line in text.splitlines() if "run:" in line] == ["; run: %f(2) == 3"]
    assert [line for line in text.splitlines() if "target" in line] == ["target x86_64 has_bmi1"]


@pytest.mark.parametrize(
    ("change", "kind", "rows", "why"),
    [
        (("", ""), "miscompile", [2], "cannot expect a trap"),
        (("test run", "; chaos: 01\ntest run"), "miscompile", [0], "chaos mode"),
        (("test run", "; inlining: 01\ntest run"), "miscompile", [0], "after inlining"),
        (("test run", "test run\nset enable_pinned_reg=true"), "miscompile", [0], "pinned"),
        (("", ""), "emulator-fault", [0], "do not test this"),
    ],
)
def test_why_there_is_none(change: tuple[str, str], kind: str, rows: list[int], why: str) -> None:
    case = read_case(ADD.replace(*change, 1) if change[0] else ADD).case
    with pytest.raises(NoFiletestError, match=why):
        issue_filetest(case, kind, ["x86_64"], rows)


def test_oracles_that_disagree_ask_the_interpreter_alone() -> None:
    text = issue_filetest(read_case(ADD).case, "oracles-disagree", [], [0])
    assert asked_of(text) == ["test interpret"]
    assert "target" not in text


HOSTILE = "\x1b]0;title\x07 @everyone"


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    """A file that records a failure which does not show, in words that are none."""
    path = tmp_path / "healthy.clif"
    head = f"; finding: miscompile\n; isa: x86_64\n; bucket: {HOSTILE}\n; origin: {HOSTILE}\n"
    path.write_text(head + ADD)
    return path


def test_a_recorded_failure_that_does_not_show(command: Command, healthy: Path) -> None:
    first = command("report", healthy, "--markdown", "-").out.split("\n")[2]
    assert first.startswith("**The failure that the file records (miscompile x86_64) does not show")


def test_a_file_does_not_control_the_terminal(command: Command, healthy: Path) -> None:
    for words in (("report", healthy, "--markdown", "-"), ("replay", healthy), ("fmt", healthy)):
        output = command(*words)
        assert "\x1b" not in output.out + output.err
        assert "\x07" not in output.out + output.err
    assert "\\x1b]0;title" in command("replay", healthy).out
