"""The table of all fuzz targets: what each checks, and the cases that it draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from fuzz.cases.case import Case, ExtraCheck, with_check
from fuzz.cases.frame_check import with_frame_check, with_tables
from fuzz.fuzz_targets.cfi import ControlFlowIntegrity
from fuzz.fuzz_targets.differential import Differential
from fuzz.fuzz_targets.extra_checks import ExtraChecks
from fuzz.fuzz_targets.frontend import Frontend, ValueReferenceGenerator
from fuzz.fuzz_targets.generators import (
    CallGenerator,
    InlinedGenerator,
    OneVectorInstruction,
    ThrowingGenerator,
    addresses_and_tables,
    hold_many,
    ordered_accesses,
)
from fuzz.fuzz_targets.incremental_cache import IncrementalCaching
from fuzz.fuzz_targets.limits import Limits
from fuzz.fuzz_targets.optimize import Optimize
from fuzz.fuzz_targets.options import TargetOptions
from fuzz.fuzz_targets.reader import Reader
from fuzz.fuzz_targets.regalloc import RegisterAllocators
from fuzz.fuzz_targets.settings import TwoSettings
from fuzz.fuzz_targets.stack_maps import ReferenceGenerator, StackMaps
from fuzz.fuzz_targets.target import FuzzTarget
from fuzz.generate import Generator, Options
from fuzz.isle.director import rule_director


@dataclass(frozen=True, slots=True)
class TargetEntry:
    """A row of the table.

    Attributes:
        checks: the property, for the list of targets.
        make: the target's class, or a function; called with the generator of its cases.
        cases: how the cases are drawn; ``isas`` is filled in. They have fewer inputs than those of
            a campaign, since each input is a line of every unit's text.
        generator: draws the cases.
    """

    checks: str
    make: Callable[[Generator], FuzzTarget]
    cases: Options
    generator: type[Generator] = Generator


def _preparing(prepare: Callable[[Case], Case]) -> Callable[[Generator], FuzzTarget]:
    return partial(ExtraChecks, prepare=prepare)


def _asking_for(check: ExtraCheck) -> Callable[[Generator], FuzzTarget]:
    return _preparing(partial(with_check, check=check))


def _prove(generator: Generator) -> FuzzTarget:
    from fuzz.fuzz_targets.prove import Prove  # its libraries are an extra

    return Prove(generator)


#: Every fuzz target by its name on the command line.
TARGETS: Final = {
    "differential": TargetEntry(
        "the interpreter and every ISA agree", Differential, Options(inputs=8)
    ),
    "rules": TargetEntry(
        "the same, on short cases directed at Cranelift's ISLE rules",
        Differential,
        # Rules distinguish values rather than paths: few instructions, many inputs.
        Options(instructions=8, inputs=24, callees=0, directed_share=1.0),
    ),
    "optimize": TargetEntry(
        "the mid-end preserves what a function does",
        Optimize,
        Options(inputs=32, any_order=True),
    ),
    "settings": TargetEntry(
        "a function behaves the same under two sets of settings", TwoSettings, Options(inputs=16)
    ),
    "simd": TargetEntry(
        "the interpreter and every ISA agree on one vector instruction, on many inputs",
        Differential,
        # One instruction compiles fast and has many corner cases.
        Options(instructions=6, inputs=64, trapping_share=0.0, callees=0, directed_share=0.0),
        OneVectorInstruction,
    ),
    "abi": TargetEntry(
        "calls across conventions: many arguments and results, preserved registers",
        Differential,
        Options(instructions=60, inputs=8, trapping_share=0.0, callees=6, directed_share=0.0),
        CallGenerator,
    ),
    "inline": TargetEntry(
        "inlining calls, also in each other's bodies, changes no result",
        Differential,
        Options(instructions=60, inputs=16, callees=6, inlining_share=1.0, directed_share=0.2),
        InlinedGenerator,
    ),
    "unwind": TargetEntry(
        "the tables of frames lead from each instruction back to the caller",
        _preparing(with_frame_check),
        Options(inputs=2, trapping_share=0.0, callees=6, directed_share=0.0),
        CallGenerator,
    ),
    "objects": TargetEntry(
        "object files, read by a library and linked, do what the interpreter says",
        _asking_for(ExtraCheck.OBJECTS),
        Options(inputs=8, callees=4, directed_share=0.0),
        CallGenerator,
    ),
    "jit": TargetEntry(
        "what a JIT leaves in memory, at chosen distances, does what the interpreter says",
        _asking_for(ExtraCheck.JIT),
        Options(inputs=8, callees=4, directed_share=0.0),
        CallGenerator,
    ),
    "exceptions": TargetEntry(
        "what is thrown reaches its handler, in any frame, and nothing else is lost",
        _preparing(with_tables),
        Options(instructions=60, inputs=16, callees=5, directed_share=0.2),
        ThrowingGenerator,
    ),
    "labels": TargetEntry(
        "debug information has each value where it is, and each call at its source location",
        _asking_for(ExtraCheck.LABELS),
        Options(inputs=2, trapping_share=0.25, callees=6, directed_share=0.0, inlining_share=0.2),
        CallGenerator,
    ),
    "stack_maps": TargetEntry(
        "a collector that moves the objects which stack maps name makes no difference",
        StackMaps,
        Options(inputs=2, trapping_share=0.0, callees=4, directed_share=0.0, inlining_share=0.3),
        ReferenceGenerator,
    ),
    "frontend": TargetEntry(
        "functions that cranelift-frontend makes anew do the same, and its maps name what is live",
        Frontend,
        Options(inputs=2, trapping_share=0.0, callees=4, directed_share=0.0, inlining_share=0.3),
        ValueReferenceGenerator,
    ),
    "order": TargetEntry(
        "atomics, fences, calls and other accesses happen in the order of the source",
        _asking_for(ExtraCheck.ORDER),
        Options(instructions=40, inputs=4, extra_parts=(ordered_accesses,), directed_share=0.2),
    ),
    "prove": TargetEntry(
        "a solver proves the optimised CLIF and the code of small functions, or refutes them",
        _prove,
        Options(instructions=4, inputs=1, callees=0, trapping_share=0.2, directed_share=0.5),
    ),
    "incremental_cache": TargetEntry(
        "a cache hit equals a fresh compilation, and only irrelevant differences hit",
        IncrementalCaching,
        Options(inputs=1),
    ),
    "regalloc": TargetEntry(
        "both register allocators, with their checker, agree under high register pressure",
        RegisterAllocators,
        Options(instructions=150, inputs=4, extra_parts=(hold_many,), directed_share=0.0),
    ),
    "cfi": TargetEntry(
        "signed return addresses, landing pads and frame pointers change no result",
        ControlFlowIntegrity,
        Options(inputs=8, extra_parts=(addresses_and_tables,), directed_share=0.0),
    ),
    "reader": TargetEntry(
        "the CLIF reader never panics, and reads its own output as the same function",
        Reader,
        Options(inputs=1),
    ),
    "limits": TargetEntry(
        "long, wide and deeply nested functions compile in n log n time and memory",
        lambda generator: Limits(generator.options.isas),
        Options(directed_share=0.0),
    ),
}


def load(name: str, isas: tuple[str, ...], options: TargetOptions | None = None) -> FuzzTarget:
    """Make a fuzz target.

    Args:
        name: a key of ``TARGETS``.
        isas: names of the ISAs to compile for.
        options: the defaults if None.

    Raises:
        KeyError: there is no target of that name.
        FaultError: the fault of the options is unknown, or the target cannot inject it.
    """
    entry = TARGETS[name]
    cases = replace(entry.cases, isas=isas)
    target = entry.make(entry.generator(cases, rule_director(cases)))
    if options is not None:
        target.configure(options)
    return target
