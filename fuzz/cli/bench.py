"""``clif-fuzz bench``: measure what cases cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fuzz.cli.errors import EXIT_CLEAN
from fuzz.cli.files import warn_about_cache
from fuzz.cli.options import Duration, JobCount, json_option, split_names, write_json

if TYPE_CHECKING:
    from fuzz.bench.campaign import CampaignRates
    from fuzz.bench.cases import CaseCost
    from fuzz.bench.growth import Growth
    from fuzz.bench.interpreters import InterpreterComparison
    from fuzz.bench.scaling import Scaling

_PARTS = ("campaign", "ratio", "interpreters", "jobs", "instructions", "inputs")


def _split_parts(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    return split_names(value, _PARTS, "part")


@click.command(
    epilog="""\b
  clif-fuzz bench
  clif-fuzz bench --only campaign --seconds 120
  clif-fuzz bench --only ratio,inputs --seconds 60 --json figures.json
"""
)
@click.option(
    "--only",
    "parts",
    default=",".join(_PARTS),
    show_default=True,
    callback=_split_parts,
    metavar="PART,...",
    help="What to measure.",
)
@click.option(
    "--seconds",
    type=Duration(0, min_open=True),
    default=30.0,
    show_default=True,
    help="Time for each measurement; a series has one for each size or number of jobs.",
)
@click.option(
    "--jobs",
    type=JobCount(1, 1024),
    default="auto",
    show_default="one for each CPU",
    metavar="N|auto",
    help="Measure with up to so many worker processes.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the cases."
)
@json_option
def command(
    parts: tuple[str, ...], seconds: float, jobs: int, seed: int, json_file: str | None
) -> int:
    """Measure what a case costs, as ratios that can be compared between machines.

    The parts are: a campaign of one worker, with its rates, where its time goes, the rate of its
    first minute (or half) by that of the rest, and its memory (campaign), CPU time of a case by
    Cranelift's compile time for it (ratio), the reference interpreter by Cranelift's own
    (interpreters), throughput by number of worker processes (jobs), and how costs grow with
    instructions and with inputs.
    """
    from backend.cranelift.compiler import debug_assertions
    from backend.cranelift.cranelift_name import cranelift_name
    from fuzz.campaign.json_codec import encode

    warn_about_cache()
    facts: dict[str, Any] = {
        "cranelift": cranelift_name(),
        "debug_assertions": debug_assertions,
        "seed": seed,
        "seconds": seconds,
    }
    quiet = json_file == "-"
    if not quiet:
        assertions = "on" if debug_assertions else "off"
        click.echo(f"Cranelift {cranelift_name()}, debug assertions {assertions}, seed {seed}")
    for part in parts:
        found, text = _measure(part, seed, seconds, jobs)
        facts[part] = encode(found)
        if not quiet:
            click.echo(text)
    if json_file is not None:
        write_json(facts, json_file)
    return EXIT_CLEAN


def _measure(part: str, seed: int, seconds: float, jobs: int) -> tuple[Any, str]:
    """Measure a part; return the result, and its text."""
    from fuzz.bench import campaign, cases, growth, interpreters, scaling

    match part:
        case "campaign":
            rates = campaign.measure_campaign(seed, seconds)
            return rates, _campaign_text(rates)
        case "ratio":
            cost = cases.default_cost(seed, seconds)
            return cost, _ratio_text(cost)
        case "interpreters":
            both = interpreters.compare_interpreters(seed, seconds)
            return both, _interpreters_text(both)
        case "jobs":
            numbers = [n for n in (1 << k for k in range(11)) if n < jobs] + [jobs]
            series = [scaling.measure_jobs(number, seed, seconds) for number in numbers]
            return series, _jobs_text(series)
        case "instructions":
            grown = growth.by_instructions(seed, seconds)
        case _:
            grown = growth.by_inputs(seed, seconds)
    return grown, _growth_text(grown)


def _campaign_text(rates: CampaignRates) -> str:
    shares = ", ".join(f"{name} {100 * share:.0f}%" for name, share in rates.shares.items())
    return (
        f"a campaign of one worker: {rates.executions:,.0f} executions and "
        f"{rates.compilations:,.0f} compilations per CPU second, "
        f"{rates.ratio:.2f} times compile time ({rates.cases} cases, load {rates.load:.1f})\n"
        f"  {shares}\n"
        f"  the first {rates.first_seconds:.0f} s over the rest: {rates.first_ratio:.2f}; memory "
        f"{rates.memory_mib:.0f} MiB, growing by {rates.growth_mib:.2f} MiB in 1,000 cases"
    )


def _ratio_text(cost: CaseCost) -> str:
    shares = (f"{name} {time / cost.compile:.2f}" for name, time in cost.stages.items() if time)
    return (
        f"a case over Cranelift's compile time for it: {cost.ratio:.2f} "
        f"({cost.total:.2f} over {cost.compile:.2f} ms, {cost.cases} cases)\n"
        f"  {', '.join(shares)}"
    )


def _interpreters_text(both: InterpreterComparison) -> str:
    return (
        f"interpreter beside cranelift-interpreter: {both.ours / both.theirs:.2f} times the "
        f"executions, {both.ours / both.theirs_from_text:.2f} times those from text\n"
        f"  {both.microseconds:.2f} µs an instruction for {both.inputs} inputs (median of "
        f"{both.cases} cases), {both.ours:.0f} executions/s, theirs {both.theirs:.0f}, "
        f"from text {both.theirs_from_text:.0f}"
    )


def _jobs_text(series: list[Scaling]) -> str:
    first = series[0]
    lines = ["jobs, by the clock:"]
    for each in series:
        times = each.by_clock / max(first.by_clock, 1e-9)
        lines.append(
            f"  {each.jobs:4}  {times:.2f} times one  ({each.by_clock:.0f} cases/s, "
            f"{each.by_core:.0f}/s of CPU time, load {each.load:.1f})"
        )
    return "\n".join(lines)


def _growth_text(grown: Growth) -> str:
    lines = [f"cost against {grown.axis}:"]
    lines += (
        f"  {each.size:6}  ({each.instructions:.0f} instructions)  {each.total:.2f} ms a case, "
        f"{each.ratio:.2f} times compile time, "
        f"{1e3 * each.total / each.instructions:.1f} µs an instruction ({each.cases} cases)"
        for each in grown.costs
    )
    powers = (f"{name} {power:.2f}" for name, power in grown.exponents.items())
    lines.append(f"  grows with the power of {', '.join(powers)}")
    lines.append(f"  faster than linearly: {', '.join(grown.too_fast) or 'nothing'}")
    return "\n".join(lines)
