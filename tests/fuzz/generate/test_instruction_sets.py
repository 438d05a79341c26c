"""Which instructions of an ISA cases are made of."""

from __future__ import annotations

import pytest

from clif.typed_instructions import InstructionName
from fuzz.generate.instruction_sets import convertible

LANE: InstructionName = ("extractlane", "f16x4", ("f16x4",), "")
NEEDED: tuple[InstructionName, ...] = (
    ("bitcast", "f16x4", ("i64",), ""),
    ("bitcast", "i64", ("f16x4",), ""),
    ("load", "f16x4", (), ""),
    ("store", "f16x4", (), ""),
)
OTHER: InstructionName = ("iadd", "i64", ("i64", "i64"), "")


def test_vectors_that_convert_and_load_are_used() -> None:
    keys = frozenset({LANE, OTHER, *NEEDED})
    assert convertible(keys) == keys


@pytest.mark.parametrize("missing", NEEDED, ids=lambda key: f"{key[0]}.{key[1]}")
def test_vectors_that_do_not_are_left_out(missing: InstructionName) -> None:
    assert convertible(frozenset({LANE, OTHER, *NEEDED}) - {missing}) == {OTHER}
