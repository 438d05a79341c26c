"""What a campaign shows while it runs: on terminals, elsewhere, and to Prometheus."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from backend.cranelift.opcodes import OPCODES
from clif.types import ALL
from fuzz.campaign.fault_buckets import MinimizedFault
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.prometheus import MetricsFile
from fuzz.campaign.result import CampaignResult, FindingSummary
from fuzz.cli.clif_lexer import ClifLexer
from fuzz.cli.status import PlainLines, open_view, status_text
from fuzz.cli.view import LiveView, Rates, page
from fuzz.differential.stage import Stage
from tests.fuzz.command import Command

PLAN = CampaignPlan(seed=8, jobs=2, seconds=3600.0, out="findings")


def some_result() -> CampaignResult:
    result = CampaignResult()
    statistics = result.statistics
    statistics.cases, statistics.executions = 1234, 79_000
    statistics.executions_by_isa.update({"x86_64": 40_000, "aarch64": 39_000})
    statistics.total_ns, statistics.wall_ns = 10_000_000_000, 65_000_000_000
    statistics.stage_ns[Stage.COMPILE] = 5_000_000_000
    statistics.stage_ns[Stage.GENERATE] = 3_000_000_000
    statistics.traps["heap_oob"] = 17
    statistics.rejected['say "no"'] = 2
    result.findings = [
        FindingSummary(
            "miscompile", "miscompile x86_64 iadd.i32", "x86_64", f"crash-{n}.clif", case=n
        )
        for n in range(3)
    ]
    result.findings.append(FindingSummary("hang", "hang known", "", "crash-9.clif", True, 9))
    result.cover(range(100))
    result.grew_at, result.corpus, result.deaths = 53.0, 12, 1
    result.memory_mib = {0: 150.0, 1: 201.4}
    result.sample = "; seed 8 case 5\nfunction %main() {\nblock0:\n    return\n}\n"
    return result


def drawn(result: CampaignResult, height: int = 40, width: int = 100) -> str:
    rates = Rates()
    rates.note(10.0, CampaignResult().statistics)
    rates.note(20.0, result.statistics)
    console = Console(file=io.StringIO(), width=width, height=height)
    with console.capture() as capture:
        console.print(page(PLAN, result, rates, height, width))
    return capture.get()


@pytest.mark.parametrize(
    "shown",
    [
        "seed 8  2 job(s)  x86_64 aarch64",
        "/s by the clock  /s of CPU time",
        "cases             1,234              123             123",
        "executions       79,000            7,900           7,900",
        "rejected 2  hangs 0  deaths 1",
        "100 edges, last grew 12 s ago, corpus 12",
        "2, 201 MiB at most",
        "heap_oob 17",
        "generate 30%  compile 50%  other 20%",
        "findings    3 in 1 buckets",
        "3  miscompile x86_64 iadd.i32",
        "function %main() {",
        "1:05 of 1:00:00, saved in findings",
    ],
)
def test_the_page_shows(shown: str) -> None:
    assert shown in drawn(some_result())


def test_the_page_fits() -> None:
    result = some_result()
    result.sample = "\n".join(f"line {n}" for n in range(100))
    for height, width in ((40, 100), (24, 80), (12, 50), (6, 40), (4, 20)):
        lines = drawn(result, height, width).splitlines()
        assert len(lines) <= height
        assert max(map(len, lines)) <= width


@pytest.mark.parametrize("height", range(4, 24))
def test_findings_are_the_last_to_go(height: int) -> None:
    shown = drawn(some_result(), height, 50)
    assert "3 in 1 buckets" in shown
    assert ("miscompile x86_64 iadd.i32" in shown) == (height >= 5)
    # Rates are never without the words that say of what time they are.
    assert ("/s clock  /s of CPU" in shown) == (height >= 6)
    assert ("cases" in shown) == (height >= 7)


def test_many_buckets_in_a_small_window() -> None:
    result = some_result()
    result.findings = [
        FindingSummary("miscompile", f"bucket {n}", "", f"crash-{n}.clif") for n in range(20)
    ]
    shown = drawn(result, 12, 50)
    assert "20 in 20 buckets" in shown
    assert "bucket 3" in shown
    assert "and 16 more" in shown


def test_before_anything_is_known() -> None:
    shown = drawn(CampaignResult())
    assert "findings    none" in shown
    assert "preparing   what each ISA supports, and CLIF for ISLE rules (2 workers)" in shown


def test_a_sample_begins_with_its_function_and_does_not_control_the_terminal() -> None:
    result = some_result()
    result.sample = "; origin: x\n\nfunction %main() {\n; \x1b[2J\n}\n"
    shown = drawn(result)
    assert "origin" not in shown
    assert "\\x1b[2J" in shown


def coloured(text: str) -> list[tuple[str, str]]:
    """Return the lexer's tokens without white space, each with the last part of its type."""
    tokens = ClifLexer().get_tokens(text)
    return [(value, str(kind).rpartition(".")[2]) for kind, value in tokens if value.strip()]


def test_colours_of_clif() -> None:
    function = "function %main(i8x16 sext) -> f32 {\n"
    found = coloured(f"test run\n{function}  v12 = iadd.i64 v3, -0x1f ; c\n")
    for token in (
        ("test", "Namespace"),
        ("function", "Declaration"),
        ("%main", "Function"),
        ("i8x16", "Type"),
        ("sext", "Declaration"),
        ("f32", "Type"),
        ("v12", "Variable"),
        ("iadd", "Keyword"),
        ("i64", "Type"),
        ("-0x1f", "Hex"),
        ("; c", "Single"),
    ):
        assert token in found


def test_every_opcode_and_type_is_known_to_the_lexer() -> None:
    for opcode in OPCODES:
        assert (opcode, "Keyword") in coloured(f"    v0 = {opcode} v1\n"), opcode
    for type_ in ALL:
        assert (type_.name, "Type") in coloured(f"    v0 = iconst.{type_.name} 1\n")


def test_the_terminal_is_left_as_it_was() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, height=24)
    with LiveView(PLAN, console) as view:
        view.show(some_result())
    assert "\x1b[?25l" in file.getvalue()  # hides the cursor
    assert file.getvalue().rstrip().endswith("\x1b[2K")  # the last line is erased


def test_plain_lines_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_view(PLAN) as view:
        assert isinstance(view, PlainLines)
        view.show(some_result())
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 2)
        view.show(CampaignResult())
        view.show(CampaignResult())
        monkeypatch.setattr(time, "monotonic", lambda: now + 13)
        view.show(some_result())
    first, line = capsys.readouterr().err.splitlines()
    assert first == "preparing what each ISA supports, and CLIF for ISLE rules (2 workers)"
    assert line == status_text(some_result())
    for part in ("65 s", "1234 cases", "edges 100", "findings 3", "rejected 2", "worker deaths 1"):
        assert part in line


def test_a_file_for_prometheus(tmp_path: Path) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    file = tmp_path / "clif-fuzz.prom"
    file.write_text("old")
    metrics = MetricsFile(file)
    metrics.show(some_result())
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
    }
    assert samples["clif_fuzz_cases_total",] == 1234
    assert samples["clif_fuzz_executions_total", "aarch64"] == 39_000
    assert samples["clif_fuzz_rejected_total", 'say "no"'] == 2
    assert samples["clif_fuzz_cpu_seconds_total", "compile"] == 5.0
    assert samples["clif_fuzz_cpu_seconds_total", "other"] == 2.0
    assert sum(n for (name, *_), n in samples.items() if name == "clif_fuzz_findings") == 3
    assert samples["clif_fuzz_edges",] == 100
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    metrics.show(CampaignResult())  # too soon
    assert "1234" in file.read_text()


def test_minimised_findings_are_counted_by_fault(tmp_path: Path) -> None:
    result = some_result()
    result.faults = {"crash-0.clif": MinimizedFault("one fault", ("x86_64",))}
    shown = drawn(result)
    assert "3 in 1 buckets" in shown
    assert "3  one fault" in shown
    metrics = MetricsFile(tmp_path / "clif-fuzz.prom")
    metrics.write(result)
    assert (
        'clif_fuzz_findings{bucket="one fault",isa="x86_64",kind="miscompile"} 3.0'
        in (tmp_path / "clif-fuzz.prom").read_text()
    )


def test_a_file_for_prometheus_that_cannot_be_written(command: Command, tmp_path: Path) -> None:
    target = tmp_path / "no" / "file.prom"
    message = command.complaint("run", "--out", tmp_path / "out", "--prometheus", target)
    assert "No such file or directory" in message
