"""What throws in engines without hooks: where code goes on is a new start of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from backend.cranelift.compiler import Target, compile_text
from backend.emulator.executor import Executor
from backend.emulator.unwinder import THROWING
from backend.engines import command_page as page
from backend.engines.bochs_machine import BochsMachine
from backend.engines.guest_process import Replaced
from backend.engines.process_machine import ProcessMachine
from backend.engines.registry import ENGINES
from backend.isa.registry import ISAS
from clif.outcome import Outcomes, Status
from clif.types import I64
from tests.backend.emulator.machine import inputs, signature, values
from tests.backend.engines.installed import missing, needs_bochs

_PROCESSES = (
    *(("qemu-user", isa) for isa in ("x86_64", "aarch64", "riscv64", "s390x")),
    *(("pulley", isa) for isa in ("pulley64", "pulley64be", "pulley32", "pulley32be")),
)
#: Those that there are here.
PROCESSES = pytest.mark.parametrize(
    ("engine", "isa"),
    [
        pytest.param(*each, marks=pytest.mark.skipif(bool(missing(each[0])), reason="not there"))
        for each in _PROCESSES
    ],
)
_SETTINGS = {"opt_level": "none"}

_NARROWED = "    v1 = ireduce.i32 v0\n    jump block1\n"
_THROWS = """function %main(i64) -> i64 system_v {
    sig0 = (i64, i64, i64, i64) tail
    fn0 = colocated %throw_tail sig0
block0(v0: i64):
    jump block1
block1:
    try_call fn0(v0, v0, v0, v0), sig0, block2, [ tag1: block3, tag2: block1 ]
block2:
    trap user1
block3:
    return v0
}
"""


@pytest.fixture
def made() -> Iterator[list[Executor]]:
    """Executors that a test makes: their processes end with it."""
    executors: list[Executor] = []
    yield executors
    for executor in executors:
        if isinstance(executor.cpu, ProcessMachine):
            executor.cpu.close()


def run(executor: Executor, text: str, *numbers: int) -> Outcomes:
    isa = executor.isa.name
    if executor.isa.pointer_bytes == 4:
        text = text.replace("(i64, i64, i64, i64)", "(i32, i32, i32, i32)")
        text = text.replace("throw_", "throw32_").replace("    jump block1\n", _NARROWED)
        text = text.replace("fn0(v0, v0, v0, v0)", "fn0(v1, v1, v1, v1)")
    settings = {**_SETTINGS, **ISAS[isa].settings}
    program = compile_text(text, Target.of(isa, settings))
    takes = signature((I64,), (I64,))
    rows = [(number,) for number in numbers]
    return executor.run(program, takes, inputs((I64,), rows), settings=settings)


def start_words(machine: Any) -> bytes:
    """What the next start would find in the registers."""
    return bytes(machine.process.words[page.STACK_POINTER : page.FRAME_POINTER + 1].tobytes())


@PROCESSES
def test_the_next_start_has_the_registers_of_the_first(
    engine: str, isa: str, made: list[Executor]
) -> None:
    executor = ENGINES[engine].executor(ISAS[isa])
    made.append(executor)
    plain = "function %main(i64) -> i64 system_v {\nblock0(v0: i64):\n    return v0\n}\n"
    assert values(run(executor, plain, 7)) == [7]
    usual = start_words(executor.cpu)
    found = run(executor, _THROWS, 1, 9, 1)
    assert (values(found)[::2], found.traps) == ([1, 1], {1: "user240"})
    assert start_words(executor.cpu) != usual
    assert values(run(executor, plain, 8)) == [8]
    assert start_words(executor.cpu) == usual


@PROCESSES
def test_a_handler_by_tail_finds_garbage_but_for_its_payload(
    engine: str, isa: str, made: list[Executor]
) -> None:
    executor = ENGINES[engine].executor(ISAS[isa])
    made.append(executor)
    assert values(run(executor, _THROWS, 1)) == [1]
    machine: Any = executor.cpu
    throwing = THROWING.of(ISAS[isa])
    words = machine.process.words[page.INTEGERS :].tolist()
    found = dict(zip(machine.part.integers, words, strict=False))
    kept = {*throwing.payload, ISAS[isa].frame_pointer, ISAS[isa].stack_pointer}
    lost = [name for name in throwing.integers if name not in kept]
    garbage = executor.throwers.garbage
    assert [found[name] for name in lost] == [garbage[name] for name in lost]
    assert [found[name] & 0xFFFF_FFFF for name in throwing.payload] == [1, 1]


@PROCESSES
def test_what_throws_for_ever_hangs(engine: str, isa: str, made: list[Executor]) -> None:
    executor = ENGINES[engine].executor(ISAS[isa])
    made.append(executor)
    executor.limit_seconds(0.2)
    found = run(executor, _THROWS, 1, 2, 1)
    assert found.status.tolist() == [Status.RETURNED, Status.HUNG, Status.RETURNED]
    machine: Any = executor.cpu
    assert machine.process.replaced[Replaced.HUNG] == 1


@needs_bochs
def test_a_bare_cpu_goes_on_and_starts_as_before(made: list[Executor]) -> None:
    executor = ENGINES["bochs"].executor(ISAS["x86_64"])
    executor.limit_seconds(0.2)
    machine = executor.cpu
    assert isinstance(machine, BochsMachine)
    usual = machine.state.copy()
    found = run(executor, _THROWS, 1, 9, 2)
    assert values(found)[:1] == [1]
    assert found.traps == {1: "user240"}
    assert found.status.tolist()[2] == Status.HUNG
    run(executor, _THROWS.replace("tag2", "tag3"), 2)
    assert np.array_equal(machine.state, usual)  # nothing was handled
