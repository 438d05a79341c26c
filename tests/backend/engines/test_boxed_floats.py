"""A fault of Cranelift that shows on an engine alone which heeds what is above a float."""

from __future__ import annotations

import pytest

from backend.cranelift import _cranelift
from backend.cranelift.compiler import Functions
from clif.outcome import ints_from_words
from clif.printer import print_functions
from fuzz.cases.casefile import read_case
from fuzz.cases.target import compile_case, run_case
from tests.backend.emulator import machine
from tests.backend.emulator.machine import the_executor
from tests.backend.engines.installed import needs_qemu
from tests.paths import CORPUS

pytestmark = [
    needs_qemu,
    pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift"),
]
_NAN = 0x7FC00000


@pytest.mark.parametrize(("engine", "result"), [("qemu-user", _NAN), ("unicorn", 0x41400000)])
def test_a_spilled_result_of_32_bits_is_a_nan(
    engine: str, result: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "ENGINE", engine)
    case = read_case((CORPUS / "cranelift" / "spilled-result-f32.clif").read_text()).case
    code = compile_case(case, "riscv64", Functions(print_functions(case.functions)))
    found = run_case(case, "riscv64", code, the_executor("riscv64"))
    assert ints_from_words(found.results[0]) == [result]
