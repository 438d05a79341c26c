"""Options that several commands have, and their values checked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from backend.isa.registry import DEFAULT_ISAS, ISAS, find_isa
from fuzz.cases.case_options import CASE_FIELDS, INGREDIENTS, CaseOptions
from fuzz.cli.errors import BadInput

F = TypeVar("F", bound=Callable[..., Any])


def split_names(value: str, known: Collection[str], what: str) -> tuple[str, ...]:
    """``a,b`` as a tuple, without repetitions. Raises BadParameter unless all are known."""
    names = tuple(dict.fromkeys(word.strip() for word in value.split(",") if word.strip()))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        there = ", ".join(known)
        raise click.BadParameter(f"no {what} '{', '.join(unknown)}'; there are {there}")
    return names


def split_isas(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    """Return the names of ``a,b`` as a tuple, without repetitions; aliases are replaced."""
    words = [isa.name if (isa := find_isa(w.strip())) else w for w in value.split(",")]
    return split_names(",".join(words), ISAS, "emulated ISA")


def isa_option(function: F) -> F:
    return click.option(
        "--isa",
        "isas",
        default=",".join(DEFAULT_ISAS),
        show_default=True,
        callback=split_isas,
        metavar="ISA,...",
        help="ISAs to compile for.",
    )(function)


def json_option(function: F) -> F:
    return click.option(
        "--json",
        "json_file",
        metavar="FILE",
        help="Write the facts as JSON; - is stdout, and then nothing else goes there.",
    )(function)


def case_options(function: F) -> F:
    """The options that a case depends on, beside its seed."""
    for option in reversed(_CASE_OPTIONS):
        function = option(function)
    return function


def case_argument(function: F) -> F:
    """The same, which the function gets as one argument: ``options``."""

    @wraps(function)
    def gathering(**params: Any) -> Any:
        return function(options=take_case(params), **params)

    return case_options(cast(F, gathering))


def take_case(params: dict[str, Any]) -> CaseOptions:
    """Takes out of a command's parameters what is of the cases."""
    return CaseOptions(**{name: params.pop(name) for name in CASE_FIELDS & params.keys()})


def _split_ingredients(_: click.Context, __: click.Parameter, value: str) -> frozenset[str]:
    names = frozenset(word.strip() for word in value.split(",") if word.strip())
    unknown = sorted(names - INGREDIENTS.keys())
    if unknown:
        raise click.BadParameter(f"no '{unknown[0]}'; there are {', '.join(INGREDIENTS)}")
    return names


def _share_option(name: str, what: str, field: str = "") -> Callable[[F], F]:
    """A share. Its default is that of ``CaseOptions``' field, of the same name if none is given."""
    field = field or name.removeprefix("--").replace("-", "_")
    return click.option(
        name,
        field,
        type=click.FloatRange(0, 1),
        default=getattr(CaseOptions(), field),
        show_default=True,
        metavar="SHARE",
        help=what,
    )


_CASE_OPTIONS = (
    isa_option,
    click.option(
        "--inputs",
        type=click.IntRange(1, 65536),
        default=CaseOptions().inputs,
        show_default=True,
        help="Inputs of each case.",
    ),
    click.option(
        "--instructions",
        type=click.IntRange(1, 100000),
        default=CaseOptions().instructions,
        show_default=True,
        help="About how many instructions a case has.",
    ),
    _share_option("--trapping-share", "Share of the cases that may trap."),
    click.option(
        "--without",
        default="",
        callback=_split_ingredients,
        metavar="WHAT,...",
        help=f"Leave out, to see what it is good for: {', '.join(INGREDIENTS)}.",
    ),
    _share_option("--rules-share", "Share of the parts of a case that are directed at ISLE rules."),
)


def amount_options(function: F) -> F:
    """How long to make cases, or how many, and of which seed."""
    for option in reversed(_AMOUNT_OPTIONS):
        function = option(function)
    return function


_AMOUNT_OPTIONS = (
    click.option(
        "--seconds", type=click.FloatRange(0, min_open=True), help="How long to make cases."
    ),
    click.option("--cases", type=click.IntRange(1), help="How many cases to make."),
    click.option("--seed", type=click.IntRange(0), help="Of all cases; drawn if not given."),
)


def jobs_option(function: F) -> F:
    return click.option("--jobs", type=click.IntRange(1, 1024), default=1, show_default=True)(
        function
    )


def out_option(function: F) -> F:
    return click.option(
        "--out",
        type=click.Path(file_okay=False),
        default="findings",
        show_default=True,
        help="Directory for findings and the campaign's database.",
    )(function)


def mutants_option(function: F) -> F:
    what = "Share of the cases that are mutants of generated ones."
    return _share_option("--mutants", what, "mutant_share")(function)


def write_json(facts: object, target: str) -> None:
    """Writes to a file, or to stdout for ``-``. Raises BadInput where that is not possible."""
    text = json.dumps(facts, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{target}: {error.strerror}") from error
