"""Runs inputs of a case an instruction at a time, and follows its tables of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar, cast

from backend.emulator.cpu import Cpu
from backend.emulator.frames import FrameChecker, FunctionTables, UnwindDeviation
from backend.emulator.linker import Compiled
from backend.emulator.unwind_tables import UNWINDING, HasUnwindTables, tables_of
from backend.engines.names import UNICORN
from backend.isa.executors import executor_for
from backend.isa.registry import ISAS
from clif.function import Function
from fuzz.cases.case import Case, Configuration, ExtraCheck, with_check
from fuzz.cases.target import run_case, target_of

Configured = TypeVar("Configured", Case, Configuration)
#: Only an engine in this process can be stopped at each instruction.
_ENGINE: Final = UNICORN


def can_follow_frames(isa: str) -> bool:
    """Return whether frames of an ISA can be followed: its tables are described, its CPU hooked."""
    if UNWINDING.of_any(ISAS[isa]) is None:
        return False
    return isinstance(executor_for(isa, _ENGINE).cpu, Cpu)


def with_frame_check(case: Case) -> Case:
    """Return a case of which the tables are checked, without flags for which there are none."""
    return with_check(with_tables(case), ExtraCheck.UNWIND)


def with_tables(case: Case) -> Case:
    """Return a case with tables of frames, without flags for which there are none.

    All of its configurations have them.
    """
    alternatives = tuple(map(_with_tables, case.alternatives))
    return replace(_with_tables(case), alternatives=alternatives)


def _with_tables(configured: Configured) -> Configured:
    isa_settings = {
        isa: {name: value for name, value in flags.items() if name not in without_tables(isa)}
        for isa, flags in configured.isa_settings.items()
    }
    settings = configured.settings | {"unwind_info": "true"}
    return replace(configured, settings=settings, isa_settings=isa_settings)


def without_tables(isa: str) -> frozenset[str]:
    """Return the flags of an ISA with which there are no tables of frames."""
    described = UNWINDING.of_any(ISAS[isa]) if isa in ISAS else None
    return frozenset() if described is None else described.without_tables


def misleading_tables(
    case: Case, isa: str, code: Sequence[Compiled], rows: Sequence[int]
) -> list[UnwindDeviation]:
    """Run some inputs of a case, and return where its tables do not lead back to the caller.

    Args:
        isa: one for which ``can_follow_frames``.
        code: of the case; functions without tables are not checked.
        rows: the inputs.

    Raises:
        UnwindTableError: a table cannot be read.
        CompileError, CompilerPanic: Cranelift fails to make one.
        Others: as ``Executor.run``.
    """
    executor = executor_for(isa, _ENGINE)
    checker = FrameChecker(executor, _tables(case, isa, code))
    with checker.watching():
        run_case(case, isa, code, executor, rows=rows)
    return checker.deviations


def _tables(case: Case, isa: str, code: Sequence[Compiled]) -> dict[str, FunctionTables]:
    target, described = target_of(case, isa).handle, ISAS[isa]
    functions = {function.name: function for function in case.functions}
    found = {}
    for compiled in code:
        function = functions.get(compiled.name)
        if function is None or not hasattr(compiled, "debug_frame"):
            continue
        convention = function.signature.call_conv
        with_tables = cast(HasUnwindTables, compiled)
        tables = tables_of(with_tables, target, described, convention)
        preserved = _preserved(isa, convention)
        found[compiled.name] = FunctionTables(tables, preserved, makes_tail_calls(function))
    return found


def _preserved(isa: str, convention: str) -> frozenset[str]:
    """Return the registers that a function preserves, of those that a table can mention.

    The pinned register is left out: whether it is one depends on a setting.
    """
    described = ISAS[isa]
    known = set(UNWINDING.of(described).registers.values()) - {described.pinned}
    preserved = described.convention(convention).preserved
    return frozenset({*preserved, described.frame_pointer} & known)


def makes_tail_calls(function: Function) -> bool:
    """Whether a function makes tail calls, for whose arguments it may have to move its frame."""
    return any(inst.opcode.name.startswith("return_call") for inst in function.instructions())
