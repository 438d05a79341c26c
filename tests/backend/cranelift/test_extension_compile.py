"""Compiling through the extension: the code that is returned, and the exceptions."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading

import pytest

from backend.cranelift import _cranelift
from backend.cranelift.compiler import (
    Compiled,
    CompilerPanic,
    Functions,
    ReadError,
    SettingsError,
    Target,
    TargetIsa,
    UnsupportedError,
    VerifierError,
    compile_text,
)

X64 = Target.of("x86_64", {"opt_level": "speed"})
ARM = Target.of("aarch64", {"opt_level": "speed"})
BOTH = pytest.mark.parametrize("target", [X64, ARM], ids=str)

ADD = """
function %add(i64, i64) -> i64 system_v {
block0(v0: i64, v1: i64):
    v2 = iadd v0, v1
    return v2
}
"""

CALLS = """
test run
target x86_64
function %main(i64) -> i64 system_v {
    fn0 = colocated %helper(i64) -> i64 system_v
block0(v0: i64):
    v1 = call fn0(v0)
    v2 = sdiv v1, v0
    return v2
}
; run: %main(1) == 1
function %helper(i64) -> i64 system_v {
block0(v0: i64):
    return v0
}
"""

#: x86-64 refuses i128 in signatures by a panic, unless a setting allows it.
PANICS = "function %wide(i128) -> i128 system_v {\nblock0(v0: i128):\n    return v0\n}\n"


@BOTH
def test_code_is_made_and_repeatable(target: Target) -> None:
    (first,) = compile_text(ADD, target)
    (second,) = compile_text(ADD, target)
    assert first.name == "add"
    assert first.code
    assert first.code == second.code
    assert first.clif is None
    assert (first.instructions, first.blocks) == (2, 1)
    assert first.relocations == []
    assert first.traps == []


def test_functions_are_parsed_once_and_compiled_for_both() -> None:
    functions = Functions(CALLS)
    assert functions.names == ["main", "helper"]
    assert len(functions) == 2
    assert functions.read_ns > 0
    for target in (X64, ARM, X64):
        assert [compiled.name for compiled in target.compile(functions)] == ["main", "helper"]


def test_relocations_traps_and_call_sites() -> None:
    x64, _ = compile_text(CALLS, X64)
    arm, _ = compile_text(CALLS, ARM)
    ((offset, kind, name, addend),) = x64.relocations
    assert (kind, name, addend) == ("X86CallPCRel4", "%helper", -4)
    assert x64.code[offset - 1] == 0xE8  # call rel32
    assert x64.call_sites == [offset + 4]
    ((_, kind, name, addend),) = arm.relocations
    assert (kind, name, addend) == ("Arm64Call", "%helper", 0)
    for compiled in (x64, arm):
        assert {code for _, code in compiled.traps} == {"int_divz", "int_ovf"}
        assert all(0 <= offset < len(compiled.code) for offset, _ in compiled.traps)


def test_library_calls_are_told_from_functions() -> None:
    text = "function %f(f64) -> f64 system_v {\nblock0(v0: f64):\n  v1 = ceil v0\n  return v1\n}"
    target = Target.of("x86_64", flags={"has_sse41": "false"})
    (compiled,) = compile_text(text, target)
    assert [(kind, name) for _, kind, name, _ in compiled.relocations] == [
        ("Abs8", "LibCall:CeilF64")
    ]


def test_optimised_clif_on_request() -> None:
    text = """function %f(i32) -> i32 system_v {
block0(v0: i32):
    v1 = iconst.i32 0
    v2 = iadd v0, v1
    return v2
}"""
    (optimised,) = X64.compile(Functions(text), clif=True)
    (plain,) = Target.of("x86_64", {"opt_level": "none"}).compile(Functions(text), clif=True)
    assert optimised.clif is not None
    assert plain.clif is not None
    assert "iadd" in plain.clif
    assert "iadd" not in optimised.clif
    assert optimised.instructions == 1
    assert plain.instructions == 3
    Functions(optimised.clif)


def test_time_is_told_by_phase() -> None:
    (compiled,) = compile_text(ADD, X64)
    times = compiled.nanoseconds
    assert list(times) == ["verify", "optimize", "lower", "regalloc", "emit", "other"]
    assert all(times[phase] > 0 for phase in times)


def test_verifier_can_be_left_out() -> None:
    (compiled,) = compile_text(ADD, Target.of("x86_64", {"enable_verifier": "false"}))
    assert compiled.nanoseconds["verify"] == 0


def test_chaos_is_deterministic_and_changes_something() -> None:
    text = "\n".join(
        ["function %f(i32) -> i32 system_v {", "block0(v0: i32):", "    jump block1(v0)"]
        + [
            f"block{n}(v{10 * n}: i32):\n    v{10 * n + 1} = imul v{10 * n}, v{10 * n}\n"
            f"    brif v{10 * n + 1}, block{n + 1}(v{10 * n + 1}), block9(v{10 * n})"
            for n in range(1, 8)
        ]
        + ["block8(v80: i32):", "    return v80", "block9(v90: i32):"]
        + ["    v91 = isub v90, v0", "    return v91", "}"]
    )
    functions = Functions(text)
    plain = X64.compile(functions)[0].code
    seen = {plain}
    for chaos in (bytes([1]) * 40, bytes(range(200)), b"\xff" * 200):
        code = X64.compile(functions, chaos=chaos)[0].code
        assert code == X64.compile(functions, chaos=chaos)[0].code
        seen.add(code)
    assert len(seen) > 1
    assert X64.compile(functions)[0].code == plain


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", None),
        ("; only a comment", None),
        ("function %f() {", 1),
        ("\n\nnonsense", 3),
        ("function %f() system_v {\nblock0:\n    v0 = frobnicate v1\n    return\n}", 3),
        ("\0\x01\x02", 1),
        ("function %f() system_v {\nblock0:\n    return\n}\nfunction", 5),
    ],
)
def test_text_that_is_not_clif(text: str, line: int | None) -> None:
    if line is None:
        assert Functions(text).names == []
        return
    with pytest.raises(ReadError) as caught:
        Functions(text)
    assert caught.value.line == line
    assert caught.value.message
    assert f"line {line}: " in str(caught.value)


def test_verifier_error_says_where() -> None:
    text = "function %bad(i64) -> i32 system_v {\nblock0(v0: i64):\n    return v0\n}"
    with pytest.raises(VerifierError) as caught:
        compile_text(text, X64)
    assert caught.value.function == "bad"
    assert caught.value.location == "inst0"
    assert "return v0" in caught.value.message


def test_verifier_runs_before_nans_are_made_canonical() -> None:
    text = "function %bad(f64) -> f32 system_v {\nblock0(v0: f64):\n    return v0\n}"
    with pytest.raises(VerifierError):
        compile_text(text, Target.of("x86_64", {"enable_nan_canonicalization": "true"}))


def test_unsupported_is_an_error_of_its_own() -> None:
    text = (
        "function %f(f16) -> f16 system_v {\n"
        "block0(v0: f16):\n    v1 = fadd v0, v0\n    return v1\n}"
    )
    with pytest.raises(UnsupportedError) as caught:
        compile_text(text, X64)
    assert caught.value.function == "f"
    assert "fadd" in caught.value.message


def test_panic_says_where_and_when() -> None:
    with pytest.raises(CompilerPanic) as caught:
        compile_text(PANICS, X64)
    panic = caught.value
    assert panic.function == "wide"
    assert panic.phase == "lower"
    assert "i128" in panic.message
    path, line, column = panic.location.split(":")
    assert path == "cranelift-codegen/src/isa/x64/abi.rs"
    assert int(line) > 0
    assert int(column) > 0


def test_panic_leaves_the_compiler_usable_and_stderr_empty() -> None:
    script = f"""
from backend.cranelift.compiler import *
target = Target.of("x86_64")
for _ in range(3):
    try:
        compile_text({PANICS!r}, target)
    except CompilerPanic:
        pass
    else:
        raise SystemExit("no panic")
print(len(compile_text({ADD!r}, target)[0].code) > 0)
"""
    environment = {**os.environ, "RUST_BACKTRACE": "full"}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert result.stderr == ""
    assert result.stdout == "True\n"


def test_exceptions_survive_pickling() -> None:
    with pytest.raises(CompilerPanic) as caught:
        compile_text(PANICS, X64)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(copy, CompilerPanic)
    assert copy.location == caught.value.location
    assert str(copy) == str(caught.value)


@pytest.mark.parametrize(
    ("isa", "settings", "flags", "words"),
    [
        ("vax", {}, {}, "vax"),
        ("", {}, {}, "triple"),
        ("arm-unknown-linux-gnueabihf", {}, {}, "no backend"),
        ("x86_64", {"opt_lvl": "speed"}, {}, "opt_lvl"),
        ("x86_64", {"opt_level": "fast"}, {}, "none, speed"),
        ("x86_64", {"enable_verifier": "maybe"}, {}, "bool"),
        ("aarch64", {}, {"has_avx": "true"}, "has_avx"),
    ],
)
def test_settings_are_checked(
    isa: str, settings: dict[str, str], flags: dict[str, str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        _ = Target.of(isa, settings, flags).handle


def test_targets_are_made_once() -> None:
    assert Target.of("x86_64").handle is Target.of("x86_64", {}, {}).handle
    assert Target.of("x86_64").handle is not X64.handle


def test_target_facts() -> None:
    assert X64.handle.name == "x64"
    assert ARM.handle.name == "aarch64"
    assert X64.handle.pointer_bits == 64
    assert X64.handle.default_call_conv == "system_v"
    assert str(Target.of("x86_64", {"a": "1"}, {"b": "2"})) == "x86_64 b=2 [a=1]"


def test_presets_can_be_switched_on() -> None:
    TargetIsa("x86_64", {}, {"haswell": "true"})
    with pytest.raises(SettingsError):
        TargetIsa("x86_64", {}, {"haswell": "false"})


def test_threads_compile_at_the_same_time() -> None:
    expected = [compiled.code for compiled in compile_text(CALLS, ARM)]
    wrong: list[object] = []

    def work() -> None:
        for _ in range(50):
            codes = [compiled.code for compiled in compile_text(CALLS, ARM)]
            if codes != expected:
                wrong.append(codes)
            with pytest.raises(CompilerPanic):
                compile_text(PANICS, X64)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_pinned_version() -> None:
    assert _cranelift.version().split(".")[0] == "0"
    assert {"x86_64", "aarch64"} <= set(_cranelift.isas())
    assert isinstance(_cranelift.debug_assertions, bool)


MIXED = f"""
function %wrong(i64) -> i32 {{
block0(v0: i64):
    return v0
}}
function %missing(f16) -> f16 {{
block0(v0: f16):
    v1 = fadd v0, v0
    return v1
}}
function %wide(i128) -> i128 {{
block0(v0: i128):
    return v0
}}
{ADD}
"""


def test_each_function_has_a_fate_of_its_own() -> None:
    functions = Functions(MIXED)
    wrong, missing, wide, add = X64.compile_each(functions)
    assert isinstance(wrong, VerifierError)
    assert isinstance(missing, UnsupportedError)
    assert isinstance(wide, CompilerPanic)
    assert isinstance(add, Compiled)
    assert [wrong.function, missing.function, wide.function] == ["wrong", "missing", "wide"]
    (alone,) = X64.compile(Functions(ADD))
    assert add.code == alone.code


def test_verifying_compiles_nothing() -> None:
    wrong, *others = Functions(MIXED).verify(X64.handle)
    assert isinstance(wrong, VerifierError)
    assert wrong.location == "inst0"
    assert others == [None, None, None]


def test_the_verifier_knows_the_settings() -> None:
    functions = Functions("function %f() { block0: v0 = get_pinned_reg.i64\nreturn }")
    pinned = Target.of("x86_64", {"enable_pinned_reg": "true"})
    assert functions.verify(pinned.handle) == [None]
    assert isinstance(functions.verify(X64.handle)[0], VerifierError)


NO_LANES = """function %f(i8, i64x2) -> i32x4 {
block0(v0: i8, v1: i64x2):
    v2 = uunarrow.i64x2 v0, v1
    return v2
}
function %g() { block0: return }
"""


@pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift")
def test_a_panic_of_the_verifier_is_one_functions_own() -> None:
    panic, fine = Functions(NO_LANES).verify(X64.handle)
    assert isinstance(panic, CompilerPanic)
    assert "split_lanes" in panic.message
    assert fine is None
