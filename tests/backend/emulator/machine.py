"""Running CLIF text and hand-made machine code on an executor."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from backend.cranelift.compiler import Target, compile_text
from backend.cranelift.reader import read_functions
from backend.emulator.cpu import Cpu
from backend.emulator.executor import Executor
from backend.emulator.linker import Compiled
from backend.engines.registry import ENGINES
from backend.isa.executors import executor_for, left_out
from backend.isa.registry import DESCRIBED
from clif.function import AbiParam, Signature
from clif.outcome import Inputs, Outcomes, Region, ints_from_words, words_from_ints
from clif.types import Type


def run_here(isa: str, *values: object) -> Any:
    """A parameter set that begins with an ISA, skipped where no engine runs that."""
    reason = left_out(isa)
    return pytest.param(isa, *values, marks=pytest.mark.skipif(bool(reason), reason=reason))


SETTINGS = {"opt_level": "speed", "enable_llvm_abi_extensions": "true"}
ISAS = ("x86_64", "aarch64")
#: Other modules run the same tests on another engine.
ENGINE = "unicorn"
BOTH = pytest.mark.parametrize("isa", ISAS)
#: Those, and s390x: another byte order, an area above the stack pointer, no frame pointer.
THREE = pytest.mark.parametrize("isa", [*ISAS, run_here("s390x")])


@dataclass
class Code:
    """Machine code made by hand, as the executor takes it."""

    name: str
    code: bytes
    relocations: list[tuple[int, str, str, int]] = field(default_factory=list)
    traps: list[tuple[int, str]] = field(default_factory=list)
    alignment: int = 16
    block_starts: Sequence[int] = ()
    frame_size: int | None = 0


def the_executor(isa: str) -> Executor:
    """The executor of the engine that tests run on, or of the ISA's own where that lacks it."""
    return executor_for(isa, ENGINE if ENGINES[ENGINE].knows(DESCRIBED[isa]) else "")


def unicorn_cpu(executor: Executor) -> Cpu:
    """The executor's machine, which is the one in this process."""
    assert isinstance(executor.cpu, Cpu)
    return executor.cpu


def arm(*words: int) -> bytes:
    """AArch64 instructions."""
    return struct.pack(f"<{len(words)}I", *words)


def s390(*codes: str) -> bytes:
    """Instructions of s390x, and the return."""
    return bytes.fromhex("".join((*codes, "07fe")))


def signature(params: Sequence[Type], returns: Sequence[Type], convention: str = "system_v"):
    return Signature(tuple(map(AbiParam, params)), tuple(map(AbiParam, returns)), convention)


def inputs(types: Sequence[Type], rows: Sequence[Sequence[int]], region: Region | None = None):
    """Inputs from one row of bit patterns per input."""
    columns = [[row[number] for row in rows] for number in range(len(types))]
    words = [words_from_ints(t, column) for t, column in zip(types, columns, strict=True)]
    return Inputs(len(rows), words, region)


def run_code(
    isa: str,
    program: Sequence[Compiled],
    signature: Signature,
    rows: Sequence[Sequence[int]],
    *,
    region: Region | None = None,
    settings: Mapping[str, str] = SETTINGS,
    predicted_traps: Sequence[int] = (),
    entry: str | None = None,
) -> Outcomes:
    """Run a program on the ISA's executor."""
    return the_executor(isa).run(
        program,
        signature,
        inputs(signature.param_types, rows, region),
        settings=settings,
        predicted_traps=predicted_traps,
        entry=entry,
    )


def run_text(
    isa: str,
    text: str,
    rows: Sequence[Sequence[int]],
    *,
    region: Region | None = None,
    settings: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    predicted_traps: Sequence[int] = (),
    entry: str | None = None,
) -> Outcomes:
    """Compile CLIF and run its first function, or ``entry``."""
    settings = {**SETTINGS, **DESCRIBED[isa].settings, **(settings or {})}
    program = compile_text(text, Target.of(isa, settings, flags))
    functions = {function.name: function for function in read_functions(text)}
    main = functions[entry or program[0].name]
    return run_code(
        isa,
        program,
        main.signature,
        rows,
        region=region,
        settings={**settings, **(flags or {})},
        predicted_traps=predicted_traps,
        entry=entry,
    )


def values(outcomes: Outcomes, number: int = 0) -> list[int]:
    """One result of all inputs as bit patterns."""
    return ints_from_words(outcomes.results[number])
