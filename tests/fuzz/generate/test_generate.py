"""Cases are valid and live, trap only if they may, and are a function of their entropy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from statistics import median

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import interp
from backend.cranelift.compiler import Compiled, Functions, Target
from clif.function import Function, Inst, Signature
from clif.memory_access import accessed_bytes
from clif.outcome import Outcomes, Status
from clif.printer import print_functions
from clif.typed_instructions import OpcodeType
from clif.types import F16, F64, I8, I32, I64, by_name
from fuzz.cases.case import DEFAULT_SETTINGS, Case
from fuzz.entropy import BytesEntropy, PrngEntropy
from fuzz.generate import Generator, Options
from fuzz.generate.case_plan import CasePlan
from fuzz.generate.function import write_function
from fuzz.generate.instruction_set import InstructionSet
from fuzz.generate.instruction_sets import emulated_flags
from fuzz.generate.options import EVERY_TYPE, PLAIN_TYPES
from fuzz.generate.swarm import Swarm
from fuzz.generate.traps import out_of_bounds
from fuzz.generate.writer import MemoryObject, Writer
from fuzz.isle.director import directed_generator
from fuzz.known import faults as known_faults
from fuzz.known.status import has_fault
from fuzz.strategies import cases, functions
from tests.fuzz.called_functions import callees_and_called
from tests.paths import ROOT

ISAS = ("x86_64", "aarch64")
I8X8, I8X16 = by_name("i8x8"), by_name("i8x16")
SEEDS = range(300)
DEFAULT = Options()


@cache
def generator(options: Options = DEFAULT) -> Generator:
    return directed_generator(options)


@cache
def case_of(seed: int, options: Options = DEFAULT) -> Case:
    return generator(options).generate(PrngEntropy(seed))


def compile_for(case: Case, isa: str) -> list[Compiled]:
    target = Target.of(isa, {**DEFAULT_SETTINGS, **case.settings}, case.isa_settings.get(isa, {}))
    return target.compile(Functions(print_functions(case.functions)))


def interpret(case: Case, layout: int = 0) -> Outcomes:
    canonical = case.settings.get("enable_nan_canonicalization") == "true"
    options = interp.RunOptions(canonical_nans=canonical, fuel=10_000, layout=layout)
    return interp.run(case.functions, case.inputs, options)


def size(case: Case) -> int:
    return sum(1 for function in case.functions for _ in function.instructions())


@pytest.mark.parametrize("isa", ISAS)
def test_every_case_compiles(isa: str) -> None:
    for seed in SEEDS:
        if case_of(seed).is_for(isa):
            assert compile_for(case_of(seed), isa)  # raises what the verifier or the backend says


def test_types_of_all_kinds_are_drawn() -> None:
    drawn = {value.type for seed in SEEDS for f in case_of(seed).functions for value in f.values()}
    assert drawn >= set(EVERY_TYPE)


def test_vectors_can_be_left_out() -> None:
    plain = Options(vectors=False)
    drawn = [f for seed in range(100) for f in case_of(seed, plain).functions]
    assert {value.type for f in drawn for value in f.values()} <= set(PLAIN_TYPES)


def test_some_cases_are_for_one_isa_alone() -> None:
    isas = Counter(case_of(seed).isas for seed in SEEDS)
    assert isas.keys() == {(), ("x86_64",), ("aarch64",)}
    assert isas[()] > 200
    for seed in SEEDS:
        case = case_of(seed)
        assert set(case.isa_settings) <= set(case.isas or ISAS)


def test_what_one_isa_lacks_is_drawn_for_the_other() -> None:
    names = {
        isas: {
            inst.opcode.name
            for seed in range(1500)
            if case_of(seed).isas == isas
            for inst in all_of(case_of(seed))
        }
        for isas in ((), ("x86_64",), ("aarch64",))
    }
    assert "x86_pmaddubsw" in names["x86_64",] - names[()]
    assert "uunarrow" in names["aarch64",] - names[()]


@pytest.mark.parametrize("isa", ISAS)
def test_every_pair_can_be_put_into_a_case(isa: str) -> None:
    options = Options(isas=(isa,), inputs=2, instructions=6, callees=1)
    made = directed_generator(options)
    flags = {isa: emulated_flags(isa)}
    instruction_set = made.instruction_sets.of((isa,), {"opt_level": "none"}, flags)
    missing = [
        opcode_type
        for opcode_type in instruction_set.opcode_types
        if opcode_type[0] not in OF_OTHER_PARTS
        and not any(
            has_opcode_type(generate_with(made, opcode_type, seed), opcode_type)
            for seed in range(12)
        )
    ]
    assert not missing


#: Control flow, calls and what a callee is needed for.
OF_OTHER_PARTS = {
    "jump", "br_table", "trap", "return", "call", "call_indirect", "return_call",
    "return_call_indirect", "try_call", "try_call_indirect", "func_addr", "symbol_value",
    "stack_addr",
}  # fmt: skip


def generate_with(made: Generator, opcode_type: OpcodeType, seed: int) -> list[Function]:
    """Return the functions of a case that requires one (opcode, type)."""
    entropy = PrngEntropy(seed)
    isa = made.options.isas[0]
    instruction_set = made.instruction_sets.of(
        (isa,), {"opt_level": "none"}, {isa: emulated_flags(isa)}
    )
    plan = CasePlan(
        entropy, made.options, instruction_set, Swarm(entropy, instruction_set), False, False, False
    )
    plan.required = [opcode_type]
    return [write_function(plan, None, "main", 3, 3000, main=True).function]


def has_opcode_type(functions: list[Function], opcode_type: OpcodeType) -> bool:
    return any((i.opcode.name, i.type) == opcode_type for f in functions for i in f.instructions())


def test_known_faults_of_cranelift_are_left_out() -> None:
    made = directed_generator(Options())
    speed, plain = (
        made.instruction_sets.of(("aarch64",), {"opt_level": level}, {})
        for level in ("speed", "none")
    )
    with_lse = made.instruction_sets.of(("aarch64",), {}, {"aarch64": {"has_lse": "true"}})
    assert speed.has("isub", I8X8, I8X8, I8X8) is not has_fault("isub-self-i8x8", "aarch64")
    assert speed.has("fpromote", F64, F16) is not has_fault("fpromote-f16-f64", "aarch64")
    umin = "umin" in speed.by_key["atomic_rmw", I8, (I64, I8)].variants
    assert umin is not has_fault("atomic-rmw-umin-i8", "aarch64")
    assert plain.has("isub", I8X8, I8X8, I8X8)
    assert "umin" in with_lse.by_key["atomic_rmw", I8, (I64, I8)].variants
    assert "umin" in speed.by_key["atomic_rmw", I32, (I64, I32)].variants


def test_every_known_fault_has_its_case() -> None:
    cases = {file.stem for file in (ROOT / "corpus" / "cranelift").glob("*.clif")}
    assert {fault.name for fault in known_faults.FAULTS} <= cases


def test_flags_that_change_nothing_share_an_instruction_set() -> None:
    made = directed_generator(Options())

    def of(*flags: str) -> InstructionSet:
        return made.instruction_sets.of(("x86_64",), {}, {"x86_64": dict.fromkeys(flags, "true")})

    assert of() is of("has_bmi1") is of("has_popcnt", "has_lzcnt")
    assert of() is not of("has_sse3", "has_ssse3", "has_sse41")
    assert not of().has("blendv", I8X16, I8X16, I8X16, I8X16)


def all_of(case: Case) -> Iterator[Inst]:
    for function in case.functions:
        yield from function.instructions()


def test_most_instructions_survive_optimising() -> None:
    shares = [
        sum(code.instructions for code in compile_for(case_of(seed), "x86_64"))
        / size(case_of(seed))
        for seed in SEEDS
        if case_of(seed).is_for("x86_64")
        and case_of(seed).settings["opt_level"] != "none"
        # Canonicalising adds instructions, which would flatter the figure.
        and "enable_nan_canonicalization" not in case_of(seed).settings
    ]
    assert len(shares) > 100
    assert median(shares) >= 0.7


def test_no_parameter_is_extended_where_that_is_a_known_fault() -> None:
    made = generator(Options(isas=("aarch64",), call_convs=("apple_aarch64",)))
    functions = [f for n in range(60) for f in made.generate(PrngEntropy((6, n))).functions]
    extended = any(param.extension for f in functions for param in f.signature.params)
    assert {function.signature.call_conv for function in functions} == {"apple_aarch64"}
    assert extended is not has_fault("uext-stack-argument-apple", "aarch64")


def test_most_callees_are_called() -> None:
    """Some have no room for it, or throw; what is not called is compiled for nothing."""
    generator = directed_generator(DEFAULT)
    counts = [callees_and_called(generator.generate(PrngEntropy((4, seed)))) for seed in range(200)]
    callees, called = map(sum, zip(*counts, strict=True))
    assert called > 0.8 * callees > 100


def test_cases_are_about_as_large_as_asked() -> None:
    assert 40 <= median(size(case_of(seed)) for seed in SEEDS) <= 65
    small = Options(instructions=8)
    assert median(size(case_of(seed, small)) for seed in SEEDS) <= 20


def test_only_trapping_cases_trap_and_all_end() -> None:
    for seed in SEEDS:
        case = case_of(seed)
        status = set(interpret(case).status.tolist())
        allowed = {Status.RETURNED, Status.TRAPPED} if case.trapping else {Status.RETURNED}
        assert status <= allowed, seed


def test_trapping_cases_trap_with_various_codes_for_some_inputs() -> None:
    options = Options(trapping_share=1.0)
    outcomes = [interpret(case_of(seed, options)) for seed in range(150)]
    mixed = sum(0 < len(o.traps) < o.count for o in outcomes)
    codes = {code for o in outcomes for code in o.traps.values()}
    assert mixed >= 50
    assert {"int_divz", "bad_toint", "heap_oob", "int_ovf", "user1"} <= codes


def test_the_area_of_results_is_not_left_on_purpose() -> None:
    """It may lie in a caller's slot, and what is beside that is no address that traps."""
    made, entropy = generator(), PrngEntropy(1)
    instruction_set = made.instruction_sets.of(ISAS, {}, {})
    swarm = Swarm(entropy, instruction_set)
    plan = CasePlan(entropy, DEFAULT, instruction_set, swarm, False, False, trapping=True)
    w = Writer(plan, Function("f", Signature()), 3000)
    address = w.value(I64)
    w.memory.append(MemoryObject(32, base=address, results=True))
    assert not out_of_bounds(w)
    w.memory.append(MemoryObject(32, base=address))
    assert out_of_bounds(w)


def test_outcomes_do_not_depend_on_addresses_or_fresh_stack() -> None:
    for seed in SEEDS:
        one, other = (interpret(case_of(seed), layout) for layout in (0, 5))
        assert one.status.tolist() == other.status.tolist(), seed
        returned = one.status == Status.RETURNED
        for left, right in zip(one.results, other.results, strict=True):
            assert left[returned].tobytes() == right[returned].tobytes(), seed
        if one.memory is not None and other.memory is not None:
            assert one.memory.tobytes() == other.memory.tobytes(), seed


def test_the_read_only_part_of_the_region_is_never_written() -> None:
    seen = 0
    for seed in range(3 * len(SEEDS)):
        case = case_of(seed)
        loads = [
            inst.offset + accessed_bytes(inst.opcode, inst.results[0].type)
            for function in case.functions
            for inst in function.instructions()
            if inst.flags.readonly
        ]
        memory, region = interpret(case).memory, case.inputs.region
        if loads and memory is not None and region is not None:
            seen += 1
            for row in memory:
                assert row.tobytes()[: max(loads)] == region.contents[: max(loads)], seed
    assert seen >= 3


def test_results_depend_on_the_inputs() -> None:
    distinct = [len(outcome_rows(interpret(case_of(seed)))) for seed in SEEDS]
    assert median(distinct) >= 24


def outcome_rows(outcomes: Outcomes) -> set[bytes]:
    return {
        b"".join(words[row].tobytes() for words in outcomes.results)
        + (outcomes.memory[row].tobytes() if outcomes.memory is not None else b"")
        for row in range(outcomes.count)
    }


def test_pure_opcodes_can_be_restricted() -> None:
    options = Options(opcodes=frozenset({"rotl", "clz"}))
    assert generator(options).instruction_sets.of(ISAS, {}, {}).pure_opcodes == ("rotl", "clz")
    used = {inst.opcode.name for seed in SEEDS for inst in all_of(case_of(seed, options))}
    assert {"rotl", "clz"} <= used
    assert not used & {"umul_overflow", "smul_overflow", "sadd_overflow_cin"}


def fingerprint(case: Case) -> str:
    """Return everything about a case, as text."""
    inputs = [words.tolist() for words in case.inputs.args]
    region = case.inputs.region
    rest = (inputs, region and (region.param, region.contents), case.settings, case.isa_settings)
    return print_functions(case.functions) + repr((*rest, case.trapping, case.isas))


def test_same_seed_same_case() -> None:
    fresh = directed_generator(Options())
    for seed in range(20):
        assert fingerprint(fresh.generate(PrngEntropy(seed))) == fingerprint(case_of(seed))


def test_same_case_in_another_process() -> None:
    program = (
        "import hashlib\n"
        "from tests.fuzz.generate.test_generate import case_of, fingerprint\n"
        "text = ''.join(fingerprint(case_of(seed)) for seed in range(20))\n"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(printed) == 1


def check_valid(case: Case) -> None:
    for isa in filter(case.is_for, ISAS):
        compile_for(case, isa)
    allowed = {Status.RETURNED, Status.TRAPPED} if case.trapping else {Status.RETURNED}
    assert set(interpret(case).status.tolist()) <= allowed


@given(st.binary(max_size=600))
@settings(max_examples=40, deadline=None)
def test_any_bytes_make_a_valid_case(data: bytes) -> None:
    check_valid(generator().generate(BytesEntropy(data)))


@pytest.mark.parametrize("byte", [0, 1, 0x55, 0x80, 0xFF])
def test_monotonous_bytes_make_a_valid_case(byte: int) -> None:
    check_valid(generator().generate(BytesEntropy(bytes([byte]) * 3000)))


@given(cases())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_hypothesis_draws_make_a_valid_case(case: Case) -> None:
    check_valid(case)


@given(functions())
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
def test_functions_come_main_first(drawn: list[Function]) -> None:
    assert drawn[0].name == "main"
    names = {function.name for function in drawn}
    assert all(e.name in names for function in drawn for e in function.externals)
