"""Pages and Markdown of made-up campaigns and findings."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from reports.charts import over_time
from reports.heatmap import table
from reports.markdown import campaign_markdown, finding_markdown
from reports.model import (
    BucketSummary,
    CampaignPage,
    CodeLine,
    CountTable,
    Coverage,
    Divergence,
    Fact,
    FailingInput,
    FindingPage,
    FunctionCode,
    Sample,
    ShellCommand,
    ShownOutcome,
    ShownValue,
)
from reports.page import campaign_html, finding_html

VALUE = ShownValue("result 0", "i8", "0xff", "-1", (Fact("unsigned", "255"),))
FINDING = FindingPage(
    file="crash-1.clif",
    kind="miscompile",
    bucket="miscompile x86_64 result: iadd.i8",
    isas=("x86_64",),
    detail="result: iadd.i8",
    explanation=("a comment <b>with</b> markup",),
    clif="function %main(i8) -> i8 {\nblock0(v0: i8):\n    v1 = iadd v0, v0\n    return v1\n}\n",
    filetest="test run\n",
    inputs=3,
    failing=(
        FailingInput(
            "x86_64",
            2,
            "result",
            (ShownValue("argument 0", "i8", "0x01", "1"),),
            ShownOutcome((VALUE,)),
            ShownOutcome((replace(VALUE, bits="0x02", number="2"),)),
            (0,),
        ),
    ),
    settings=(Fact("opt_level", "speed"),),
    codes=(
        FunctionCode(
            "x86_64", "main", 6, (CodeLine(0, "push rbp"), CodeLine(1, "add eax, eax", "", 3, True))
        ),
        FunctionCode("aarch64", "main", 4, (CodeLine(0, "ret", "", 4),), "v1 = optimised"),
    ),
    divergences=(
        Divergence("x86_64", 2, "main", 1, "add eax, eax", 3, "v1 = iadd v0, v0", VALUE, ()),
    ),
    outlier="x86_64",
    attribution=("attributed to: one ISA",),
    versions=(Fact("Cranelift", "0.1.2"),),
    commands=(ShellCommand("run it", "clif-util test test.clif"),),
)
CAMPAIGN = CampaignPage(
    title="findings",
    state="finished",
    headline=(Fact("cases", "12"),),
    facts=(Fact("seed", "7"),),
    stages=(("compile", 2.0), ("emulate", 1.0)),
    count_tables=(CountTable("traps", (("heap_oob", 5),)), CountTable("rejected")),
    samples=tuple(Sample(10.0 * n, 100 * n, 900 * n, 9.0 * n, n, 50 * n) for n in range(30)),
    coverage=Coverage(
        ("x86_64", "aarch64"),
        {
            ("x86_64", "iadd", "i8"): 150,
            ("aarch64", "iadd", "i8"): 0,
            ("aarch64", "fadd", "f16"): 3,
        },
    ),
    rules=(("mid_end", 3, 9),),
)


def bucket(number: int, *, known: bool = False) -> BucketSummary:
    return BucketSummary(
        f"bucket {number}", "miscompile", "x86_64", known, (f"crash-{number}.clif",), 1
    )


def never(_: BucketSummary) -> FindingPage:
    raise AssertionError


def test_a_finding_shows_everything() -> None:
    html = finding_html(FINDING)
    for text in ("0xff", "unsigned 255", "diverges here", "Outlier: x86_64", "v1 = optimised"):
        assert text in html
    assert "clif-util test test.clif" in html
    assert "&lt;b&gt;with&lt;/b&gt;" in html
    # The CLIF line stands above its machine instruction.
    assert re.search(r'class="c".*?iadd v0, v0.*?add eax, eax', html, re.DOTALL)


def test_a_finding_as_an_issue() -> None:
    text = finding_markdown(FINDING)
    assert text.startswith("# Cranelift: wrong result on x86_64: `result: iadd.i8`\n")
    assert "input 2, `argument 0 = 1`: `result 0: i8 = 0xff` (-1)" in text
    assert "input 2: `result 0: i8 = 0x02` (2)" in text
    assert "0x0001  add eax, eax" in text
    assert "```\na comment <b>with</b> markup\n```" in finding_markdown(
        replace(FINDING, failing=())
    )


def test_a_panic_says_what_it_said() -> None:
    panic = replace(FINDING, kind="compiler-panic", failing=(), says=("panic: no rule",))
    text = finding_markdown(panic)
    assert "panic: no rule" in text
    assert "The function is compiled, or refused with an error." in text
    assert "emulator" not in text


@pytest.mark.parametrize(
    ("kind", "code", "expected"),
    [
        ("miscompile", True, "0xff"),
        ("hang", True, "The code returns"),
        ("compile-timeout", False, "ends soon"),
        ("verifier-error", False, "The verifier accepts"),
        ("oracles-disagree", False, "0xff"),
    ],
)
def test_an_issue_says_what_is_true_of_its_kind(kind: str, code: bool, expected: str) -> None:
    failing = FINDING.failing if expected.startswith("0x") else ()
    text = finding_markdown(replace(FINDING, kind=kind, failing=failing))
    assert ("in an emulator" in text) == code
    assert ("Machine code</summary>" in text) == code
    assert "on aarch64" not in text  # which is not blamed
    assert expected in text.partition("### Expected Results")[2].partition("###")[0]


def test_what_is_not_run_again_is_to_be_checked() -> None:
    page = replace(FINDING, kind="hang", problem="Not run again for this page.")
    assert "**Not run again for this page.** Check that it still happens." in finding_markdown(page)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"problem": "It does not fail."}, "**It does not fail.** Do not send this"),
        ({"kind": "emulator-fault"}, "**This is no fault of Cranelift, but the emulator's"),
        ({"small": False}, "**This case is not minimised.**"),
        ({"known": True}, "**A known fault explains this finding**"),
    ],
)
def test_an_issue_that_is_not_to_be_sent_says_so_first(change: dict[str, Any], said: str) -> None:
    text = finding_markdown(replace(FINDING, **change))
    assert text.split("\n")[2].startswith(said)
    assert said not in finding_markdown(FINDING)


HOSTILE = "@everyone <img src=x onerror=alert(1)> `tick` ```\n```\nfence | bar \x1b[31m \u202e"


def test_nothing_of_a_file_is_markup() -> None:
    """Texts of others stand in code, whose fence they cannot end."""
    fact = Fact("name", HOSTILE)
    page = replace(
        FINDING,
        detail=HOSTILE,
        problem=HOSTILE,
        explanation=(HOSTILE,),
        says=(HOSTILE,),
        clif=HOSTILE,
        filetest=HOSTILE,
        settings=(fact,),
        versions=(fact,),
        attribution=(HOSTILE,),
        divergences=(replace(FINDING.divergences[0], clif=HOSTILE, instruction=HOSTILE),),
    )
    campaign = replace(CAMPAIGN, title=HOSTILE, state=HOSTILE, facts=(fact,))
    for text in (
        finding_markdown(page),
        campaign_markdown(replace(campaign, buckets=(replace(bucket(1), name=HOSTILE),))),
    ):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "\\x1b[31m" in text
        outside = prose_of(text)
        assert "@everyone" not in outside
        assert not re.search(r"(?<!\\)<img", outside)
    for html in (finding_html(page), campaign_html(campaign, never)):
        assert "<img" not in html


def prose_of(markdown: str) -> str:
    """Return what is neither a fenced block nor a code span, as CommonMark reads it."""
    lines, fence = [], ""
    for line in markdown.splitlines():
        if fence:
            if re.fullmatch(rf" *{fence}`*", line):
                fence = ""
        elif match := re.match(r" *(```+)[^`]*$", line):
            fence = match[1]
        else:
            lines.append(line)
    assert not fence
    return re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", "\n".join(lines))


def test_every_link_lands() -> None:
    page = replace(CAMPAIGN, buckets=tuple(map(bucket, (1, 2))))
    for html in (campaign_html(page, lambda _: FINDING), finding_html(FINDING)):
        targets = re.findall(r'\bid="([^"]+)"', html)
        assert len(set(targets)) == len(targets)
        links = set(re.findall(r'href="#([^"]+)"', html))
        assert links <= set(targets)
        assert {"finding-1-clif-3", "finding-1-code-1-1"} <= links
    assert {"finding-1", "finding-2"} <= set(
        re.findall(r'id="([^"]+)"', campaign_html(page, lambda _: FINDING))
    )


def test_the_clif_line_is_marked() -> None:
    html = finding_html(FINDING)
    (marked,) = re.findall(r'<tr id="finding-1-clif-\d+" class="bad">.*?</tr>', html)
    assert "v1 = iadd v0, v0" in marked
    assert "← x86_64 diverges here" in marked


def test_a_finding_of_a_file_without_header_has_a_name() -> None:
    unnamed = replace(bucket(1), name="crash-1", kind="case", isa="")
    html = campaign_html(CampaignPage("findings", buckets=(unnamed,)), lambda _: FINDING)
    summary = html.partition("<summary>")[2].partition("</summary>")[0]
    assert "miscompile x86_64 result: iadd.i8" in summary


def test_a_page_needs_nothing_from_elsewhere() -> None:
    page = replace(CAMPAIGN, buckets=(bucket(1),))
    for html in (campaign_html(page, lambda _: FINDING), finding_html(FINDING)):
        assert not re.search(r"""(src|href)=["'](?!#)""", html)
        assert not re.search(r"@import|url\(|<script", html)


def test_a_campaign_without_findings() -> None:
    html = campaign_html(CAMPAIGN, never)
    assert "Nothing was found." in html
    assert "heap_oob" in html
    assert html.count("<figure>") == 3
    assert "x86_64: 1 of 1 pairs" in html
    assert "aarch64: 1 of 2 pairs" in html
    assert campaign_html(CAMPAIGN, never) == html


def test_known_faults_alone_are_said_to_be_known() -> None:
    for known in (True, False):
        page = replace(CAMPAIGN, buckets=(bucket(1, known=known),))
        html = campaign_html(page, lambda _: FINDING)
        assert ("Known faults explain all of them." in html) == known
    old = replace(bucket(2), old=True)
    html = campaign_html(replace(CAMPAIGN, buckets=(old,)), lambda _: FINDING)
    assert "The base has all of them, too." in html
    assert "· old</span>" in html
    both = campaign_html(replace(CAMPAIGN, buckets=(bucket(1, known=True), old)), lambda _: FINDING)
    assert "The base has them, too, or known faults explain them." in both


def test_findings_alone_have_no_empty_sections() -> None:
    html = campaign_html(CampaignPage("findings", buckets=(bucket(1),)), lambda _: FINDING)
    assert "Throughput" not in html
    assert "bucket 1" in html


def test_a_thousand_buckets_fit() -> None:
    big = replace(FINDING, filetest="x" * 40_000)
    page = replace(CAMPAIGN, buckets=tuple(map(bucket, range(1000))))
    asked = []

    def detail(bucket: BucketSummary) -> FindingPage:
        asked.append(bucket)
        return big

    html = campaign_html(page, detail)
    assert len(html.encode()) < 3_000_000
    assert 10 < len(asked) < 100
    assert "of 1000 buckets are shown in detail" in html
    assert len(set(re.findall(r"bucket \d+", html))) == 1000


def test_samples_over_time() -> None:
    assert over_time(CAMPAIGN.samples[:1]) == []
    without_findings = [replace(sample, findings=0) for sample in CAMPAIGN.samples]
    assert len(over_time(without_findings)) == 2
    many = [Sample(n / 10, n, n, n / 10, 0, n) for n in range(50_000)]
    assert sum(map(len, over_time(many))) < 60_000
    rate = over_time(CAMPAIGN.samples)[0]
    assert "10" in re.findall(r">([\d.]+)</text>", rate)  # 100 cases in ten seconds


def test_the_heat_map_tells_lacking_from_not_covered() -> None:
    found = table(CAMPAIGN.coverage)
    assert found.types == ("i8", "f16")
    rows = {row.opcode: row.cells for row in found.rows}
    iadd, fadd = rows["iadd"], rows["fadd"]
    assert iadd[1] is None
    assert iadd[0] is not None
    assert [part.shade for part in iadd[0]] == [3, 0]
    assert fadd[1] is not None
    assert [part.shade for part in fadd[1]] == [-1, 1]


@pytest.mark.parametrize(("cases", "shade"), [(1, 1), (9, 1), (10, 2), (999, 3), (10**9, 5)])
def test_shades_are_powers_of_ten(cases: int, shade: int) -> None:
    (row,) = table(Coverage(("x86_64",), {("x86_64", "iadd", "i8"): cases})).rows
    assert row.cells[0] is not None
    assert row.cells[0][0].shade == shade


def test_a_campaign_as_markdown() -> None:
    text = campaign_markdown(replace(CAMPAIGN, buckets=(bucket(1, known=True),)))
    assert "| `bucket 1` | 1 | known | `crash-1.clif` |" in text
    assert "- `heap_oob`: 5" in text


def test_an_issue_names_suspected_rules_and_a_local_tree() -> None:
    found = replace(
        FINDING,
        suspects=("x86_64: src/a.isle:7  (rule (lower (iadd x y))",),
        compared_with="in any of 3 similar cases that pass",
        local_tree="0.1.0 from mine, v1-2-gabc",
    )
    text = finding_markdown(found)
    assert "this ISLE rule fires here, and not in any of 3 similar cases that pass.\n\n- `" in text
    assert "src/a.isle:7" in text
    assert "**Found in a local tree, Cranelift `0.1.0 from mine, v1-2-gabc`.**" in text
    plain = finding_markdown(FINDING)
    assert "A hint" not in plain
    assert "local tree" not in plain


def test_the_page_of_a_campaign_hints_at_rules() -> None:
    bucket = BucketSummary(
        "miscompile a", "miscompile", "x86_64", False, ("a.clif",), 1, rules=("src/a.isle:7",)
    )
    html = campaign_html(CampaignPage("folder", buckets=(bucket,)), lambda _: FINDING)
    assert "Hint: the rule <code>src/a.isle:7</code> fires here" in html
