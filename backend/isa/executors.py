"""The process's executors, one per ISA and engine."""

from __future__ import annotations

from functools import cache

from backend.emulator.executor import Executor
from backend.engines.registry import DEFAULT_ENGINE, ENGINES
from backend.isa.registry import ISAS


def executor_for(isa: str, engine: str = "") -> Executor:
    """Return the process's executor for an ISA on an engine, the default one if none is named.

    Raises:
        KeyError: the ISA is not emulated, or there is no such engine.
    """
    return _executor(isa, engine or DEFAULT_ENGINE)


@cache
def _executor(isa: str, engine: str) -> Executor:
    return ENGINES[engine].executor(ISAS[isa])


@cache
def another_engine(isa: str, engine: str = "") -> str:
    """Return the name of an engine that runs an ISA here besides the one that is named.

    Empty if there is none.
    """
    used = engine or DEFAULT_ENGINE
    others = (name for name, e in ENGINES.items() if name != used and not e.missing(ISAS[isa]))
    return next(others, "")
