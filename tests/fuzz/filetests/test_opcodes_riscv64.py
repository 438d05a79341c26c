"""The filetests of `corpus/opcodes` for RISC-V: all pass, on the engine that has what they need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backend.cranelift import _cranelift
from backend.engines.names import chosen_engines, read_choice
from backend.isa.executors import choose_engines
from fuzz.filetests.check import check_text
from fuzz.filetests.results import CommandStatus
from tests.backend.engines.installed import needs_qemu
from tests.paths import CORPUS

ISA = "riscv64"
PLAIN = sorted((CORPUS / "opcodes").rglob("*-riscv64.clif"))
WITH_FLAGS = sorted((CORPUS / "opcodes").rglob("*-riscv64-flags.clif"))

pytestmark = pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift")


@pytest.fixture
def on_qemu() -> Iterator[None]:
    before = chosen_engines()
    choose_engines(read_choice(f"{ISA}=qemu-user"))
    yield
    choose_engines(before)


def test_everything_passes_without_flags() -> None:
    assert len(PLAIN) > 100
    for path in PLAIN:
        report = check_text(path.name, path.read_text(), (ISA,))
        assert report.count(CommandStatus.PASSED, ISA) == report.commands > 0, path


@needs_qemu
def test_everything_passes_with_flags(on_qemu: None) -> None:
    assert len(WITH_FLAGS) > 70
    for path in WITH_FLAGS:
        report = check_text(path.name, path.read_text(), (ISA,))
        assert report.count(CommandStatus.PASSED, ISA) == report.commands > 0, path
