"""Reports of real findings: what is collected, and the command."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from backend.cranelift.compiler import version
from backend.cranelift.edge_counters import counters
from clif.types import F32, I8, I16, I128, by_name
from fuzz.campaign.database import CampaignDatabase
from fuzz.campaign.database_schema import DATABASE
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.result import CampaignResult, FindingSummary
from fuzz.campaign.statistics import Statistics
from fuzz.cases.build_identity import BuildIdentity
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.casefile import read_case
from fuzz.differential.failure_signature import FailureSignature
from fuzz.differential.finding import FindingKind
from fuzz.differential.stage import Stage
from fuzz.reporting.archive import ArchiveError, read_archive, read_header
from fuzz.reporting.campaign import campaign_page
from fuzz.reporting.child import PageProcess
from fuzz.reporting.code import codes, compile_with_lines
from fuzz.reporting.finding import finding_page
from fuzz.reporting.values import show_value
from fuzz.triage.minimized import MinimizedCase
from fuzz.triage.minimized_files import minimized_path, save_minimized
from reports.model import Fact
from tests.fuzz.command import Command
from tests.paths import CORPUS

CRANELIFT = CORPUS / "cranelift"

TWICE = """
test interpret
test run
set opt_level=speed
target x86_64
target aarch64

function %g(i32) -> i32 system_v {
block0(v0: i32):
    v1 = rotl.i32 v0, v0
    return v1
}

function %main(i32, i32) -> i32 system_v {
    ss0 = explicit_slot 8
    sig0 = (i32) -> i32 system_v
    fn0 = colocated %g sig0
block0(v0: i32, v1: i32):
    v2 = imul.i32 v0, v1
    v3 = call fn0(v2)
    jump block1(v3)

block1(v4: i32):
    v5 = bxor.i32 v4, v1
    return v5
}
; run: %main(3, 5) == 491525
"""


# --- code beside CLIF ---


@pytest.mark.parametrize("isa", ["x86_64", "aarch64"])
def test_each_instruction_knows_its_clif_line(isa: str) -> None:
    listed = compile_with_lines(read_case(TWICE).case, isa)
    assert listed is not None
    lines = listed.text.splitlines()
    by_function = {code.function: code for code in codes(listed)}
    multiply = next(at for at in by_function["main"].lines if "mul" in at.text)
    assert lines[multiply.clif - 1].strip().startswith("v2 = imul.i32")
    rotate = next(at for at in by_function["g"].lines if "ro" in at.text)
    assert lines[rotate.clif - 1].strip().startswith("v1 = rotl.i32")
    assert by_function["main"].lines[0].clif == 0  # the prologue
    assert "@" not in by_function["main"].optimised
    assert "imul v0, v1" in by_function["main"].optimised


def test_code_that_does_not_compile() -> None:
    case = read_case((CRANELIFT / "isub-self-i8x8.clif").read_text()).case
    assert compile_with_lines(case, "aarch64") is None


# --- where it diverges ---


@pytest.mark.parametrize(
    ("name", "isa", "clif", "instruction"),
    [
        ("fpromote-f16-f64", "aarch64", "v1 = fpromote.f64 v0", "fcvt d0, s0"),
        ("fdemote-f128-f32", "aarch64", "v1 = fdemote.f32 v0", "fcvt s0, d0"),
        ("swiden-high-i8x4", "aarch64", "v1 = swiden_high.i8x4 v0", "sshll2 v0.8h, v0.16b, #0"),
        # The address of the stack slot differs as well, but says nothing.
        ("atomic-cas-i32", "aarch64", "v6 = load.i32 v3", "ldur w1, [sp]"),
        ("vany-true-i8x4", "x86_64", "v3 = vany_true.i8x4 v2", "setne"),
    ],
)
def test_the_first_wrong_place_is_the_culprit(
    name: str, isa: str, clif: str, instruction: str
) -> None:
    page = finding_page(CRANELIFT / f"{name}.clif")
    (place,) = [place for place in page.divergences if place.isa == isa]
    assert re.sub(r"v\d+", "v", place.clif) == re.sub(r"v\d+", "v", clif)
    assert place.instruction.startswith(instruction)
    (code,) = [code for code in page.codes if code.isa == isa]
    (marked,) = [line for line in code.lines if line.diverges]
    assert (marked.offset, marked.text) == (place.offset, place.instruction)


def test_right_code_departs_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "right.clif"
    file.write_text(TWICE)
    page = finding_page(file)
    assert page.divergences == ()
    assert page.failing == ()
    assert "does not fail" in page.problem


# --- findings ---


def test_a_finding_in_full() -> None:
    page = finding_page(CRANELIFT / "fpromote-f16-f64.clif")
    first = page.failing[0]
    assert (first.isa, first.kind, first.differing) == ("aarch64", "result", (0,))
    assert first.expected.results[0].bits == "0x3ff0000000000000"
    assert first.expected.results[0].more == (Fact("≈", "1"),)
    assert page.outlier == "aarch64"
    assert any("aarch64 opt_level=speed: something else" in line for line in page.attribution)
    assert page.filetest.count("; run: ") == 2
    assert Fact("Cranelift version or commit", version()) in page.versions
    texts = "\n".join(command.text for command in page.commands)
    assert "clif-fuzz replay" in texts
    assert "qemu-aarch64-static -cpu max -L /usr/aarch64-linux-gnu" in texts


def test_memory_that_differs() -> None:
    page = finding_page(CRANELIFT / "atomic-rmw-umin-i8.clif")
    assert page.failing[0].expected.memory == ("memory at 0: 01 (before 80)",)
    assert page.failing[0].actual.memory == ("memory at 0: 80 (before 80)",)
    assert page.failing[0].arguments[0].bits == "the region of 16 bytes"


def test_a_panic_is_told_and_compiled_only() -> None:
    page = finding_page(CRANELIFT / "bzhi-i128-amount.clif")
    assert any("panic" in line for line in page.says)
    assert [code.isa for code in page.codes] == ["aarch64"]
    assert page.filetest.startswith("test compile\n")
    assert "\ntarget x86_64 has_bmi2\n" in page.filetest
    assert "run:" not in page.filetest


def test_what_takes_too_long_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "crash-1.clif"
    file.write_text(
        "; finding: compile-timeout\n; isa: x86_64\n; bucket: compile-timeout x\n" + TWICE
    )
    page = finding_page(file)
    assert "Not run again" in page.problem
    assert page.codes == ()
    assert "imul" in page.clif


def test_a_file_that_is_no_case(tmp_path: Path) -> None:
    file = tmp_path / "crash-1.clif"
    file.write_text("function nonsense\n")
    assert "cannot be read" in finding_page(file).problem


def test_what_kills_the_process_is_reported_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("fuzz.reporting.child._serve", dying)
    with PageProcess() as child:
        page = child.page(CRANELIFT / "fpromote-f16-f64.clif")
        assert page.problem == "Running it again ended the process (SIGSEGV)."
        assert "fpromote" in page.clif
    monkeypatch.setattr("fuzz.reporting.child._serve", sleeping)
    with PageProcess(timeout=0.2) as child:
        page = child.page(CRANELIFT / "fpromote-f16-f64.clif")
        assert "took longer" in page.problem


def dying(connection: Connection) -> None:
    connection.recv()
    os.kill(os.getpid(), signal.SIGSEGV)


def sleeping(connection: Connection) -> None:
    time.sleep(60)


# --- values ---


def test_values_in_every_form() -> None:
    assert show_value("a", I8, 0xFF).more == (Fact("unsigned", "255"),)
    assert show_value("a", I16, 7).more == ()
    assert show_value("a", F32, 0x3FC00000).more == (Fact("≈", "1.5"),)
    assert show_value("a", I128, 1 << 127).number == str(-(1 << 127))
    vector = show_value("a", by_name("f32x2"), 0xC0000000_3F800000)
    assert (vector.bits, vector.number) == ("0xc00000003f800000", "[0x1.000000p0 -0x1.000000p1]")
    assert vector.more == (Fact("≈", "[1 -2]"),)


# --- campaigns ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A campaign with three findings, two of one bucket."""
    names = {}
    for name in ("fpromote-f16-f64", "isub-self-i8x8", "atomic-cas-i32"):
        names[name] = f"crash-{name}.clif"
        shutil.copy(CRANELIFT / f"{name}.clif", tmp_path / names[name])
    database = CampaignDatabase(tmp_path)
    plan = CampaignPlan(CaseOptions(), seed=7, cases=20, out=str(tmp_path))
    build = BuildIdentity("0.1.0", version(), "0123456789abcdef")
    database.begin(plan, build, len(counters()))
    statistics = Statistics(cases=20, executions=640, hangs=2)
    statistics.rejected["oracle: nothing"] = 3
    statistics.traps["heap_oob"] = 5
    statistics.opcode_types["x86_64"] = statistics.opcode_types.get(
        "x86_64", type(statistics.traps)()
    )
    statistics.opcode_types["x86_64"]["iadd.i32"] = 11
    statistics.stage_ns[Stage.COMPILE] = 2_000_000_000
    statistics.total_ns, statistics.wall_ns = 3_000_000_000, 4_000_000_000
    result = CampaignResult(statistics)
    database.save(result, {}, sample=True)
    wrong, panic = "miscompile aarch64 result: ...", "compiler-panic aarch64 optimize"
    result.findings += [
        FindingSummary("compiler-panic", panic, "aarch64", names["isub-self-i8x8"], True, 1),
        FindingSummary("miscompile", wrong, "aarch64", names["atomic-cas-i32"], False, 2),
        FindingSummary("miscompile", wrong, "aarch64", names["fpromote-f16-f64"], False, 3),
    ]
    statistics.wall_ns = 8_000_000_000
    database.save(result, {}, sample=True)
    database.close()
    return tmp_path


def test_a_campaign_from_its_database(folder: Path) -> None:
    page = campaign_page(read_archive(folder))
    assert [(bucket.count, bucket.known) for bucket in page.buckets] == [(2, False), (1, True)]
    # The smallest file stands for its bucket.
    sizes = [(folder / file).stat().st_size for file in page.buckets[0].files]
    assert sizes == sorted(sizes)
    count_tables = {table.title: dict(table.counts) for table in page.count_tables}
    assert count_tables["rejected cases by reason"] == {"oracle: nothing": 3}
    assert count_tables["inputs that trapped, by trap code"] == {"heap_oob": 5}
    assert count_tables["hangs"] == {"inputs that the interpreter stopped": 2}
    assert page.coverage.cases["x86_64", "iadd", "i32"] == 11
    assert page.coverage.cases["aarch64", "iadd", "i32"] == 0
    assert ("aarch64", "x86_pmaddubsw", "i16x8") not in page.coverage.cases
    assert [sample.cases for sample in page.samples] == [20, 20]
    assert dict(page.stages)["compile"] == 2.0


def test_the_page_of_a_campaign(command: Command, folder: Path) -> None:
    issues = folder / "issues"
    output = command("report", folder, "--markdown", issues)
    assert output.code == 0
    html = (folder / "report.html").read_text()
    assert html.count('<details class="finding"') == 2
    assert "diverges first" in html
    assert sorted(path.name for path in issues.iterdir()) == [
        "campaign.md",
        "crash-fpromote-f16-f64.md",
        "crash-isub-self-i8x8.md",
    ]


def test_the_page_shows_what_is_minimised(folder: Path) -> None:
    file = folder / "crash-atomic-cas-i32.clif"
    case = read_case(file.read_text()).case
    failure = FailureSignature(FindingKind.MISCOMPILE, ("aarch64",), "wrong value")
    minimized = MinimizedCase(case, failure, rules=frozenset({"src/a.isle:1"}))
    save_minimized(minimized, ("aarch64",), file, file.read_text(), minimized_path(file))
    (shown, _) = campaign_page(read_archive(folder)).buckets
    # Both are in the only fault of the bucket that they were given first.
    assert shown.name.startswith("miscompile aarch64 wrong value: atomic_cas.i32")
    assert (shown.count, shown.minimized, shown.rules) == (2, 1, ("src/a.isle:1",))
    assert shown.files[0] == f"minimized/{file.name}"
    assert set(shown.files[1:]) == {file.name, "crash-fpromote-f16-f64.clif"}


def test_findings_without_a_database(command: Command, folder: Path) -> None:
    for file in folder.glob("campaign*"):
        file.unlink()
    assert command("report", folder).code == 0
    assert "no campaign database" in (folder / "report.html").read_text()


def test_a_single_finding_as_an_issue(command: Command, tmp_path: Path) -> None:
    html = tmp_path / "page.html"
    output = command("report", CRANELIFT / "fpromote-f16-f64.clif", "-o", html, "--markdown", "-")
    assert output.out.startswith("# Cranelift: wrong result on aarch64")
    assert "fcvt d0, s0" in html.read_text()


def test_headers_of_findings(tmp_path: Path) -> None:
    file = tmp_path / "crash-1.clif"
    file.write_text("; finding: hang\n; isa: x86_64\n; bucket: hang x86_64: a\n; known\n\nfunction")
    found = read_header(file)
    assert (found.kind, found.isa, found.bucket, found.known) == (
        "hang",
        "x86_64",
        "hang x86_64: a",
        True,
    )


def test_bad_folders(command: Command, folder: Path, tmp_path: Path) -> None:
    assert "no such file" in command.complaint("report", tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "neither a campaign database" in command.complaint("report", empty)
    assert "no campaign 9; there are 1" in command.complaint("report", folder, "--campaign", 9)
    assert "folder" in command.complaint("report", folder, "--markdown", "-")
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ArchiveError, match="version 99"):
        read_archive(folder)
    (folder / DATABASE).write_bytes(b"no database at all" * 99)
    assert "cannot be read" in command.complaint("report", folder)
