"""``clif-fuzz run``: the main job."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fuzz.campaign import Campaign
from fuzz.cli.errors import (
    EXIT_CLEAN,
    EXIT_FINDINGS,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    BadInput,
    complain,
)
from fuzz.cli.options import case_options, json_option, mutants_option, write_json
from fuzz.cli.status import open_view
from fuzz.cli.summary import print_summary, to_json
from fuzz.plan import ORACLE_NAMES, CaseOptions, Plan
from fuzz.result import JobState, Result
from fuzz.resume import (
    CASE_FIELDS,
    ResumeError,
    check_build,
    fields_of_plan,
    orphans,
    resumed_plan,
    tidy,
)
from fuzz.store import DATABASE, Store, StoreError

if TYPE_CHECKING:
    from fuzz.crew import Crew
    from fuzz.metrics import MetricsFile


@click.command(
    epilog="""\b
Without --seconds and --cases it runs until Ctrl-C.
  clif-fuzz run --seconds 60
  clif-fuzz run --seed 7 --cases 1000 --jobs 2 --out findings --json facts.json
  clif-fuzz run --resume findings
"""
)
@case_options
@mutants_option
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="How long to run.")
@click.option("--cases", type=click.IntRange(1), help="How many cases to check.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Worker processes.  [default: 1]")
@click.option("--seed", type=click.IntRange(0), help="Of all cases; drawn if not given.")
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    default="findings",
    show_default=True,
    help="Directory for findings and the campaign's database.",
)
@click.option(
    "--resume",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Go on with the latest campaign of that directory, whatever ended it.",
)
@click.option(
    "--oracle",
    type=click.Choice(ORACLE_NAMES),
    default="interp",
    show_default=True,
    help="Who is right: our interpreter, Cranelift's, or ours with Cranelift's compared as well.",
)
@click.option(
    "--case-seconds",
    type=click.FloatRange(0, min_open=True),
    default=Plan().case_seconds,
    show_default=True,
    help="How long a case may take by the clock.",
)
@click.option(
    "--memory-mb",
    type=click.IntRange(64),
    default=Plan().memory_mb,
    show_default=True,
    help="Memory that a worker may take for its cases.",
)
@click.option(
    "--prometheus",
    metavar="FILE",
    help="Keep the figures in a text file for Prometheus' node exporter.",
)
@click.option(
    "--ray",
    "ray_address",
    metavar="ADDRESS",
    help="Have the jobs done on a Ray cluster: HOST:PORT of its head, or auto.",
)
@json_option
@click.pass_context
def command(context: click.Context, /, **params: Any) -> int:
    """Make cases, compile them for each ISA, run them, and compare every outcome.

    Known faults of the emulator and of the second oracle are counted, with one file as an example
    of each; they do not make the exit code 1.

    A campaign is saved while it runs. Without --resume another one begins, in the same database if
    the directory has one. With it, options that decide what the cases are may be left out, or must
    be the same; --seconds and --cases may be others, and count from the campaign's beginning.
    """
    asked = _said(context)
    resume, json_file = params["resume"], params["json_file"]
    if resume is not None and "out" in asked:
        raise BadInput("--resume names the directory: --out does not go with it")
    out = resume or params["out"]
    if params["ray_address"] is not None:
        cpus = _connect(params["ray_address"])
        params["jobs"] = params["jobs"] or cpus
    with _folder(Path(out), new=resume is None) as store:
        if resume is None:
            plan = _new_plan(params)
            result, states = _begin(store, plan)
        else:
            labels = {option.name or "": option.opts[0] for option in context.command.params}
            plan, result, states = _resume(store, asked | {"out": out}, labels)
        metrics = _metrics(plan, params["prometheus"], result)
        crew = None if params["ray_address"] is None else _ray_crew(plan)
        with open_view(plan) as view:

            def on_tick(result: Result) -> None:
                view.show(result)
                if metrics is not None:
                    metrics.show(result)

            campaign = Campaign(plan, on_tick, store=store, result=result, states=states, crew=crew)
            result = campaign.run()
    if metrics is not None:
        metrics.write(result)
        if metrics.problem:
            complain(metrics.problem)
    _save_unwritten(result)
    if json_file is not None:
        write_json(to_json(plan, result), json_file)
    if json_file != "-":
        print_summary(plan, result)
    return _exit_code(result)


def _connect(address: str) -> int:
    """Joins a Ray cluster; how many CPUs it has. Raises BadInput."""
    try:
        from fuzz.raycrew import ClusterError, connect
    except ImportError as error:
        raise BadInput("--ray needs Ray: pip install 'clif-fuzz[ray]'") from error
    try:
        return connect(address)
    except ClusterError as error:
        raise BadInput(str(error)) from error


def _ray_crew(plan: Plan) -> Crew:
    from fuzz.raycrew import RayCrew

    return RayCrew(plan)


def _metrics(plan: Plan, path: str | None, result: Result) -> MetricsFile | None:
    """The file for Prometheus, tried. Raises BadInput."""
    if path is None:
        return None
    from fuzz.metrics import MetricsFile

    metrics = MetricsFile(plan, Path(path))
    metrics.write(result)
    if metrics.problem:
        raise BadInput(metrics.problem)
    return metrics


def _said(context: click.Context) -> dict[str, Any]:
    """The parameters of a plan that the user gave a value for."""
    given = {
        name: value
        for name, value in context.params.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    return fields_of_plan(given)


def _new_plan(params: dict[str, Any]) -> Plan:
    values = fields_of_plan(params)
    options = {name: values.pop(name) for name in [*values] if name in CASE_FIELDS}
    values["seed"] = secrets.randbits(32) if values["seed"] is None else values["seed"]
    values["jobs"] = values["jobs"] or 1
    return Plan(CaseOptions(**options), **values)


@contextmanager
def _folder(directory: Path, *, new: bool) -> Iterator[Store]:
    """The folder's database, for this run alone. Raises BadInput where that is not possible."""
    if not new and not (directory / DATABASE).exists():
        raise BadInput(f"{directory}: no campaign to go on with")
    _check_directory(directory)
    try:
        store = Store(directory)
    except StoreError as error:
        raise BadInput(str(error)) from error
    with closing(store):
        tidy(directory)
        yield store


def _begin(store: Store, plan: Plan) -> tuple[Result, dict[int, JobState]]:
    from fuzz.build import present_build

    try:
        store.begin(plan, present_build())
    except StoreError as error:
        raise BadInput(str(error)) from error
    return Result(), {}


def _resume(
    store: Store, asked: dict[str, Any], labels: dict[str, str]
) -> tuple[Plan, Result, dict[int, JobState]]:
    from fuzz.build import present_build

    try:
        saved, build = store.latest()
        check_build(build, present_build())
        plan = resumed_plan(saved, asked, labels)
        result, states = store.resume(plan)
        result.findings += orphans(store.directory, plan, states, store.files())
    except (StoreError, ResumeError) as error:
        raise BadInput(str(error)) from error
    return plan, result, states


def _check_directory(directory: Path) -> None:
    from fuzz.finding import check_directory

    try:
        check_directory(directory)
    except OSError as error:
        raise BadInput(f"cannot write findings to {directory}: {error.strerror}") from error


def _save_unwritten(result: Result) -> None:
    """The last resort for a finding that no disk takes: stderr."""
    for text in result.unwritten:
        sys.stderr.write(text)
    if result.error:
        complain(result.error)


def _exit_code(result: Result) -> int:
    if result.error:
        return EXIT_USAGE
    if result.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FINDINGS if result.alarming else EXIT_CLEAN
