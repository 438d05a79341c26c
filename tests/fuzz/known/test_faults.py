"""Which instructions the known faults are about."""

from __future__ import annotations

import pytest

from fuzz.generate.instruction_sets import supported_keys
from fuzz.known.faults import InstructionPattern, words

UNSIGNED = InstructionPattern(words("atomic_rmw"), words("i8"), variants=words("umax"))
BIG = InstructionPattern(words("load"), words("i128"), variants=words("big"))
NATIVE = InstructionPattern(words("load"), words("i128"), variants=frozenset({""}))


@pytest.mark.parametrize(
    ("pattern", "opcode", "variant", "matches"),
    [
        (UNSIGNED, "atomic_rmw", "umax", True),
        (UNSIGNED, "atomic_rmw", "umax little", True),
        (UNSIGNED, "atomic_rmw", "umin little", False),
        (BIG, "load", "big", True),
        (BIG, "load", "little", False),
        (BIG, "load", "", False),
        (NATIVE, "load", "", True),
        (NATIVE, "load", "big", False),
    ],
)
def test_variants(pattern: InstructionPattern, opcode: str, variant: str, matches: bool) -> None:
    (type_,) = pattern.types
    assert pattern.matches(opcode, type_, (), variant) is matches


def test_a_fault_rules_out_its_instruction_in_each_byte_order() -> None:
    keys = supported_keys("aarch64", (), ())
    of_words = {
        variant for name, type_, _, variant in keys if (name, type_) == ("atomic_rmw", "i32")
    }
    of_bytes = {
        variant for name, type_, _, variant in keys if (name, type_) == ("atomic_rmw", "i8")
    }
    assert {"umax", "umax little"} <= of_words
    assert of_bytes
    assert not {"umax", "umax little", "umin", "umin little"} & of_bytes
