"""The option ``--since``: cases are directed at what a change of Cranelift touches."""

from __future__ import annotations

from typing import Any, Final

import click

from fuzz.cases.touched_rules import NOTHING_TOUCHED, TouchedRules
from fuzz.cli.errors import BadInput, complain

#: The share of parts that are directed at rules if a change is given, and no share.
SHARE: Final = 0.5
#: How many files a message names.
_FILES_SHOWN: Final = 5

since_option = click.option(
    "--since",
    metavar="REV",
    help="Direct cases at the rules that differ from a revision of the repository that the "
    "Cranelift under test lies in, uncommitted changes included; or from a release (0.135.8) or "
    "folder.",
)


def take_change(params: dict[str, Any], *, share_given: bool) -> None:
    """Replace a command's parameter ``since`` by the rules that the change touches.

    Args:
        params: those of ``run``; the share of directed parts is changed, too.
        share_given: whether the user gave that share.

    Raises:
        BadInput: the rules cannot be found out, or the user wants no parts to be directed.
    """
    since = params["since"]
    if since is None:
        return
    if "rules" in params["without"] or (share_given and not params["rules_share"]):
        raise BadInput("--since directs parts of cases at rules: without such parts it is no use")
    params["touched"] = read_touched(since, params["isas"])
    if not share_given and params["touched"]:
        params["rules_share"] = SHARE


def read_touched(since: str | None, isas: tuple[str, ...]) -> TouchedRules:
    """Return the rules that a change touches, and say on stderr what they are; none without one.

    Raises:
        BadInput: that cannot be found out.
    """
    if since is None:
        return NOTHING_TOUCHED
    from backend.cranelift.isle import IsleError  # loads the compiler
    from fuzz.changes.errors import ChangeError
    from fuzz.changes.touched import touched_rules

    try:
        touched = touched_rules(since, isas)
    except (ChangeError, IsleError) as error:
        raise BadInput(f"--since: {error}") from error
    _say_touched(touched)
    return touched


def _say_touched(touched: TouchedRules) -> None:
    if not touched:
        complain(f"no rule is touched since {touched.since}: cases are directed as usual")
    else:
        users = f", and {len(touched.users)} that use what was changed" * bool(touched.users)
        click.echo(f"since {touched.since}: {len(touched.changed)} rules changed{users}", err=True)
    if touched.undirected:
        names = ", ".join(code.file for code in touched.undirected[:_FILES_SHOWN])
        more = len(touched.undirected) - _FILES_SHOWN
        rest = f" and {more} more" * (more > 0)
        click.echo(f"changed, but nothing can be directed at it: {names}{rest}", err=True)
