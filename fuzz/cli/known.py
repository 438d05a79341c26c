"""``clif-fuzz known``: which known faults the Cranelift under test still has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from fuzz.cli.errors import EXIT_CLEAN
from fuzz.cli.options import json_option, known_option, write_json

if TYPE_CHECKING:
    from fuzz.known.reproduce import Observation


@click.command(
    epilog="""\b
  clif-fuzz known
  clif-fuzz known --known minimal/ --json known.json
"""
)
@known_option
@json_option
def command(json_file: str | None) -> int:
    """List the known faults of Cranelift, and whether the one under test still has them.

    The case of each (corpus/cranelift) is run, once for each build. A fault that is mended excludes
    nothing from generated cases, and explains no finding; neither does one whose case cannot say,
    because this Cranelift does not compile it or fails in another way. --known adds minimised
    findings of your own, such as clif-fuzz triage --out writes.
    """
    from backend.cranelift.cranelift_name import cranelift_name

    rows = list(_rows())
    counts = Counter(row.seen.status.value for row in rows)
    if json_file is not None:
        facts = {
            "cranelift": cranelift_name(),
            "counts": counts,
            "faults": [r.to_json() for r in rows],
        }
        write_json(facts, json_file)
    if json_file != "-":
        width = max((len(row.name) for row in rows), default=0)
        for row in rows:
            click.echo(row.line(width))
        summary = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
        click.echo(f"Cranelift {cranelift_name()}: {summary}")
    return EXIT_CLEAN


@dataclass(frozen=True, slots=True)
class _Row:
    """A fault on an ISA.

    Attributes:
        own: the fault is one of the user's.
    """

    name: str
    isa: str
    seen: Observation
    own: bool = False

    def line(self, width: int) -> str:
        why = f": {self.seen.reason}" if self.seen.reason else ""
        own = "  (yours)" if self.own else ""
        return f"{self.name:{width}}  {self.isa or 'any':8} {self.seen.status.value}{why}{own}"

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "isa": self.isa or None,
            "status": self.seen.status.value,
            "failure": self.seen.failure,
            "reason": self.seen.reason,
            "yours": self.own,
        }


def _rows() -> Iterator[_Row]:
    from fuzz.known.status import statuses
    from fuzz.known.user import folders, user_faults, user_statuses

    for (name, isa), seen in sorted(statuses().items()):
        yield _Row(name, isa, seen)
    faults = user_faults(folders())
    found = user_statuses(faults)
    for fault in faults:
        for isa in fault.isas:
            yield _Row(fault.name, isa, found[fault.key, isa], own=True)
