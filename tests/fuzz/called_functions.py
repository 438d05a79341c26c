"""Which functions of a case are called by others."""

from __future__ import annotations

from fuzz.cases.case import Case


def callees_and_called(case: Case) -> tuple[int, int]:
    """Return how many functions a case has besides main, and how many of them any names."""
    names = {function.name for function in case.functions[1:]}
    used = {external.name for f in case.functions for external in f.externals}
    used |= {value.symbol or "" for f in case.functions for value in f.global_values}
    return len(names), len(names & used)
