"""The meaning of each opcode in terms is the interpreter's."""

from __future__ import annotations

import numpy as np
import pytest

from backend.cranelift.opcodes import OPCODES
from clif.outcome import Outcomes, Status, ints_from_words
from clif.types import Type
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_cases
from fuzz.differential.open_inputs import undefined_rows
from fuzz.differential.oracle import interpreter
from fuzz.prove.semantics import EFFECTS, PURE, UndecidedError
from tests.fuzz.prove.concretely import ending
from tests.paths import CORPUS

#: Inputs of each case that are evaluated.
ROWS = 6
#: What ends a path or is followed from block to block.
CONTROL = {"jump", "brif", "br_table", "return", "trap"}
#: Without a meaning in terms: exceptions, indirect and tail calls, dynamic vectors.
WITHOUT = {
    "call_indirect",
    "return_call",
    "return_call_indirect",
    "try_call",
    "try_call_indirect",
    "dynamic_stack_addr",
    "dynamic_stack_load",
    "dynamic_stack_store",
    "extract_vector",
    "stack_switch",
}
FILES = sorted((CORPUS / "opcodes").rglob("*.clif"))


def test_every_opcode_has_a_meaning_or_is_named():
    assert OPCODES.keys() - PURE.keys() - EFFECTS.keys() == CONTROL | WITHOUT & OPCODES.keys()


FOLDERS = sorted({file.parent.name for file in FILES} - {"calls", "machine"})


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_corpus_of_opcodes_does_what_the_interpreter_says(folder):
    compared, undecided = 0, set()
    for file in FILES:
        if file.parent.name == folder:
            for case in read_cases(file.read_text(), file.name):
                try:
                    compared += compare(case.case)
                except UndecidedError as error:
                    undecided.add(error.reason)
    assert compared >= 30
    assert not {reason for reason in undecided if "no meaning" in reason} - NO_MEANING


#: What corpus/opcodes has that terms do not tell.
NO_MEANING = {
    f"{name} has no meaning in terms"
    for name in (
        *("call_indirect", "return_call", "return_call_indirect", "try_call", "try_call_indirect"),
        *("func_addr", "symbol_value", "get_frame_pointer", "get_stack_pointer"),
        *("get_return_address", "get_pinned_reg", "set_pinned_reg", "tls_value", "debugtrap"),
        "get_exception_handler_address",
    )
}


def compare(case: Case) -> int:
    """Compare some inputs of a case; return how many."""
    if not case.inputs.count or any("call" in i.opcode.name for i in case.main.instructions()):
        return 0
    expected = interpreter(case)
    rows = [row for row in range(case.inputs.count) if row not in undefined_rows(expected)]
    rows = rows[:ROWS] + rows[-ROWS:]
    for row in dict.fromkeys(rows):
        if expected.status[row] in (Status.RETURNED, Status.TRAPPED):
            check(case, expected, row)
    return len(rows)


def check(case: Case, expected: Outcomes, row: int) -> None:
    found = ending(case, row)
    what = f"{case.origin}, input {row}"
    assert found.trap == expected.traps.get(row, ""), what
    if not found.trap:
        for number, type_ in enumerate(expected.types):
            wanted = ints_from_words(expected.results[number][row : row + 1])[0]
            assert same(type_, wanted, found.results[number]), f"{what}, result {number}"
    if expected.memory is not None:
        assert found.memory == bytes(np.asarray(expected.memory[row])), what


def same(type_: Type, x: int, y: int) -> bool:
    """Return whether values are equal; any NaN is equal to any other."""
    if not type_.is_float:
        return x == y
    lanes = [
        ((x >> at) & type_.mask, (y >> at) & type_.mask)
        for at in range(0, type_.bits, type_.lane_bits)
    ]
    return all(a == b or (nan(type_, a) and nan(type_, b)) for a, b in lanes)


def nan(type_: Type, bits: int) -> bool:
    infinity = {16: 0x7C00, 32: 0x7F80_0000, 64: 0x7FF0 << 48, 128: 0x7FFF << 112}
    return bits & (type_.sign_bit - 1) > infinity[type_.lane_bits]
