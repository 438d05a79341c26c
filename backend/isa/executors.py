"""The process's executors, one per ISA."""

from __future__ import annotations

from functools import cache

from backend.emulator.executor import Executor
from backend.isa.registry import ISAS


@cache
def executor_for(isa: str) -> Executor:
    """Return the process's executor for an ISA.

    Raises:
        KeyError: the ISA is not emulated.
    """
    return Executor(ISAS[isa])
