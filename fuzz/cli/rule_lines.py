"""The table of rules as text: a line for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from fuzz.cases.touched_rules import TouchedRules

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fuzz.survey.rules import RuleState, RunCounts

#: How many touched rules a summary shows.
_SHOWN: Final = 40
#: Of how many files a summary says how much of their changed code was reached.
_FILES_SHOWN: Final = 20


def rule_line(state: RuleState) -> str:
    """Return what is known of a rule in one line."""
    place = f"{state.place.group:8} {state.place.file.removeprefix('src/')}:{state.place.line}"
    touch = f" {state.touch.value:8}" if state.touch is not None else ""
    if state.explanation is not None:
        return f"{place:45}{touch} never    {state.explanation}"
    parts = [f"{state.firing} of {state.fragments} fragments"]
    parts += [f"{isa} {n} cases {state.inputs[isa]} inputs" for isa, n in state.cases.items()]
    if state.proofs:
        proved = [name for name, status in state.proofs.items() if status == "proved"]
        parts.append(f"proved at {len(proved)} of {len(state.proofs)} types")
    return f"{place:45}{touch} fired    {', '.join(parts)}  {' '.join(state.types)}".rstrip()


def print_touched(
    touched: TouchedRules,
    isas: tuple[str, ...],
    run: RunCounts,
    covered: NDArray[np.bool_],
) -> None:
    """Print how often the rules that a change touches were compared in a run.

    Those that never fired come first among the changed ones and among their users.
    """
    from backend.cranelift.isle import IsleError
    from backend.cranelift.rule_edges import RulesError
    from fuzz.survey.rules import Touch
    from fuzz.survey.touched import touched_states

    try:
        states = touched_states(touched, isas, run, covered)
    except (RulesError, IsleError) as error:
        click.echo(f"since {touched.since}: how often its rules fired is unknown ({error})")
        return
    never = sum(not state.fired for state in states)
    users = f", {len(touched.users)} use what was changed" * bool(touched.users)
    changed = f"{len(touched.changed)} rules changed{users}"
    click.echo(f"since {touched.since}: {changed}; {never} never fired")
    states.sort(key=lambda state: (state.touch is not Touch.CHANGED, state.fired))
    for state in states[:_SHOWN]:
        click.echo(f"  {rule_line(state)}")
    if len(states) > _SHOWN:
        click.echo(f"  and {len(states) - _SHOWN} more: run --json, then rules --against")


def print_changed_code(touched: TouchedRules, covered: NDArray[np.bool_]) -> None:
    """Print how much of the changed code that no rule leads to was reached."""
    from backend.cranelift.line_edges import edges_of_lines

    for code in touched.undirected[:_FILES_SHOWN]:
        edges = edges_of_lines(code.file, frozenset(code.lines)) if code.lines else {}
        reached = sum(any(covered[edge] for edge in of_line) for of_line in edges.values())
        told = f"{reached} of {len(edges)} changed lines that can be told were reached"
        click.echo(f"  {code.file}: {told if edges else 'whether it was reached cannot be told'}")
