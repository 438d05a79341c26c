"""``clif-fuzz coverage``: which edges of Cranelift and which ISLE rules are covered."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fuzz.cases.case_options import CaseOptions
from fuzz.cli.errors import EXIT_CLEAN, BadInput
from fuzz.cli.files import expand
from fuzz.cli.options import (
    amount_options,
    case_argument,
    extra_checks_option,
    json_option,
    mutants_option,
    write_json,
)

if TYPE_CHECKING:
    from fuzz.survey.coverage import Measurement

_SHOWN = 10


@click.command(
    epilog="""\b
  clif-fuzz coverage corpus/
  clif-fuzz coverage --missing --isa all tests.clif
  clif-fuzz coverage --cases 3000 --seed 5 --json curve.json
"""
)
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@case_argument
@mutants_option
@extra_checks_option
@amount_options
@click.option("--missing", is_flag=True, help="List the rules that did not fire.")
@json_option
def command(
    paths: tuple[str, ...],
    options: CaseOptions,
    seconds: float | None,
    cases: int | None,
    seed: int | None,
    missing: bool,
    json_file: str | None,
) -> int:
    """Show which edges and ISLE rules of Cranelift are covered by compiling files or cases.

    Give .clif files, or folders for the .clif files below them; or --seconds or --cases to generate
    cases. Files are compiled for the targets that they name, and for each ISA at opt_level none
    and speed. Nothing is run.
    """
    from fuzz.survey.coverage import measure_cases, measure_files

    generated = seconds is not None or cases is not None
    if generated == bool(paths):
        raise BadInput("coverage needs either files or folders, or --seconds or --cases")
    if not generated and seed is not None:
        raise BadInput("--seed is for generated cases, so it needs --seconds or --cases")
    if generated:
        seed = secrets.randbits(32) if seed is None else seed
        found = measure_cases(options, seed, cases=cases, seconds=seconds)
    else:
        found = measure_files(_existing(paths), options.isas)
    facts = to_json(found, options.isas, seed)
    if json_file is not None:
        write_json(facts, json_file)
    if json_file != "-":
        _print(found, facts, missing=missing)
    return EXIT_CLEAN


def _existing(names: tuple[str, ...]) -> list[Path]:
    """Return the files that names stand for.

    Raises:
        BadInput: a name does not exist, or is a folder without .clif files.
    """
    for name in names:
        if not Path(name).exists():
            raise BadInput(f"{name}: no such file or folder")
    return expand(names)


def to_json(found: Measurement, isas: tuple[str, ...], seed: int | None) -> dict[str, Any]:
    """Return the coverage as JSON."""
    from backend.cranelift.cranelift_name import cranelift_name

    counted = {"cases": found.cases, "seed": seed} if seed is not None else {"files": found.files}
    return (
        {"cranelift": cranelift_name(), "isa": list(isas)}
        | counted
        | {
            "compiled": found.compiled,
            "failed": dict(found.failed),
            "edges": [found.edges, len(found.covered)],
        }
        | _rules_to_json(found, isas)
        | {"curve": [point.to_json() for point in found.curve]}
    )


def _rules_to_json(found: Measurement, isas: tuple[str, ...]) -> dict[str, Any]:
    from backend.cranelift.rule_edges import RulesError, known_rules
    from fuzz.survey.coverage import by_file, missing, shown_groups

    rules = known_rules()
    if isinstance(rules, RulesError):
        return {"rules": None, "rules_unknown": str(rules)}
    fired = rules.fired(found.covered)
    counts = rules.by_group(fired)
    groups = shown_groups(counts, isas)
    unfired = [
        {
            "group": rule.group,
            "file": rule.file,
            "line": rule.line,
            "source": rules.source_line(rule),
        }
        for rule in missing(rules, fired)
        if rule.group in groups
    ]
    return {
        "rules": {group: counts[group] for group in groups},
        "rules_without_code": rules.merged,
        "files_of_rules": by_file(rules, fired),
        "missing": unfired,
    }


def _print(found: Measurement, facts: dict[str, Any], *, missing: bool) -> None:
    _print_what(found, facts)
    edges, total = facts["edges"]
    click.echo(f"edges: {_share(edges, total)}")
    if facts["rules"] is None:
        click.echo(f"rules: unknown ({facts['rules_unknown']})")
    else:
        _print_rules(facts)
    if found.curve:
        _print_curve(found)
    if missing and facts["rules"] is not None:
        click.echo("rules that did not fire:")
        for rule in facts["missing"]:
            place = f"{rule['file']}:{rule['line']}"
            click.echo(f"  {rule['group']}  {place}  {rule['source']}".rstrip())


def _print_what(found: Measurement, facts: dict[str, Any]) -> None:
    if "files" in facts:
        click.echo(f"{found.files} files, {found.compiled} functions compiled (per target)")
    else:
        click.echo(
            f"seed {facts['seed']}: {found.cases} cases, {found.compiled} compiled (per ISA)"
        )
    for reason, number in found.failed.most_common(_SHOWN):
        click.echo(f"  not compiled {number}: {reason} (as in {found.examples[reason]})")
    if len(found.failed) > _SHOWN:
        click.echo(f"  and {len(found.failed) - _SHOWN} more reasons")


def _print_rules(facts: dict[str, Any]) -> None:
    click.echo("ISLE rules fired, of those with code of their own:")
    for group, (fired, total) in facts["rules"].items():
        without = facts["rules_without_code"].get(group, 0)
        click.echo(f"  {group}: {_share(fired, total)}; {without} more have none")
        files = facts["files_of_rules"].get(group, {})
        for file, counts in files.items() if len(files) > 1 else ():
            click.echo(f"    {file}: {_share(*counts)}")


def _print_curve(found: Measurement) -> None:
    groups = list(found.curve[0].rules)
    click.echo(f"{'CPU s':>8} {'cases':>8} {'edges':>8} {' '.join(f'{g:>8}' for g in groups)}")
    for point in found.curve:
        rules = " ".join(f"{point.rules[group][0]:8}" for group in groups)
        click.echo(f"{point.seconds:8.2f} {point.cases:8} {point.edges:8} {rules}".rstrip())


def _share(part: int, total: int) -> str:
    return f"{part} of {total} ({100 * part / max(1, total):.1f}%)"
