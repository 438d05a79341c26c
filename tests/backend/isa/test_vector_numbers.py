"""Cranelift's numbers of vector registers in riscv64's tables of frames, which are not DWARF's."""

from __future__ import annotations

import pytest

from backend.cranelift import _cranelift
from backend.cranelift.compiler import Target, compile_text
from backend.emulator.unwind_tables import DwarfTable
from backend.emulator.unwinder import THROWING
from backend.isa.registry import ISAS

_DWARF = range(96, 128)


@pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift")
def test_they_begin_with_64() -> None:
    """If this fails, it is mended: ``backend/isa/riscv64/throwing.py`` can have DWARF's numbers."""
    text = """function %f() preserve_all {
        fn0 = %g()
    block0:
        call fn0()
        return
    }"""
    target = Target.of("riscv64", {"unwind_info": "true"}, {"has_v": "true"})
    (code,) = compile_text(text, target)
    section = code.debug_frame(target.handle)
    assert section is not None
    isa = ISAS["riscv64"]
    rows = DwarfTable(section, isa, THROWING.of(isa).tables).rows
    numbers = {number for row in rows for number in row if isinstance(number, int)}
    assert numbers >= set(range(64, 96))
    assert not numbers & set(_DWARF)
