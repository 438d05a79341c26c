"""What a user may ask of the cases. Cheap to import, since the command line starts with it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import Final

from backend.isa.registry import DEFAULT_ISAS
from fuzz.cases.seed_cases import NO_SEEDS, SeedCases
from fuzz.cases.touched_rules import NOTHING_TOUCHED, TouchedRules

#: Ingredients of cases that can be left out, to measure what each of them is good for.
INGREDIENTS = {
    "settings": "settings and ISA flags other than opt_level",
    "vectors": "vectors, f16 and f128",
    "rules": "fragments made of ISLE rules",
    "conventions": "calling conventions other than system_v",
}


class Source(Enum):
    """Where cases come from: the generator, or the sweep over ISLE rules."""

    GENERATOR = "generator"
    RULES = "rules"


@dataclass(frozen=True, slots=True)
class IsaWeight:
    """How many cases an ISA runs, as a share of those of the ISA that runs most."""

    isa: str
    weight: float

    def __str__(self) -> str:
        return f"{self.isa}={self.weight:g}"


@dataclass(frozen=True, slots=True)
class CaseOptions:
    """What a user may ask of the cases.

    The defaults are those of the generator; commands take theirs from ``CAMPAIGN_OPTIONS``.

    Attributes:
        isas: ISAs that cases are compiled for.
        isa_weights: of the ISAs that do not run every case, so that a slow engine does not take
            most of the time (``fuzz.generate.isa_choice``).
        inputs: how many inputs a case has.
        instructions: about how many instructions a case has.
        trapping_share: share of the cases whose inputs may trap.
        mutant_share: share of the cases that are mutants of generated ones.
        without: names of ``INGREDIENTS`` that are left out.
        siblings: how many siblings of each generated case follow it: the same functions with other
            constants, conditions and opcodes.
        configurations: how many configurations each case is compiled with, at most.
        rules_share: share of the parts of a case that are directed at ISLE rules. A larger share
            finds wrong rules sooner, but makes cases larger; docs/measurements.md has the figures.
        extra_checks: share of the cases that ask for a check of more than their outcomes
            (``fuzz.cases.drawn_checks``). As many as ask for each of the checks throw exceptions.
        seeds: cases to begin with. They come first; later cases are mutated from them, crossed with
            them, or drawn.
        touched: the rules that a change of Cranelift touches; most parts that are directed at rules
            are directed at these.
    """

    isas: tuple[str, ...] = DEFAULT_ISAS
    isa_weights: tuple[IsaWeight, ...] = ()
    inputs: int = 32
    instructions: int = 50
    trapping_share: float = 0.05
    mutant_share: float = 0.0
    without: frozenset[str] = frozenset()
    source: Source = Source.GENERATOR
    rules_share: float = 0.1
    siblings: int = 0
    configurations: int = 1
    extra_checks: float = 0.0
    seeds: SeedCases = NO_SEEDS
    touched: TouchedRules = NOTHING_TOUCHED

    @property
    def family(self) -> int:
        """How many consecutive cases have the same structure."""
        return 1 if self.source is Source.RULES else 1 + self.siblings


#: What a campaign has unless its user says otherwise. More inputs, a second configuration and some
#: extra checks cost little beside making a case, but would only be in the way elsewhere:
#: docs/measurements.md has how soon faults are detected with others.
CAMPAIGN_OPTIONS: Final = CaseOptions(inputs=128, configurations=2, extra_checks=0.02)

#: The names of the fields of ``CaseOptions``.
CASE_FIELDS = frozenset(field.name for field in fields(CaseOptions))
