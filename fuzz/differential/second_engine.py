"""Asking another engine whose fault a difference is.

Some instructions are known to be wrong in the emulator. That code holds one does not prove that a
difference comes of it: it may hide a true miscompile. Another engine, where there is one, tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from backend.cranelift.time_limit import CompileTimeoutError
from backend.emulator.executor import NOT_EXECUTABLE, Executor
from backend.emulator.linker import Compiled
from backend.engines.guest_process import EngineError
from backend.engines.names import UNICORN
from backend.engines.registry import ENGINES
from backend.isa.executors import executor_on, other_engines
from backend.isa.registry import ISAS
from clif.outcome import Outcomes
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.compare import Difference, compare
from fuzz.differential.diagnosis import (
    COMPILER_FAILURES,
    SecondOpinion,
    spurious_faults,
    wrong_forms,
)
from fuzz.differential.open_inputs import settle
from fuzz.differential.verdict import IsaRun
from fuzz.known.alignment import merges_unaligned_load


def ask_another_engine(
    case: Case,
    run: IsaRun,
    expected: Outcomes,
    fuel: int,
    outcomes_on: Callable[[Executor, bool], Outcomes],
) -> SecondOpinion | None:
    """Run code that holds a form which the emulator gets wrong on another engine.

    If that differs from the oracle as well, its outcomes take the place of the emulator's.

    Args:
        fuel: instructions that the oracle executes for one input.
        outcomes_on: runs the code on an executor, with padding after the regions or without.

    Returns:
        None if the code holds no such form, or if there is no other engine.
    """
    if not wrong_forms(run.isa, run.compiled):
        return None
    name = another_engine(run.isa, run.compiled, case.isa_settings.get(run.isa, {}))
    if not name:
        return None
    # With padding, inputs may differ that did not before: it keeps them from trapping.
    padding = bool(spurious_faults(run.isa, run.compiled, name))
    before = {difference.input for difference in run.differences}
    try:
        outcomes = outcomes_on(executor_on(run.isa, name), padding)
    except (EngineError, *NOT_EXECUTABLE):
        return None
    found = compare(expected, outcomes, canonical_nans=has_canonical_nans(case))
    if padding:
        found = [difference for difference in found if difference.input in before]
    differences = _settled(case, run, found, fuel)
    if differences:
        run.outcomes, run.differences = outcomes, differences
    version = ENGINES[name].version(ISAS[run.isa])
    return SecondOpinion(f"{name} {version}", agrees=not differences)


def another_engine(isa: str, compiled: Sequence[Compiled], flags: Mapping[str, str]) -> str:
    """Return an engine to ask about code, empty for none.

    It is one that gets all of the code right, if there is one.

    Args:
        flags: of the ISA, with which the code was compiled.
    """
    try:
        names = other_engines(isa, flags)
    except EngineError:
        return ""
    right = [name for name in names if not wrong_forms(isa, compiled, name)]
    return next(iter(right or names), "")


def _settled(case: Case, run: IsaRun, found: list[Difference], fuel: int) -> list[Difference]:
    """Return the differences that CLIF does not leave open."""
    differences, _ = settle(
        case.functions,
        case.inputs,
        found,
        canonical_nans=has_canonical_nans(case),
        fuel=fuel,
        byte_order=ISAS[run.isa].byte_order,
    )
    return differences


def is_unaligned_load(
    case: Case,
    run: IsaRun,
    expected: Outcomes,
    fuel: int,
    outcomes_on: Callable[[Executor, bool], Outcomes],
    unmerged: Callable[[], Outcomes],
) -> bool:
    """Return whether a known fault explains a difference: a load that has to be aligned.

    Then Unicorn, which does not check alignment, agrees with the oracle. If it cannot run the code,
    what is compiled with ``UNALIGNED_FLAG`` agrees.

    Args:
        outcomes_on: runs the code on an executor, with padding after the regions or without.
        unmerged: compiles and runs the case with that flag.
    """
    if not merges_unaligned_load(run.isa, run.compiled):
        return False
    unchecked = UNICORN in other_engines(run.isa, case.isa_settings.get(run.isa, {}))
    try:
        outcomes = outcomes_on(executor_on(run.isa, UNICORN), False) if unchecked else unmerged()
    except (EngineError, CompileTimeoutError, *NOT_EXECUTABLE, *COMPILER_FAILURES):
        return False
    found = compare(expected, outcomes, canonical_nans=has_canonical_nans(case))
    return not _settled(case, run, found, fuel)
