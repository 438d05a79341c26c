"""The process's executors, one per ISA and engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

from backend.emulator.executor import Executor
from backend.emulator.isa import Isa, UnemulatedFlagError
from backend.engines.features import supported_flags, with_flags
from backend.engines.names import DEFAULT_ENGINE, VARIABLE, EngineChoice, chosen_engines
from backend.engines.registry import ENGINES
from backend.isa.registry import DESCRIBED, ISAS


def executor_for(isa: str, engine: str = "") -> Executor:
    """Return the process's executor for an ISA on an engine, by default the one that runs it.

    Raises:
        KeyError: the ISA is not emulated, or there is no such engine.
        EngineError: the engine cannot be started.
    """
    return _executor(isa, engine or engine_of(isa))


def executor_with(isa: str, flags: Mapping[str, str]) -> Executor:
    """Return the executor of an engine that runs an ISA's flags, by default that of the ISA.

    Whatever engine is chosen does not count. If none runs them, the default one will say so.

    Raises:
        EngineError: an engine cannot be started.
    """
    default = default_engine(isa)
    names = [name for name in ENGINES if name != default and not _why_missing(isa, name)]
    for engine in (default, *names):
        if _runs(_described_on(isa, engine), flags):
            return executor_on(isa, engine)
    return _executor(isa, default)


def _adopting(isa: str, engine: str, described: Isa) -> Executor:
    executor = _executor(isa, engine)
    if executor.isa is not described:
        executor.adopt(described)
    return executor


def engine_of(isa: str) -> str:
    """Return the name of the engine that runs an ISA: the chosen one, or else its default one."""
    chosen = chosen_engines().of(isa)
    return default_engine(isa) if _why_missing(isa, chosen) else chosen


@cache
def default_engine(isa: str) -> str:
    """Return the name of the engine that runs an ISA if none is chosen.

    It is the first that there is here; if there is none, the first that could be had.
    """
    able = [name for name, engine in ENGINES.items() if engine.knows(DESCRIBED[isa])]
    return next((name for name in able if not _why_missing(isa, name)), able[0])


def left_out(isa: str) -> str:
    """Return why no engine runs an ISA here, and how one is had, in a line; empty if one does."""
    return _why_missing(isa, default_engine(isa))


@cache
def _why_missing(isa: str, engine: str) -> str:
    return ENGINES[engine].missing(DESCRIBED[isa])


@cache
def _executor(isa: str, engine: str) -> Executor:
    return ENGINES[engine].executor(DESCRIBED[isa])


def other_engines(isa: str, flags: Mapping[str, str], engine: str = "") -> list[str]:
    """Return the names of the engines that run an ISA's flags here besides one.

    That one is by default the engine that runs the ISA.
    """
    used = engine or engine_of(isa)
    there = (name for name in ENGINES if name != used and not _why_missing(isa, name))
    return [name for name in there if _runs(_described_on(isa, name), flags)]


def executor_on(isa: str, engine: str) -> Executor:
    """Return the executor of an engine that need not be the chosen one, with the flags it runs.

    Raises:
        EngineError: the engine cannot be started.
    """
    return _adopting(isa, engine, _described_on(isa, engine))


def _described_on(isa: str, engine: str) -> Isa:
    return DESCRIBED[isa] if engine == default_engine(isa) else _as_run(isa, engine)


def _runs(described: Isa, flags: Mapping[str, str]) -> bool:
    try:
        described.refuse_unemulated(flags)
    except UnemulatedFlagError:
        return False
    return True


def choose_engines(choice: EngineChoice) -> None:
    """Have this process, and those that it starts, run code on engines.

    ISAs have the flags that their engine runs from then on. Those that it does not run here stay
    as they were.

    Raises:
        EngineError: it cannot be started.
    """
    os.environ[VARIABLE] = str(choice)
    if not os.environ[VARIABLE]:
        del os.environ[VARIABLE]
    for isa, described in DESCRIBED.items():
        ISAS[isa] = described
        name = choice.of(isa)
        if name != DEFAULT_ENGINE and not _why_missing(isa, name):
            ISAS[isa] = _as_run(isa, name)
            _adopting(isa, name, ISAS[isa])


@cache
def _as_run(isa: str, engine: str) -> Isa:
    """Return an ISA with the flags that an engine runs: they are tried."""
    described = DESCRIBED[isa]
    return with_flags(described, supported_flags(described, _executor(isa, engine)))


# A process that was started by one that chose engines.
if chosen_engines() != EngineChoice():
    choose_engines(chosen_engines())
