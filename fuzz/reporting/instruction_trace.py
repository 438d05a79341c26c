"""Traces of a run: the registers that each machine instruction wrote, and their values.

Tracing is a hundred times as slow as a plain run: it is meant for one input of one case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from unicorn.unicorn_const import UC_HOOK_CODE

from backend.emulator.cpu import Cpu
from backend.emulator.disassembly import disassembler, written_registers
from backend.emulator.executor import Executor
from backend.emulator.guest_memory import LARGEST_RING, RING
from backend.emulator.isa import Isa
from backend.emulator.linker import Compiled
from backend.emulator.unicorn_engine import Uc, add_hook, remove_hook
from backend.isa.parts import REGISTERS
from clif.function import Signature
from clif.outcome import Inputs

#: Instructions recorded of a run; those after them are not.
MAX_STEPS: Final = 20_000


@dataclass(frozen=True, slots=True)
class TraceStep:
    """An instruction that was executed.

    Attributes:
        function: name of the function that it is part of.
        offset: of the instruction in the function.
        written: the registers that it wrote, by the names of the whole registers, and their values
            after it.
    """

    function: str
    offset: int
    written: Mapping[str, int]


def trace(
    executor: Executor,
    program: Sequence[Compiled],
    signature: Signature,
    inputs: Inputs,
    *,
    entry: str,
    settings: Mapping[str, str],
) -> list[TraceStep]:
    """Run a program as ``Executor.run`` does, and return the instructions that it executed.

    If the run stops early, the last instruction is missing. Raises what ``Executor.run`` raises.
    """
    recorder = _Recorder(executor)
    with recorder.hooked():
        executor.run(program, signature, inputs, entry=entry, settings=settings)
    linked = executor.linked
    assert linked is not None
    steps = []
    for address, written in recorder.steps:
        placed = linked.find(address)
        if placed is not None:
            steps.append(TraceStep(placed.compiled.name, address - placed.address, written))
    return steps


class _Recorder:
    """Records each instruction when the next one is about to run: then its results are there."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.steps: list[tuple[int, dict[str, int]]] = []
        self.pending: tuple[int, tuple[str, ...]] | None = None

    def hooked(self) -> _Hooked:
        cpu = self.executor.cpu
        assert isinstance(cpu, Cpu), "only the engine in this process can be hooked"
        return _Hooked(cpu.uc, self._before)

    def _before(self, uc: Uc, address: int, size: int, _: object) -> None:
        register = self.executor.cpu.register
        if self.pending is not None and len(self.steps) < MAX_STEPS:
            done, names = self.pending
            self.steps.append((done, {name: register(name) for name in names}))
        code = bytes(uc.mem_read(address, size))
        self.pending = address, _written(self.executor.isa, code)


class _Hooked:
    """A context in which a hook is called before every instruction of the code ring."""

    def __init__(self, uc: Uc, before: Callable[[Uc, int, int, object], None]) -> None:
        self.uc = uc
        self.before = before

    def __enter__(self) -> None:
        # Unicorn would not call the hook in code that it translated before. There is none, as code
        # is placed at fresh addresses.
        end = RING + LARGEST_RING
        self.hook = add_hook(self.uc, UC_HOOK_CODE, self.before, RING, end)

    def __exit__(self, *_: object) -> None:
        remove_hook(self.uc, self.hook)


@cache
def _written(isa: Isa, code: bytes) -> tuple[str, ...]:
    """Return the registers that an instruction writes, without flags, by whole registers' names."""
    instruction = next(disassembler(isa).disasm(code, 0), None)
    if instruction is None:
        return ()
    whole = REGISTERS.of(isa).whole
    names = written_registers(isa, instruction)
    return tuple(dict.fromkeys(filter(None, map(whole, names))))
