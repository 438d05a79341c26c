"""What a user may say of the cases. Cheap to import: the supervisor needs no more than this."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum

from backend.isa.registry import DEFAULT_ISAS

#: What finds wrong rules sooner is in docs/measurements.md; cases grow with it.
RULES_SHARE = 0.1


#: Ingredients of cases that can be left out, to see what each is good for.
INGREDIENTS = {
    "settings": "settings and ISA flags other than opt_level",
    "vectors": "vectors, f16 and f128",
    "idioms": "shapes that rules look for",
    "rules": "fragments made of ISLE rules",
    "conventions": "calling conventions other than system_v",
}


class Source(Enum):
    """Where cases come from."""

    GENERATOR = "generator"
    RULES = "rules"


@dataclass(frozen=True, slots=True)
class CaseOptions:
    """What a user may say of the cases.

    ``mutant_share`` is the share of them that are mutants; ``without`` names ``INGREDIENTS``;
    ``rules_share`` is that of their parts that are directed at rules.
    """

    isas: tuple[str, ...] = DEFAULT_ISAS
    inputs: int = 32
    instructions: int = 50
    trapping_share: float = 0.05
    mutant_share: float = 0.0
    without: frozenset[str] = frozenset()
    source: Source = Source.GENERATOR
    rules_share: float = RULES_SHARE


#: The names of what ``CaseOptions`` holds.
CASE_FIELDS = frozenset(field.name for field in fields(CaseOptions))
