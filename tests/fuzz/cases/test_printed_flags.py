"""Byte orders of atomic operations, which Cranelift's printer leaves out."""

from __future__ import annotations

import pytest

from backend.cranelift.compiler import Functions
from backend.cranelift.reader import read_functions
from clif.function import Function
from clif.printer import print_functions
from fuzz.cases.printed_flags import LostFlagsError, restore_byte_orders

TEXT = """\
function %f(i64, i32) -> i32 system_v {{
block0(v0: i64, v1: i32):
    v2 = atomic_rmw.i32 {} add v0, v1
    v3 = atomic_cas.i32 {} v0, v2, v1
    return v3
}}
"""


def function(*orders: str) -> list[Function]:
    return read_functions(TEXT.format(*orders))


def orders(functions: list[Function]) -> list[str | None]:
    atomics = [i for i in functions[0].instructions() if i.opcode.name.startswith("atomic")]
    return [inst.flags.endianness for inst in atomics]


@pytest.mark.parametrize("given", [("little", "big"), ("", "little"), ("big", "big"), ("", "")])
def test_each_has_that_of_the_source_again(given: tuple[str, str]) -> None:
    source = function(*given)
    printed = read_functions(Functions(print_functions(source)).display())
    restore_byte_orders(source, printed, "little")
    assert orders(printed) == ["big" if order == "big" else None for order in given]


def test_one_order_is_that_of_all() -> None:
    printed = function("", "")
    del printed[0].blocks[0].instructions[1]
    restore_byte_orders(function("little", "little"), printed, "big")
    assert orders(printed) == ["little"]


def test_which_is_which_may_not_be_known() -> None:
    printed = function("", "")
    del printed[0].blocks[0].instructions[1]
    with pytest.raises(LostFlagsError, match="f: Cranelift prints"):
        restore_byte_orders(function("little", "big"), printed, "big")
    # Either is the machine's own.
    restore_byte_orders(function("little", ""), printed, "little")


def test_what_is_printed_counts() -> None:
    printed = function("big", "")
    restore_byte_orders(function("big", "little"), printed, "big")
    assert orders(printed) == ["big", "little"]
