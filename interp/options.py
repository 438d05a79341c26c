"""How to run, and what running has cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Options:
    """How to run.

    Attributes:
        canonical_nans: every arithmetic result that is a NaN is the canonical one, as with
            Cranelift's setting ``enable_nan_canonicalization``.
        fuel: instructions that one input may execute, checked at the start of each block.
        layout: another number gives other made-up addresses and other garbage in fresh stack
            slots: outcomes that change with it depend on what CLIF leaves open.
        odd_nans: NaNs that arithmetic makes have a sign and payload that no CPU gives them, unless
            they are canonical: what else than NaN results changes with it depends on what CLIF
            leaves open.
    """

    canonical_nans: bool = False
    fuel: int = 1_000_000
    layout: int = 0
    odd_nans: bool = False


DEFAULT: Final = Options()


@dataclass(slots=True)
class Counters:
    """What a run has cost; added to, so one object can count several runs."""

    instructions: int = 0
    blocks: int = 0
    calls: int = 0
