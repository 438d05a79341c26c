"""``clif-fuzz replay``: run case files again."""

from __future__ import annotations

from pathlib import Path

import click

from fuzz.cli.errors import (
    EXIT_CLEAN,
    EXIT_FINDINGS,
    EXIT_NOT_FAILING,
    EXIT_USAGE,
    BadInput,
    complain,
    worse,
)
from fuzz.cli.files import expand, load_cases, read_text, require_fired_rules
from fuzz.cli.options import file_isas_option, json_option, write_json


@click.command(
    epilog="""\b
  clif-fuzz replay findings/crash-*.clif
  clif-fuzz replay --isa aarch64 case.clif --json -
"""
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@file_isas_option("ISAs to run on, instead of those that the file names.")
@click.option(
    "--oracle",
    type=click.Choice(["interp", "both"]),
    default="interp",
    show_default=True,
    help="The reference interpreter alone, or Cranelift's own interpreter as well.",
)
@click.option(
    "--inputs",
    "count",
    type=click.IntRange(1, 65536),
    metavar="N",
    help="Draw N inputs for a function without run commands, which is only compiled otherwise.",
)
@click.option("--code", is_flag=True, help="Print the machine code of each ISA, too.")
@click.option("--rules", is_flag=True, help="Print the ISLE rules that fired for each ISA, too.")
@json_option
def command(
    files: tuple[str, ...],
    isas: tuple[str, ...] | None,
    oracle: str,
    count: int | None,
    code: bool,
    rules: bool,
    json_file: str | None,
) -> int:
    """Run case files again, and print which executors agree.

    Each case is run by the reference interpreter (the oracle) and as emulated machine code of each
    ISA. FILE may be a folder, which stands for the .clif files below it. The exit code is 1 if
    executors disagree or a case fails, 2 for a file that cannot be run, 3 if the failure that a
    file records does not show with this build. Known faults of the emulator do not count.
    """
    from fuzz.cases.build_identity import build_identity, other_build

    worst = EXIT_CLEAN
    facts = []
    builds = set()
    for path in expand(files):
        try:
            build = other_build(read_text(path))
            if build and build not in builds:
                builds.add(build)
                complain(f"{path}: made by another build: {build}; this is {build_identity()}")
            entries, exit_code = _replay_file(
                path, isas, count, oracle == "both", code, rules, quiet=json_file == "-"
            )
        except BadInput as error:
            complain(error.format_message())
            worst = EXIT_USAGE
            continue
        facts += entries
        worst = worse(worst, exit_code)
    if json_file is not None:
        write_json({"files": facts}, json_file)
    return worst


def _replay_file(
    path: Path,
    isas: tuple[str, ...] | None,
    count: int | None,
    second: bool,
    code: bool,
    rules: bool,
    *,
    quiet: bool,
) -> tuple[list[dict[str, object]], int]:
    """Replay a file; return its cases' results as JSON, and the exit code.

    Raises:
        BadInput: the file cannot be read, or its settings do not exist.
    """
    from backend.cranelift.compiler import SettingsError
    from fuzz.cli.files import emulated_isas
    from fuzz.corpus.importer import with_drawn_inputs
    from fuzz.differential.explain import fired_notes, fired_to_json
    from fuzz.differential.pipeline import Pipeline
    from fuzz.differential.recorded_failure import read_recorded_failure, shown
    from fuzz.reporting.replay import disassembly, lines, replay, to_json

    fired_rules = require_fired_rules() if rules else None
    recorded = read_recorded_failure(read_text(path))
    facts: list[dict[str, object]] = []
    worst = EXIT_CLEAN
    for case_file in load_cases(path):
        if count is not None and not case_file.case.inputs.count:
            case_file.case = with_drawn_inputs(case_file.case, count)
            case_file.expectations = [None] * case_file.case.inputs.count
        if isas:  # run on these even if the file names others
            case_file.case.isas = ()
        named = isas or emulated_isas(case_file, path)
        pipeline = Pipeline(named, second=second, fired_rules=fired_rules)
        try:
            replayed = replay(case_file, pipeline)
        except (SettingsError, ValueError) as error:
            raise BadInput(f"{path}: {error}") from error
        if not replayed.agrees:
            worst = worse(worst, EXIT_FINDINGS if replayed.disputed else EXIT_USAGE)
        gone = recorded is not None and not shown(recorded, replayed.failures)
        if gone and worst != EXIT_USAGE:
            worst = EXIT_NOT_FAILING
        facts.append({"file": str(path)} | to_json(replayed))
        if fired_rules is not None:
            facts[-1]["rules"] = fired_to_json(fired_rules, replayed.runs)
        if not quiet:
            first, *rest = lines(replayed)
            fired = (f"  {line}" for line in fired_notes(fired_rules, replayed.runs))
            more = disassembly(replayed) if code else ()
            missing = [f"  does not fail here as the file records: {recorded}"] * gone
            click.echo("\n".join([f"{path}: {first}", *rest, *missing, *fired, *more]))
    return facts, worst
