"""The byte orders that a case is interpreted in: those that its ISAs need, if they matter to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from backend.isa.registry import ISAS
from clif.byte_order import BYTE_ORDERS, ByteOrder, depends_on_byte_order
from clif.outcome import Outcomes
from fuzz.cases.case import Case
from fuzz.differential.finding import Finding


def byte_orders(case: Case, isas: Sequence[str]) -> list[ByteOrder]:
    """Return the byte orders of those of some ISAs that a case is for, little-endian first."""
    found = {ISAS[isa].byte_order for isa in isas if case.is_for(isa)}
    return [order for order in BYTE_ORDERS if order in found] or [case.byte_order]


def by_byte_order(case: Case, isas: Sequence[str]) -> dict[ByteOrder, Case]:
    """Return the case for each byte order that matters to its outcome on some ISAs.

    Returns:
        One case for all of these ISAs, if nothing that it does depends on byte order.
    """
    orders = byte_orders(case, isas)
    if orders == ["little"] and case.byte_order == "little":
        return {"little": case}  # all that most campaigns have, so nothing else is looked at
    if not depends_on_byte_order(case.functions):
        orders = orders[:1]
    return {
        order: case if case.byte_order == order else case.in_byte_order(order, isas)
        for order in orders
    }


def expected_in(outcomes: Mapping[ByteOrder, Outcomes], order: ByteOrder | None) -> Outcomes | None:
    """Return what is expected in a byte order; there may be one for all."""
    first = next(iter(outcomes.values()), None)
    return first if order is None else outcomes.get(order, first)


def in_its_order(finding: Finding, order: ByteOrder) -> Finding:
    """Return a finding that names the byte order in which the case was interpreted."""
    line = f"byte order: {order}"
    return replace(finding, byte_order=order, explanation=(*finding.explanation, line))
