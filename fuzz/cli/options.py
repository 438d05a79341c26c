"""Options of the command line that several commands share, with checks of their values."""

from __future__ import annotations

import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from enum import Enum
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from backend.engines.names import (
    ENGINE_NAMES,
    EngineChoice,
    EngineChoiceError,
    chosen_engines,
    read_choice,
)
from backend.isa.registry import DEFAULT_ISAS, DESCRIBED, ISAS, find_isa
from fuzz.campaign.plan import ORACLE_NAMES, CampaignPlan
from fuzz.cases.case_options import CASE_FIELDS, INGREDIENTS, CaseOptions, IsaWeight, Source
from fuzz.cases.seed_cases import NO_SEEDS, SeedCases
from fuzz.cli.errors import BadInput

if TYPE_CHECKING:
    from clif.outcome import Region

F = TypeVar("F", bound=Callable[..., Any])
#: The defaults of all options that make a plan are said there.
_DEFAULTS = CampaignPlan()
#: How often reading many cases says how far it is.
_PROGRESS_SECONDS: Final = 3.0


#: What stands for all ISAs.
ALL: Final = "all"


def split_names(value: str, known: Collection[str], what: str) -> tuple[str, ...]:
    """Return the names of ``a,b`` as a tuple, without repetitions.

    Args:
        what: what the names are of, for the error message.

    Raises:
        BadParameter: there are none, or one is not known.
    """
    names = tuple(dict.fromkeys(word.strip() for word in value.split(",") if word.strip()))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        there = ", ".join(known)
        raise click.BadParameter(f"no {what} '{', '.join(unknown)}'; there are {there}")
    return names


def split_isas(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    """Return the names of ``a,b`` as a tuple, without repetitions; aliases are replaced.

    ``all`` stands for all ISAs. Those that no engine runs here are left out, in a line that says
    how one is had.
    """
    value = ",".join(ISAS) if value.strip() == ALL else without_aliases(value)
    return those_run_here(split_names(value, ISAS, "emulated ISA"))


def split_weights(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[IsaWeight, ...]:
    """Return the weights of ``a=0.5,b=0.25``, without those that are 1.

    Raises:
        BadParameter: an ISA or a weight is none.
    """
    weights = {}
    for part in filter(None, (value or "").split(",")):
        name, _, number = part.partition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = 0.0
        if not 0 < weight <= 1:
            raise click.BadParameter(f"'{part}' is not ISA=WEIGHT, with a weight up to 1")
        weights[_isa_named(name.strip())] = weight
    return tuple(IsaWeight(*item) for item in sorted(weights.items()) if item[1] != 1)


def those_run_here(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return executors without the ISAs that no engine runs here; of these it is said why.

    Raises:
        BadParameter: none is left.
    """
    reasons = {name: reason for name in names if (reason := _left_out(name))}
    if len(reasons) == len(names):
        raise click.BadParameter("; ".join(f"{name}: {why}" for name, why in reasons.items()))
    for name, reason in reasons.items():
        click.echo(f"{name} is left out: {reason}", err=True)
    return tuple(name for name in names if name not in reasons)


def _left_out(name: str) -> str:
    if name in DEFAULT_ISAS or name not in ISAS:  # the engine of these comes with the package
        return ""
    from backend.isa.executors import left_out

    return left_out(name)


def without_aliases(value: str) -> str:
    """Return ``a,b`` with aliases of ISAs replaced by their names."""
    words = (word.strip() for word in value.split(","))
    return ",".join(isa.name if (isa := find_isa(word)) else word for word in words)


def field_option(
    name: str, text: str, field: str = "", short: str = "", **attributes: Any
) -> Callable[[F], F]:
    """Make an option for a field of ``CampaignPlan`` or ``CaseOptions``, with the field's default.

    Args:
        name: the option, as in ``--trapping-share``.
        text: its help.
        field: the field; if empty, the one that is named like the option.
        short: the option's short form, as in ``-o``.
        attributes: further ones of ``click.option``.
    """
    field = field or name.removeprefix("--").replace("-", "_")
    default = getattr(_DEFAULTS.options if field in CASE_FIELDS else _DEFAULTS, field)
    names = [name, *([short] if short else []), field]
    return click.option(
        *names, default=_as_text(default), show_default=True, help=text, **attributes
    )


def _as_text(default: Any) -> Any:
    """Return a default as a user would write it."""
    if isinstance(default, Enum):
        return default.value
    if isinstance(default, tuple):
        return ",".join(default)
    return default


class FiniteRange(click.FloatRange):
    """A range of numbers that excludes NaN and infinities, which compare as if they were in it."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number.

        Raises:
            BadParameter: it is none, not finite, or out of range.
        """
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class Duration(FiniteRange):
    """A number of seconds, also written with units: ``90``, ``10m``, ``1h30m``, ``2d``."""

    name = "duration"
    _UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
    _PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds.

        Raises:
            BadParameter: it is no duration, or out of range.
        """
        text = str(value).strip().lower()
        parts = self._PART.findall(text)
        if parts and "".join(map("".join, parts)) == text:
            value = sum(float(number) * self._UNITS[unit] for number, unit in parts)
        try:
            float(value)
        except ValueError:
            self.fail(f"'{value}' is not a duration, as 90, 10m or 1h30m are.", param, ctx)
        return super().convert(value, param, ctx)


class JobCount(click.IntRange):
    """A number of worker processes; ``auto`` is one for each CPU that this process may use."""

    name = "integer or auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number.

        Raises:
            BadParameter: it is none, or out of range.
        """
        if value == "auto":
            affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
            value = (os.cpu_count() or 1) if affinity is None else len(affinity(0))
            value = min(value, int(self.max or value))
        return int(super().convert(value, param, ctx))


def _share_option(name: str, text: str, field: str = "") -> Callable[[F], F]:
    return field_option(name, text, field, type=FiniteRange(0, 1), metavar="SHARE")


isa_option = field_option(
    "--isa",
    "ISAs to compile for; 'all' for all that an engine runs here.",
    "isas",
    callback=split_isas,
    metavar="ISA,...|all",
)
isa_weights_option = click.option(
    "--isa-weights",
    "isa_weights",
    callback=split_weights,
    metavar="ISA=WEIGHT,...",
    help="Run only such a share of the cases on an ISA. By default all take the same time, where "
    "one runs on another engine than the usual one: that is measured when a campaign begins.",
)
jobs_option = click.option(
    "--jobs",
    type=JobCount(1, 1024),
    default="auto",
    show_default="one for each CPU",
    metavar="N|auto",
    help="Worker processes.",
)
out_option = field_option(
    "--out",
    "Directory for findings and the campaign's database.",
    short="-o",
    type=click.Path(file_okay=False),
)
mutants_option = _share_option(
    "--mutants", "Share of the cases that are mutants of generated ones.", "mutant_share"
)
extra_checks_option = _share_option(
    "--extra-checks",
    "Share of the cases of which more is checked: tables of frames, the order of accesses, object "
    "files, or a JIT; of a quarter as many, functions throw.",
    "extra_checks",
)
source_option = field_option(
    "--source",
    "Draw cases, or make small ones that are each directed at the next ISLE rule.",
    type=click.Choice([source.value for source in Source]),
    callback=lambda _, __, value: Source(value),
)
oracle_option = field_option(
    "--oracle",
    "What is expected: interp is the reference interpreter, cranelift is Cranelift's own; both is "
    "the reference, with Cranelift's own compared as well.",
    type=click.Choice(ORACLE_NAMES),
)
json_option = click.option(
    "--json",
    "json_file",
    metavar="FILE",
    help="Write the results as JSON, to stdout for -; then nothing else is printed there.",
)


def _take_known(context: click.Context, _: click.Parameter, value: tuple[Path, ...]) -> None:
    """Have this process and its children know the folders, and run what is in them.

    That is done here and kept, since a worker process has little time for a case.
    """
    from fuzz.known.user import VARIABLE, KnownFolderError, folders, user_faults, user_statuses

    if value:
        context.call_on_close(partial(_set_variable, VARIABLE, os.environ.get(VARIABLE)))
        os.environ[VARIABLE] = os.pathsep.join(str(folder.resolve()) for folder in value)
    try:
        user_statuses(user_faults(folders()))
    except KnownFolderError as error:
        raise click.BadParameter(str(error)) from error


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


#: It has no value of its own: the folders are in the environment then.
known_option = click.option(
    "--known",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    callback=_take_known,
    expose_value=False,
    metavar="DIR",
    help="Count findings like the minimised ones in this folder as known.",
)


def _choose_engines(context: click.Context, _: click.Parameter, value: str | None) -> None:
    """Have this process and its children run code on engines."""
    from backend.engines.guest_process import EngineError
    from backend.isa.executors import choose_engines

    if value is None:
        return
    choice = _read_engines(value)
    context.call_on_close(partial(choose_engines, chosen_engines()))
    try:
        choose_engines(choice)
    except EngineError as error:
        raise click.BadParameter(str(error)) from error


def _read_engines(value: str) -> EngineChoice:
    """Read a choice of engines, all of which run something here.

    Raises:
        BadParameter: it names what there is not.
    """
    from backend.engines.registry import ENGINES

    try:
        choice = read_choice(value)
    except EngineChoiceError as error:
        raise click.BadParameter(str(error)) from error
    engines = [(_isa_named(name), engine) for name, engine in choice.by_isa]
    for isa, engine in engines:
        if reason := ENGINES[engine].missing(DESCRIBED[isa]):
            raise click.BadParameter(f"{isa}: {reason}")
    missing = [why for i in DESCRIBED.values() if (why := ENGINES[choice.for_all].missing(i))]
    if len(missing) == len(DESCRIBED):
        raise click.BadParameter(missing[0])
    return replace(choice, by_isa=tuple(sorted(engines)))


def _isa_named(name: str) -> str:
    """Return the name of the ISA that somebody means.

    Raises:
        BadParameter: there is none.
    """
    isa = find_isa(name)
    if isa is None:
        raise click.BadParameter(f"no emulated ISA '{name}'; there are {', '.join(ISAS)}")
    return isa.name


#: It has no value of its own: the choice is in the environment then.
engine_option = click.option(
    "--engine",
    callback=_choose_engines,
    expose_value=False,
    is_eager=True,
    metavar="[ISA=]ENGINE,...",
    help=f"What runs the code of all ISAs that it can run, or of one: {', '.join(ENGINE_NAMES)}. "
    "'support --engines' shows what there is, and the defaults.",
)
seeds_option = click.option(
    "--seeds",
    "seeds_folder",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="Run the cases of the .clif files in DIR, and mutate and cross them: half of the cases.",
)


def _timeout_option(what: str) -> Callable[[F], F]:
    return click.option(
        "--timeout",
        type=Duration(0.1),
        default=10.0,
        show_default=True,
        metavar="DURATION",
        help=f"Time limit for {what}; exceeding it is a failure, too.",
    )


timeout_option = _timeout_option("running a case once")
compile_timeout_option = _timeout_option("compiling a case for one ISA")


def file_isas_option(text: str) -> Callable[[F], F]:
    """Make the option ``--isa`` of a command on files; None if it is not given."""

    def callback(
        context: click.Context, parameter: click.Parameter, value: str | None
    ) -> tuple[str, ...] | None:
        return None if value is None else split_isas(context, parameter, value)

    return click.option("--isa", "isas", callback=callback, metavar="ISA,...", help=text)


def _read_memory(_: click.Context, __: click.Parameter, value: str | None) -> Region | None:
    from fuzz.cases.region_lines import RegionLineError, region_of_text

    try:
        return None if value is None else region_of_text(value)
    except RegionLineError as error:
        raise click.BadParameter(str(error)) from error


drawn_inputs_option = click.option(
    "--inputs",
    "drawn_inputs",
    type=click.IntRange(1, 65536),
    metavar="N",
    help="Draw N inputs for a function without run commands, which is only compiled otherwise.",
)
memory_option = click.option(
    "--memory",
    callback=_read_memory,
    metavar="LINES",
    help="Memory for functions to which their file gives none, as the comments of a case say it: "
    "'region: argument 0, 96 bytes; pointer: 48 -> 64; contents: 0102'. Functions with a vmctx "
    "parameter get drawn memory otherwise.",
)


def read_options(function: F) -> F:
    """Add the options of how cases are read from files that say less than a case does."""
    return _add(function, (drawn_inputs_option, memory_option))


def case_options(function: F) -> F:
    """Add the options that a case depends on, beside its seed."""
    return _add(function, _CASE_OPTIONS)


def amount_options(function: F) -> F:
    """Add the options of how many cases to generate, or for how long, and from which seed."""
    return _add(function, _AMOUNT_OPTIONS)


def limit_options(function: F) -> F:
    """Add the options of the limits for a case."""
    return _add(function, _LIMIT_OPTIONS)


def _add(function: F, options: Sequence[Callable[[F], F]]) -> F:
    for option in reversed(options):
        function = option(function)
    return function


def case_argument(function: F) -> F:
    """Add the options that a case depends on, and pass them as one argument, ``options``."""

    @wraps(function)
    def with_options(**params: Any) -> Any:
        return function(options=take_case(params), **params)

    return case_options(cast(F, with_options))


def take_case(params: dict[str, Any]) -> CaseOptions:
    """Remove from a command's parameters those that cases depend on, and return these."""
    return CaseOptions(**{name: params.pop(name) for name in CASE_FIELDS & params.keys()})


def read_seeds(folder: str | None, isas: tuple[str, ...]) -> SeedCases:
    """Return the cases of a folder that a campaign for some ISAs can use; none without a folder.

    Raises:
        BadInput: there are none in the folder.
    """
    if folder is None:
        return NO_SEEDS
    said = time.monotonic()

    def say(number: int, count: int) -> None:
        nonlocal said
        if time.monotonic() - said >= _PROGRESS_SECONDS:
            said = time.monotonic()
            click.echo(f"reading the cases of {folder}: file {number} of {count}", err=True)

    from fuzz.corpus.seeds import SeedReader  # loads the interpreter and what each ISA supports

    seeds = SeedReader(isas).read(Path(folder), say)
    if not (seeds or seeds.refused):
        raise BadInput(f"{folder}: no .clif files in this folder")
    if not seeds:
        reasons = "; ".join(f"{r.count} {r.reason} ({r.example})" for r in seeds.refused)
        raise BadInput(f"{folder}: no case that can be used: {reasons}")
    return seeds


def _split_ingredients(_: click.Context, __: click.Parameter, value: str) -> frozenset[str]:
    names = frozenset(word.strip() for word in value.split(",") if word.strip())
    unknown = sorted(names - INGREDIENTS.keys())
    if unknown:
        raise click.BadParameter(f"no '{unknown[0]}'; there are {', '.join(INGREDIENTS)}")
    return names


_CASE_OPTIONS = (
    isa_option,
    isa_weights_option,
    field_option("--inputs", "Number of inputs of each case.", type=click.IntRange(1, 65536)),
    field_option(
        "--instructions",
        "Approximate number of instructions of a case.",
        type=click.IntRange(1, 100000),
    ),
    _share_option("--trapping-share", "Share of the cases that may trap."),
    click.option(
        "--without",
        default="",
        callback=_split_ingredients,
        metavar="WHAT,...",
        help=f"Leave features out of the cases: {', '.join(INGREDIENTS)}.",
    ),
    field_option(
        "--siblings",
        "Generated cases that are followed by so many with other constants and opcodes.",
        type=click.IntRange(0, 1024),
    ),
    field_option(
        "--configurations",
        "Compile each case with so many configurations (settings and ISA flags).",
        type=click.IntRange(1, 64),
    ),
    _share_option("--rules-share", "Share of the parts of a case that are directed at ISLE rules."),
)
_AMOUNT_OPTIONS = (
    click.option(
        "--seconds",
        type=Duration(0, min_open=True),
        metavar="DURATION",
        help="Generate cases for so long: seconds, or with units, as 10m or 8h.",
    ),
    click.option("--cases", type=click.IntRange(1), help="Generate so many cases."),
    click.option("--seed", type=click.IntRange(0), help="Seed of the cases; random by default."),
)
_LIMIT_OPTIONS = (
    field_option(
        "--case-seconds",
        "Time limit for one case.",
        type=Duration(0, min_open=True),
        metavar="DURATION",
    ),
    _share_option(
        "--prove",
        "Share of the cases that are proved as well, as clif-fuzz prove does.",
        "prove_share",
    ),
    field_option(
        "--memory-mb", "Memory limit for the cases of a worker process.", type=click.IntRange(64)
    ),
)


def write_json(facts: object, target: str) -> None:
    """Write facts as JSON to a file, or to stdout if it is named ``-``.

    Raises:
        BadInput: the file cannot be written.
    """
    text = json.dumps(facts, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{target}: {error.strerror}") from error
