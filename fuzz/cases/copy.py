"""Copies of cases."""

from __future__ import annotations

from dataclasses import replace

from fuzz.cases.case import Case


def copy_case(case: Case) -> Case:
    """A case that shares nothing mutable with the other one; inputs are never changed in place."""
    return replace(
        case,
        functions=[function.clone() for function in case.functions],
        settings=dict(case.settings),
        isa_settings={isa: dict(flags) for isa, flags in case.isa_settings.items()},
    )
