"""Nobody has overlooked what a version of Cranelift has more than the ones before it.

Run with every version that is tried (``scripts/versions``). A failure names what is new: give an
opcode a meaning, or a reason to have none; say of a setting or flag whether it is drawn.
"""

from __future__ import annotations

import pytest

import interp
from backend.cranelift import _cranelift
from backend.isa.registry import ISAS
from clif.opcodes import Format
from fuzz.generate.settings import NOT_DRAWN, OTHERS, UNUSUAL, USUAL


def test_no_opcode_is_new() -> None:
    names = {row["name"] for row in _cranelift.opcodes()}
    assert sorted(names - interp.MEANINGS.keys() - interp.REASONS.keys()) == []


def test_no_format_is_new() -> None:
    formats = {row["format"] for row in _cranelift.opcodes()}
    assert sorted(formats - {format_.value for format_ in Format}) == []


def test_no_shared_setting_is_new() -> None:
    names = {row["name"] for row in _cranelift.settings()}
    assert sorted(names - USUAL.keys() - UNUSUAL.keys() - OTHERS - NOT_DRAWN.keys()) == []


@pytest.mark.parametrize("isa", sorted(ISAS))
def test_no_flag_is_new(isa: str) -> None:
    """Presets are names for several flags: a new one that is not known is refused."""
    names = {row["name"] for row in _cranelift.settings(isa) if row["kind"] != "preset"}
    flags = ISAS[isa].flags
    assert sorted(names - {*flags.drawn, *flags.lacks, *flags.not_drawn}) == []
