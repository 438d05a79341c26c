"""What engines can run is found out, and is what each ISA's description says of Unicorn."""

from __future__ import annotations

import pytest

from backend.cranelift import _cranelift
from backend.emulator.isa import Isa
from backend.engines.features import FEATURES, supported_flags
from backend.engines.registry import ENGINES
from backend.isa.executors import executor_for
from backend.isa.registry import ISAS
from tests.backend.engines.installed import needs_qemu
from tests.backend.isa.host import needs_host, on_host

ALL = pytest.mark.parametrize("isa", ISAS.values(), ids=list(ISAS))


@ALL
def test_every_flag_has_a_probe(isa: Isa) -> None:
    flags = {s["name"] for s in _cranelift.settings(isa.triple) if s["kind"] == "bool"}
    flags -= isa.flags.not_drawn.keys()  # the triple decides about these
    assert flags - FEATURES.of(isa).keys() <= {"has_apx"}  # no assembler knows it yet


@ALL
def test_unicorn_runs_the_flags_that_the_description_says(isa: Isa) -> None:
    probed = supported_flags(isa, executor_for(isa.name))
    assert probed & (isa.flags.has | isa.flags.lacks) == isa.flags.has & FEATURES.of(isa).keys()
    assert probed.isdisjoint(isa.flags.lacks)


@needs_qemu
@pytest.mark.parametrize(
    "isa",
    [isa for isa in ISAS.values() if ENGINES["qemu-user"].knows(isa)],
    ids=lambda isa: isa.name,
)
def test_qemu_runs_all_that_unicorn_does_and_more(isa: Isa) -> None:
    probed = supported_flags(isa, executor_for(isa.name, "qemu-user"))
    known = isa.flags.has & FEATURES.of(isa).keys()
    assert known < probed if ENGINES["unicorn"].knows(isa) else known == probed
    # An engine goes on running after instructions that it lacks.
    assert supported_flags(isa, executor_for(isa.name, "qemu-user")) == probed


@needs_host
@pytest.mark.parametrize("flag", FEATURES.of(ISAS["x86_64"]))
def test_results_are_those_of_a_cpu(flag: str) -> None:
    probe = FEATURES.of(ISAS["x86_64"])[flag]
    # push rbx; mov rbx, rdi; mov rsi, [rbx + 8]; mov rdi, [rbx]; call; mov [rbx], rax; pop rbx; ret
    start, end = bytes.fromhex("53 4889fb 488b7308 488b3b e805000000"), bytes.fromhex("488903 5bc3")
    row = b"".join(argument.to_bytes(8, "little") for argument in probe.arguments)
    (after,) = on_host(start + end + probe.code, [row])
    assert int.from_bytes(after[:8], "little") == probe.result
