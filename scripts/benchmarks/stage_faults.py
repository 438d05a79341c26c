"""Faults of single stages of Cranelift, to measure how soon they are detected.

They are of the kinds that the youngest parts of the generator are made for: what a stage takes for
granted about stores, flags, constants, addresses, edges and extensions. Unlike those of
``rule_faults`` they are faults of Rust code as well, or wrong rules that are added. They are in a
build of their own; the same environment variable switches them on.
"""

from __future__ import annotations

from typing import Final

from scripts.benchmarks.stage_faults_lowering import ADDRESSES, EXTENSIONS, FLAGS
from scripts.benchmarks.stage_faults_mid_end import CONSTANTS, EDGES, RESULTS, STORES

STAGE_FAULTS: Final = (
    *STORES,
    *FLAGS,
    *CONSTANTS,
    *ADDRESSES,
    *EDGES,
    *RESULTS,
    *EXTENSIONS,
)
