"""A case and its file: what is written can be read, by us and by Cranelift's own reader."""

from __future__ import annotations

from contextlib import suppress
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.cranelift.compiler import version
from backend.cranelift.reader import read_file, read_run_command
from clif.outcome import Outcomes, Status, words_from_ints
from clif.types import I32
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case import effective_settings
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.casefile import CaseFileError, print_case, read_case, read_cases
from fuzz.cases.compare import DifferenceKind, Observed, observe
from fuzz.differential.oracle import interpreter

ISAS = ("x86_64", "aarch64")

ADD = """\
test interpret
test run
target x86_64

function %add(i32, i32) -> i32 {
block0(v0: i32, v1: i32):
    v2 = iadd v0, v1
    return v2
}
; run: %add(1, -2) == -1
"""

MEMORY = """\
; region: argument 1, 12 bytes
; contents: 0102
function %put(i32, i64) {
block0(v0: i32, v1: i64):
    store v0, v1+4
    trapz v0, user3
    return
}
; input: %put(7, 0) == [] memory 4:07
; input: %put(0, 0) traps user3 memory unchanged
; input: %put(9, 0)
"""


@cache
def source(trapping: float) -> CaseSource:
    return CaseSource(CaseOptions(inputs=4, instructions=30, trapping_share=trapping), 5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 1.0]))
def test_reading_what_was_printed_changes_nothing(index: int, trapping: float) -> None:
    case = source(trapping).case(index)
    expected = interpreter(case)
    text = print_case(case, expected, isas=ISAS)
    found = read_case(text)
    assert found.isas == found.case.isas == (case.isas or ISAS)
    assert found.case.trapping == case.trapping
    assert found.case.origin == case.origin
    again = interpreter(found.case)
    assert print_case(found.case, again) == text
    region = case.inputs.region
    for index, (mine, theirs) in enumerate(
        zip(case.inputs.args, found.case.inputs.args, strict=True)
    ):
        if region is None or index != region.param:
            np.testing.assert_array_equal(mine, theirs)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_what_is_expected_is_what_the_oracle_says(index: int) -> None:
    case = source(0.5).case(index)
    expected = interpreter(case)
    expectations = read_case(print_case(case, expected)).expectations
    for row, expectation in enumerate(expectations):
        assert expectation is not None
        assert expectation.refuted_by(observe(expected, row), canonical_nans=True) is None


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_cranelift_tools_find_only_inputs_that_they_can_run(index: int) -> None:
    case = source(0.5).case(index)
    expected = interpreter(case)
    file = read_file(print_case(case, expected))
    comments = [comment for _, comments in file.functions for comment in comments]
    commands = [read_run_command(c.text, case.main.signature) for c in comments]
    runnable = [command for command in commands if command is not None]
    assert all(command.comparison == "==" for command in runnable)
    if case.inputs.region is not None:
        assert runnable == []
    else:
        assert len(runnable) <= np.count_nonzero(expected.status == Status.RETURNED)


def test_a_filetest_by_hand() -> None:
    (found,) = read_cases(ADD, origin="add.clif")
    assert found.case.main.name == "add"
    assert found.case.origin == "add.clif"
    assert found.isas == ("x86_64",)
    assert [words.tolist() for words in found.case.inputs.args] == [[[1]], [[0xFFFFFFFE]]]
    (expectation,) = found.expectations
    assert expectation is not None
    assert expectation.observed.results == (0xFFFFFFFF,)


def test_without_an_opt_level_a_file_means_none_as_for_cranelift() -> None:
    assert read_case(ADD).case.settings["opt_level"] == "none"
    assert "set opt_level=none\n" in print_case(read_case(ADD).case)


def test_memory_and_traps() -> None:
    found = read_case(MEMORY)
    region = found.case.inputs.region
    assert region is not None
    assert (region.param, region.contents) == (1, b"\1\2" + bytes(10))
    stored, trapped, unknown = found.expectations
    assert stored is not None
    assert stored.observed.memory == b"\1\2\0\0\7" + bytes(7)
    assert trapped is not None
    assert trapped.observed == Observed(
        Status.TRAPPED, (), trap="user3", memory=b"\1\2" + bytes(10)
    )
    assert unknown is None


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("== 3", None),
        ("== 4", DifferenceKind.RESULT),
        ("!= 3", DifferenceKind.RESULT),
        ("!= 4", None),
    ],
)
def test_comparisons(line: str, kind: DifferenceKind | None) -> None:
    text = ADD.replace("%add(1, -2) == -1", f"%add(1, 2) {line}")
    (expectation,) = read_case(text).expectations
    assert expectation is not None
    actual = Observed(Status.RETURNED, (I32,), (3,))
    assert expectation.refuted_by(actual, canonical_nans=False) is kind


def test_prose_that_begins_like_a_command_is_none() -> None:
    text = ADD + "; run this by hand\n; input of any kind\n"
    assert read_case(text).case.inputs.count == 1


def test_a_bare_run_belongs_to_the_function_above() -> None:
    text = "function %one() -> i8 {\nblock0:\n    v0 = iconst.i8 1\n    return v0\n}\n; run\n"
    (expectation,) = read_case(text).expectations
    assert expectation is not None
    assert expectation.negated


def test_each_function_with_commands_is_a_case_with_its_callees() -> None:
    other = """
function %twice(i32) -> i32 {
    fn0 = %add(i32, i32) -> i32
block0(v0: i32):
    v1 = call fn0(v0, v0)
    return v1
}
; run: %twice(4) == 8
; print: %add(1)
"""
    add, twice = read_cases(ADD + other)
    assert [f.name for f in add.case.functions] == ["add"]
    assert (add.case.inputs.count, twice.case.inputs.count) == (1, 2)
    assert (add.hints, twice.hints) == (
        (),
        ("line 19: the line names %add but runs %twice, the function above it",),
    )
    assert [f.name for f in twice.case.functions] == ["twice", "add"]
    with pytest.raises(CaseFileError, match="%add, %twice"):
        read_case(ADD + other)


TRIPLE = """
function u0:3(i32) -> i32 {
block0(v0: i32):
    v1 = iconst.i32 3
    v2 = imul v0, v1
    return v2
}
"""


@pytest.mark.parametrize("name", ["%u0_3", "u0:3", "%main", "%add"])
def test_a_line_may_name_a_function_of_a_namespace(name: str) -> None:
    case = read_case(f"{TRIPLE}; run: {name}(14) == 42\n").case
    assert (case.main.name, case.inputs.count) == ("u0:3", 1)
    text = print_case(case, interpreter(case))
    assert text.endswith("; run: %u0_3(14) == 42\n")
    assert print_case(read_case(text).case, interpreter(case)) == text


@pytest.mark.parametrize("callee", ["u0:3", "u123:0", "%Memcpy", "%triple"])
def test_names_of_callees_survive(callee: str) -> None:
    text = f"""{TRIPLE.replace("u0:3", callee)}
function %main(i32) -> i32 {{
    fn0 = colocated {callee}(i32) -> i32
block0(v0: i32):
    v1 = call fn0(v0)
    return v1
}}
; run: %main(14) == 42
"""
    case = read_case(text).case
    assert [function.name for function in case.functions[1:]] == [callee.removeprefix("%")]
    printed = print_case(case)
    assert f"colocated {callee} sig0" in printed
    assert print_case(read_case(printed).case) == printed


@pytest.mark.parametrize("header", ["", "test compile\n", "test optimize precise-output\n"])
def test_functions_without_run_commands_are_cases_without_inputs(header: str) -> None:
    other = ADD.replace("%add", "%other").partition("function")[2].partition("; run")[0]
    calls = """
function %calls(i32) -> i32 {
    fn0 = %other(i32, i32) -> i32
block0(v0: i32):
    v1 = call fn0(v0, v0)
    return v1
}
"""
    alone = ADD.partition("function")[2].partition("; run")[0]
    found = read_cases(f"{header}function{alone}\nfunction{other}{calls}")
    names = [[f.name for f in one.case.functions] for one in found]
    assert names == [["add"], ["calls", "other"]]
    for one in found:
        assert (one.case.inputs.count, one.expectations) == (0, [])
        text = print_case(one.case)
        assert text.count("test ") == text.count("test compile") == 1
        assert print_case(read_case(text).case) == text


def test_commands_mean_nothing_to_a_file_that_is_compiled() -> None:
    text = ADD.replace("test interpret\n", "").replace("test run", "test compile")
    assert "test compile" in text
    assert read_case(text).case.inputs.count == 0


@pytest.mark.parametrize(
    ("lines", "isas", "settings"),
    [
        ("target x86_64\nset opt_level=speed\ntarget vax", ("x86_64", "vax"), "none"),
        ("set opt_level=speed\ntarget riscv32", ("riscv32",), "speed"),
        ("target x86_64-pc-windows-msvc has_avx", ("x86_64-pc-windows-msvc",), "none"),
        (
            "target aarch64-apple-darwin\ntarget aarch64",
            ("aarch64-apple-darwin", "aarch64"),
            "none",
        ),
        ("target x86_64-unknown-linux-gnu", ("x86_64",), "none"),
        ("set opt_level=speed\ntarget vax", ("vax",), "speed"),
    ],
)
def test_header_lines_for_other_targets(lines: str, isas: tuple[str, ...], settings: str) -> None:
    function = ADD[ADD.index("function") :]
    found = read_case(f"test run\n{lines}\n{function}")
    assert (found.isas, found.case.settings["opt_level"]) == (isas, settings)


def test_a_byte_order_mark_is_read() -> None:
    assert print_case(read_case("\ufeff" + ADD).case) == print_case(read_case(ADD).case)


def test_header_comments_survive() -> None:
    text = "; chaos: 00ff\n; inlining: 0103\n; trapping\n" + MEMORY
    case = read_case(text).case
    assert (case.chaos, case.inlining, case.trapping) == (b"\0\xff", b"\1\3", True)
    assert print_case(read_case(print_case(case)).case) == print_case(case)


def test_flags_and_settings_survive() -> None:
    text = ADD.replace(
        "target x86_64",
        "set opt_level=speed enable_pinned_reg\ntarget x86_64 sse42 has_lzcnt=false",
    )
    case = read_case(text).case
    assert case.settings == {"opt_level": "speed", "enable_pinned_reg": "true"}
    assert case.isa_settings == {"x86_64": {"sse42": "true", "has_lzcnt": "false"}}
    assert "target x86_64 sse42 has_lzcnt=false\n" in print_case(case)


def test_a_nan_of_open_payload_is_nothing_for_cranelift_tools() -> None:
    text = """\
function %sub(f32, f32) -> f32 {
block0(v0: f32, v1: f32):
    v2 = fsub v0, v1
    return v2
}
; run: %sub(+Inf, +Inf) == +NaN
; run: %sub(0x1.0p1, 0x1.0p0) == 0x1.0p0
"""
    case = read_case(text).case
    nan, number = print_case(case, interpreter(case)).splitlines()[-2:]
    assert nan.startswith("; input: %sub(+Inf, +Inf) == ")
    assert number == "; run: %sub(0x1.000000p1, 0x1.000000p0) == 0x1.000000p0"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("iadd", "frobnicate", "line 7: Unknown opcode"),
        ("%add(1, -2)", "%add(1)", "line 10: expected a comma"),
        ("%add(1, -2)", "%add(1, 2, 3)", "line 10: expected invocation parentheses"),
        ("%add(1, -2)", "add(1, -2)", "line 10: expected a function name"),
        ("== -1", "== 0x1.0p0", "line 10: expected an i32"),
        ("target x86_64", 'target x86_64\nfeature "pulley"', "needs Cargo features of Cranelift"),
        ("test interpret", "; region: 7\ntest interpret", "line 1: region: expected"),
        ("test interpret", "; chaos: xyz\ntest interpret", "line 1: chaos: "),
        (
            "test interpret",
            "; region: argument 0, 4 bytes\ntest interpret",
            "%add has no i64 argument 0",
        ),
        (
            "test interpret",
            "; region: argument 0, 1 bytes\n; contents: 0102\ntest interpret",
            "too few",
        ),
    ],
)
def test_bad_files_are_refused_with_a_line(old: str, new: str, message: str) -> None:
    assert old in ADD
    with pytest.raises(CaseFileError, match=message.replace("(", r"\(")):
        read_cases(ADD.replace(old, new))


def test_memory_beyond_the_region_is_refused() -> None:
    with pytest.raises(CaseFileError, match="line 9: memory: 11:0102 ends behind the region"):
        read_cases(MEMORY.replace("4:07", "11:0102"))


@pytest.mark.parametrize("text", ["", "\n\n", "hello", "function", "; run: %f() == 1\n"])
def test_junk_is_refused(text: str) -> None:
    with pytest.raises(CaseFileError):
        read_cases(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for candidate in (text, ADD + "; " + text, "; " + text + "\n" + ADD):
        with suppress(CaseFileError):  # and nothing else
            assert read_cases(candidate)


def test_expected_results_of_vectors_are_written_in_full() -> None:
    text = """\
function %id(i8x16) -> i8x16 {
block0(v0: i8x16):
    return v0
}
; run: %id([1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16]) == 0x100f0e0d0c0b0a090807060504030201
"""
    case = read_case(text).case
    lanes = int.from_bytes(bytes(range(1, 17)), "little")
    types = case.main.signature.return_types
    expected = Outcomes(types, [words_from_ints(types[0], [lanes])], np.zeros(1, np.uint8))
    line = print_case(case, expected).splitlines()[-1]
    digits = "0x100f0e0d0c0b0a090807060504030201"
    assert line == f"; run: %id({digits}) == {digits}"


def test_a_note_of_several_lines_stays_a_comment() -> None:
    case = read_case(ADD).case
    text = print_case(case, notes=["assertion failed\n  left: Float\n right: Int", ""])
    assert text.startswith("; assertion failed\n;   left: Float\n;  right: Int\n;\n")
    assert read_case(text).case.main.name == "add"


@pytest.mark.skipif(version() != "0.135.8", reason="another Cranelift")
def test_a_panic_over_a_run_command_is_an_error_of_the_file() -> None:
    text = (
        "function %f(i32x2) -> i32x2 {\nblock0(v0: i32x2):\n return v0\n}\n"
        "; run: %f(0x000102030405060708) == [0 0]\n"
    )
    with pytest.raises(CaseFileError, match="Cranelift's reader panicked"):
        read_cases(text)


@pytest.mark.parametrize("command", ["run: %f(1) == 1", "run", "input: %f(1)"])
def test_two_functions_of_one_name_are_an_error_of_the_file(command: str) -> None:
    two = "function %f(i8, i8) -> i8 {\nblock0(v0: i8, v1: i8):\n return v0\n}\n"
    one = "function %f(i8) -> i8 {\nblock0(v0: i8):\n return v0\n}\n"
    none = "function %f() -> i8 {\nblock0:\n v0 = iconst.i8 1\n return v0\n}\n"
    with pytest.raises(CaseFileError, match="there are several functions %f"):
        read_cases(f"{two}\n{none if command == 'run' else one}; {command}\n")
    with pytest.raises(CaseFileError, match="there are several functions %f"):
        read_cases(f"{one}\n{one}; run: %f(1) == 1\n")
    with pytest.raises(CaseFileError):
        read_cases(f"{none}; run: %f() == 1\n{one}; run: %f(1) == 1\n")
    with pytest.raises(CaseFileError):
        read_cases(f"{one}; run: %f(1) == 1\n{none}; run: %f() == 1\n")


CONFIGURED = """\
; origin: by hand
; configuration: opt_level=none regalloc_algorithm=single_pass | x86_64 has_sse3 | chaos 0aff
; configuration: opt_level=speed | inlining 07
set opt_level=speed_and_size
target x86_64 has_avx=false
function %f(i64) -> i64 {
block0(v0: i64):
    return v0
}
; run: %f(1) == 1
"""


def test_a_file_with_configurations_is_a_case_with_each_of_them() -> None:
    first, second, third = (found.case for found in read_cases(CONFIGURED))
    assert [case.settings["opt_level"] for case in (first, second, third)] == [
        "speed_and_size",
        "none",
        "speed",
    ]
    assert second.settings["regalloc_algorithm"] == "single_pass"
    assert [case.isa_settings for case in (first, second, third)] == [
        {"x86_64": {"has_avx": "false"}},
        {"x86_64": {"has_sse3": "true"}},
        {},
    ]
    assert [case.chaos for case in (first, second, third)] == [b"", b"\x0a\xff", b""]
    assert [case.inlining for case in (first, second, third)] == [b"", b"", b"\x07"]
    assert second.origin == "by hand, configuration 2 of 3"
    with pytest.raises(CaseFileError, match="3 configurations"):
        read_case(CONFIGURED)


def test_configurations_of_a_generated_case_survive() -> None:
    case = CaseSource(CaseOptions(inputs=2, configurations=4), 7).case(12)
    found = [read.case for read in read_cases(print_case(case, isas=ISAS))]
    assert len(found) == 4
    for one, other in zip(found, case.configurations(), strict=True):
        assert effective_settings(one) == effective_settings(other)
        assert (one.chaos, one.inlining) == (other.chaos, other.inlining)
        for isa, flags in other.isa_settings.items():
            assert one.isa_settings[isa] == flags


@pytest.mark.parametrize("text", ["none", "opt_level=none | chaos 0g", "opt_level=none | | x86_64"])
def test_a_bad_configuration_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(CaseFileError, match="line 2: configuration: "):
        read_cases(CONFIGURED.replace("opt_level=none regalloc_algorithm=single_pass", text, 1))


def test_a_recursive_function_does_not_take_a_namesake_along() -> None:
    text = """
function u0:0(i8) system_v {
    sig0 = (i8 uext) system_v
    fn0 = u0:0 sig0
block0(v0: i8):
    call fn0(v0)
    return
}
"""
    for found in read_cases(text + text.replace("uext", "sext")):
        assert len(found.case.functions) == 1
        printed = print_case(found.case)
        assert print_case(read_cases(printed)[0].case) == printed
