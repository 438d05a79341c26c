"""Memory for functions that take it from outside: it is drawn, or given, and compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.isa.registry import DEFAULT_ISAS
from clif.function import Function
from clif.outcome import Status
from fuzz.cases.case import Case
from fuzz.cases.casefile import CaseFileError, print_case, read_case, read_cases
from fuzz.cases.drawn_memory import DRAWN
from fuzz.cases.region_lines import RegionLineError, region_of_text
from fuzz.differential.finding import FindingKind
from fuzz.differential.oracle import interpreter
from fuzz.differential.pipeline import Injection, Pipeline
from fuzz.generate.drawn_inputs import with_drawn_inputs
from tests.fuzz.cases.outside_memory import (
    BOUNDED,
    EVERY,
    GLOBAL,
    GUARDED,
    STRUCT_RETURN,
    TABLE,
)


def drawn(text: str, count: int = 64) -> Case:
    (only,) = read_cases(text)
    return with_drawn_inputs(only.case, count)


def word(case: Case, at: int) -> int:
    assert case.inputs.region is not None
    return int.from_bytes(case.inputs.region.contents[at : at + 8], "little")


# --- what is drawn ---


@pytest.mark.parametrize(
    ("text", "pointers"),
    [
        # The heap lies behind the context, as it is an array.
        (GUARDED, ((40, 48),)),
        # The store's context is 24 bytes, up to the limit's end at 16 + 8.
        (BOUNDED, ((8, 112), (80, 144))),
        (GLOBAL, ()),
        # A description of the table, and the table.
        (TABLE, ((24, 32), (32, 48))),
        (STRUCT_RETURN, ()),
    ],
)
def test_pointers_lead_to_what_functions_expect(
    text: str, pointers: tuple[tuple[int, int], ...]
) -> None:
    region = drawn(text).inputs.region
    assert region is not None
    assert region.pointers == pointers
    assert region.size % 16 == 0


def test_lengths_and_limits() -> None:
    bounded, table = drawn(BOUNDED), drawn(TABLE)
    assert word(bounded, 88) == 4096  # bytes
    assert word(bounded, 112 + 16) == 1 << 16  # the stack limit
    assert word(table, 40) == 4096 // 8  # elements


def test_it_is_the_same_every_time() -> None:
    one, other = drawn(BOUNDED).inputs.region, drawn(BOUNDED).inputs.region
    assert one is not None
    assert other is not None
    assert one.contents == other.contents
    renamed = drawn(GLOBAL.replace("u0:3", "u0:4")).inputs.region
    assert renamed is not None
    assert renamed.contents != drawn(GLOBAL).inputs.region.contents  # type: ignore[union-attr]


@pytest.mark.parametrize("text", EVERY.values(), ids=EVERY)
def test_all_executors_see_the_same_memory(text: str) -> None:
    case = drawn(text)
    verdict = Pipeline(DEFAULT_ISAS, second=True).check(case)
    assert verdict.findings == []
    assert verdict.rejected == []
    assert verdict.executions == 2 * 64
    assert verdict.expected is not None
    assert np.count_nonzero(verdict.expected.status == Status.RETURNED) >= 6
    assert verdict.second is not None
    assert verdict.second.compared > 0


def test_an_index_that_leads_out_of_the_memory_traps() -> None:
    last = 4096 - 8
    rows = {0: "", last - 8: "", last - 7: "heap_oob", 4096: "heap_oob", 0xFFFF_FFFF: "heap_oob"}
    lines = "".join(f"; run: u0:0(0, 0, {row - (row >> 31 << 32)}, 1) == 0\n" for row in rows)
    case = read_case(GUARDED + lines).case
    verdict = Pipeline(DEFAULT_ISAS).check(case)
    assert verdict.findings == []
    assert verdict.expected is not None
    assert [verdict.expected.traps.get(n, "") for n in range(len(rows))] == list(rows.values())


# --- differences ---


def changed(old: int, new: int) -> Injection:
    """What is compiled has another offset than what is interpreted."""

    def functions(originals: list[Function]) -> list[Function]:
        copies = [function.clone() for function in originals]
        for inst in (inst for function in copies for inst in function.instructions()):
            if "can_store" in inst.opcode.flags and inst.offset == old:
                inst.offset = new
        return copies

    return Injection(functions=functions)


@pytest.mark.parametrize(
    ("text", "old", "new"), [(GUARDED, 0, 1), (BOUNDED, 96, 104), (GLOBAL, 112, 120)]
)
def test_wrong_memory_is_a_finding(text: str, old: int, new: int) -> None:
    verdict = Pipeline(["x86_64"]).check(drawn(text), changed(old, new))
    assert [finding.kind for finding in verdict.findings] == [FindingKind.MISCOMPILE]


def test_a_pointer_that_is_overwritten_is_compared_as_it_is() -> None:
    text = GUARDED.replace("store.i64 little v3, v6", "store notrap aligned v3, v0+40")
    case = drawn(text)
    verdict = Pipeline(DEFAULT_ISAS).check(case)
    assert verdict.findings == []
    wrong = Pipeline(["x86_64"]).check(case, changed(40, 32))
    assert [finding.kind for finding in wrong.findings] == [FindingKind.MISCOMPILE]


def test_an_address_that_is_returned_is_open() -> None:
    text = GUARDED.replace("return v7", "return v5")
    verdict = Pipeline(["x86_64"]).check(drawn(text))
    assert verdict.findings == []
    assert verdict.rejected == ["open: the outcome depends on addresses or on uninitialised memory"]


# --- stack limits ---


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        (0, ""),
        (1 << 16, ""),
        (1 << 63, "what it does is not defined: the stack limit may be above the stack"),
    ],
)
def test_a_stack_limit_is_heeded(limit: int, reason: str) -> None:
    """Cranelift's code traps where it is above the stack; the interpreter has no such stack."""
    case = drawn(BOUNDED)
    region = case.inputs.region
    assert region is not None
    contents = bytearray(region.contents)
    contents[128:136] = limit.to_bytes(8, "little")
    case.inputs.region = region.with_contents(bytes(contents))
    verdict = Pipeline(DEFAULT_ISAS).check(case)
    assert verdict.findings == []
    assert verdict.rejected == ([f"open: {reason}"] if reason else [])


def test_a_stack_limit_that_nothing_here_computes() -> None:
    text = BOUNDED.replace("gv2 = load.i64 notrap aligned gv1+16", "gv2 = symbol %limit")
    verdict = Pipeline(["x86_64"]).check(drawn(text, 4))
    (reason,) = (reason for reason in verdict.rejected if reason.startswith("oracle"))
    assert reason == "oracle: stack_limit: a stack limit of the kind 'symbol %limit' is not known"


# --- memory that is given ---

GIVEN = """\
; region: argument 0, 64 bytes
; pointer: 40 -> 48
; contents: 0000000000000000
"""
COMMAND = "; run: u0:0(0, 0, 0, 5) == 0x0807060504030201\n"
HEAP = f"; contents: {'00' * 56}0102030405060708\n"


@pytest.mark.parametrize("place", ["header", "beside"])
def test_a_file_gives_memory(place: str) -> None:
    lines = GIVEN.replace("; contents: 0000000000000000\n", HEAP)
    text = lines + GUARDED + COMMAND if place == "header" else GUARDED + lines + COMMAND
    found = read_case(text)
    assert found.hints == ()
    assert [e is not None for e in found.expectations] == [True]
    verdict = Pipeline(DEFAULT_ISAS).check(found.case)
    assert (verdict.findings, verdict.rejected) == ([], [])
    assert verdict.expected is not None
    assert verdict.expected.results[0].tolist() == [[0x0807060504030201]]
    printed = print_case(found.case, verdict.expected)
    assert print_case(read_case(printed).case, verdict.expected) == printed
    assert "memory 48:05" in printed


def test_what_a_file_expects_of_drawn_memory_does_not_count() -> None:
    found = read_case(GUARDED + COMMAND)
    assert found.hints == (DRAWN,)
    assert found.expectations == [None]
    assert found.case.inputs.region is not None


def test_the_lines_beside_a_function_come_first() -> None:
    one = "; region: argument 0, 48 bytes\n"
    text = GIVEN + GLOBAL + one + "; run: u0:3(0, 1) == 0\n" + GUARDED + COMMAND
    cases = [found.case for found in read_cases(text)]
    assert [case.inputs.region.size for case in cases if case.inputs.region] == [48, 64]


def test_memory_of_the_user() -> None:
    given = region_of_text("region: argument 0, 64 bytes; pointer: 40 -> 48")
    found = read_cases(GUARDED + COMMAND, memory=given)[0]
    assert found.case.inputs.region is given
    assert found.expectations != [None]
    own = read_cases(GUARDED + GIVEN + COMMAND, memory=replace(given, contents=bytes(80)))[0]
    assert own.case.inputs.region is not None
    assert own.case.inputs.region.size == 64


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("; pointer: 40 -> 48 -> 8", "line 13: pointer: expected 'OFFSET -> OFFSET'"),
        ("; region: argument 0, 64 bytes\n; pointer: 60 -> 0", "60 -> 0 is outside of the region"),
        ("; region: argument 0, 64 bytes\n; pointer: 0 -> 65", "0 -> 65 is outside of the region"),
        ("; region: argument 2, 64 bytes", "u0:0 has no i64 argument 2"),
        ("; region: argument 0, 1 bytes\n; contents: 0102", "1 bytes are too few"),
    ],
)
def test_malformed_memory(lines: str, message: str) -> None:
    with pytest.raises(CaseFileError, match=message):
        read_cases(f"{GUARDED}{lines}\n{COMMAND}")


@pytest.mark.parametrize("text", ["", "contents: 01", "region: argument 0", "pointer: 1"])
def test_malformed_memory_of_the_user(text: str) -> None:
    with pytest.raises(RegionLineError):
        region_of_text(text)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ("i64 sarg(64)", "sarg"),
        ("i64 vmctx, i64 sret", "sret"),
        ("i64 sret, i64 sret", "sret"),
    ],
)
def test_memory_that_cannot_be_drawn(params: str, words: str) -> None:
    count = params.count(",") + 1
    values = ", ".join(f"v{n}: i64" for n in range(count))
    zeros = ", ".join("0" * count)
    text = f"function %f({params}) {{\nblock0({values}):\n  return\n}}\n; run: %f({zeros}) == []\n"
    case = read_case(text).case
    verdict = Pipeline(["x86_64"]).check(case)
    assert f"oracle: takes memory from outside ({words})" in verdict.rejected
    assert verdict.expected is None


def test_outcomes_of_the_interpreter_are_the_same_everywhere() -> None:
    case = drawn(TABLE, 8)
    first, second = interpreter(case), interpreter(case)
    assert first.memory is not None
    assert second.memory is not None
    assert case.inputs.region is not None
    assert first.memory.tobytes() == second.memory.tobytes()
    assert first.memory[0].tobytes() == case.inputs.region.contents
