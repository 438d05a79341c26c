"""How to run, and what a run has cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run.

    The last two vary what CLIF does not determine. A case whose outcome changes with them depends
    on it.

    Attributes:
        canonical_nans: every NaN that arithmetic makes is the canonical one, as with Cranelift's
            setting ``enable_nan_canonicalization``.
        fuel: instructions that one input may execute, checked at the start of each block.
        layout: each number gives other made-up addresses and other garbage in fresh stack slots.
        odd_nans: NaNs that arithmetic makes have a sign and payload that no CPU gives them. It has
            no effect together with ``canonical_nans``.
    """

    canonical_nans: bool = False
    fuel: int = 1_000_000
    layout: int = 0
    odd_nans: bool = False


DEFAULT: Final = RunOptions()


@dataclass(slots=True)
class Counters:
    """What runs have cost: each run adds to it."""

    instructions: int = 0
    blocks: int = 0
    calls: int = 0
