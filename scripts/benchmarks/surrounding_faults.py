"""Faults of what surrounds a function's code: calls, frames, tables, relocations and islands.

Each is planted in Cranelift's Rust, and is made for one fuzz target, which should see it. They are
in a build of their own, like those of ``stage_faults``; the same environment variable switches
them on. ``surrounding_fault_detection`` measures how soon they are detected.
"""

from __future__ import annotations

from typing import Final

from scripts.benchmarks.surrounding_faults_calls import INLINER, TABLES
from scripts.benchmarks.surrounding_faults_code import FRAMES, ISLANDS, ORDER, RELOCATIONS
from scripts.benchmarks.surrounding_faults_frames import DESCRIPTIONS
from scripts.benchmarks.surrounding_faults_isas import OF_ISAS

SURROUNDING_FAULTS: Final = (
    *INLINER,
    *TABLES,
    *DESCRIPTIONS,
    *FRAMES,
    *ORDER,
    *RELOCATIONS,
    *ISLANDS,
    *OF_ISAS,
)
