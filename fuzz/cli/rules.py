"""``clif-fuzz rules``: the state of every ISLE rule."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from fuzz.campaign.plan import CampaignPlan
from fuzz.cases.case_options import CAMPAIGN_OPTIONS, Source
from fuzz.cases.touched_rules import TouchedRules
from fuzz.cli.change import SHARE, read_touched, since_option
from fuzz.cli.counts import counts_of_run, proofs_of_run
from fuzz.cli.errors import EXIT_CLEAN, EXIT_FINDINGS, BadInput
from fuzz.cli.files import warn_about_cache
from fuzz.cli.options import (
    amount_options,
    engine_option,
    isa_option,
    jobs_option,
    json_option,
    out_option,
    write_json,
)
from fuzz.cli.rule_lines import rule_line

if TYPE_CHECKING:
    from fuzz.campaign.result import CampaignResult
    from fuzz.survey.rules import RuleState, RunCounts


@click.command(
    epilog="""\b
  clif-fuzz rules                                 which rules fragments fire
  clif-fuzz rules --missing --against facts.json  which rules a run has not fired, and why
  clif-fuzz rules --sweep --seconds 60            run small cases, each directed at one rule
  clif-fuzz rules --since main                    what a change touches, first
  clif-fuzz rules opts/icmp.isle:41               one rule in full
"""
)
@click.argument("place", required=False, metavar="[FILE:LINE|NAME]")
@isa_option
@engine_option
@click.option(
    "--missing", is_flag=True, help="Show only the rules that did not fire, with the reason."
)
@click.option(
    "--untested",
    is_flag=True,
    help="Show only those that fired in fewer than 10 cases or for fewer than 1000 inputs.",
)
@click.option(
    "--against",
    "run_file",
    metavar="FILE",
    help="Show how often they fired in a run; a file written by 'run --json'.",
)
@click.option(
    "--proofs",
    "proofs_file",
    metavar="FILE",
    help="Show at which types they are proved; a file written by 'prove --rules --json'.",
)
@click.option("--sweep", is_flag=True, help="Run small cases, each directed at the next rule.")
@since_option
@amount_options
@jobs_option
@out_option
@json_option
def command(
    place: str | None,
    isas: tuple[str, ...],
    missing: bool,
    untested: bool,
    run_file: str | None,
    proofs_file: str | None,
    sweep: bool,
    since: str | None,
    seconds: float | None,
    cases: int | None,
    seed: int | None,
    jobs: int,
    out: str,
    json_file: str | None,
) -> int:
    """Show every ISLE rule of Cranelift's mid-end and instruction selection: whether it fired, how
    often it was tested, or why it never fired.

    With --seconds or --cases, clif-fuzz runs cases and counts the rules that these fire. With
    --against it takes the counts of a finished run. Otherwise it compiles fragments, small pieces
    of CLIF made to match a rule, and shows which rules these fire.

    FILE:LINE or NAME selects one rule. The rules that a change touches, of --since or of the run,
    come first.
    """
    run_here = seconds is not None or cases is not None
    if run_here and run_file is not None:
        raise BadInput("rules takes either --against, or --seconds or --cases")
    if not run_here and (sweep or seed is not None):
        raise BadInput(
            "--sweep and --seed are for generated cases, so they need --seconds or --cases"
        )
    warn_about_cache()
    exit_code, counts = EXIT_CLEAN, None
    touched = read_touched(since, isas)
    if run_file is not None:
        counts, of_run = counts_of_run(run_file)
        touched = touched or of_run
    elif run_here:
        plan = CampaignPlan(
            replace(
                CAMPAIGN_OPTIONS,
                isas=isas,
                source=Source.RULES if sweep else Source.GENERATOR,
                touched=touched,
                rules_share=SHARE if touched else CAMPAIGN_OPTIONS.rules_share,
            ),
            seed=secrets.randbits(32) if seed is None else seed,
            cases=cases,
            seconds=seconds,
            jobs=jobs,
            out=out,
        )
        exit_code, counts = _run(plan, quiet=json_file == "-")
    states = _survey(isas, counts, touched)
    if proofs_file is not None:
        proofs = proofs_of_run(proofs_file)
        for state in states:
            state.proofs = proofs.get(f"{state.place.group} {state.place}", {})
    if place is not None:
        states = _find(states, place)
    if json_file is not None:
        write_json(_to_json(states, isas), json_file)
    if json_file != "-":
        _print(states, place, missing=missing, untested=untested, run=counts is not None)
    return exit_code


def _survey(
    isas: tuple[str, ...], counts: RunCounts | None, touched: TouchedRules
) -> list[RuleState]:
    from backend.cranelift.isle import IsleError
    from backend.cranelift.rule_edges import RulesError
    from fuzz.survey.rules import survey
    from fuzz.survey.touched import touched_first, touched_states

    try:
        return touched_first(survey(isas, counts), touched_states(touched, isas, counts))
    except (RulesError, IsleError) as error:
        raise BadInput(str(error)) from error


def _find(states: list[RuleState], place: str) -> list[RuleState]:
    from fuzz.survey.rules import find

    found = find(states, place)
    if not found:
        raise BadInput(f"no rule '{place}': a name, or FILE:LINE as in opts/icmp.isle:41")
    return found


def _run(plan: CampaignPlan, *, quiet: bool) -> tuple[int, RunCounts]:
    """Run a campaign; return the exit code, and how often each rule fired."""
    from fuzz.campaign.supervisor import Supervisor
    from fuzz.cli.files import check_out
    from fuzz.cli.status import open_view
    from fuzz.survey.rules import RunCounts

    check_out(plan.out)
    with open_view(plan) as view:
        result = Supervisor(plan, view.show).run()
    if result.error:
        raise BadInput(result.error)
    if not quiet:
        _print_run(plan, result)
    statistics = result.statistics
    counts = RunCounts(statistics.rule_cases, statistics.rule_inputs)
    return EXIT_FINDINGS if result.unexplained else EXIT_CLEAN, counts


def _to_json(states: list[RuleState], isas: tuple[str, ...]) -> dict[str, Any]:
    from backend.cranelift.cranelift_name import cranelift_name
    from fuzz.survey.rules import counts_by_group

    return {
        "cranelift": cranelift_name(),
        "isa": list(isas),
        "groups": counts_by_group(states),
        "rules": [state.to_json() for state in states],
    }


# --- as text ---


def _print_run(plan: CampaignPlan, result: CampaignResult) -> None:
    statistics = result.statistics
    click.echo(
        f"seed {plan.seed}: {statistics.cases} cases, {statistics.executions} executions, "
        f"{statistics.total_ns / 1e9:.1f} s of CPU time, rejected {statistics.rejected.total()}, "
        f"findings {len(result.unexplained)}"
    )
    for summary in result.unexplained:
        click.echo(f"  {summary.bucket}\n    {summary.file or 'not written'}")


def _print(
    states: list[RuleState], place: str | None, *, missing: bool, untested: bool, run: bool
) -> None:
    if place is not None:
        for state in states:
            _print_one(state)
        return
    shown = states
    if missing:
        shown = [state for state in states if not state.fired]
    elif untested:
        shown = [state for state in states if state.fired and not state.tested]
    for state in shown:
        click.echo(rule_line(state))
    _print_totals(states, run=run)


def _print_one(state: RuleState) -> None:
    rule = state.rule
    name = f", {rule.name}" if rule is not None and rule.name else ""
    click.echo(f"{state.place.group} {state.place}{name}")
    if rule is not None:
        click.echo(f"  priority {rule.priority}")
        click.echo(f"  left     {rule.left}")
        for pattern, expr in rule.conditions:
            click.echo(f"  if-let   {pattern} {expr}")
        click.echo(f"  right    {rule.right}")
    click.echo(f"  {state.firing} of {state.fragments} fragments fire it when compiled alone")
    if state.types:
        click.echo(f"  types    {' '.join(state.types)}")
    for type_, status in state.proofs.items():
        click.echo(f"  {type_}: {status}")
    for isa, cases in state.cases.items():
        click.echo(f"  {isa}: fired in {cases} cases, {state.inputs[isa]} inputs compared")
    if state.explanation is not None:
        click.echo(f"  never fired: {state.explanation}")


def _print_totals(states: list[RuleState], *, run: bool) -> None:
    from fuzz.survey.rules import ENOUGH_CASES, ENOUGH_INPUTS, counts_by_group

    what = "fired" if run else "fired by a fragment"
    for group, counts in counts_by_group(states).items():
        share = 100 * counts["fired"] / max(1, counts["total"])
        text = f"{group}: {counts['fired']} of {counts['total']} rules {what} ({share:.1f}%)"
        if run:
            text += (
                f", {counts['tested']} in at least {ENOUGH_CASES} cases with {ENOUGH_INPUTS} inputs"
            )
        click.echo(f"{text}; {counts['without_code']} more have no code of their own")
    reasons = Counter(
        (state.place.group, state.explanation.reason.value)
        for state in states
        if state.explanation is not None
    )
    for (group, reason), number in sorted(reasons.items()):
        click.echo(f"  {group}: {number} {reason}")
