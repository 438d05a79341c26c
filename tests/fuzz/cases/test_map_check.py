"""A collector that moves what stack maps name: what it does to small programs, and what is seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import interp
from backend.cranelift.compiler import Functions, Target
from backend.emulator.linker import Compiled
from backend.emulator.objects import MARK
from clif.outcome import Status
from clif.printer import print_functions
from fuzz.cases.case import Case, ExtraCheck, with_check
from fuzz.cases.casefile import print_case, read_case
from fuzz.cases.interpretation import run_options
from fuzz.cases.map_check import Collected, run_collected
from fuzz.cases.source_maps import has_right_maps
from fuzz.cases.target import compile_case
from fuzz.differential.pipeline import Pipeline
from fuzz.entropy import PrngEntropy
from fuzz.generate import Generator, Options
from fuzz.generate.references import LOST, with_references

ISAS = ("x86_64", "aarch64")

#: Two objects; the map of the call names MAP of the words that refer to them.
PROGRAM = f"""\
function %main(i64, i64) -> i64, i8 {{
    ss0 = explicit_slot 32, align = 8
    ss1 = explicit_slot 16, align = 8
    fn0 = %collect() system_v
block0(v0: i64, v1: i64):
    v2 = iconst.i64 {MARK}
    v3 = stack_addr.i64 ss0
    v4 = stack_addr.i64 ss0+16
    v5 = stack_addr.i64 ss1
    store v2, v3
    store v0, v3+8
    store v2, v4
    store v1, v4+8
    store v3, v5
    store v4, v5+8
    call fn0(), stack_map=[MAP]
    v6 = load.i64 v5
    v7 = load.i64 v6+8
    v8 = icmp eq v6, v3
    return v7, v8
}}
; run: %main(7, 8) == [7, 1]

function %collect() system_v {{
block0:
    return
}}
"""
FIRST, BOTH = "i64 @ ss1+0", "i64 @ ss1+0, i64 @ ss1+8"


def case_of(entries: str) -> Case:
    return read_case(PROGRAM.replace("MAP", entries)).case


def compiled(case: Case, isa: str) -> Sequence[Compiled]:
    return compile_case(case, isa, Functions(print_functions(case.functions)))


def collected(entries: str, isa: str) -> Collected:
    case = case_of(entries)
    return run_collected(case, isa, compiled(case, isa), 0)


@pytest.mark.parametrize("isa", ISAS)
def test_what_is_named_is_moved_and_the_rest_destroyed(isa: str) -> None:
    found = collected(FIRST, isa)
    assert (found.collections, found.moved, found.destroyed) == (1, 1, 1)
    assert not found.deviations
    # The content is as before, and the reference another one.
    assert [int(words[0, 0]) for words in found.outcomes.results] == [7, 0]
    assert not collected(f"{FIRST}, {FIRST}", isa).deviations
    both = collected(BOTH, isa)
    assert (both.moved, both.destroyed) == (2, 0)


#: A mark that nothing refers to: the register allocator may have spilled one, beside another value.
NO_OBJECT = f"""\
function %main(i64) -> i64 {{
    ss0 = explicit_slot 16, align = 8
    fn0 = %collect() system_v
block0(v0: i64):
    v1 = iconst.i64 {MARK}
    v2 = stack_addr.i64 ss0
    store v1, v2
    store v0, v2+8
    call fn0()
    v3 = stack_addr.i64 ss0
    v4 = load.i64 v3+8
    return v4
}}
; run: %main(7) == 7

function %collect() system_v {{
block0:
    return
}}
"""


@pytest.mark.parametrize("isa", ISAS)
def test_what_nothing_refers_to_is_no_object(isa: str) -> None:
    case = read_case(NO_OBJECT).case
    found = run_collected(case, isa, compiled(case, isa), 0)
    assert (found.collections, found.moved, found.destroyed) == (1, 0, 0)
    assert int(found.outcomes.results[0][0, 0]) == 7


#: A function leaves what looks like objects, where the next one has a slot that it does not use.
LEFT_BEHIND = f"""\
function %main(i64) -> i64 {{
    fn0 = %leave() system_v
    fn1 = %keep(i64) -> i64 system_v
block0(v0: i64):
    call fn0()
    v1 = call fn1(v0)
    return v1
}}
; run: %main(7) == 7

function %leave() system_v {{
    ss0 = explicit_slot 64, align = 8
block0:
    v0 = iconst.i64 {MARK}
    v1 = stack_addr.i64 ss0
    v2 = stack_addr.i64 ss0+16
    v3 = stack_addr.i64 ss0+32
    v4 = stack_addr.i64 ss0+48
    store v0, v1
    store v1, v1+8
    store v0, v2
    store v2, v2+8
    store v0, v3
    store v3, v3+8
    store v0, v4
    store v4, v4+8
    return
}}

function %keep(i64) -> i64 system_v {{
    ss0 = explicit_slot 48, align = 8
    ss1 = explicit_slot 8, align = 8
    fn0 = %collect() system_v
block0(v0: i64):
    v1 = stack_addr.i64 ss1
    store v0, v1
    call fn0()
    v2 = load.i64 v1
    return v2
}}

function %collect() system_v {{
block0:
    return
}}
"""


@pytest.mark.parametrize("isa", ISAS)
def test_what_another_function_has_left_is_no_object(isa: str) -> None:
    case = read_case(LEFT_BEHIND).case
    found = run_collected(case, isa, compiled(case, isa), 0)
    assert (found.collections, found.moved, found.destroyed) == (1, 0, 0)
    assert int(found.outcomes.results[0][0, 0]) == 7


@pytest.mark.parametrize("isa", ISAS)
def test_what_is_not_named_is_lost(isa: str) -> None:
    found = collected("i64 @ ss1+8", isa)
    assert (found.moved, found.destroyed) == (1, 1)
    assert int(found.outcomes.results[0][0, 0]) != 7


@pytest.mark.parametrize("isa", ISAS)
def test_a_word_that_holds_no_reference(isa: str) -> None:
    (deviation,) = collected("i64 @ ss1+0, i64 @ ss0+8", isa).deviations
    assert deviation.function == "main"
    assert "no object at 0x7" in deviation.text


#: Looks at both objects behind the call, and not at their addresses.
LOOKS = (
    PROGRAM.replace("i64, i8 {", "i64, i64 {")
    .replace("v8 = icmp eq v6, v3", "v8 = load.i64 v5+8\n    v9 = load.i64 v8+8")
    .replace("return v7, v8", "return v7, v9")
    .replace("[7, 1]", "[7, 8]")
)


def maps_are_right(entries: str) -> bool:
    case = read_case(LOOKS.replace("MAP", entries)).case
    expected = interp.run(case.functions, case.inputs, run_options(case))
    return has_right_maps(case, 0, expected)


def test_the_maps_of_a_case_itself() -> None:
    """By the interpreter alone."""
    assert maps_are_right(BOTH)
    assert maps_are_right(f"{BOTH}, {FIRST}")
    assert not maps_are_right(FIRST)
    assert not maps_are_right("")
    assert not maps_are_right(f"{BOTH}, i64 @ ss0+8")  # holds a content


@pytest.mark.parametrize("isa", ISAS)
def test_a_case_with_wrong_maps_says_nothing_of_its_code(isa: str) -> None:
    for entries, reasons in ((BOTH, 0), (FIRST, 1), (f"{BOTH}, i64 @ ss0+8", 1)):
        case = read_case(LOOKS.replace("MAP", entries)).case
        verdict = Pipeline([isa]).check(with_check(case, ExtraCheck.STACK_MAPS))
        assert not verdict.findings
        assert len(verdict.rejected) == reasons
        assert all("those of the case itself" in reason for reason in verdict.rejected)


def test_the_maps_of_drawn_cases_are_right() -> None:
    generator = Generator(Options(inputs=2, callees=4, trapping_share=0.0, directed_share=0.0))
    for seed in range(20):
        entropy = PrngEntropy((seed, 5))
        case = with_references(generator.generate(entropy, seed), entropy)
        expected = interp.run(case.functions, case.inputs, run_options(case))
        if expected.status[0] == Status.RETURNED:
            assert has_right_maps(case, 0, expected)


@pytest.mark.parametrize("isa", ISAS)
def test_stack_maps_by_hand(isa: str) -> None:
    (code, _) = Target.of(isa).compile(Functions(PROGRAM.replace("MAP", BOTH)))
    ((address, size, entries),) = code.stack_maps
    assert address in code.call_sites
    (first, second) = sorted(entries)
    assert first[0] == second[0] == "i64"
    assert second[1] - first[1] == 8
    assert 0 <= first[1] < size


# --- cases ---


def drawn(seed: int) -> Case:
    options = Options(inputs=2, trapping_share=0.0, isas=ISAS, directed_share=0.0)
    return Generator(options).generate(PrngEntropy(seed))


def test_references_change_no_outcome() -> None:
    for seed in range(10):
        case = with_references(drawn(seed), PrngEntropy(seed))
        verdict = Pipeline(ISAS).check(case)
        assert not verdict.findings
        assert not verdict.rejected
        assert verdict.expected is not None
        assert LOST not in verdict.expected.traps.values()
        assert np.any(verdict.expected.status == Status.RETURNED)


def test_they_are_moved() -> None:
    moved = 0
    for seed in range(6):
        case = with_references(drawn(seed), PrngEntropy(seed)).configured(0)
        moved += run_collected(case, "x86_64", compiled(case, "x86_64"), 0).moved
    assert moved > 6


def test_the_file_of_a_case_asks_for_it() -> None:
    case = with_check(case_of(FIRST), ExtraCheck.STACK_MAPS)
    text = print_case(case, isas=ISAS)
    assert "; check: stack-maps\n" in text
    again = read_case(text).case
    assert again.checks == {ExtraCheck.STACK_MAPS}
    assert print_functions(again.functions) == print_functions(case.functions)


#: A callee with arguments on the stack calls one without any in tail position.
TAIL = f"""\
test run
set preserve_frame_pointers=true
target x86_64
target aarch64

function %main(i64) -> i64 {{
    ss0 = explicit_slot 16, align = 8
    ss1 = explicit_slot 8, align = 8
    fn0 = %many({", ".join(["i64"] * 14)}) -> i64 tail
block0(v0: i64):
    v1 = iconst.i64 {MARK}
    v2 = stack_addr.i64 ss0
    v3 = stack_addr.i64 ss1
    store v1, v2
    store v0, v2+8
    store v2, v3
    v4 = call fn0({", ".join(["v0"] * 14)}), stack_map=[i64 @ ss1+0]
    v5 = load.i64 v3
    v6 = load.i64 v5+8
    return v6
}}
; run: %main(7) == 7

function %many({", ".join(["i64"] * 14)}) -> i64 tail {{
    fn0 = %one(i64) -> i64 tail
block0({", ".join(f"v{n}: i64" for n in range(14))}):
    return_call fn0(v13)
}}

function %one(i64) -> i64 tail {{
    fn0 = %collect() system_v
block0(v0: i64):
    call fn0()
    return v0
}}

function %collect() system_v {{
block0:
    return
}}
"""


@pytest.mark.parametrize("isa", ISAS)
def test_a_call_whose_callee_was_replaced(isa: str) -> None:
    case = read_case(TAIL).case
    found = run_collected(case, isa, compiled(case, isa), 0)
    assert not found.deviations
    assert (found.collections, found.moved, found.destroyed) == (1, 1, 0)
    assert int(found.outcomes.results[0][0, 0]) == 7
