"""Fuzz targets: units, what each target sees, and that it says nothing of what is right."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from backend.cranelift.compiler import Compiled, Functions, TargetIsa
from backend.cranelift.reader import read_file
from backend.isa.aarch64 import control_flow
from backend.isa.parts import LandingPadSite
from clif.testfile import TestFile
from fuzz.cases.case import Case, ExtraCheck
from fuzz.cases.casefile import read_case
from fuzz.entropy import BytesEntropy, PrngEntropy
from fuzz.fuzz_targets import limits, optimize, reader
from fuzz.fuzz_targets.incremental_cache import Names, print_for_cache
from fuzz.fuzz_targets.options import FaultError, TargetOptions
from fuzz.fuzz_targets.registry import TARGETS, load
from fuzz.fuzz_targets.rule_chains import Step, compose, read_step
from fuzz.fuzz_targets.target import CaseTarget, FuzzTarget
from fuzz.fuzz_targets.units import LARGEST
from fuzz.known.status import has_fault
from fuzz.survey import compile_cost
from fuzz.survey.compile_cost import ChildDeath, CompileCost
from tests.fuzz.called_functions import callees_and_called
from tests.paths import CORPUS

ISAS = ("x86_64", "aarch64")
CASE_TARGETS = [name for name in TARGETS if name not in ("reader", "limits")]

#: A fault of `selfcheck` of each target's own kind, that it must see.
FAULTS = {
    "differential": "load-offset",
    "rules": "neighbour-operation",
    "optimize": "constant-off-by-one",
    "settings": "swapped-operands",
    "simd": "neighbour-operation",
    "abi": "callee-saved-clobbered",
    "inline": "inlined-operand-of-caller",
    "unwind": "unwind-register-place",
    "objects": "object-symbol",
    "jit": "jit-addend",
    "exceptions": "exception-payload-swapped",
    "labels": "label-value",
    "stack_maps": "map-offset",
    "frontend": "map-entry-omitted",
    "order": "atomic-plain",
    "prove": "swapped-operands",
    "regalloc": "callee-saved-float-clobbered",
    "cfi": "frame-pointer-clobbered",
}


def target_named(name: str, options: TargetOptions | None = None) -> FuzzTarget:
    return load(name, ISAS, options)


def units_of(target: FuzzTarget, count: int) -> list[bytes]:
    """New cases, and mutants of them."""
    units, unit = [], b""
    for seed in range(count):
        made = target.mutate(unit, 65536, seed)
        assert made is not None
        units.append(made)
        unit = made
    return units


@pytest.mark.parametrize("name", CASE_TARGETS)
def test_what_is_right_is_no_failure(name: str) -> None:
    target = target_named(name)
    for unit in units_of(target, 12):
        assert target.test(unit) is None
    statistics = target.statistics
    assert statistics.units == statistics.cases == 12
    assert statistics.executions > 0
    assert not statistics.rejected
    assert not statistics.hangs


@pytest.mark.parametrize("name", FAULTS)
def test_an_injected_fault_is_seen(name: str) -> None:
    target = target_named(name, TargetOptions(fault=FAULTS[name]))
    failures = filter(None, map(target.test, units_of(target, 60)))
    failure = next(failures, None)
    assert failure is not None
    # The finding's file is a case that shows where it failed, and no case by itself.
    assert read_case(failure.text).case.inputs.count
    clean = target_named(name)
    assert clean.test(failure.text.encode()) is None


def test_unknown_faults_are_refused() -> None:
    with pytest.raises(FaultError, match="no fault named 'gremlin'"):
        target_named("abi", TargetOptions(fault="gremlin"))
    with pytest.raises(FaultError, match="compiles no case"):
        target_named("limits", TargetOptions(fault="load-offset"))


# --- units ---


def case_target() -> CaseTarget:
    target = target_named("differential")
    assert isinstance(target, CaseTarget)
    return target


def test_arbitrary_bytes_are_cases() -> None:
    target = case_target()
    for unit in (b"", b"\n", bytes(range(256)), b"\xff" * 5000, b"no CLIF at all"):
        assert isinstance(target.units.case(unit), Case)
        assert target.test(unit) is None
    assert not target.statistics.rejected


def test_what_bytes_stand_for_is_a_function_of_them() -> None:
    one, other = case_target(), case_target()
    for unit in (b"abc" * 50, PrngEntropy(3).bits(8000).to_bytes(1000, "little")):
        first, second = one.units.case(unit), other.units.case(unit)
        assert isinstance(first, Case)
        assert isinstance(second, Case)
        assert one.units.unit(first) == other.units.unit(second)


def test_broken_files_are_counted_and_skipped() -> None:
    target = case_target()
    text = (CORPUS / "cranelift" / "fpromote-f16-f64.clif").read_bytes()
    broken = [text[: -len(text) // 4], text.replace(b"fpromote", b"fprom"), b"function \xff\xfe"]
    broken += [b"function %f() {}\n" * (LARGEST // 10)]
    for unit in broken:
        assert target.test(unit) is None
    assert target.statistics.units == len(broken)
    assert target.statistics.cases == 0
    assert sum(target.statistics.rejected.values()) == len(broken)


def test_mutants_are_functions_of_unit_and_seed() -> None:
    one, other = case_target(), case_target()
    assert units_of(one, 6) == units_of(other, 6)


@pytest.mark.parametrize(
    ("name", "check"),
    [("labels", ExtraCheck.LABELS), ("order", ExtraCheck.ORDER), ("unwind", ExtraCheck.UNWIND)],
)
def test_units_ask_for_what_their_target_checks(name: str, check: ExtraCheck) -> None:
    target = load(name, ("x86_64",))
    drawn = target.mutate(b"", 1 << 16, 1)
    assert drawn is not None
    assert read_case(drawn.decode()).case.checks == {check}
    mutant = target.mutate(drawn, 1 << 16, 3)
    assert mutant not in (None, drawn)
    assert read_case((mutant or b"").decode()).case.checks == {check}


@pytest.mark.parametrize("name", ["abi", "inline", "unwind", "labels", "exceptions"])
def test_targets_of_calls_call_their_callees(name: str) -> None:
    target = load(name, ("x86_64", "aarch64"))
    assert isinstance(target, CaseTarget)
    generator = target.units.generator
    cases = (generator.generate(PrngEntropy((seed, 2)), seed) for seed in range(40))
    callees, named = map(sum, zip(*map(callees_and_called, cases), strict=True))
    assert named > callees / 3


def test_units_keep_below_the_size() -> None:
    target = case_target()
    unit = max(units_of(target, 6), key=len)
    for size in (10, 300, 1000, len(unit) - 1, len(unit)):
        made = target.mutate(unit, size, 5)
        assert made is not None
        assert len(made) <= size


def test_smaller_units_are_cases_still() -> None:
    target = case_target()
    unit = max(units_of(target, 10), key=len)
    begin = len(unit)
    for seed in range(40):
        smaller = target.mutate(unit, len(unit) - 1, seed)
        assert smaller is not None
        assert len(smaller) < len(unit)
        if isinstance(target.units.case(smaller), Case) and b"function" in smaller:
            unit = smaller
    assert len(unit) < 0.8 * begin
    assert target.test(unit) is None


def test_a_crossover_has_something_of_both() -> None:
    target = case_target()
    target.units.fresh = 0.0
    one, other = units_of(target, 2)
    children = [target.crossover(one, other, 65536, seed) for seed in range(8)]
    assert all(child is not None and target.test(child) is None for child in children)
    assert any(child != one for child in children)


# --- control-flow integrity ---

TAIL, TABLE = (
    (CORPUS / "cranelift" / f"{name}.clif").read_text()
    for name in ("tail-bti", "br-table-default-bti")
)


def code_of(text: str) -> bytes:
    from fuzz.cases.target import target_of

    case = read_case(text).case
    (compiled,) = target_of(case, "aarch64").compile(Functions(text))
    return compiled.code


@pytest.mark.skipif(not has_fault("tail-bti"), reason="mended")
@pytest.mark.parametrize(
    ("text", "expected"),
    [(TAIL, (LandingPadSite.FUNCTION, "paciaz")), (TABLE, (LandingPadSite.DEFAULT, "mov"))],
    ids=["tail-bti", "br-table-default-bti"],
)
def test_landing_pads_that_cranelift_leaves_out(
    text: str, expected: tuple[LandingPadSite, str]
) -> None:
    ((site, what),) = control_flow.missing(code_of(text))
    assert site is expected[0]
    assert expected[1] in (what, "mov")
    target = target_named("cfi")
    assert target.test(text.encode()) is None
    assert target.statistics.known_faults == {f"miscompile aarch64 no landing pad: {site}": 1}


def test_a_missing_landing_pad_is_seen() -> None:
    code = code_of(TABLE)
    pads = [at for at in range(0, len(code), 4) if code[at : at + 4] == bytes.fromhex("9f2403d5")]
    assert len(pads) == 2
    nop = bytes.fromhex("1f2003d5")
    for at in pads:
        spoilt = code[:at] + nop + code[at + 4 :]
        assert LandingPadSite.TARGET in [site for site, _ in control_flow.missing(spoilt)]
    spoilt = nop + code[4:]
    assert LandingPadSite.FUNCTION in [site for site, _ in control_flow.missing(spoilt)]


def test_a_function_without_its_pad_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    without = replace(control_flow.CONTROL_FLOW, missing=lambda _: [(LandingPadSite.TARGET, "nop")])
    monkeypatch.setattr(control_flow, "CONTROL_FLOW", without)
    failure = target_named("cfi").test(TABLE.encode())
    assert failure is not None
    assert failure.finding.bucket == "miscompile aarch64 no landing pad: a target of a jump table"


# --- the incremental cache ---


class _Fake:
    """A cache as Cranelift would have it with a fault."""

    def __init__(self, *, hits: bool) -> None:
        self.hits = hits
        self.stale: list[Compiled] = []

    def compile(self, functions: Functions, isa: TargetIsa) -> list[tuple[Compiled, bool]]:
        compiled = functions.compile(isa)
        if not self.stale or not self.hits:
            self.stale = compiled
            return [(code, False) for code in compiled]
        return [(code, True) for code in self.stale[: len(compiled)]]


@pytest.mark.parametrize(
    ("hits", "complaint"),
    [(False, "a function once more is not found"), (True, "is taken for the old one")],
    ids=["never-hits", "key-too-short"],
)
def test_faults_of_the_cache(hits: bool, complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = target_named("incremental_cache")
    monkeypatch.setattr(target, "make_cache", lambda: _Fake(hits=hits))
    failure = next(filter(None, map(target.test, units_of(target, 20))), None)
    assert failure is not None
    assert complaint in " ".join(failure.finding.explanation)


def test_the_cache_hits_where_only_names_and_places_differ() -> None:
    target = target_named("incremental_cache")
    for unit in units_of(target, 10):
        assert target.test(unit) is None
    facts = target.statistics.facts
    assert facts["lookups"] == facts["hits"] > 50
    assert facts["changed"] > 10
    assert facts["changed hits"] == 0


TWINS = """
set opt_level=speed
function %a() -> i64 {
block0:
    v0 = iconst.i64 1
    return v0
}
function %b() -> i64 {
block0:
    v0 = iconst.i64 2
    return v0
}
function %f() -> i64 {
    fn0 = %a() -> i64
block0:
    v0 = call fn0()
    return v0
}
function %g() -> i64 {
    fn0 = %b() -> i64
block0:
    v0 = call fn0()
    return v0
}
function %main() -> i64 {
    fn0 = %f() -> i64
    fn1 = %g() -> i64
block0:
    v0 = call fn0()
    v1 = call fn1()
    v2 = iadd v0, v1
    return v2
}
; run: %main() == 3
"""


def test_functions_that_differ_in_what_they_call_are_one_for_the_cache() -> None:
    target = target_named("incremental_cache")
    assert target.test(TWINS.encode()) is None
    assert target.statistics.facts["changed"] > 0


def test_text_for_the_cache() -> None:
    case = case_target().units.generator.generate(BytesEntropy(bytes([7] * 400)))
    variants = (Names(), Names(own="x"), Names(line=99))
    texts = {print_for_cache(case.functions, names) for names in variants}
    assert len(texts) == len(variants)
    assert {len(Functions(text)) for text in texts} == {len(case.functions)}


# --- the reader, the mid-end, limits ---


def test_the_reader_takes_any_bytes() -> None:
    target = target_named("reader")
    for unit in (b"", b"\xff\xfe", b"function %f() {", b"function %f() {\nblock0:\n    return\n}"):
        assert target.test(unit) is None
    assert target.statistics.facts == {"refused": 2, "read": 2}


@pytest.mark.skipif(not has_fault("vconst-too-long"), reason="mended")
def test_a_constant_that_is_too_long_is_known() -> None:
    text = (
        "function %f() -> i32x2 {\nblock0:\n v0 = vconst.i32x2 0x000102030405060708\n return v0\n}"
    )
    target = target_named("reader")
    assert target.test(text.encode()) is None
    (bucket,) = target.statistics.known_faults
    assert bucket.startswith("compiler-panic read cranelift-codegen/src/ir/constant.rs")


@pytest.mark.skipif(not has_fault("uunarrow-of-a-scalar"), reason="mended")
def test_a_panic_of_the_verifier_is_known() -> None:
    text = (
        "function %f(i8, i64x2) -> i32x4 {\nblock0(v0: i8, v1: i64x2):\n"
        " v2 = uunarrow.i64x2 v0, v1\n return v2\n}"
    )
    target = target_named("reader")
    assert target.test(text.encode()) is None
    (bucket,) = target.statistics.known_faults
    assert "cranelift-codegen/src/ir/instructions.rs:956" in bucket


def test_invalid_functions_need_not_print_stably() -> None:
    target = target_named("reader")
    text = "function %f(i64) -> i64 {\nblock0(v0: i64):\n v1 = fadd.f64 v0, v0\n return v1\n}"
    assert target.test(text.encode()) is None
    assert target.statistics.facts == {"refused by the verifier": 1}


def test_an_unstable_print_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unstable:
        def __init__(self, text: str) -> None:
            self.text = text

        def verify(self, _: object) -> list[None]:
            return [None]

        def display(self) -> str:
            return (
                self.text.replace("iadd v0, v1", "iadd v1, v0")
                if "print" in self.text
                else (self.text + "; print")
            )

    monkeypatch.setattr(reader, "Functions", Unstable)
    unit = b"function %f(i8, i8) -> i8 {\nblock0(v0: i8, v1: i8):\n v2 = iadd v0, v1\n return v2\n}"
    failure = target_named("reader").test(unit)
    assert failure is not None
    assert "printing again differs" in failure.finding.bucket


def test_sequences_of_limits() -> None:
    target = target_named("limits")
    assert isinstance(target, limits.Limits)
    made = units_of(target, 10)
    cases = [target.parse(unit) for unit in made]
    assert all(isinstance(case, limits.ScalingCase) for case in cases)
    assert [case.unit() for case in cases if isinstance(case, limits.ScalingCase)] == made
    assert target.test(b"; limits: wide 400\nset opt_level=fast\n") is None
    assert target.test(made[0].replace(b"limits: ", b"limits: no_")) is None
    assert sum(target.statistics.rejected.values()) == 2


SCALING_CASE = limits.ScalingCase("long_chain", 400, "speed", "backtracking", "x86_64")


def test_a_chain_of_additions_is_within_limits() -> None:
    target = target_named("limits")
    assert target.test(SCALING_CASE.unit()) is None
    assert target.statistics.executions >= 1
    assert not target.statistics.known_faults


@pytest.mark.parametrize(
    ("costs", "bucket"),
    [
        (lambda n: CompileCost(1e-9 * n * n, 1 << 20), "growth x86_64 time of long_chain"),
        (lambda n: CompileCost(1e-6 * n, 50 * n * n), "growth x86_64 memory of long_chain"),
        (
            lambda n: CompileCost(1e-6 * n, n) if n < 1000 else ChildDeath(11),
            "growth x86_64 long_chain: stack",
        ),
    ],
    ids=["time", "memory", "stack"],
)
def test_growth_is_seen(costs, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = target_named("limits")
    monkeypatch.setattr(target, "cost", lambda _, size: costs(size))
    failure = target.test(SCALING_CASE.unit())
    assert failure is not None
    assert failure.finding.bucket.startswith(bucket)


STEP = """\
function %step(i64, i64) -> i64 system_v {
block0(v0: i64, v1: i64):
    v2 = bnot.i64 v0
    v3 = bxor.i64 v2, v1
    return v3
}
"""


def test_a_step_is_repeated_on_its_own_result() -> None:
    step = read_step(STEP)
    assert step is not None
    assert step.text() == STEP
    assert step.chain(2) == STEP.replace("%step", "%main").replace(
        "    return v3\n", "    v4 = bnot.i64 v3\n    v5 = bxor.i64 v4, v1\n    return v5\n"
    )
    assert read_step(STEP.replace("-> i64", "-> i32")) is None
    assert read_step("function %step() {}") is None


def test_two_steps_are_one() -> None:
    first = Step((("v0", "i64"), ("v1", "i8"), ("out", "i8")), ("v2 = f v0, v1",), "v2")
    second = Step((("v0", "i8"), ("out", "i64")), ("v1 = g v0", "v2 = h v1, v0"), "v2")
    both = compose(first, second)
    assert both is not None
    assert both.params == (("v0", "i64"), ("v1", "i8"))
    assert both.lines == ("v2 = f v0, v1", "v3 = g v2", "v4 = h v3, v2")
    assert both.result == "v4"
    assert compose(second, second) is None  # the second takes no i64


COMPOSED = limits.ScalingCase(
    limits.COMPOSED, 400, "speed", "backtracking", "x86_64", read_step(STEP)
)


def test_chains_of_rules_are_units() -> None:
    target = target_named("limits")
    assert isinstance(target, limits.Limits)
    assert target.parse(COMPOSED.unit()) == COMPOSED
    assert isinstance(target.parse(COMPOSED.unit().replace(b"%step", b"%x")), str)
    drawn = [target.rule_chains.draw(PrngEntropy(seed)) for seed in range(6)]
    steps = [step for step in drawn if step is not None]
    assert len(steps) > 3
    for step in steps:
        assert read_step(step.text()) == step
        assert not isinstance(compile_cost.measure(COMPOSED.target, step.chain(50)), ChildDeath)


def test_a_chain_of_rules_that_takes_too_long_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    target = target_named("limits")

    def cost(case: limits.ScalingCase, size: int) -> CompileCost:
        return CompileCost(size * (1e-6 if case.step is None else 40e-6), 0)

    monkeypatch.setattr(target, "cost", cost)
    failure = target.test(COMPOSED.unit())
    assert failure is not None
    assert failure.finding.bucket == "growth x86_64 time of composed: bnot.i64 bxor.i64"
    assert "20.0 times as long" in failure.finding.explanation[1]


def test_chains_are_also_compiled_at_full_depth() -> None:
    target = target_named("limits")
    assert isinstance(target, limits.Limits)
    deep = replace(SCALING_CASE, family="chain_bnot", size=25_000)
    assert target.parse(deep.unit()) == deep
    assert isinstance(target.parse(replace(deep, family="tree").unit()), str)


def test_an_overflow_is_what_a_process_dies_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_cost, "_compile", lambda *_: os.kill(os.getpid(), signal.SIGSEGV))
    died = compile_cost.measure(SCALING_CASE.target, SCALING_CASE.text(8))
    assert str(died) == "stack overflow (SIGSEGV)"


def test_a_wrong_optimisation_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """\
test interpret
set opt_level=speed

function %main(i64) -> i64 {
block0(v0: i64):
    v1 = iadd v0, v0
    return v1
}
; run: %main(3) == 6
"""
    target = target_named("optimize")
    assert target.test(text.encode()) is None

    def wrongly(text: str) -> TestFile:
        return read_file(text.replace("iadd", "isub").replace("ishl", "ushr"))

    monkeypatch.setattr(optimize, "read_file", wrongly)
    failure = target_named("optimize").test(text.encode())
    assert failure is not None
    assert failure.finding.bucket.startswith("miscompile x86_64 result")
