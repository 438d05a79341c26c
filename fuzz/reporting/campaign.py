"""The data for a campaign's page."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import interp
from backend.cranelift import edge_counters
from backend.cranelift.compiler import SettingsError
from backend.cranelift.cranelift_name import cranelift_name
from backend.cranelift.support_matrix import Support
from fuzz.campaign.statistics import Statistics
from fuzz.differential.base_answer import BaseStatus, Novelty
from fuzz.differential.stage import Stage
from fuzz.generate.instruction_sets import emulated_flags
from fuzz.reporting.archive import Archive, ArchivedCampaign, FindingEntry
from fuzz.reporting.commands import program
from fuzz.reporting.finding_groups import group_findings
from fuzz.survey.coverage import rule_counts_of_run
from fuzz.survey.support import isa_support
from reports.model import BucketSummary, CampaignPage, CountTable, Coverage, Fact, ShellCommand

_UNTYPED = "-"
#: The most rows of a table; the rest is summed up in one.
_MOST_ROWS = 40


def campaign_page(archive: Archive) -> CampaignPage:
    """Return the page of a folder's campaign, without the details of findings."""
    buckets = tuple(_buckets(archive))
    if archive.campaign is None:
        return CampaignPage(
            title=archive.folder.resolve().name,
            state="Findings only: the folder has no campaign database.",
            headline=_headline_of_findings(archive.entries, buckets),
            buckets=buckets,
            count_tables=(_kinds(archive.entries),),
            commands=tuple(_commands(archive)),
        )
    campaign = archive.campaign
    statistics = campaign.statistics
    rules, note = _rules(campaign)
    return CampaignPage(
        title=archive.folder.resolve().name,
        state=_state(campaign),
        headline=_headline(campaign, archive.entries, buckets),
        facts=tuple(_facts(archive, campaign)),
        stages=_stages(statistics),
        count_tables=tuple(_count_tables(statistics, archive.entries)),
        samples=campaign.samples,
        coverage=_coverage(campaign.plan.options.isas, statistics),
        rules=rules,
        buckets=buckets,
        commands=tuple(_commands(archive)),
        notes=(note,) if note else (),
    )


# --- findings ---


def _buckets(archive: Archive) -> Iterator[BucketSummary]:
    """Yield the buckets: unknown ones first, then those with most findings.

    Of a bucket's files, those that are minimised come first, the smallest of all at their head.
    """
    entries = archive.located
    seconds = {entry.file: entry.seconds for entry in entries if entry.seconds is not None}
    for group in group_findings(entries):
        raw = [file for file in map(Path, group.files) if file.is_file()]
        raw.sort(key=lambda file: (file.stat().st_size, file))
        files = [*map(Path, group.minimized), *raw]
        yield BucketSummary(
            group.bucket,
            group.kind,
            " ".join(group.isas),
            group.known,
            tuple(file.relative_to(archive.folder).as_posix() for file in files),
            group.number,
            min((seconds[file] for file in group.files if file in seconds), default=None),
            tuple(group.rules),
            len(group.minimized),
            group.novelty is Novelty.OLD,
        )


def _kinds(entries: Sequence[FindingEntry]) -> CountTable:
    kinds = Counter(_kind(entry) for entry in entries)
    return CountTable("findings by kind", tuple(kinds.most_common()))


def _kind(entry: FindingEntry) -> str:
    """Return a finding's kind, with its class unless it is new."""
    if entry.novelty is Novelty.NEW:
        return entry.kind
    return f"{entry.kind} ({entry.novelty.value})"


# --- figures ---


def _state(campaign: ArchivedCampaign) -> str:
    began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(campaign.began))
    words = f"Campaign {campaign.number}, begun {began}, {campaign.state}"
    if campaign.error:
        words += f": {campaign.error}"
    return f"{words}. Cranelift {campaign.cranelift}, seed {campaign.plan.seed}."


def _headline(
    campaign: ArchivedCampaign, entries: Sequence[FindingEntry], buckets: Sequence[BucketSummary]
) -> tuple[Fact, ...]:
    statistics = campaign.statistics
    return (
        *_headline_of_findings(entries, buckets),
        Fact("cases", f"{statistics.cases:,}"),
        Fact("executions", f"{statistics.executions:,}"),
        Fact("cases per core and second", f"{statistics.cases_per_second:,.0f}"),
        Fact("time", _duration(campaign.seconds)),
        Fact("edges of Cranelift", f"{sum(b.bit_count() for b in campaign.covered):,}"),
    )


def _headline_of_findings(
    entries: Sequence[FindingEntry], buckets: Sequence[BucketSummary]
) -> tuple[Fact, ...]:
    counts = Counter(entry.novelty for entry in entries)
    alarming = sum(not (bucket.known or bucket.old) for bucket in buckets)
    old = Fact("findings that the base has, too", f"{counts[Novelty.OLD]:,}")
    asked = any(entry.base.status is not BaseStatus.NO_BASE for entry in entries)
    return (
        Fact(f"findings in {alarming} bucket{'s' * (alarming != 1)}", f"{counts[Novelty.NEW]:,}"),
        Fact("findings of known faults", f"{counts[Novelty.KNOWN]:,}"),
        *([old] if asked else []),
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _facts(archive: Archive, campaign: ArchivedCampaign) -> Iterator[Fact]:
    plan, statistics = campaign.plan, campaign.statistics
    yield Fact("Cranelift", campaign.cranelift)
    yield Fact("clif-fuzz", campaign.clif_fuzz)
    if plan.base is not None:
        yield Fact("base", str(plan.base))
    yield Fact("seed", str(plan.seed))
    weights = {
        weight.isa: f" ({weight.weight:g} of the cases)" for weight in plan.options.isa_weights
    }
    yield Fact("ISAs", ", ".join(f"{isa}{weights.get(isa, '')}" for isa in plan.options.isas))
    yield Fact("oracle", plan.oracle)
    yield Fact("inputs of a case", str(plan.options.inputs))
    yield Fact("instructions of a case (target)", str(plan.options.instructions))
    yield Fact("share of trapping cases", f"{plan.options.trapping_share:g}")
    yield Fact("share of mutants", f"{plan.options.mutant_share:g}")
    yield Fact("share of extra checks", f"{plan.options.extra_checks:g}")
    if plan.options.without:
        yield Fact("left out", ", ".join(sorted(plan.options.without)))
    yield Fact("jobs", str(plan.jobs))
    yield Fact("CPU time", _duration(statistics.total_ns / 1e9))
    yield Fact("executions per core and second", f"{statistics.executions_per_second:,.0f}")
    yield Fact("instructions generated", f"{statistics.instructions:,}")
    median = statistics.liveness_median
    if median is not None:
        yield Fact("of them live after optimising (median)", f"{100 * median:.0f}%")
    yield Fact("hangs", str(statistics.hangs))
    yield Fact("trapping cases", f"{statistics.trapping_cases:,}")
    yield Fact("traps in other cases", str(statistics.unintended_traps))
    yield Fact("workers that died", str(campaign.deaths))
    yield Fact("edges of this build", f"{campaign.edges_total:,}")
    if campaign.resumed:
        yield Fact("resumed", f"{campaign.resumed} times")
    if archive.others:
        yield Fact("other campaigns in this folder", str(archive.others))


def _stages(statistics: Statistics) -> tuple[tuple[str, float], ...]:
    seconds = [(stage.label, statistics.stage_ns[stage] / 1e9) for stage in Stage]
    other = statistics.total_ns / 1e9 - sum(value for _, value in seconds)
    return tuple((name, value) for name, value in [*seconds, ("other", max(0.0, other))] if value)


def _count_tables(statistics: Statistics, entries: Sequence[FindingEntry]) -> Iterator[CountTable]:
    yield _kinds(entries)
    yield _count_table("rejected cases by reason", statistics.rejected)
    yield _count_table("inputs that trapped, by trap code", statistics.traps)
    hangs = ((("inputs that the interpreter stopped"), statistics.hangs),) * bool(statistics.hangs)
    yield CountTable("hangs", hangs)
    yield _count_table("known faults, findings by bucket", statistics.known_faults)
    if statistics.cross_checked:
        yield _count_table("unsupported by the second oracle, inputs", statistics.unsupported)
    if statistics.mutants:
        yield _count_table("mutations, steps", statistics.mutations)
        yield _count_table("mutations undone", statistics.rolled_back)


def _count_table(title: str, counts: Counter[str]) -> CountTable:
    most = counts.most_common(_MOST_ROWS)
    rest = counts.total() - sum(number for _, number in most)
    others = [(f"{len(counts) - len(most)} more", rest)] if rest else []
    return CountTable(title, (*most, *others))


# --- coverage ---


def _coverage(isas: Sequence[str], statistics: Statistics) -> Coverage:
    """Return the number of cases by ISA, opcode and type.

    Every opcode and type that the ISA lowers and the interpreter knows is in it, even with no case.
    """
    cases: dict[tuple[str, str, str], int] = {}
    for isa in isas:
        for opcode, type_ in _wanted(isa):
            cases[isa, opcode, type_] = 0
        for opcode_type, number in statistics.opcode_types.get(isa, Counter()).items():
            opcode, _, type_ = opcode_type.partition(".")
            cases[isa, opcode, type_ or _UNTYPED] = number
    return Coverage(tuple(isas), cases)


def _wanted(isa: str) -> Iterator[tuple[str, str]]:
    try:
        support = isa_support(isa, emulated_flags(isa))
    except SettingsError:  # a campaign of another Cranelift
        return
    for opcode in support.types:
        if opcode in interp.MEANINGS:
            for type_ in support.of(opcode, Support.SUPPORTED):
                yield opcode, type_


def _rules(campaign: ArchivedCampaign) -> tuple[tuple[tuple[str, int, int], ...], str]:
    """Return by group how many rules fired and how many there are, or a note why it is unknown."""
    edges = len(edge_counters.counters())
    if campaign.cranelift != cranelift_name() or campaign.edges_total != edges:
        return (), "Only the build that the campaign ran with can tell which ISLE rules fired."
    counts, problem = rule_counts_of_run(campaign.covered, campaign.plan.options.isas)
    if counts is None:
        return (), f"Unknown which ISLE rules fired: {problem}."
    return tuple((group, fired, total) for group, (fired, total) in counts.items()), ""


def _commands(archive: Archive) -> Iterator[ShellCommand]:
    folder, name = shlex.quote(str(archive.folder)), program()
    if archive.entries:
        yield ShellCommand(
            "Minimise the findings, and see which are one fault", f"{name} triage {folder}"
        )
        yield ShellCommand("Run all findings again", f"{name} replay {folder}")
    if archive.campaign is not None:
        yield ShellCommand("Resume the campaign", f"{name} run --resume {folder}")
