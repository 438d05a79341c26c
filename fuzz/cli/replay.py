"""``clif-fuzz replay``: run case files again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fuzz.cli.base import asker_for, base_option
from fuzz.cli.errors import (
    EXIT_CLEAN,
    EXIT_FINDINGS,
    EXIT_NOT_FAILING,
    EXIT_USAGE,
    BadInput,
    NotRunHere,
    complain,
    worse,
)
from fuzz.cli.files import expand, load_cases, read_text, require_fired_rules
from fuzz.cli.options import (
    compile_timeout_option,
    engine_option,
    file_isas_option,
    json_option,
    read_options,
    write_json,
)
from reports.text import printable

if TYPE_CHECKING:
    from clif.outcome import Region
    from fuzz.triage.base.asker import BaseAsker


@click.command(
    epilog="""\b
  clif-fuzz replay findings/crash-*.clif
  clif-fuzz replay --isa all case.clif --json -
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
@read_options
@engine_option
@click.option("--code", is_flag=True, help="Print the machine code of each ISA, too.")
@click.option("--rules", is_flag=True, help="Print the ISLE rules that fired for each ISA, too.")
@base_option("Say of failing cases what this Cranelift, a version or a folder, does with them.")
@compile_timeout_option
@json_option
def command(
    files: tuple[str, ...],
    isas: tuple[str, ...] | None,
    oracle: str,
    drawn_inputs: int | None,
    memory: Region | None,
    code: bool,
    rules: bool,
    base_name: str | None,
    timeout: float,
    json_file: str | None,
) -> int:
    """Run case files again, and print which executors agree.

    Each case is run by the reference interpreter (the oracle) and as emulated machine code of each
    ISA. FILE may be a folder, which stands for the .clif files below it. The exit code is 1 if
    executors disagree or a case fails, 2 for a file that cannot be read, 3 if the failure that a
    file records does not show with this build. Known faults of the emulator do not count, nor
    does what is not run, for which a reason is given.
    """
    from fuzz.cases.build_identity import build_identity, other_build

    asker = asker_for(base_name)
    worst = EXIT_CLEAN
    facts: list[dict[str, object]] = []
    builds = set()
    for path in expand(files):
        try:
            build = other_build(read_text(path))
            if build and build not in builds:
                builds.add(build)
                complain(f"{path}: made by another build: {build}; this is {build_identity()}")
            entries, exit_code = _replay_file(
                path,
                _Options(isas, drawn_inputs, memory, oracle == "both", code, rules, timeout, asker),
                quiet=json_file == "-",
            )
        except NotRunHere as error:
            reason = error.format_message()
            if json_file != "-":
                click.echo(printable(reason))
            facts.append({"file": str(path), "not_run": reason.partition("not run: ")[2]})
            continue
        except BadInput as error:
            complain(error.format_message())
            worst = EXIT_USAGE
            continue
        facts += entries
        worst = worse(worst, exit_code)
    if json_file is not None:
        write_json({"files": facts}, json_file)
    return worst


@dataclass(frozen=True, slots=True)
class _Options:
    """What the user asks for.

    Attributes:
        isas: those to run on instead of those that files name.
        second: whether to ask the second oracle, too.
        code, rules: whether to print machine code, and rules.
        timeout: seconds that compiling may take.
        asker: asks the base; None without one.
    """

    isas: tuple[str, ...] | None
    drawn_inputs: int | None
    memory: Region | None
    second: bool
    code: bool
    rules: bool
    timeout: float
    asker: BaseAsker | None = None


def _replay_file(
    path: Path, options: _Options, *, quiet: bool
) -> tuple[list[dict[str, object]], int]:
    """Replay a file; return its cases' results as JSON, and the exit code.

    Raises:
        BadInput: the file cannot be read, or its settings do not exist.
        NotRunHere: it is not for this build or its ISAs.
    """
    from backend.cranelift.compiler import SettingsError
    from fuzz.cli.files import emulated_isas
    from fuzz.differential.explain import fired_notes, fired_to_json
    from fuzz.differential.pipeline import Pipeline
    from fuzz.differential.recorded_failure import read_recorded_failure
    from fuzz.reporting.replay import replay
    from fuzz.reporting.replay_text import disassembly, lines, to_json

    fired_rules = require_fired_rules() if options.rules else None
    recorded = read_recorded_failure(read_text(path))
    facts: list[dict[str, object]] = []
    worst = EXIT_CLEAN
    for case_file in load_cases(path, options.drawn_inputs, options.memory):
        if options.isas:  # run on these even if the file names others
            case_file.case.isas = ()
            case_file.interpreted_only = ""
        pipeline = Pipeline(
            options.isas or emulated_isas(case_file, path),
            second=options.second,
            fired_rules=fired_rules,
            compile_seconds=options.timeout,
        )
        try:
            replayed = replay(case_file, pipeline)
        except (SettingsError, ValueError) as error:
            raise BadInput(f"{path}: {error}") from error
        if replayed.disputed:
            worst = worse(worst, EXIT_FINDINGS)
        gone = recorded is not None and not replayed.shown(recorded)
        if gone:
            worst = EXIT_NOT_FAILING
        facts.append({"file": str(path)} | to_json(replayed))
        said = []
        if options.asker is not None and replayed.disputed:
            answer = options.asker.ask(case_file.case, pipeline.isas, recorded)
            facts[-1]["base"] = str(answer)
            said = [f"  base: {answer}"]
        if fired_rules is not None:
            facts[-1]["rules"] = fired_to_json(fired_rules, replayed.runs)
        if not quiet:
            first, *rest = lines(replayed)
            fired = (f"  {line}" for line in fired_notes(fired_rules, replayed.runs))
            more = disassembly(replayed) if options.code else ()
            missing = [f"  does not fail here as the file records: {recorded}"] * gone
            click.echo("\n".join([f"{path}: {first}", *rest, *missing, *said, *fired, *more]))
    return facts, worst
