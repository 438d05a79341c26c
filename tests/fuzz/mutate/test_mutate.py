"""Mutants are valid, other than their case, and a function of case and entropy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from statistics import median

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clif.function import Value
from clif.outcome import Status
from clif.types import I32
from clif.validity import is_valid
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.casefile import print_case, read_case
from fuzz.cases.frame_check import makes_tail_calls
from fuzz.differential.pipeline import Pipeline
from fuzz.entropy import BytesEntropy, PrngEntropy
from fuzz.generate import Generator, Options
from fuzz.isle.director import directed_generator
from fuzz.mutate import MUTATIONS, Mutant, Mutation, Mutator, RollbackReason, crossover, mutate
from fuzz.mutate.context import MutationContext
from fuzz.mutate.mutator import mutator_of
from fuzz.strategies import SMALL, cases, mutants

OPTIONS = Options(inputs=8, alone=False)
SEEDS = range(150)


@cache
def generator() -> Generator:
    return directed_generator(OPTIONS)


@cache
def mutator() -> Mutator:
    return Mutator(OPTIONS, generator().instruction_sets)


def drawn(*seed: int) -> Case:
    return generator().generate(PrngEntropy(seed))


@cache
def mutant_of(seed: int) -> Mutant:
    return mutator().mutate(drawn(seed, 1), PrngEntropy((seed, 2)), other=drawn(seed, 3))


@cache
def pipeline() -> Pipeline:
    return Pipeline(OPTIONS.isas)


def check_valid(case: Case) -> None:
    assert all(is_valid(function) for function in case.functions)
    verdict = pipeline().check(case)
    assert not verdict.rejected
    assert not [finding for finding in verdict.findings if not finding.known]
    assert verdict.expected is not None
    allowed = {Status.RETURNED, Status.TRAPPED} if case.trapping else {Status.RETURNED}
    assert set(verdict.expected.status.tolist()) <= allowed


def test_mutants_are_valid_and_agree() -> None:
    for seed in SEEDS:
        check_valid(mutant_of(seed).case)


def test_the_case_stays_as_it_is() -> None:
    for seed in SEEDS:
        case, other = drawn(seed, 1), drawn(seed, 3)
        before = print_case(case), print_case(other)
        mutant = mutator().mutate(case, PrngEntropy((seed, 2)), other=other)
        assert (print_case(case), print_case(other)) == before
        assert (print_case(mutant.case) != before[0]) == bool(mutant.steps)
        shared = {id(i) for f in case.functions for i in f.instructions()}
        assert not shared & {id(i) for f in mutant.case.functions for i in f.instructions()}


def test_same_entropy_same_mutant() -> None:
    for seed in range(30):
        again = mutator().mutate(drawn(seed, 1), PrngEntropy((seed, 2)), other=drawn(seed, 3))
        assert print_case(again.case) == print_case(mutant_of(seed).case)
        assert again.steps == mutant_of(seed).steps


def test_mutants_can_be_written_read_and_mutated_again() -> None:
    for seed in range(30):
        case = mutant_of(seed).case
        text = print_case(case)
        found = read_case(text).case
        assert print_case(found) == text
        check_valid(mutator().mutate(found, PrngEntropy((seed, 4))).case)


def test_every_mutation_is_made_and_few_are_rolled_back() -> None:
    found = [mutant_of(seed) for seed in SEEDS]
    steps = [name for mutant in found for name in mutant.steps]
    assert len(set(steps)) >= len(MUTATIONS) - 2
    assert 1 <= median(len(mutant.steps) for mutant in found) <= 5
    rolled_back = sum(mutant.rolled_back.total() for mutant in found)
    assert rolled_back < 0.1 * len(steps)
    # Well-formed functions are the mutations' own responsibility, not the check's afterwards.
    assert not any(reason is RollbackReason.INVALID for m in found for _, reason in m.rolled_back)


def test_a_case_can_be_mutated_many_times() -> None:
    case = drawn(5, 1)
    mutant = mutator().mutate(case, PrngEntropy(5), steps=60, other=drawn(5, 3))
    assert len(mutant.steps) == 60
    check_valid(mutant.case)


TAIL_CALL = """test run
target aarch64

function %other(i64) -> i64 tail {
block0(v0: i64):
    return v0
}

function %middle(i64) -> i64 tail {
    sig0 = (i64) -> i64 tail
    fn0 = %other sig0
block0(v0: i64):
    return_call fn0(v0)
}

function %main(i64) -> i64 system_v {
    sig0 = (i64) -> i64 tail
    fn0 = %middle sig0
block0(v0: i64):
    v1 = call fn0(v0)
    return v1
}
; run: %main(3) == 3
"""
NO_TAIL_CALL = """test run
set preserve_frame_pointers=false
target x86_64
target aarch64

function %main(i64, i64) -> i64 system_v {
block0(v0: i64, v1: i64):
    v2 = iadd v0, v1
    v3 = imul v2, v1
    return v3
}
; run: %main(1, 2) == 6
"""


def test_an_imported_tail_call_brings_the_settings_that_it_needs() -> None:
    """The other case is for an ISA that needs none."""
    one, other = (read_case(text).case for text in (NO_TAIL_CALL, TAIL_CALL))
    crossed = [mutator().crossover(one, other, PrngEntropy(seed)).case for seed in range(40)]
    imported = [case for case in crossed if any(map(makes_tail_calls, case.functions))]
    assert imported
    for case in imported:
        assert case.settings["preserve_frame_pointers"] == "true"
        assert not Pipeline(["x86_64", "aarch64"]).check(case).findings


def test_crossover_imports_a_function() -> None:
    made = 0
    for seed in range(80):
        one, other = drawn(seed, 1), drawn(seed, 3)
        mutant = mutator().crossover(one, other, PrngEntropy(seed))
        check_valid(mutant.case)
        if mutant.steps:
            made += 1
            assert len(mutant.case.functions) > len(one.functions)
    assert made > 20


def test_functions_for_a_single_mutant() -> None:
    case, other = drawn(1, 1), drawn(3, 3)
    long = mutator_of(OPTIONS).mutate(case, PrngEntropy(3)).case
    assert print_case(mutate(case, PrngEntropy(3), OPTIONS)) == print_case(long)
    crossed = mutator_of(OPTIONS).crossover(case, other, PrngEntropy(3)).case
    assert print_case(crossover(case, other, PrngEntropy(3), OPTIONS)) == print_case(crossed)


GUARDED = """
        function %main(i64, i64, i64) -> i64 {
        block0(v0: i64, v1: i64, v2: i64):
            v3 = ineg v1
            v4 = bnot v0
            brif v1, block1(v4), block2(v3)
        block1(v5: i64):
            v6 = udiv v5, v3
            v7 = bxor v6, v2
            return v7
        block2(v8: i64):
            v9 = iadd v8, v2
            return v9
        }
        ; print: %main(1, 2, 3)
        ; print: %main(1, 0, 3)
        """
SEARCHES = """
        function %main(i64, i64) -> i64 {
        block0(v0: i64, v1: i64):
            v2 = iconst.i64 1
            jump block1(v0, v1)
        block1(v3: i64, v4: i64):
            v5 = ushr v3, v2
            v6 = bxor v4, v5
            brif v5, block1(v5, v6), block2(v6)
        block2(v7: i64):
            v8 = imul v7, v1
            return v8
        }
        ; print: %main(1, 2)
        ; print: %main(-1, 0)
        """


# The sum is no NaN, since both operands are finite; the analyses do not know that.
FINITE = """
        function %main(f32, i32) -> i32, i32 {
        block0(v0: f32, v1: i32):
            v2 = fadd v0, v0
            v3 = bitcast.i32 v2
            v4 = imul v1, v1
            v5 = ineg v4
            return v3, v5
        }
        ; print: %main(0x1.8p0, 2)
        ; print: %main(-0x1.0p-9, 77)
        """


@pytest.mark.parametrize("text", [GUARDED, SEARCHES, FINITE])
def test_safety_that_is_not_proved_is_kept(text: str) -> None:
    case = read_case(text).case
    changed = set()
    for seed in range(150):
        mutant = mutator().mutate(case, PrngEntropy(seed), steps=4, other=drawn(seed, 3))
        check_valid(mutant.case)
        changed.update(mutant.steps)
    assert {"opcode", "insert", "inputs"} <= changed


# With LSE, since the loop that aarch64 has for atomic_cas.i32 without it compares the upper bits as
# well: a fault of Cranelift that mutants find at once.
CALLS_AND_ATOMICS = """
        ; region: argument 0, 16 bytes
        test run
        set preserve_frame_pointers=true
        target x86_64
        target aarch64 has_lse
        function %g(i64, f64, i32) -> i64, f64 tail {
        block0(v0: i64, v1: f64, v2: i32):
            v3 = fadd v1, v1
            v4 = sextend.i64 v2
            return v4, v3
        }
        function %f(i64, f64, i32) -> i64, f64 tail {
            fn0 = %g(i64, f64, i32) -> i64, f64 tail
        block0(v0: i64, v1: f64, v2: i32):
            v3 = ineg v2
            return_call fn0(v0, v1, v3)
        }
        function %main(i64, f64, i32) -> i64, f64 system_v {
            sig0 = (i64, f64, i32) -> i64, f64 tail
            fn0 = %f(i64, f64, i32) -> i64, f64 tail
            fn1 = %g(i64, f64, i32) -> i64, f64 tail
        block0(v0: i64, v1: f64, v2: i32):
            v3 = atomic_rmw.i32 add v0, v2
            v4 = atomic_load.i32 v0
            v5 = atomic_cas.i32 v0, v3, v4
            v6 = iadd v5, v4
            try_call fn0(v0, v1, v6), sig0, block1(ret0, ret1), [ default: block2(exn0) ]
        block1(v7: i64, v8: f64):
            v9 = func_addr.i64 fn1
            v10, v11 = call_indirect sig0, v9(v0, v8, v2)
            v12 = bxor v10, v7
            return v12, v11
        block2(v13: i64):
            trap user1
        }
        ; print: %main(0, 0x1.0p0, 7)
        ; print: %main(0, 0x1.0p-1, -1)
        """


def test_calls_of_all_kinds_and_atomics() -> None:
    case = read_case(CALLS_AND_ATOMICS).case
    changed = set()
    for seed in range(100):
        mutant = mutator().mutate(case, PrngEntropy(seed), steps=4)
        assert all(is_valid(function) for function in mutant.case.functions)
        verdict = pipeline().check(mutant.case)
        assert not verdict.rejected
        assert not verdict.findings
        changed.update(mutant.steps)
    assert {"opcode", "operand", "insert"} <= changed


# --- steps that break the case are rolled back ---


def _set_constants(context: MutationContext) -> bool:
    """Set all constants to 0: the steps of counters, divisors and masks as well."""
    found = [inst for inst in context.case.main.instructions() if inst.opcode.name == "iconst"]
    for inst in found:
        inst.imm = 0
    return bool(found)


def _move_accesses(context: MutationContext) -> bool:
    """Move all accesses out of bounds."""
    found = [inst for inst in context.case.main.instructions() if "can_load" in inst.opcode.flags]
    for inst in found:
        inst.offset += 1 << 20
    return bool(found)


def _keep_nans(context: MutationContext) -> bool:
    """Change comparisons so that selections by them no longer replace NaNs."""
    found = [inst for inst in context.case.main.instructions() if inst.opcode.name == "fcmp"]
    for inst in found:
        inst.cond = "ord"
    return bool(found)


def _use_undefined_value(context: MutationContext) -> bool:
    context.case.main.blocks[-1].instructions[-1].args = [Value(I32, 99)]
    return True


COUNTS = """
        function %main(i32) -> i32 {
        block0(v0: i32):
            v1 = iconst.i32 3
            jump block1(v1)
        block1(v2: i32):
            v3 = iconst.i32 1
            v4 = isub v2, v3
            v5 = iconst.i32 0
            v6 = icmp ne v4, v5
            brif v6, block1(v4), block2
        block2:
            return v0
        }
        ; print: %main(7)
        """
DIVIDES = """
        function %main(i32) -> i32 {
        block0(v0: i32):
            v1 = iconst.i32 3
            v2 = udiv v0, v1
            return v2
        }
        ; print: %main(7)
        """
LOADS = """
        ; region: argument 0, 16 bytes
        function %main(i64) -> i32 {
        block0(v0: i64):
            v1 = load.i32 v0
            return v1
        }
        ; print: %main(0)
        """
CANONICALISES = """
        function %main(f32) -> i32 {
        block0(v0: f32):
            v1 = fmul v0, v0
            v2 = fcmp uno v1, v1
            v3 = f32const +NaN
            v4 = select v2, v3, v1
            v5 = bitcast.i32 v4
            return v5
        }
        ; print: %main(0x1.8p0)
        """


@pytest.mark.parametrize(
    ("change", "reason", "text"),
    [
        (_set_constants, RollbackReason.LOOP, COUNTS),
        (_set_constants, RollbackReason.HAZARD, DIVIDES),
        (_move_accesses, RollbackReason.HAZARD, LOADS),
        (_keep_nans, RollbackReason.NAN, CANONICALISES),
        (_use_undefined_value, RollbackReason.INVALID, COUNTS),
    ],
)
def test_faulty_steps_are_rolled_back(
    change: Callable[[MutationContext], bool],
    reason: RollbackReason,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(MUTATIONS, "faulty", Mutation("faulty", change, 1))
    case = read_case(text).case
    mutant = mutator().mutate(case, PrngEntropy(1), steps=1, only=["faulty"])
    assert not mutant.steps
    assert set(mutant.rolled_back) == {("faulty", reason)}
    assert print_case(mutant.case) == print_case(case)


# --- in campaigns ---


def test_the_share_of_mutants() -> None:
    source = CaseSource(CaseOptions(inputs=2, instructions=10, mutant_share=0.4), 3)
    plain = CaseSource(CaseOptions(inputs=2, instructions=10), 3)
    made = [source.make(index) for index in range(200)]
    found = [each.mutant for each in made if each.mutant is not None]
    assert 50 <= len(found) <= 110
    for index, each in enumerate(made):
        case, mutant = each.case, each.mutant
        if mutant is None:
            assert print_case(case) == print_case(plain.case(index))
        else:
            assert case is mutant.case
            assert case.origin.startswith(f"seed 3 case {index}, mutated: {mutant.steps[0]}")
    again = CaseSource(CaseOptions(inputs=2, instructions=10, mutant_share=0.4), 3)
    assert print_case(again.case(77)) == print_case(made[77].case)


# --- with other sources of entropy ---


@given(st.binary(max_size=200))
@settings(max_examples=30, deadline=None)
def test_any_bytes_make_a_valid_mutant(data: bytes) -> None:
    entropy = BytesEntropy(data)
    check_valid(mutator().mutate(drawn(len(data), 1), entropy, other=drawn(len(data), 3)).case)


@given(mutants())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_hypothesis_draws_make_a_valid_mutant(case: Case) -> None:
    check_valid(case)
    assert print_case(read_case(print_case(case)).case) == print_case(case)


@given(cases(), st.integers(0, 1000))
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_mutating_leaves_drawn_cases_alone(case: Case, seed: int) -> None:
    before = print_case(case)
    check_valid(mutate(case, PrngEntropy(seed), SMALL))
    assert print_case(case) == before
