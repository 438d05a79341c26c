"""A campaign as ``reports`` shows it."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import interp
from backend.cranelift import edge_counters
from backend.cranelift.compiler import SettingsError, version
from backend.cranelift.support_matrix import Support
from fuzz.campaign.statistics import Statistics
from fuzz.differential.stage import Stage
from fuzz.generate.instruction_sets import emulated_flags
from fuzz.reporting.archive import Archive, Campaign, Entry
from fuzz.survey.support import isa_support
from reports.model import Bucket, CampaignPage, Command, Coverage, Fact, Tally

_UNTYPED = "-"
#: Reasons that have a line of their own.
_MOST_REASONS = 40


def campaign_page(archive: Archive) -> CampaignPage:
    """All but the details of its findings."""
    buckets = tuple(_buckets(archive))
    if archive.campaign is None:
        return CampaignPage(
            title=archive.folder.resolve().name,
            state="Findings alone: the folder has no campaign database.",
            headline=_headline_of_findings(archive.entries, buckets),
            buckets=buckets,
            tallies=(_kinds(archive.entries),),
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
        tallies=tuple(_tallies(statistics, archive.entries)),
        samples=campaign.samples,
        coverage=_coverage(campaign.plan.options.isas, statistics),
        rules=rules,
        buckets=buckets,
        commands=_commands(archive, campaign),
        notes=(note,) if note else (),
    )


# --- findings ---


def _buckets(archive: Archive) -> Iterator[Bucket]:
    """The unknown ones first, then by how many findings they have."""
    by_name: dict[str, list[Entry]] = {}
    for entry in archive.entries:
        by_name.setdefault(entry.bucket, []).append(entry)
    order = sorted(by_name.items(), key=lambda item: (item[1][0].known, -len(item[1]), item[0]))
    for name, entries in order:
        first = entries[0]
        files = [entry.file for entry in entries if (archive.folder / entry.file).is_file()]
        files.sort(key=lambda file: ((archive.folder / file).stat().st_size, file))
        seconds = [entry.seconds for entry in entries if entry.seconds is not None]
        yield Bucket(
            name,
            first.kind,
            first.isa,
            first.known,
            tuple(files),
            len(entries),
            min(seconds, default=None),
        )


def _kinds(entries: Sequence[Entry]) -> Tally:
    kinds = Counter(entry.kind + " (known)" * entry.known for entry in entries)
    return Tally("findings by kind", tuple(kinds.most_common()))


# --- figures ---


def _state(campaign: Campaign) -> str:
    began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(campaign.began))
    words = f"Campaign {campaign.number}, begun {began}, {campaign.state}"
    if campaign.error:
        words += f": {campaign.error}"
    return f"{words}. Cranelift {campaign.cranelift}, seed {campaign.plan.seed}."


def _headline(
    campaign: Campaign, entries: Sequence[Entry], buckets: Sequence[Bucket]
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


def _headline_of_findings(entries: Sequence[Entry], buckets: Sequence[Bucket]) -> tuple[Fact, ...]:
    unknown = [entry for entry in entries if not entry.known]
    alarming = sum(not bucket.known for bucket in buckets)
    return (
        Fact(f"findings in {alarming} bucket{'s' * (alarming != 1)}", f"{len(unknown):,}"),
        Fact("findings of known faults", f"{len(entries) - len(unknown):,}"),
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _facts(archive: Archive, campaign: Campaign) -> Iterator[Fact]:
    plan, statistics = campaign.plan, campaign.statistics
    yield Fact("Cranelift", campaign.cranelift)
    yield Fact("clif-fuzz", campaign.clif_fuzz)
    yield Fact("seed", str(plan.seed))
    yield Fact("ISAs", ", ".join(plan.options.isas))
    yield Fact("oracle", plan.oracle)
    yield Fact("inputs of a case", str(plan.options.inputs))
    yield Fact("instructions of a case, about", str(plan.options.instructions))
    yield Fact("share of trapping cases", f"{plan.options.trapping_share:g}")
    yield Fact("share of mutants", f"{plan.options.mutant_share:g}")
    if plan.options.without:
        yield Fact("left out", ", ".join(sorted(plan.options.without)))
    yield Fact("jobs", str(plan.jobs))
    yield Fact("CPU time", _duration(statistics.total_ns / 1e9))
    yield Fact("executions per core and second", f"{statistics.executions_per_second:,.0f}")
    yield Fact("instructions generated", f"{statistics.instructions:,}")
    median = statistics.liveness_median
    if median is not None:
        yield Fact("of them live after optimising, median", f"{100 * median:.0f}%")
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


def _tallies(statistics: Statistics, entries: Sequence[Entry]) -> Iterator[Tally]:
    yield _kinds(entries)
    yield _tally("rejected cases by reason", statistics.rejected)
    yield _tally("inputs that trapped, by trap code", statistics.traps)
    hangs = ((("inputs that the interpreter stopped"), statistics.hangs),) * bool(statistics.hangs)
    yield Tally("hangs", hangs)
    yield _tally("known faults, findings by bucket", statistics.known_faults)
    if statistics.cross_checked:
        yield _tally("unsupported by the second oracle, inputs", statistics.unsupported)
    if statistics.mutants:
        yield _tally("mutations, steps", statistics.mutations)
        yield _tally("mutations taken back", statistics.refused)


def _tally(title: str, counts: Counter[str]) -> Tally:
    most = counts.most_common(_MOST_REASONS)
    rest = counts.total() - sum(number for _, number in most)
    others = [(f"{len(counts) - len(most)} more", rest)] if rest else []
    return Tally(title, (*most, *others))


# --- coverage ---


def _coverage(isas: Sequence[str], statistics: Statistics) -> Coverage:
    """What each ISA lowers and the interpreter knows, and what cases had besides."""
    cases: dict[tuple[str, str, str], int] = {}
    for isa in isas:
        for opcode, type_ in _wanted(isa):
            cases[isa, opcode, type_] = 0
        for pair, number in statistics.pairs.get(isa, Counter()).items():
            opcode, _, type_ = pair.partition(".")
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


def _rules(campaign: Campaign) -> tuple[tuple[tuple[str, int, int], ...], str]:
    """Rules that fired, and all, by group; or why that cannot be said."""
    from fuzz.survey.coverage import rule_counts_of_run

    if campaign.cranelift != version() or campaign.edges_total != len(edge_counters.counters()):
        return (), "Which ISLE rules fired only the build can tell that the campaign ran with."
    counts, problem = rule_counts_of_run(campaign.covered)
    if counts is None:
        return (), f"Which ISLE rules fired is not known: {problem}."
    return tuple((group, fired, total) for group, (fired, total) in counts.items()), ""


def _commands(archive: Archive, campaign: Campaign) -> tuple[Command, ...]:
    folder = shlex.quote(str(archive.folder))
    return (
        Command("To run all findings again", f"clif-fuzz replay {folder}"),
        Command("To go on with the campaign", f"clif-fuzz run --resume {folder}"),
    )
