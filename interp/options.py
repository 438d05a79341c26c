"""How to run, and what a run has cost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from clif.byte_order import ByteOrder

#: Calls that may be open at once. Each takes five Python frames, of which there may usually be
#: 1000. A run that needs more than ``USUAL_DEPTH`` is made again, in a thread with a larger stack.
USUAL_DEPTH: Final = 128
LARGEST_DEPTH: Final = 4096


class NanBits(Enum):
    """Which sign and payload the NaNs have that arithmetic makes, where CLIF leaves them open."""

    HOST = "as NumPy makes them on this machine's CPU"
    ONES = "all bits set, as no CPU makes them"
    POSITIVE = "positive, without payload"
    NEGATIVE = "negative, without payload"
    VARIED = "different for each instruction"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run.

    ``layout`` and ``nan_bits`` vary what CLIF does not determine. A case whose outcome changes with
    them depends on it.

    Attributes:
        canonical_nans: every NaN that arithmetic makes is the canonical one, as with Cranelift's
            setting ``enable_nan_canonicalization``.
        fuel: instructions that one input may execute, checked at the start of each block.
        depth: calls that may be open at once.
        layout: each number gives other made-up addresses and other garbage in fresh stack slots.
        nan_bits: sign and payload of NaNs that arithmetic makes; without effect together with
            ``canonical_nans``.
        byte_order: of accesses that have none of their own, and of the region's pointers.
    """

    canonical_nans: bool = False
    fuel: int = 1_000_000
    depth: int = LARGEST_DEPTH
    layout: int = 0
    nan_bits: NanBits = NanBits.HOST
    byte_order: ByteOrder = "little"


DEFAULT: Final = RunOptions()


@dataclass(slots=True)
class Counters:
    """What runs have cost: each run adds to it."""

    instructions: int = 0
    blocks: int = 0
    calls: int = 0
