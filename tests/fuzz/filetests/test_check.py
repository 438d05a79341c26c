"""`check`: which run commands are carried out where, what passes, and what is wrong with a file."""

from __future__ import annotations

import pytest

from backend.cranelift import _cranelift
from fuzz.filetests import emulated
from fuzz.filetests.check import check_text
from fuzz.filetests.report import FileReport, lines
from fuzz.filetests.results import CommandResult, CommandStatus
from tests.backend.engines.installed import needs_qemu

ALL = ("interp", "x86_64", "aarch64")
BOTH_ISAS = "test interpret\ntest run\ntarget x86_64\ntarget aarch64\n"
PASSED, FAILED, SKIPPED = CommandStatus.PASSED, CommandStatus.FAILED, CommandStatus.SKIPPED

ADD = """
function %add(i32, i32) -> i32 {
block0(v0: i32, v1: i32):
    v2 = iadd v0, v1
    return v2
}
"""


def check(text: str) -> FileReport:
    return check_text("t.clif", text, ALL)


def only(text: str) -> dict[str, CommandResult]:
    """The results of the only command, by executor."""
    report = check(text)
    assert report.problems == []
    ((_, results),) = report.results
    return results


def statuses(text: str) -> list[CommandStatus]:
    """The results of interp, x86_64, aarch64 of the only command."""
    return [result.status for result in only(text).values()]


def unary(text: str, type_: str = "i32", to: str = "", *, more: str = "", name: str = "%f") -> str:
    """A function whose body computes v9 of v0."""
    return f"""
function {name}({type_}) -> {to or type_} {{
    {more}
block0(v0: {type_}):
    {text}
    return v9
}}
"""


# --- what is compared ---


@pytest.mark.parametrize(
    ("command", "result"),
    [
        ("run: %add(1, 2) == 3", PASSED),
        ("run: %add(-1, 0x7fffffff) == 2147483646", PASSED),
        ("run: %add(1, 2) == 4", FAILED),
        ("run: %add(1, 2) != 4", PASSED),
        ("run: %add(1, 2) != 3", FAILED),
        ("print: %add(1, 2)", PASSED),
    ],
)
def test_results(command: str, result: CommandStatus) -> None:
    assert statuses(f"{BOTH_ISAS}{ADD}; {command}\n") == [result] * 3


def test_a_failure_says_what_was_expected_and_what_came() -> None:
    report = check(f"{BOTH_ISAS}{ADD}; run: %add(1, 2) == 4\n")
    ((command, results),) = report.results
    assert (command.line, command.expected) == (11, "== 4")
    assert results["aarch64"] == CommandResult(FAILED, "wrong result", "3", "aarch64")


@pytest.mark.parametrize(("value", "result"), [(256, PASSED), (0, FAILED)])
def test_a_bare_run_wants_what_is_not_zero(value: int, result: CommandStatus) -> None:
    text = f"function %f() -> i16 {{\nblock0:\nv0 = iconst.i16 {value}\nreturn v0\n}}\n; run\n"
    assert statuses(BOTH_ISAS + text) == [result] * 3


def test_several_results_and_lane_lists() -> None:
    text = """
function %two(i32x4, i128) -> i128, i32x4 {
block0(v0: i32x4, v1: i128):
    return v1, v0
}
; run: %two([1 2 3 -1], -5) == [-5, 0xffffffff000000030000000200000001]
"""
    settings = "test interpret\ntest run\nset enable_llvm_abi_extensions\ntarget x86_64\n"
    assert statuses(f"{settings}target aarch64\n{text}") == [PASSED] * 3


def test_a_command_runs_the_function_above_it_whatever_it_names() -> None:
    below = unary("v9 = ineg v0", name="%g")
    text = f"{BOTH_ISAS}{unary('v9 = iadd v0, v0')}; run: %f(3) == 6\n{below}; run: %f(3) == -3\n"
    report = check(text)
    assert (report.count(PASSED), report.failed) == (6, 0)
    assert [hint.line for hint in report.hints] == [text.count("\n")]
    assert "names %f but runs %g" in report.hints[0].reason
    assert any("names %f but runs %g" in line for line in lines(report))


@pytest.mark.parametrize("name", ["%nobody", "%main", "u0:3"])
def test_a_name_that_no_function_has_is_no_mistake(name: str) -> None:
    report = check(f"{BOTH_ISAS}{unary('v9 = ineg v0', name='u0:3')}; run: {name}(3) == -3\n")
    assert (report.count(PASSED), report.failed, report.hints) == (3, 0, [])


def test_commands_of_one_function_do_not_mix() -> None:
    text = unary("v1 = iconst.i32 12\nv9 = udiv v1, v0")
    commands = "; run: %f(3) == 4\n; run: %f(0) == 4\n; run: %f(4) == 3\n"
    report = check(BOTH_ISAS + text + commands)
    for _, results in (report.results[0], report.results[2]):
        assert all(result.status is PASSED for result in results.values())
    trapped = report.results[1][1]
    assert {result.reason for result in trapped.values()} == {"trapped: int_divz"}


@pytest.mark.parametrize(
    ("body", "settings", "expected", "result"),
    [
        ("v9 = fadd v0, v0", "", "== +NaN:0x7", PASSED),  # CLIF leaves the payload open
        ("v9 = fadd v0, v0", "", "== 0x1.0", FAILED),
        ("v9 = fadd v0, v0", "", "!= +NaN:0x7", PASSED),
        ("v9 = fneg v0", "", "== -NaN:0x5", PASSED),
        ("v9 = fneg v0", "", "== -NaN:0x7", FAILED),  # but not that of a value passed on
        ("v9 = fadd v0, v0", "set enable_nan_canonicalization\n", "== +NaN", PASSED),
        ("v9 = fadd v0, v0", "set enable_nan_canonicalization\n", "== +NaN:0x7", FAILED),
    ],
)
def test_nans(body: str, settings: str, expected: str, result: CommandStatus) -> None:
    header = f"test interpret\ntest run\n{settings}target x86_64\ntarget aarch64\n"
    text = unary(body, "f32") + f"; run: %f(+NaN:0x5) {expected}\n"
    assert statuses(header + text) == [result] * 3


# --- who carries out what ---


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", [PASSED, PASSED, PASSED]),
        ("test interpret\n", [PASSED, SKIPPED, SKIPPED]),
        ("test run\ntarget x86_64\n", [PASSED, PASSED, SKIPPED]),
        ("test run\ntarget riscv64 has_v\n", [PASSED, SKIPPED, SKIPPED]),
        ("test run\ntarget s390x has_mie3\n", [PASSED, SKIPPED, SKIPPED]),
        ("test interpret\ntest run\ntarget s390x\n", [PASSED, SKIPPED, SKIPPED]),
        ("test run\ntarget x86_64 has_avx\n", [PASSED, SKIPPED, SKIPPED]),
        ("test run\ntarget aarch64-apple-darwin\n", [PASSED, SKIPPED, SKIPPED]),
        ("test optimize\ntest run\ntarget x86_64\n", [PASSED, PASSED, SKIPPED]),
        ('test run\ntarget x86_64\nfeature "pulley"\n', [SKIPPED, SKIPPED, SKIPPED]),
        ('test run\ntarget x86_64\nfeature ! "pulley"\n', [PASSED, PASSED, SKIPPED]),
    ],
)
def test_headers(header: str, expected: list[CommandStatus]) -> None:
    results = only(f"{header}{ADD}; run: %add(1, 2) == 3\n")
    assert [result.status for result in results.values()] == expected
    assert all(result.reason for result in results.values() if result.status is SKIPPED)


def test_a_set_line_for_isas_that_are_not_built_is_no_mistake() -> None:
    header = "test run\ntarget x86_64\nset opt_level=speed\ntarget riscv64 has_v\n"
    assert statuses(f"{header}{ADD}; run: %add(1, 2) == 3\n") == [PASSED, PASSED, SKIPPED]


def test_every_target_line_counts_with_the_settings_before_it() -> None:
    # Only with the pinned register switched on does the verifier accept the function.
    text = unary("set_pinned_reg v0\nv9 = get_pinned_reg.i64", "i64") + "; run: %f(5) == 5\n"
    on = "test run\nset enable_pinned_reg=true\ntarget x86_64\n"
    assert statuses(on + text)[1] is PASSED
    mixed = only(f"{on}set enable_pinned_reg=false\ntarget x86_64\n{text}")["x86_64"]
    assert mixed.status is FAILED
    assert "verifier" in mixed.reason


def test_a_target_line_that_is_left_out_is_shown() -> None:
    report = check(f"test run\ntarget x86_64\ntarget x86_64 has_avx\n{ADD}; run: %add(1, 2) == 3\n")
    assert [target for target, _ in report.left_out] == ["x86_64 has_avx"]
    assert any("x86_64 has_avx: 1 not run" in line for line in lines(report))


# --- what cannot be carried out ---


FADD_OF_F16 = unary("v9 = fadd v0, v0", "f16") + "; run: %f(0x1.0) == 0x2.0\n"
CALLS_WHAT_IS_NOT_THERE = unary("v9 = call fn0(v0)", more="fn0 = %other(i32) -> i32")
WINDOWS_STRUCTURE = """function %take(i64 sarg(16)) -> i64 windows_fastcall {
block0(v0: i64):
    v1 = load.i64 v0
    return v1
}
function %f(i64) -> i64 {
    ss0 = explicit_slot 16
    fn0 = %take(i64 sarg(16)) -> i64 windows_fastcall
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    store v0, v1
    v2 = call fn0(v1)
    return v2
}
; run: %f(1) == 1
"""
STRUCT_ARGUMENT = "function %f(i64 sarg(64)) {\nblock0(v0: i64):\nreturn\n}\n; run: %f(1) == []\n"
CONVENTION = unary("v9 = iadd v0, v0").replace("i32 {", "i32 apple_aarch64 {")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FADD_OF_F16, "not supported"),
        (
            f"{CALLS_WHAT_IS_NOT_THERE}; run: %f(1) == 1\n",
            "needs %other, which the file does not define",
        ),
        (f"{CALLS_WHAT_IS_NOT_THERE}; heap: static, size=16\n; run: %f(1) == 2\n", "a heap"),
        (STRUCT_ARGUMENT, "takes memory from outside (sarg)"),
        (WINDOWS_STRUCTURE, "windows_fastcall takes a structure by value"),
        (f"{CONVENTION}; run: %f(1) == 2\n", "calling convention"),
    ],
)
def test_what_an_isa_cannot_do_is_skipped(text: str, expected: str) -> None:
    result = only(f"test run\ntarget x86_64\n{text}")["x86_64"]
    assert result.status is SKIPPED
    assert expected in result.reason


def test_what_has_no_meaning_is_skipped_by_the_interpreter_alone() -> None:
    text = """
function %dynamic(i8) -> i8x16 {
    gv0 = dyn_scale_target_const.i8x16
    dt0 = i8x16*gv0
block0(v0: i8):
    v1 = splat.dt0 v0
    v2 = extract_vector v1, 0
    return v2
}
; run: %dynamic(1) == 0x01010101010101010101010101010101
"""
    assert statuses(f"test run\ntarget aarch64\n{text}") == [SKIPPED, SKIPPED, PASSED]


def test_limits_of_the_interpreter_refute_nothing() -> None:
    text = unary(
        """brif v0, block1, block2
block1:
    v1 = iconst.i32 1
    v2 = isub v0, v1
    v3 = call fn0(v2)
    v4 = iadd v3, v1
    return v4
block2:
    v9 = iconst.i32 0""",
        more="fn0 = colocated %f(i32) -> i32",
    )
    results = only(f"{BOTH_ISAS}{text}; run: %f(5000) == 5000\n")
    assert [result.status for result in results.values()] == [SKIPPED, PASSED, PASSED]
    assert "gave up" in results["interp"].reason


@pytest.mark.parametrize(
    "another",
    [
        pytest.param("qemu-user", marks=needs_qemu),
        pytest.param("", id="no other engine"),
    ],
)
def test_a_known_fault_of_the_emulator_is_no_failure(
    another: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code is run on another engine, which gets it right; without one, it is skipped."""
    monkeypatch.setattr(emulated, "another_engine", lambda *_: another)
    text = unary(
        "v1 = stack_addr.i64 ss0\nstore v0, v1\nv2 = iconst.i32 -1\n"
        "v3 = atomic_rmw.i32 smin v1, v2\nv9 = load.i32 v1",
        more="ss0 = explicit_slot 4, align = 4",
    )
    header = "test run\ntarget aarch64 has_lse\n"
    result = only(f"{header}{text}; run: %f(1) == -1\n")["aarch64"]
    if another:
        assert result.status is CommandStatus.PASSED
        return
    assert (result.status, result.reason.partition(":")[0]) == (
        SKIPPED,
        "known fault of the emulator",
    )


def test_data_that_the_file_does_not_define_is_no_failure() -> None:
    more = "gv0 = symbol colocated %data"
    text = unary("v1 = symbol_value.i64 gv0\nv9 = load.i64 v1", "i64", more=more)
    results = only(f"{BOTH_ISAS}{text}; run: %f(1) == 77\n")
    assert {result.status for result in results.values()} == {SKIPPED}
    assert {result.reason for result in results.values()} == {
        "needs %data, which the file does not define"
    }
    same = unary("v1 = symbol_value.i64 gv0\nv9 = isub v1, v1", "i64", more=more)
    assert statuses(f"{BOTH_ISAS}{same}; run: %f(1) == 0\n") == [PASSED] * 3


def test_other_pointer_widths_are_not_looked_at() -> None:
    text = unary("v9 = load.i32 v0")
    assert statuses(f"test run\ntarget i686\n{text}; run: %f(1) == 0\n") == [SKIPPED] * 3


# --- functions without run commands ---

#: x86-64 panics on this conversion, and aarch64 lowers it.
PANIC = """
function %panic(f32) -> i64 {
block0(v0: f32):
    v1 = fcvt_to_uint.i128 v0
    v2, v3 = isplit v1
    return v2
}
"""


@pytest.mark.parametrize(
    ("header", "function", "x86_64", "reason"),
    [
        ("test compile\ntarget x86_64\n", ADD, PASSED, ""),
        ("test optimize\nset opt_level=speed\ntarget x86_64\n", ADD, PASSED, ""),
        ("test run\ntarget x86_64\n", ADD, PASSED, ""),
        ("", ADD, PASSED, ""),
        ("test compile\ntarget x86_64\n", PANIC, FAILED, "the compiler panicked at"),
        ("test alias-analysis\ntarget x86_64\n", PANIC, SKIPPED, "%panic"),
        ("test compile\ntarget riscv64\n", PANIC, SKIPPED, "only for riscv64"),
        ("test compile\ntarget x86_64-pc-windows-msvc\n", ADD, SKIPPED, "a platform whose"),
        ("test verifier\ntarget x86_64\n", PANIC, PASSED, ""),
    ],
)
def test_functions_without_run_commands_are_compiled(
    header: str, function: str, x86_64: CommandStatus, reason: str
) -> None:
    result = only(header + function)["x86_64"]
    assert result.status is x86_64
    assert reason in result.reason


@pytest.mark.parametrize(
    ("body", "expects", "status"),
    [
        ("v9 = iadd v0, v0", "", PASSED),
        ("v9 = iadd v0, v0", "; error: terminator", FAILED),
        ("v9 = iadd v0, v0\n    v8 = iadd v9, v9", "", PASSED),
        ("v9 = iadd.i64 v0, v0", "", FAILED),
        ("v9 = iadd.i64 v0, v0", "; error: has type i32, expected i64", PASSED),
        ("v9 = iadd.i64 v0, v0", "; error: no terminator", FAILED),
    ],
)
def test_the_verifier_is_asked_what_the_file_expects(
    body: str, expects: str, status: CommandStatus
) -> None:
    function = unary(f"{body} {expects}", to="i64" if "i64" in body else "i32")
    assert only(f"test verifier\ntarget x86_64\n{function}")["x86_64"].status is status


def test_a_callee_is_compiled_once_and_an_undefined_one_hides_no_panic() -> None:
    call = unary("v9 = call fn0(v0)", name="%g", more="fn0 = %f(i32) -> i32")
    report = check(f"{BOTH_ISAS}{unary('v9 = ineg v0')}{call}; run: %g(3) == -3\n")
    assert [command.text for command, _ in report.results] == ["run: %g(3) == -3"]
    panic = unary(
        "v1 = fcvt_to_uint.i128 v0\nv2 = call fn0(v0)\nv9, v8 = isplit v1",
        "f32",
        "i64",
        more="fn0 = %nobody(f32) -> f32",
    )
    results = only(f"{BOTH_ISAS}{panic}; run: %f(0x1.0) == 1\n")
    assert results["x86_64"].status is FAILED
    assert results["interp"].status is SKIPPED
    assert "%nobody" in results["interp"].reason


@pytest.mark.parametrize("header", ["", "test interpret\n", "test interpret\ntest run\n"])
@pytest.mark.parametrize("target", ["armv7", "i686"])
def test_files_for_32_bits_alone_are_skipped(header: str, target: str) -> None:
    slot = unary("v1 = stack_addr.i32 ss0\nv9 = load.i32 v1", more="ss0 = explicit_slot 4")
    results = only(f"{header}target {target}\n{slot}; run: %f(3) == 0\n")
    assert {result.reason for result in results.values()} >= {
        f"only for {target}, whose addresses have 32 bits"
    }
    assert all(result.status is SKIPPED for result in results.values())


@pytest.mark.parametrize("text", [f"{BOTH_ISAS}{ADD}", ADD, f"; a comment\n{BOTH_ISAS}{ADD}"])
def test_a_byte_order_mark_is_read(text: str) -> None:
    assert statuses(f"\ufeff{text}; run: %add(1, 2) == 3\n") == [PASSED] * 3


def test_input_lines_of_cases_are_skipped() -> None:
    report = check(f"{BOTH_ISAS}{ADD}; input: %add(0, 2) traps user1\n")
    assert (report.commands, report.count(SKIPPED), report.failed) == (1, 3, 0)


# --- what is wrong with a file ---


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("run: %add(1) == 3", "comma"),
        ("run: %add(1, 2, 3) == 3", "parentheses"),
        ("run: %add(1, 1.5) == 3", "expected an i32"),
        ("run: %add(1, 5000000000) == 3", "expected decimal immediate"),
        ("run: %add(1, 2) == 3, 4", "expected one result"),
        ("run: %add(1, 2) == [3]", "i32"),
        ("run: %add(1, 2)", "comparison"),
        ("run: add(1, 2) == 3", "function name"),
        ("run", "unable to parse"),
    ],
)
def test_a_wrong_command_fails_with_its_line_and_the_rest_runs(command: str, reason: str) -> None:
    report = check(f"{BOTH_ISAS}{ADD}; {command}\n; run: %add(1, 2) == 3\n")
    (problem,) = report.problems
    assert (problem.line, problem.text) == (11, command)
    assert reason in problem.reason
    assert (report.count(PASSED), report.failed) == (3, 1)


def test_a_function_whose_commands_cannot_be_read_is_not_taken_for_one_without() -> None:
    report = check(f"{BOTH_ISAS}{ADD}; run: %add(1) == 3\n")
    assert (len(report.problems), report.results) == (1, [])


def test_elsewhere_comments_may_look_like_commands() -> None:
    text = f"test compile precise-output\ntarget x86_64\n{ADD}; run\n; run: it backwards\n"
    report = check(text)
    assert (report.problems, report.commands) == ([], 0)
    assert (report.count(PASSED), report.failed) == (1, 0)


def test_a_syntax_error_is_one_failure_with_its_line() -> None:
    report = check(f"{BOTH_ISAS}{ADD.replace('iadd', 'iaddd')}; run: %add(1, 2) == 3\n")
    (problem,) = report.problems
    assert problem.line == 8
    assert "iaddd" in problem.reason
    assert (report.failed, report.count(PASSED)) == (1, 0)


def test_what_the_verifier_refuses_fails_and_the_rest_runs() -> None:
    bad = "function %bad(i32) -> i64 {\nblock0(v0: i32):\nreturn v0\n}\n; run: %bad(1) == 1\n"
    report = check(f"{BOTH_ISAS}{bad}{ADD}; run: %add(1, 2) == 3\n")
    assert (report.count(PASSED), report.count(FAILED)) == (3, 3)
    assert "the verifier refuses %bad" in report.results[0][1]["interp"].reason


@pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift")
def test_a_panic_fails_with_its_place_and_the_rest_runs() -> None:
    bad = unary("v9 = fadd v0, v0", "f16") + "; run: %f(0x1.0) == 0x2.0\n"
    report = check(f"test run\ntarget aarch64\n{bad}{ADD}; run: %add(1, 2) == 3\n")
    assert report.results[0][1]["interp"].status is PASSED
    panicked = report.results[0][1]["aarch64"]
    assert panicked.status is FAILED
    assert "panicked at " in panicked.reason
    assert "in %f" in panicked.reason
    assert report.results[1][1]["aarch64"].status is PASSED


LACKING = """
function %least(i128, i128) -> i128 {
block0(v0: i128, v1: i128):
    v2 = smin v0, v1
    return v2
}
"""


@pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift")
@pytest.mark.parametrize(
    ("tests", "status"),
    [
        ("test optimize\n", SKIPPED),
        ("test inline precise-output\n", SKIPPED),
        ("test optimize\ntest compile\n", FAILED),
        ("", FAILED),
    ],
)
def test_what_fails_after_optimising_is_no_failure_of_files_that_only_optimise(
    tests: str, status: CommandStatus
) -> None:
    ((_, row),) = check(f"{tests}target aarch64\n{LACKING}").results
    assert row["aarch64"].status is status
    assert "the compiler panicked at" in row["aarch64"].reason
