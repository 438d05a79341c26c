"""Fragments of rules: some are checked by hand, all are valid, and the rules match them."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.cranelift.compiler import Functions, Target
from clif.printer import print_function
from clif.types import F16, F64, F128, I8, I32, I64, I128, Type
from fuzz.cases.case import DEFAULT_SETTINGS
from fuzz.differential.pipeline import Pipeline
from fuzz.entropy import PrngEntropy
from fuzz.generate import Options
from fuzz.generate.case_plan import CasePlan
from fuzz.generate.instruction_set import InstructionSet
from fuzz.generate.instruction_sets import InstructionSets
from fuzz.generate.swarm import Swarm
from fuzz.isle import integer_functions, shuffles, typesets
from fuzz.isle.director import directed_generator
from fuzz.isle.fragment import Fragment, Precondition, Step
from fuzz.isle.fragment_pool import make_pool
from fuzz.isle.known_shapes import KNOWN, known_finding
from fuzz.isle.operand_constraints import preconditions
from fuzz.isle.rule_fragments import VARIANTS, RuleFragments
from fuzz.isle.standalone import standalone
from tests.paths import CORPUS

OPTIONS = Options(vectors=True)
SETTINGS = {**DEFAULT_SETTINGS, "enable_multi_ret_implicit_sret": "true"}
FLAGS = {"x86_64": dict.fromkeys(("has_sse3", "has_ssse3", "has_sse41"), "true"), "aarch64": {}}


@cache
def instruction_set() -> InstructionSet:
    return InstructionSets(OPTIONS).of(OPTIONS.isas, {}, FLAGS)


@cache
def all_rules() -> list[RuleFragments]:
    return make_pool(OPTIONS.isas, instruction_set(), instruction_set()).main


def fragments(text: str, count: int = VARIANTS) -> list[Fragment]:
    """Return the fragments of the one rule with this left-hand side."""
    (rule,) = (rule for rule in all_rules() if str(rule.rule.left) == text)
    found = [rule.fragment(number) for number in range(count)]
    return [fragment for fragment in found if fragment is not None]


def function_text(fragment: Fragment, seed: int = 0) -> str:
    entropy = PrngEntropy(seed)
    swarm = Swarm(entropy, instruction_set())
    plan = CasePlan(entropy, OPTIONS, instruction_set(), swarm, False, True, True, sites=1)
    function, _ = standalone(plan, fragment)
    return print_function(function)


def names(fragment: Fragment) -> list[str]:
    return [step.instruction.name for step in fragment.steps]


def test_a_constant_of_the_pattern() -> None:
    found = fragments("(simplify (iadd ty x (iconst_u ty 0)))")
    assert found
    for fragment in found:
        zero, add = fragment.steps
        assert (zero.instruction.name, zero.imm, zero.free) == ("iconst", 0, False)
        assert (add.instruction.name, add.args) == ("iadd", (~0, 0))
        assert fragment.operands == (add.instruction.type,) == (zero.instruction.type,)
    assert len({fragment.operands for fragment in found}) > 2  # several types


def test_a_variable_that_is_used_twice() -> None:
    for fragment in fragments("(simplify (isub ty x x))"):
        (step,) = fragment.steps
        assert step.args == (~0, ~0)


def test_an_extractor_over_constants() -> None:
    text = "(simplify_skeleton (udiv x (iconst_u ty (u64_extract_power_of_two d))))"
    found = fragments(text)
    assert found
    for fragment in found:
        constant, division = fragment.steps
        assert constant.imm.bit_count() == 1
        assert not constant.free
        assert division.instruction.name == "udiv"
        assert fragment.preconditions == (Precondition.NOTHING,)


def test_a_condition_that_relates_two_constants() -> None:
    left = "(ishl _ x (u8_from_iconst xs)) (ushr _ y (u8_from_iconst ys))"
    found = fragments(f"(lower (bor (ty_32_or_64 ty) {left}))")
    assert found
    for fragment in found:
        amounts = [step.imm for step in fragment.steps if step.instruction.name == "iconst"]
        assert sum(amounts) == fragment.steps[-1].instruction.results[0].bits


def test_a_condition_code_and_an_internal_extractor() -> None:
    for fragment in fragments("(simplify (select ty (sgt _ x y) x y))"):
        compare, select = fragment.steps
        assert (compare.instruction.name, compare.cond) == ("icmp", "sgt")
        assert select.args == (0, *compare.args)
        assert fragment.operands[0] is not I128  # a known finding


def test_load_and_store_of_one_address() -> None:
    load = "(and (sinkable_load sink) (load _ (mem_flags_data flags) addr offset))"
    text = f"(iadd (ty_32_or_64 ty) {load} src2)"
    found = fragments(f"(lower (store (little_or_native_endian flags) {text} addr offset))")
    assert found
    for fragment in found:
        assert names(fragment) == ["load", "iadd", "store"]
        assert {step.place for step in fragment.steps if None in step.args} == {0}
        lines = function_text(fragment).splitlines()
        loads, stores = (line for line in lines if "load" in line or "store" in line)
        assert loads.rpartition(" ")[2] == stores.rpartition(" ")[2]
        break


def test_helpers_are_reached_through_their_callers() -> None:
    helper = "(compose_icmp ty 2 true x y)"
    (rule,) = (r for r in all_rules() if str(r.rule.left) == helper)
    found = rule.fragment(0)
    assert found is None or found.steps[-1].instruction.name in ("band", "bor", "bxor")
    found_truthy = fragments("(truthy (bmask _ x))")
    assert found_truthy
    assert all("bmask" in names(fragment) for fragment in found_truthy)


@pytest.mark.parametrize(
    ("left", "code", "zero"),
    [
        ("(IntCC.Equal) x (zero_reg)", "eq", 1),
        ("(IntCC.NotEqual) (zero_reg) x", "ne", 0),
        ("(IntCC.SignedGreaterThan) x y", "sgt", None),
    ],
)
def test_a_comparison_that_is_passed_on(left: str, code: str, zero: int | None) -> None:
    options = Options(isas=("riscv64",))
    instructions = InstructionSets(options).of(options.isas, {}, {})
    text = f"(lower_int_compare (int_compare_decompose {left}))"
    pool = make_pool(options.isas, instructions, instructions)
    (rule,) = (rule for rule in pool.main if str(rule.rule.left) == text)
    found = [f for n in range(VARIANTS) if isinstance(f := rule.candidate(n), Fragment)]
    # The halves of 128 bits are compared by other rules.
    found = [
        f for f in found if names(f)[-1] == "icmp" and f.steps[-1].instruction.type is not I128
    ]
    assert found
    for fragment in found:
        step = fragment.steps[-1]
        assert step.cond == code
        if zero is not None:
            number = step.args[zero]
            assert number is not None
            assert fragment.steps[number].instruction.name == "iconst"
            assert fragment.steps[number].imm == 0


def test_what_takes_values_apart_in_a_right_hand_side() -> None:
    options = Options(isas=("riscv64",))
    instructions = InstructionSets(options).of(options.isas, {}, {})
    pool = make_pool(options.isas, instructions, instructions)
    text = "(rv_fma (ty_supported_float_full ty) 1 1 x y z)"
    (rule,) = (rule for rule in pool.main if str(rule.rule.left) == text)
    found = [f for n in range(VARIANTS) if isinstance(f := rule.candidate(n), Fragment)]
    assert found
    for fragment in found:
        *negated, last = fragment.steps
        assert last.instruction.name == "fma"
        assert {step.instruction.name for step in negated} == {"fneg"}
        x, y, z = (arg is not None and arg >= 0 for arg in last.args)
        assert x != y
        assert z


def test_a_rewrite_does_happen() -> None:
    (fragment, *_) = fragments("(simplify (iadd ty x (ineg ty y)))")
    text = function_text(fragment)
    assert "ineg" in text
    target = Target.of("x86_64", {**SETTINGS, "opt_level": "speed"}, FLAGS["x86_64"])
    (compiled,) = target.compile(Functions(text), clif=True)
    assert compiled.clif is not None
    assert "isub" in compiled.clif
    assert "ineg" not in compiled.clif


def test_nearly_every_rule_of_the_mid_end_is_turned_round() -> None:
    rules = [rule for rule in all_rules() if rule.rule.file.startswith("src/opts/")]
    missing = [r for r in rules if not any(r.fragment(n) is not None for n in range(3))]
    assert len(missing) < 0.05 * len(rules), missing


@given(st.integers(0, 1 << 30), st.integers(0, VARIANTS - 1))
def test_what_stands_alone_verifies_and_compiles(index: int, number: int) -> None:
    rule = all_rules()[index % len(all_rules())]
    fragment = rule.fragment(number)
    if fragment is None:
        return
    functions_ = Functions(function_text(fragment, number))
    for isa in OPTIONS.isas:
        for level in ("none", "speed"):
            Target.of(isa, {**SETTINGS, "opt_level": level}, FLAGS[isa]).compile(functions_)


def test_fragments_do_not_depend_on_what_was_made_before() -> None:
    fresh = make_pool(OPTIONS.isas, instruction_set(), instruction_set()).main
    for n in range(0, len(fresh), 97):
        mine, theirs = fresh[n].fragment(5), all_rules()[n].fragment(5)
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            assert mine.operands == theirs.operands
            assert [(s.instruction.name, s.args, s.imm) for s in mine.steps] == [
                (s.instruction.name, s.args, s.imm) for s in theirs.steps
            ]


def test_cases_full_of_fragments_are_accepted_and_do_not_trap() -> None:
    options = Options(vectors=True, directed_share=0.9, trapping_share=0.0, inputs=8)
    generator, pipeline = directed_generator(options), Pipeline(options.isas)
    for seed in range(25):
        case = generator.generate(PrngEntropy((seed, 1)))
        verdict = pipeline.check(case)
        assert not verdict.rejected
        assert verdict.expected is not None
        assert (verdict.expected.status == 0).all()


# --- what a fragment requires of its operands ---


def step(name: str, type_: Type, *args: int, imm: int = 0, cond: str = "") -> Step:
    operands = (type_,) * len(args)
    instruction = instruction_set().find(name, type_, *operands)
    assert instruction is not None
    return Step(instruction, args, imm, cond)


def test_preconditions() -> None:
    one = step("iconst", I32, imm=1)
    minus_one = step("iconst", I32, imm=0xFFFF_FFFF)
    zero = step("iconst", I32)
    assert preconditions([I32, I32], [step("udiv", I32, ~0, ~1)]) == (
        Precondition.NOTHING,
        Precondition.NONZERO,
    )
    assert preconditions([I32], [one, step("udiv", I32, ~0, 0)]) == (Precondition.NOTHING,)
    assert preconditions([I32], [zero, step("udiv", I32, ~0, 0)]) is None
    assert preconditions([I32], [minus_one, step("srem", I32, ~0, 0)]) == (Precondition.NOTHING,)
    assert preconditions([I32], [minus_one, step("sdiv", I32, ~0, 0)]) is None
    assert preconditions([I32], [step("trapz", I32, ~0)]) == (Precondition.NONZERO,)
    assert preconditions([I32], [step("trapnz", I32, ~0)]) == (Precondition.ZERO,)
    assert preconditions([I32], [step("ineg", I32, ~0), step("trapz", I32, 0)]) == (
        Precondition.NONZERO,
    )
    assert preconditions([I32], [step("bnot", I32, ~0), step("trapz", I32, 0)]) is None


def test_known_findings_are_left_out_and_kept_as_cases() -> None:
    compare = step("icmp", I128, ~0, ~1, cond="ugt")
    select = instruction_set().find("select", I128, I8, I128, I128)
    assert select is not None
    fragment = Fragment((I128, I128), (compare, Step(select, (0, ~1, ~0))), None)
    assert known_finding(fragment) == "select-icmp-i128"
    other = Fragment((I128, I128, I128), (compare, Step(select, (0, ~1, ~2))), None)
    assert known_finding(other) is None
    corpus = CORPUS / "cranelift"
    assert all((corpus / f"{name}.clif").exists() for name in KNOWN)


# --- functions over integers ---


@pytest.mark.parametrize(
    ("name", "within", "outside"),
    [
        ("ty_supported_vec", (I32.by(4), F64.by(2)), (I32, F64)),
        ("ty_supported_float_full", (F16, F64), (F128, I64, F64.by(2))),
        ("ty_reg_pair", (I128, F128), (I64, I64.by(2))),
    ],
)
def test_types_of_riscv(name: str, within: tuple[Type, ...], outside: tuple[Type, ...]) -> None:
    test = typesets.SETS[name]
    assert all(map(test, within))
    assert not any(map(test, outside))


def test_functions_by_hand() -> None:
    assert integer_functions.forward("u64_wrapping_sub")(3, 5) == (1 << 64) - 2  # type: ignore[misc]
    assert integer_functions.forward("u8_add")(200, 100) is None  # type: ignore[misc]
    assert integer_functions.forward("i64_div")(-7, 2) == -3  # type: ignore[misc]
    assert integer_functions.forward("i64_rem")(-7, 2) == -1  # type: ignore[misc]
    assert integer_functions.forward("u32_trailing_zeros")(0) == 32  # type: ignore[misc]
    assert integer_functions.forward("imm64_sdiv")(I32, 0x8000_0000, 0xFFFF_FFFF) is None  # type: ignore[misc]
    assert integer_functions.forward("i64_sextend_imm64")(I8, 0x80) == -128  # type: ignore[misc]
    assert integer_functions.forward("put_in_reg") is None


@given(
    st.sampled_from(["u64_wrapping_add", "u32_wrapping_sub", "u8_xor", "u64_eq"]),
    st.integers(0, 255),
    st.integers(0, 255),
    st.booleans(),
)
def test_backwards_finds_the_missing_argument(name: str, a: int, b: int, first: bool) -> None:
    if name == "u64_eq":
        b = a
    forward = integer_functions.forward(name)
    assert forward is not None
    result = forward(a, b)
    args = [None, b] if first else [a, None]
    assert integer_functions.backward(name, result, args) == (a if first else b)


@given(st.sampled_from(shuffles.NAMES), st.integers(0, 1 << 30))
def test_masks_have_sixteen_lanes_below_32(name: str, seed: int) -> None:
    mask = shuffles.draw_mask(PrngEntropy(seed), name)
    assert all(lane < 32 for lane in mask.to_bytes(16, "little"))
    count = shuffles.WIDE_LANES.get(name)
    if count:
        lanes = shuffles.lanes_of(mask, count)
        assert lanes is not None
        assert shuffles.mask_of(lanes) == mask


def test_wide_lanes_by_hand() -> None:
    assert (
        shuffles.mask_of([1, 0]).to_bytes(16, "little").hex() == "08090a0b0c0d0e0f0001020304050607"
    )
    assert shuffles.lanes_of(1, 2) is None
    assert I64.bits == 64
