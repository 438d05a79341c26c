"""The process's executors, one per ISA and engine."""

from __future__ import annotations

import os
from functools import cache

from backend.emulator.executor import Executor
from backend.emulator.isa import Isa
from backend.engines.features import supported_flags, with_flags
from backend.engines.names import DEFAULT_ENGINE, VARIABLE, chosen_engine
from backend.engines.registry import ENGINES
from backend.isa.registry import DESCRIBED, ISAS


def executor_for(isa: str, engine: str = "") -> Executor:
    """Return the process's executor for an ISA on an engine, the chosen one if none is named.

    Raises:
        KeyError: the ISA is not emulated, or there is no such engine.
    """
    return _executor(isa, engine or chosen_engine())


@cache
def _executor(isa: str, engine: str) -> Executor:
    return ENGINES[engine].executor(DESCRIBED[isa])


def another_engine(isa: str, engine: str = "") -> str:
    """Return the name of an engine that runs an ISA here besides one, by default the chosen one.

    Empty if there is none.
    """
    return _another_engine(isa, engine or chosen_engine())


@cache
def _another_engine(isa: str, used: str) -> str:
    described = DESCRIBED[isa]
    others = (name for name, e in ENGINES.items() if name != used and not e.missing(described))
    return next(others, "")


def choose_engine(name: str) -> None:
    """Have this process, and those that it starts, run code on an engine.

    ISAs have the flags that the engine runs from then on. Those that it does not run here stay as
    they were.

    Raises:
        EngineError: it cannot be started.
    """
    if name == DEFAULT_ENGINE:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = name
    for isa, described in DESCRIBED.items():
        ISAS[isa] = described
        if name != DEFAULT_ENGINE and not ENGINES[name].missing(described):
            executor = _executor(isa, name)
            ISAS[isa] = executor.isa = _as_run(isa, name)


@cache
def _as_run(isa: str, engine: str) -> Isa:
    """Return an ISA with the flags that an engine runs: they are tried."""
    described = DESCRIBED[isa]
    return with_flags(described, supported_flags(described, _executor(isa, engine)))


# A process that was started by one that chose an engine.
if chosen_engine() != DEFAULT_ENGINE:
    choose_engine(chosen_engine())
