"""Minimising: what it comes to, and what it must not bring about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from backend.cranelift.compiler import version
from backend.cranelift.reader import read_file
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.casefile import print_case, read_case
from fuzz.cli.errors import EXIT_NOT_FAILING
from fuzz.differential.failure_signature import FailureSignature
from fuzz.differential.runner import CaseRunner
from fuzz.minimize.child import IsolatedTest
from fuzz.minimize.engine import Minimizer, MinimizerProgress, NotFailing, Pass
from fuzz.minimize.interestingness import FailureTest
from fuzz.minimize.order import instructions, order_key, simplicity
from fuzz.minimize.registry import PASSES
from fuzz.minimize.soundness import (
    Flaw,
    flaws,
    is_determined,
    is_verified,
    is_well_formed,
    keeps_promises,
)
from fuzz.minimize.tidy import tidy
from fuzz.minimize.working_copy import WorkingCopy, trace_of
from fuzz.selfcheck.registry import all_faults
from scripts.benchmarks.compiler_breakdowns import Breakdown, BreakdownRunner
from scripts.benchmarks.failing_cases import FailingCases
from scripts.benchmarks.injected_faults import InjectedFault, InjectedFaultRunner
from scripts.benchmarks.transplant import transplant
from tests.fuzz.command import Command
from tests.paths import CORPUS

CRANELIFT = CORPUS / "cranelift"
PINNED = pytest.mark.skipif(version() != "0.135.8", reason="faults of this version")


def case_of(text: str) -> Case:
    return read_case(text).case


def minimized(case: Case, test: FailureTest) -> tuple[Case, FailureSignature]:
    failure = test(case)
    assert failure is not None
    minimizer = Minimizer(test.restricted_to(failure), PASSES)
    minimizer.start(case)
    return minimizer.run(), failure


# --- passes ---


@pytest.fixture(scope="module")
def large() -> list[Case]:
    source = CaseSource(CaseOptions(), 11)
    return [source.case(index) for index in range(3)]


@pytest.mark.parametrize("pass_", PASSES, ids=lambda pass_: pass_.name)
def test_a_pass_lists_the_same_for_the_same_case_and_leaves_the_case(
    pass_: Pass, large: list[Case]
) -> None:
    for case in large:
        before, trace = print_case(case), trace_of(case)
        work = WorkingCopy(case, trace)
        changes = pass_.find(work)
        assert len(pass_.find(WorkingCopy(case, trace))) == len(changes)
        for change in changes[: 3 if pass_.chunks else 1]:
            change()
        assert print_case(case) == before


@pytest.mark.parametrize("pass_", PASSES, ids=lambda pass_: pass_.name)
def test_every_pass_finds_something_smaller_in_some_case(pass_: Pass) -> None:
    """What it makes may be no case at all, but not always."""
    assert any(_smaller(pass_, case) for case in _many_cases())


def _many_cases() -> Iterator[Case]:
    source = CaseSource(CaseOptions(instructions=25, inputs=4), 5)
    yield from (source.case(index) for index in range(40))
    yield case_of(
        "function %g(i8) -> i8 {\nblock0(v0: i8):\n    v1 = bnot v0\n    return v1\n}\n"
        "function %f(i8) -> i8 {\n    fn0 = %g(i8) -> i8\nblock0(v0: i8):\n"
        "    v1 = call fn0(v0)\n    return v1\n}\n; print: %f(3)\n"
    )
    yield case_of(
        "function %f(i8) -> i8 {\nblock0(v0: i8):\n    jump block1(v0)\n"
        "block1(v1: i8):\n    return v1\n}\n; print: %f(3)\n"
    )
    yield case_of(
        "function %f(i8, i8) -> i8 {\nblock0(v0: i8, v1: i8):\n    v2 = iadd v1, v0\n"
        "    return v2\n}\n; print: %f(3, 4)\n"
    )


def _smaller(pass_: Pass, case: Case) -> bool:
    trace = trace_of(case)
    size = order_key(case)
    for n in range(min(len(pass_.find(WorkingCopy(case, trace))), 40)):
        work = WorkingCopy(case, trace)
        pass_.find(work)[n]()
        tidy(work.case)
        work.drop_unused_params()
        made = work.case
        if order_key(made) < size and is_well_formed(made) and is_verified(made):
            return True
    return False


def test_simplest_numbers_are_0_1_and_minus_1() -> None:
    order = sorted(range(256), key=lambda value: simplicity(value, 8))
    assert order[:3] == [0, 1, 255]
    assert len({simplicity(value, 8) for value in range(128)}) > 60


def test_of_two_orders_of_arguments_one_is_simpler() -> None:
    text = "function %main(i8, i8) -> i8 {\nblock0(v0: i8, v1: i8):\n    return v0\n}\n"
    rows = ("0, 1", "1, 0", "0, -1", "1, 1")
    keys = [order_key(case_of(f"{text}; print: %main({row})\n")) for row in rows]
    assert keys[:3] == sorted(keys[:3])
    assert len(set(keys)) == 4


CALLS = """
function %callee(i8) -> i8 tail {{
block0(v0: i8):
    return v0
}}

function %main(i8) -> i8 tail {{
    sig0 = (i8) -> i8 tail
    fn0 = %callee sig0
block0(v0: i8):
{}
}}
; print: %main(1)
"""


def test_plain_calls_are_simpler_than_special_ones() -> None:
    tail, plain = "    return_call fn0(v0)", "    v1 = call fn0(v0)\n    return v1"
    handled = "    try_call fn0(v0), sig0, block1(ret0), []\nblock1(v1: i8):\n    return v1"
    jumping = "    v1 = call fn0(v0)\n    jump block1(v1)\nblock1(v2: i8):\n    return v2"
    special, simple, with_handlers, with_jump = (
        order_key(case_of(CALLS.format(body))) for body in (tail, plain, handled, jumping)
    )
    assert simple < special
    assert simple < with_jump < with_handlers


# --- minima ---

MINIMA = {
    "float-neighbour": "fadd.f64",
    "select-arms-swapped": "select.i64",
    "branch-targets-swapped": "brif.i8",
    "wrong-extension": "uextend.i64",
    "callee-saved-clobbered": "",
}


@pytest.mark.parametrize("seed", [1, 5])
@pytest.mark.parametrize("name", MINIMA)
def test_two_starts_come_to_one_small_minimum(name: str, seed: int) -> None:
    injected = InjectedFault(name, MINIMA[name])
    failing = FailingCases(seed, instructions=90).of_fault(all_faults()[name], injected)
    starts = list(islice(failing, 2))
    assert len(starts) == 2
    found = [minimized(start.case, start.test())[0] for start in starts]
    for case in found:
        case.origin, case.isas = "", ()
        assert instructions(case) <= 5
        assert case.inputs.count == 1
    if starts[0].failure == starts[1].failure:
        isas = starts[0].failure.isas  # a minimum is written for these
        assert print_case(found[0], isas=isas) == print_case(found[1], isas=isas)


@PINNED
@pytest.mark.parametrize(
    ("name", "most"),
    [("fpromote-f16-f64", 2), ("select-icmp-i128", 3), ("bxor-self-f16", 2), ("ineg-i32x2", 4)],
)
def test_real_findings_are_found_again_in_large_cases(name: str, most: int) -> None:
    graft = read_case((CRANELIFT / f"{name}.clif").read_text()).case
    failure = FailureTest(CaseRunner())(graft)
    assert failure is not None
    source = CaseSource(CaseOptions(), 2)
    hosts = (transplant(source.case(n), graft) for n in range(50))
    test = FailureTest(CaseRunner(), failure.isas, failure)
    case = next(host for host in hosts if host is not None and test(host) is not None)
    minimizer = Minimizer(test, PASSES)
    assert minimizer.start(case).includes(failure)
    small = minimizer.run()
    assert instructions(small) <= most
    assert test(small) is not None


def test_a_minimum_is_left_alone() -> None:
    start = next(FailingCases(3).of_fault(all_faults()["wrong-extension"]))
    small, _ = minimized(start.case, start.test())
    again, _ = minimized(small, start.test())
    assert print_case(again) == print_case(small)


def test_a_healthy_case_is_refused() -> None:
    with pytest.raises(NotFailing):
        Minimizer(FailureTest(CaseRunner()), PASSES).start(CaseSource(CaseOptions(), 1).case(0))


def test_whatever_fails_a_minimum_is_sound_and_can_be_read_by_cranelift() -> None:
    for name in ("float-neighbour", "store-offset", "load-extension", "trap-code"):
        start = next(FailingCases(4).of_any_size(all_faults()[name]))
        small, _ = minimized(start.case, start.test())
        assert is_determined(small)
        assert keeps_promises(small)
        assert is_verified(small)
        assert read_file(print_case(small, isas=start.isas)).functions


# --- soundness ---


@pytest.mark.parametrize(
    "body",
    [
        "    v1 = stack_addr.i64 ss0\n    v2 = load.i64 v1\n",  # nothing was stored there
        "    v2 = stack_addr.i64 ss0\n",
        "    v1 = f64const 0.0\n    v3 = fdiv v1, v1\n    v2 = bitcast.i64 v3\n",
        "    v2 = udiv v0, v0\n",  # traps for 0
    ],
)
def test_what_clif_leaves_open_is_seen(body: str) -> None:
    text = "function %f(i64) -> i64 {\n    ss0 = explicit_slot 8\nblock0(v0: i64):\n"
    good = case_of(f"{text}    v2 = iadd v0, v0\n    return v2\n}}\n; print: %f(0)\n")
    bad = case_of(f"{text}{body}    return v2\n}}\n; print: %f(0)\n")
    assert is_determined(good)
    assert not is_determined(bad)


def test_an_address_in_memory_is_seen_though_most_of_it_is_the_same_everywhere() -> None:
    """Real addresses have higher bits than the interpreter's: here a CPU would differ at byte 6."""
    case = case_of(
        "; region: argument 0, 8 bytes\nfunction %f(i64) {\nblock0(v0: i64):\n"
        "    store v0, v0\n    v1 = iconst.i32 0\n    store v1, v0\n    return\n}\n; print: %f(0)\n"
    )
    assert Flaw.ADDRESS in flaws(case)


def test_the_address_of_the_region_is_no_narrower_value() -> None:
    text = "; region: argument 0, 4 bytes\nfunction %f({0}) -> {0} {{\nblock0(v0: {0}):\n"
    case = case_of(text.format("i64") + "    return v0\n}\n; input: %f(0)\n")
    assert is_well_formed(case)
    assert not is_determined(case)
    narrow = next(pass_ for pass_ in PASSES if pass_.name == "types")
    changes = len(narrow.find(WorkingCopy(case, trace_of(case))))
    for n in range(changes):
        work = WorkingCopy(case, trace_of(case))
        narrow.find(work)[n]()
        assert not is_well_formed(work.case)


def test_no_payload_gets_out_by_minimising() -> None:
    """Without its guard the value would differ from CPU to CPU, whatever the fault."""
    case = case_of(
        """
        function %f(f64, f64) -> i64 {
        block0(v0: f64, v1: f64):
            v2 = fadd v0, v1
            v3 = f64const +NaN
            v4 = fcmp uno v2, v2
            v5 = select v4, v3, v2
            v6 = bitcast.i64 v5
            v7 = iconst.i64 1
            v8 = iadd v6, v7
            return v8
        }
        ; print: %f(+Inf, -Inf)
        ; print: %f(0x1.0p0, 0x1.0p0)
        """
    )
    injected = InjectedFaultRunner(InjectedFault("neighbour-operation"))
    small, _ = minimized(case, FailureTest(injected))
    assert is_determined(small)
    assert instructions(small) == 2


# --- processes ---


@pytest.mark.parametrize(
    ("breakdown", "kind", "words"),
    [
        (Breakdown.INVALID, "verifier-error", ""),
        (Breakdown.DEATH, "compiler-panic", "SIGSEGV"),
        (Breakdown.ENDLESS, "compile-timeout", "took too long"),
    ],
)
def test_the_compiler_may_die_or_never_end(breakdown: Breakdown, kind: str, words: str) -> None:
    case = case_of(
        "function %f(i32) -> i32, i32 {\nblock0(v0: i32):\n    v1 = iadd v0, v0\n"
        "    v2 = imul v1, v1\n    v3 = bxor v2, v1\n    return v3, v1\n}\n; print: %f(3)\n"
    )
    run_case = BreakdownRunner(breakdown, "imul.i32")
    test = IsolatedTest(FailureTest(run_case, ("x86_64",)), 0.3)
    failure = test(case)
    assert failure is not None
    assert failure.kind is not None
    assert failure.kind.value == kind
    assert words in failure.what
    restricted = test.restricted_to(failure)
    minimizer = Minimizer(restricted, [p for p in PASSES if p.name in ("cut short", "results")])
    try:
        minimizer.start(case)
        assert instructions(minimizer.run()) == 3
    finally:
        restricted.close()


# --- the command ---


@PINNED
def test_command(command: Command, tmp_path: Path) -> None:
    file, out = CRANELIFT / "fmin-zero-f16.clif", tmp_path / "small.clif"
    output = command("minimize", file, "--out", out, "--json", "-")
    assert output.code == 0
    facts = json.loads(output.out)
    assert facts["instructions"]["after"] <= 4
    text = out.read_text()
    assert "; hint: the mid-end, since without optimising it does not fail like this" in text
    assert "; run: %main(" in text
    assert command("replay", out).code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["small.clif"]


def test_command_refuses_what_does_not_fail(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "case.clif"
    file.write_text(
        "test run\ntarget x86_64\nfunction %f(i8) -> i8 {\nblock0(v0: i8):\n    return v0\n}\n"
        "; run: %f(1) == 1\n"
    )
    output = command("minimize", file)
    assert output.code == 3
    assert output.err.endswith("it does not fail: there is nothing to minimize\n")
    assert list(tmp_path.iterdir()) == [file]


PANIC = """
function {}(f32, i32) -> i64 {{
block0(v0: f32, v9: i32):
    v8 = iadd v9, v9
    v1 = fcvt_to_uint.i128 v0
    v2, v3 = isplit v1
    return v2
}}
"""
LACKING = """
function {}(i64x2, i64x2) -> i32x4 {{
block0(v0: i64x2, v1: i64x2):
    v3 = bxor v0, v1
    v2 = uunarrow v3, v0
    return v2
}}
"""
HEALTHY = "function {}(i32) -> i32 {{\nblock0(v0: i32):\n    return v0\n}}\n"


@pytest.mark.parametrize(
    ("text", "options", "kind", "left"),
    [
        (PANIC.format("u0:9"), (), "compiler-panic", "fcvt_to_uint.i128"),
        (PANIC.format("%f") + "; run: %f(0x1.0, 1) == 1\n", (), "compiler-panic", "fcvt_to_uint"),
        (HEALTHY.format("%a") + PANIC.format("%f"), (), "compiler-panic", "fcvt_to_uint.i128"),
        (LACKING.format("%f"), ("--kind", "unsupported"), "unsupported", "uunarrow.i64x2"),
        (
            PANIC.format("%p") + LACKING.format("%f"),
            ("--kind", "unsupported"),
            "unsupported",
            "uunarrow.i64x2",
        ),
    ],
)
def test_what_is_only_compiled_is_minimised(
    command: Command, tmp_path: Path, text: str, options: tuple[str, ...], kind: str, left: str
) -> None:
    file = tmp_path / "case.clif"
    file.write_text(f"test compile\ntarget x86_64 sse42\n{text}")
    output = command("minimize", file, "-o", "-", *options)
    assert output.code == 0
    assert f"; finding: {kind}\n" in output.out
    assert left in output.out
    assert "iadd" not in output.out
    assert "bxor" not in output.out


def test_a_refusal_is_no_failure_unless_it_is_asked_for(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "case.clif"
    file.write_text(f"test compile\ntarget x86_64 sse42\n{LACKING.format('%f')}")
    for options in ((), ("--kind", "compiler-panic")):
        complaint = command.complaint("minimize", file, *options, code=EXIT_NOT_FAILING)
        assert "it does not fail" in complaint


def test_predicate(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "case.clif"
    file.write_text(print_case(CaseSource(CaseOptions(instructions=20), 6).case(0)))
    out = tmp_path / "small.clif"
    word = next(
        inst.opcode.name
        for inst in read_case(file.read_text()).case.main.instructions()
        if len(inst.args) == 2 and not inst.opcode.flags
    )
    assert command("minimize", file, "-o", out, "--predicate", f"grep -qw {word}").code == 0
    assert word in out.read_text()
    assert instructions(read_case(out.read_text()).case) <= 3
    assert "cannot run" in command.complaint("minimize", file, "--predicate", "/no/such/thing")


def test_interrupting_keeps_the_smallest_so_far(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, out = tmp_path / "case.clif", tmp_path / "small.clif"
    file.write_text(print_case(CaseSource(CaseOptions(), 6).case(0)))
    before = order_key(read_case(file.read_text()).case)
    take = Minimizer._try

    def stop(self: Minimizer, candidate: Case) -> bool:
        if self.progress.accepted == 6:
            raise KeyboardInterrupt
        return take(self, candidate)

    monkeypatch.setattr(Minimizer, "_try", stop)
    assert command("minimize", file, "-o", out, "--predicate", "true").code == 130
    assert order_key(read_case(out.read_text()).case) < before


def test_progress_is_told() -> None:
    seen: list[tuple[str, int]] = []

    def observe(progress: MinimizerProgress) -> None:
        seen.append((progress.pass_name, progress.candidates))

    minimizer = Minimizer(lambda case: FailureSignature(None), PASSES, observe)
    minimizer.start(CaseSource(CaseOptions(instructions=10), 6).case(0))
    small = minimizer.run()
    assert instructions(small) == 1
    assert {"settings", "cut short"} <= {name for name, _ in seen}
    assert [count for _, count in seen] == list(range(1, len(seen) + 1))
