"""The summary of a campaign: as text for people, and as JSON for programs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from backend.engines.names import DEFAULT_ENGINE
from fuzz.campaign.json_codec import encode
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.result import CampaignResult, FindingSummary
from fuzz.campaign.statistics import Statistics
from fuzz.cases.build_identity import build_identity
from fuzz.differential.finding import OLD_FINDINGS
from fuzz.differential.stage import Stage

if TYPE_CHECKING:
    from fuzz.reporting.archive import FindingEntry
    from fuzz.reporting.finding_groups import FindingGroup

_SHOWN = 10
#: Answers of the base that are shown for a bucket.
_SHOWN_ANSWERS = 3


def to_json(plan: CampaignPlan, result: CampaignResult) -> dict[str, Any]:
    """Return the facts of a run under the names of ``run --json``, which programs rely on."""
    from backend.cranelift.cranelift_name import cranelift_name

    return result.statistics.to_json() | {
        "findings": _findings(result),
        "isa": list(plan.options.isas),
        "cranelift": cranelift_name(),
        "build": build_identity().digest,
        "seed": plan.seed,
        "jobs": plan.jobs,
        "inputs": plan.options.inputs,
        "oracle": plan.oracle,
        "seeds": _seeds_json(plan),
        "touched": _touched_json(plan),
        "base": _base_json(plan, result),
        "edges": result.edges,
        "isa_weights": {w.isa: w.weight for w in plan.options.isa_weights},
        "engines": _engines(plan),
        "rules": _rules(plan, result),
        "corpus": result.corpus,
        "worker_deaths": result.deaths,
        "worker_memory_mib": round(max(result.memory_mib.values(), default=0.0), 1),
        "interrupted": result.interrupted,
    }


def _seeds_json(plan: CampaignPlan) -> dict[str, Any] | None:
    seeds = plan.options.seeds
    if not seeds:
        return None
    refused = {each.reason: each.count for each in seeds.refused}
    return {"cases": len(seeds), "digest": seeds.digest, "refused": refused}


def _touched_json(plan: CampaignPlan) -> dict[str, Any] | None:
    touched = plan.options.touched
    if not touched and not touched.undirected:
        return None
    return {**encode(touched), "digest": touched.digest}


def _base_json(plan: CampaignPlan, result: CampaignResult) -> dict[str, Any] | None:
    if plan.base is None:
        return None
    return {
        "name": plan.base.name,
        "version": plan.base.version,
        "new": len(result.unexplained),
        "old": len(result.old),
        "old_buckets": dict(result.old_buckets.most_common()),
        "not_asked": result.pending,
    }


def _findings(result: CampaignResult) -> list[dict[str, Any]]:
    """Return the findings; those that are minimised have the bucket of their fault."""
    if not result.unexplained:
        return [summary.to_json() for summary in result.findings]
    from fuzz.reporting.finding_groups import group_findings  # loads the compiler

    groups = group_findings([_entry(summary) for summary in result.findings])
    bucket_of = {file: group.bucket for group in groups for file in group.files}
    return [
        summary.to_json() | {"bucket": bucket_of.get(summary.file, summary.bucket)}
        for summary in result.findings
    ]


def _entry(summary: FindingSummary) -> FindingEntry:
    from fuzz.reporting.archive import FindingEntry

    return FindingEntry(
        summary.kind,
        summary.bucket,
        summary.isa,
        summary.known,
        summary.file,
        base=summary.base,
    )


def _rules(plan: CampaignPlan, result: CampaignResult) -> dict[str, list[int]] | None:
    """Return for each group how many rules fired and how many there are.

    Returns:
        None if this build cannot tell which rules fire.
    """
    from fuzz.survey.coverage import rule_counts_of_run

    counts, _ = rule_counts_of_run(bytes(result.covered), plan.options.isas)
    return None if counts is None else {group: list(pair) for group, pair in counts.items()}


def print_summary(plan: CampaignPlan, result: CampaignResult) -> None:
    """Print the facts of a run."""
    from backend.cranelift.cranelift_name import cranelift_name

    statistics = result.statistics
    against = f", against {plan.base.title}" if plan.base is not None else ""
    click.echo(f"Cranelift {cranelift_name()}{against}, seed {plan.seed}, {plan.jobs} job(s)")
    click.echo(
        f"{statistics.cases} cases, {statistics.compilations} compilations, "
        f"{statistics.executions} executions in "
        f"{statistics.wall_ns / 1e9:.1f} s ({statistics.total_ns / 1e9:.1f} s of CPU time)"
    )
    click.echo(
        f"per core: {statistics.cases_per_second:.0f} cases/s, "
        f"{statistics.compilations_per_second:.0f} compilations/s, "
        f"{statistics.executions_per_second:.0f} executions/s"
    )
    _print_isas(plan, statistics)
    _print_stages(statistics)
    _print_quality(plan, statistics, result)
    if plan.oracle == "both":
        _print_cross_check(statistics)
    _print_rules(plan, result)
    _print_touched(plan, result)
    _print_findings(plan, result)


def _engines(plan: CampaignPlan) -> dict[str, str]:
    from backend.isa.executors import engine_of

    return {isa: engine_of(isa) for isa in plan.options.isas}


def _print_isas(plan: CampaignPlan, statistics: Statistics) -> None:
    engines = _engines(plan)
    weights = {weight.isa: f", weight {weight.weight:g}" for weight in plan.options.isa_weights}
    for isa in plan.options.isas:
        per_case = 1e6 * max(1, statistics.cases)
        engine = "" if engines[isa] == DEFAULT_ENGINE else f" on {engines[isa]}"
        click.echo(
            f"  {isa}{engine}{weights.get(isa, '')}: "
            f"{statistics.executions_by_isa[isa]} executions, "
            f"compile {statistics.compile_ns[isa] / per_case:.2f} ms, "
            f"emulate {statistics.emulate_ns[isa] / per_case:.2f} ms a case"
        )


def _print_stages(statistics: Statistics) -> None:
    total = max(1, statistics.total_ns)
    shares = [f"{s.label} {100 * statistics.stage_ns[s] / total:.0f}%" for s in Stage]
    other = 100 * (total - sum(statistics.stage_ns)) / total
    click.echo(f"time: {', '.join(shares)}, other {other:.0f}%")
    compiling = sum(statistics.compile_ns.values())
    if compiling:
        click.echo(f"      {statistics.total_ns / compiling:.2f} times Cranelift's compile time")


def _print_quality(plan: CampaignPlan, statistics: Statistics, result: CampaignResult) -> None:
    cases = max(1, statistics.cases)
    median = statistics.liveness_median
    live = "" if median is None else f", {100 * median:.0f}% of them live after optimising (median)"
    click.echo(f"{statistics.instructions / cases:.1f} instructions a case{live}")
    click.echo(
        f"rejected {statistics.rejected.total()}, hangs {statistics.hangs}, "
        f"trapping cases {statistics.trapping_cases}, "
        f"traps in other cases {statistics.unintended_traps}, worker deaths {result.deaths}, "
        f"{result.edges} edges of Cranelift"
    )
    for reason, number in statistics.rejected.most_common(_SHOWN):
        example = statistics.examples.get(reason)
        click.echo(f"  rejected {number}: {reason} (as in case {example})")
    _print_seeds(plan, statistics)
    _print_mutants(statistics)
    _print_proofs(statistics)
    if statistics.traps:
        codes = ", ".join(f"{code} {n}" for code, n in statistics.traps.most_common())
        click.echo(f"traps: {codes}")


def _print_seeds(plan: CampaignPlan, statistics: Statistics) -> None:
    seeds = plan.options.seeds
    if not seeds:
        return
    uses = ", ".join(f"{number} {use}" for use, number in statistics.seeded.most_common())
    click.echo(f"seeds: {seeds}; cases of them: {uses or 'none'}")
    for refused in seeds.refused[:_SHOWN]:
        click.echo(f"  refused {refused.count}: {refused.reason} ({refused.example})")
    rest = seeds.refused[_SHOWN:]
    if rest:
        count = sum(refused.count for refused in rest)
        click.echo(f"  refused {count} for {len(rest)} other reasons")


def _print_proofs(statistics: Statistics) -> None:
    if statistics.proofs:
        click.echo(f"proofs: {statistics.proofs.total()}")
    for outcome, number in statistics.proofs.most_common():
        click.echo(f"  {number} {outcome}")


def _print_mutants(statistics: Statistics) -> None:
    if not statistics.mutants:
        return
    steps, refused = statistics.mutations.total(), statistics.rolled_back.total()
    click.echo(f"{statistics.mutants} mutants of {steps} steps, {refused} more steps rolled back")
    names = ", ".join(f"{name} {n}" for name, n in statistics.mutations.most_common())
    click.echo(f"  {names}")
    for reason, number in statistics.rolled_back.most_common(_SHOWN):
        click.echo(f"  rolled back {number}: {reason}")


def _print_cross_check(statistics: Statistics) -> None:
    unsupported = statistics.unsupported
    click.echo(
        f"second oracle: {statistics.cross_checked} inputs compared, "
        f"{unsupported.total()} unsupported"
    )
    for reason, number in unsupported.most_common(_SHOWN):
        click.echo(f"  unsupported {number}: {reason}")


def _print_rules(plan: CampaignPlan, result: CampaignResult) -> None:
    from fuzz.survey.coverage import rule_counts_of_run

    counts, problem = rule_counts_of_run(bytes(result.covered), plan.options.isas)
    if counts is None:
        click.echo(f"ISLE rules fired: unknown ({problem})")
        return
    shares = (f"{group} {fired} of {total}" for group, (fired, total) in counts.items())
    click.echo(f"ISLE rules fired: {', '.join(shares)}")


def _print_touched(plan: CampaignPlan, result: CampaignResult) -> None:
    options = plan.options
    touched = options.touched
    if not touched and not touched.undirected:
        return
    from backend.cranelift.edge_counters import unpack
    from fuzz.cli.rule_lines import print_changed_code, print_touched
    from fuzz.survey.rules import RunCounts

    covered = unpack(bytes(result.covered))
    if touched:
        counts = RunCounts(result.statistics.rule_cases, result.statistics.rule_inputs)
        print_touched(touched, options.isas, counts, covered)
    if touched.undirected:
        click.echo(f"other code changed since {touched.since}, at which nothing is directed:")
        print_changed_code(touched, covered)


def _print_findings(plan: CampaignPlan, result: CampaignResult) -> None:
    for bucket, number in result.statistics.known_faults.most_common(_SHOWN):
        click.echo(f"known: {number} {bucket}")
    _print_old(plan, result)
    unexplained = result.unexplained
    new = "new findings" if plan.base is not None else "findings"
    if not unexplained:
        click.echo(f"{new}: none")
        return
    from fuzz.reporting.commands import program
    from fuzz.reporting.finding_groups import group_findings, rule_words  # loads the compiler

    groups = group_findings([_entry(summary) for summary in unexplained])
    minimized = sum(len(group.minimized) for group in groups)
    told = f", {minimized} minimised" * bool(minimized)
    click.echo(f"{new}: {len(unexplained)} in {len(groups)} buckets{told}")
    for group in groups[:_SHOWN]:
        file = next(iter(group.minimized or group.files), "not written")
        click.echo(f"  {group.number} {group.bucket}")
        if group.rules:
            click.echo(f"    {rule_words(group.rules)}")
        for answer in _unusual_answers(group.files, unexplained):
            click.echo(f"    base: {answer}")
        click.echo(f"    {file}")
    if len(groups) > _SHOWN:
        click.echo(f"  and {len(groups) - _SHOWN} more buckets: {program()} findings {plan.out}")
    _print_next_steps(plan, groups)


def _unusual_answers(files: Sequence[str], findings: Sequence[FindingSummary]) -> list[str]:
    """List why findings are new although the base is not right, each reason once."""
    asked = (s.base for s in findings if s.file in files and (s.base.unusual or s.base.pending))
    return list(dict.fromkeys(map(str, asked)))[:_SHOWN_ANSWERS]


def _print_old(plan: CampaignPlan, result: CampaignResult) -> None:
    if plan.base is None:
        return
    buckets = result.old_buckets
    number = buckets.total()
    where = f", in {shlex.quote(plan.out)}/{OLD_FINDINGS}" * bool(number)
    click.echo(f"old: {number} findings in {len(buckets)} buckets that the base has too{where}")
    for bucket, count in buckets.most_common(_SHOWN):
        click.echo(f"  {count} {bucket}")
    if len(buckets) > _SHOWN:
        click.echo(f"  and {len(buckets) - _SHOWN} more buckets")


def _print_next_steps(plan: CampaignPlan, groups: Sequence[FindingGroup]) -> None:
    """Print commands for what to do with the findings, ready to paste."""
    from fuzz.reporting.commands import program

    folder = shlex.quote(plan.out)
    steps = [(f"triage {folder}", "minimise the rest, and find the part at fault")]
    file = next((path for group in groups for path in group.minimized), "")
    if file:
        steps.append((f"report {shlex.quote(file)} --markdown -", "the text of an issue"))
    steps.append((f"report {folder}", "a page with everything"))
    click.echo("next:")
    for step, purpose in steps:
        click.echo(f"  {purpose}:\n    {program()} {step}")
