"""``clif-fuzz run``: runs a campaign."""

from __future__ import annotations

import secrets
import signal
import sys
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fuzz.campaign.database import CampaignDatabase
from fuzz.campaign.database_schema import DatabaseError
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.result import CampaignResult
from fuzz.campaign.resume import plan_fields
from fuzz.campaign.supervisor import Supervisor
from fuzz.cases.case_options import IsaWeight
from fuzz.cli.base import BuiltBase, base_option, build_base
from fuzz.cli.change import read_touched, since_option, take_change
from fuzz.cli.errors import (
    EXIT_CLEAN,
    EXIT_FINDINGS,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    BadInput,
    complain,
)
from fuzz.cli.files import warn_about_cache
from fuzz.cli.folder import CampaignStart, begin, open_folder, resume, saved_plan
from fuzz.cli.options import (
    amount_options,
    case_options,
    engine_option,
    extra_checks_option,
    jobs_option,
    json_option,
    known_option,
    limit_options,
    mutants_option,
    oracle_option,
    out_option,
    read_seeds,
    seeds_option,
    source_option,
    take_case,
    write_json,
)
from fuzz.cli.prove import require_solver
from fuzz.cli.status import open_view
from fuzz.cli.summary import print_summary, to_json
from fuzz.triage.background import BackgroundMinimizer, start_background
from fuzz.triage.base.background import BaseSorter, start_asker

if TYPE_CHECKING:
    from fuzz.campaign.prometheus import MetricsFile
    from fuzz.campaign.worker_pool import WorkerPool


@click.command(
    epilog="""\b
Without --seconds and --cases it runs until Ctrl-C.
  clif-fuzz run --seconds 60
  clif-fuzz run --seconds 8h --stop-after 20
  clif-fuzz run --seed 7 --cases 1000 --jobs 2 --out findings --json facts.json
  clif-fuzz run --seeds cases --seconds 10m
  clif-fuzz run --since main --seconds 10m
  clif-fuzz run --base 0.135.8 --seconds 10m --stop-after 1
  clif-fuzz run --resume findings
"""
)
@case_options
@engine_option
@mutants_option
@extra_checks_option
@seeds_option
@since_option
@source_option
@amount_options
@click.option(
    "--stop-after",
    type=click.IntRange(1),
    metavar="N",
    help="Stop at so many new findings: neither known faults nor, with --base, old ones.",
)
@base_option(
    "Run findings against this Cranelift as well, a published version or a folder: those that it "
    "has too are old, and only the others count."
)
@jobs_option
@out_option
@click.option(
    "--resume",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Go on with the latest campaign of that directory, whatever ended it.",
)
@oracle_option
@known_option
@limit_options
@click.option(
    "--prometheus",
    metavar="FILE",
    help="Keep the figures in a text file for Prometheus' node exporter.",
)
@click.option(
    "--ray",
    "ray_address",
    metavar="ADDRESS",
    help="Run the workers on a Ray cluster: HOST:PORT of its head, or auto.",
)
@json_option
@click.pass_context
def command(context: click.Context, /, **params: Any) -> int:
    """Make cases, compile them for each ISA, run them, and compare every outcome.

    Known faults of the emulator and of the second oracle are counted, with one file as an example
    of each; they do not make the exit code 1.

    The first findings of each bucket are minimised meanwhile, in a tenth of the time, and for some
    seconds at the end, so that the summary can tell faults apart.

    With --base, a finding is new only if the base does not fail on its case in the same way. Old
    findings are counted by bucket and kept in the folder old-findings; they do not make the exit
    code 1. What the base cannot say counts as new. The base is built first, which takes one to two
    minutes the first time, and asked meanwhile, in another tenth of the time.

    With --seeds the cases of a folder, such as 'corpus import' makes, are run first. After that,
    half of the cases are mutated from them, or crossed from two of them or one and a drawn case.
    They are part of the campaign: it can be resumed without the folder, and not with other cases.

    With --since most parts that are directed at rules are directed at those that the change
    touches: they were changed, or use a term, an extractor or a Rust function that was. Half of a
    case's parts are directed then. These rules are part of the campaign, too. The summary lists
    them, with how often each was compared.

    A campaign is saved while it runs. Without --resume another one begins, in the same database if
    the directory has one. With it, options that decide what the cases are may be left out, or must
    be the same (so must --base); --seconds, --cases and --stop-after may be others, and count from
    the campaign's beginning.
    """
    from fuzz.known.status import statuses

    warn_about_cache()
    statuses()  # is kept for the workers
    asked = _given_fields(context)
    resumed, json_file, cluster = params["resume"], params["json_file"], params["ray_address"]
    if resumed is not None and "out" in asked:
        raise BadInput("--resume names the directory: --out does not go with it")
    if cluster is not None:
        cpus = _connect(cluster)
        params["jobs"] = params["jobs"] if "jobs" in asked else cpus
    metrics = _metrics(params["prometheus"])
    built = None if params["base_name"] is None else build_base(params["base_name"])
    if built is not None:
        asked["base"] = params["base"] = built.base
    with open_folder(Path(resumed or params["out"]), new=resumed is None) as database:
        if resumed is None:
            params["seeds"] = read_seeds(params["seeds_folder"], params["isas"])
            take_change(params, share_given="rules_share" in asked)
            if "isa_weights" not in asked:
                params["isa_weights"] = _weights(params)
            start = begin(database, _new_plan(params))
        else:
            _read_again(database, params, asked)
            labels = {option.name or "": option.opts[0] for option in context.command.params}
            labels |= {"seeds": "--seeds", "touched": "--since", "base": "--base"}
            if built is None and (base := saved_plan(database).base) is not None:
                built = build_base(base.name)
                asked["base"] = built.base
            start = resume(database, asked | {"out": resumed}, labels)
        plan = start.plan
        pool = None if cluster is None else _ray_workers(plan)
        result = _run(start, database, pool, metrics, built)
    _print_problems(result, metrics)
    if json_file is not None:
        write_json(to_json(plan, result), json_file)
    if json_file != "-":
        print_summary(plan, result)
    return _exit_code(result)


def _read_again(database: CampaignDatabase, params: dict[str, Any], asked: dict[str, Any]) -> None:
    """Add to what the user asks of a resumed campaign the seed cases and the change."""
    folder, since = params["seeds_folder"], params["since"]
    if folder is None and since is None:
        return
    isas = asked.get("isas") or saved_plan(database).options.isas
    if folder is not None:
        asked["seeds"] = read_seeds(folder, isas)
    if since is not None:
        asked["touched"] = read_touched(since, isas)


def _run(
    start: CampaignStart,
    database: CampaignDatabase,
    pool: WorkerPool | None,
    metrics: MetricsFile | None,
    built: BuiltBase | None,
) -> CampaignResult:
    """Run the campaign to its end, and show how it goes."""
    with ExitStack() as stack:
        minimizer, sorter = _helpers(start.plan, built)
        stack.enter_context(closing(minimizer))
        if sorter is not None:
            stack.enter_context(closing(sorter))
        with open_view(start.plan) as view:

            def on_tick(result: CampaignResult) -> None:
                view.show(result)
                if sorter is not None:
                    sorter.update(result)
                minimizer.update(result)
                if metrics is not None:
                    metrics.show(result)

            result = Supervisor(
                start.plan,
                on_tick,
                database=database,
                result=start.result,
                states=start.states,
                pool=pool,
            ).run()
        if not result.interrupted and not result.error:
            _finish(result, minimizer, sorter, database)
        if sorter is not None and sorter.problem:
            complain(sorter.problem)
    if metrics is not None:
        metrics.write(result)
    return result


def _helpers(
    plan: CampaignPlan, built: BuiltBase | None
) -> tuple[BackgroundMinimizer, BaseSorter | None]:
    """Return what minimises findings meanwhile, and what asks the base about them."""
    if built is None:
        return BackgroundMinimizer(plan.jobs), None
    facts = built.facts(plan)
    minimizer = BackgroundMinimizer(plan.jobs, partial(start_background, base=facts))
    return minimizer, BaseSorter(built.base, plan.jobs, partial(start_asker, facts))


def _finish(
    result: CampaignResult,
    minimizer: BackgroundMinimizer,
    sorter: BaseSorter | None,
    database: CampaignDatabase,
) -> None:
    """Ask the base about the last findings, minimise the first ones, and save what comes of it.

    A signal ends that at once.
    """
    if not result.unexplained:
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        if sorter is not None and result.pending:
            click.echo(f"asking the base about {result.pending} more findings", err=True)
            sorter.finish(result)
        if result.unexplained:
            minimizer.finish(result)
    except KeyboardInterrupt:
        result.interrupted = bool(result.pending)
    finally:
        signal.signal(signal.SIGTERM, previous)
    try:
        database.save_classes(result)
    except DatabaseError as error:
        result.error = str(error)


def _connect(address: str) -> int:
    """Connect to a Ray cluster.

    Returns:
        How many CPUs it has.

    Raises:
        BadInput: there is no cluster, or Ray is not installed.
    """
    try:
        from fuzz.campaign.ray_workers import ClusterError, connect
    except ImportError as error:
        raise BadInput("--ray needs Ray: pip install 'clif-fuzz[ray]'") from error
    try:
        return connect(address)
    except ClusterError as error:
        raise BadInput(str(error)) from error


def _ray_workers(plan: CampaignPlan) -> WorkerPool:
    from fuzz.campaign.ray_workers import RayWorkers

    return RayWorkers(plan)


def _metrics(path: str | None) -> MetricsFile | None:
    """Return the file for Prometheus, written once to see whether that works.

    Raises:
        BadInput: it does not.
    """
    if path is None:
        return None
    from fuzz.campaign.prometheus import MetricsFile

    metrics = MetricsFile(Path(path))
    metrics.write(CampaignResult())
    if metrics.problem:
        raise BadInput(metrics.problem)
    return metrics


def _weights(params: dict[str, Any]) -> tuple[IsaWeight, ...]:
    """Return the measured weights of the ISAs, and say which they are."""
    from fuzz.campaign.isa_weights import measured_weights

    weights = measured_weights(take_case(plan_fields(params)))
    if weights:
        text = ",".join(map(str, weights))
        said = "so that each ISA takes the same time, cases are run with"
        click.echo(f"{said} --isa-weights {text}", err=True)
    return weights


def _given_fields(context: click.Context) -> dict[str, Any]:
    """Return the fields of the plan that the user gave a value for."""
    given = {
        name: value
        for name, value in context.params.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    return plan_fields(given)


def _new_plan(params: dict[str, Any]) -> CampaignPlan:
    values = plan_fields(params)
    if values["prove_share"]:
        require_solver()
    options = take_case(values)
    values["seed"] = secrets.randbits(32) if values["seed"] is None else values["seed"]
    return CampaignPlan(options, **values)


def _print_problems(result: CampaignResult, metrics: MetricsFile | None) -> None:
    """Print what went wrong to stderr, and the findings that could not be written."""
    for text in result.unwritten:
        sys.stderr.write(text)
    for problem in (result.error, metrics.problem if metrics is not None else ""):
        if problem:
            complain(problem)


def _exit_code(result: CampaignResult) -> int:
    if result.error:
        return EXIT_USAGE
    if result.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FINDINGS if result.unexplained else EXIT_CLEAN
