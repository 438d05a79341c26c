"""Proving functions: what is proved, refuted and undecided, each for a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.cranelift.reader import read_functions
from backend.emulator.linker import PlainCode
from clif.outcome import Region, ints_from_words
from clif.printer import print_functions
from fuzz.cases.case import Case, no_inputs
from fuzz.cases.casefile import read_cases
from fuzz.differential.pipeline import NO_INJECTION, Injection
from fuzz.prove.proof import MID_END, SUBJECTS, Prover, Status
from fuzz.prove.semantics import PURE
from fuzz.prove.store import ProofStore
from scripts.benchmarks.planted_faults import FAULTS
from scripts.benchmarks.proof_detection import injection
from tests.paths import CORPUS


def case_of(text: str, region: Region | None = None, **settings: str) -> Case:
    functions = read_functions(text)
    inputs = no_inputs(functions[0])
    inputs.region = region
    return Case(functions, inputs, {"opt_level": "speed"} | settings)


def function(body: str, signature: str = "(i32, i32) -> i32", params: str = "v0: i32, v1: i32"):
    return f"function %main{signature} system_v {{\nblock0({params}):\n{body}\n}}\n"


PROVED = {
    "a sum": function("v2 = iadd v0, v1\n return v2"),
    "a division that traps": function("v2 = sdiv v0, v1\n return v2"),
    "a branch": function(
        "v2 = icmp ult v0, v1\n brif v2, block1, block2\nblock1:\n return v0\nblock2:\n return v1"
    ),
    "a table": function(
        "br_table v0, block3, [block1, block2, block1]\nblock1:\n return v1\n"
        "block2:\n trap user1\nblock3:\n return v0"
    ),
    "a loop of three rounds": function(
        "v2 = iconst.i32 3\n jump block1(v2, v0)\nblock1(v3: i32, v4: i32):\n v5 = imul v4, v1\n"
        "v6 = iconst.i32 1\n v7 = isub v3, v6\n brif v7, block1(v7, v5), block2\n"
        "block2:\n return v5"
    ),
    "a call": (
        "function %main(i32, i32) -> i32 system_v {\n fn0 = colocated %g(i32) -> i32 system_v\n"
        "block0(v0: i32, v1: i32):\n v2 = call fn0(v1)\n v3 = iadd v2, v0\n return v3\n}\n"
    ),
    "a wide difference": function(
        "v2 = isub v0, v1\n return v2", "(i128, i128) -> i128", "v0: i128, v1: i128"
    ),
    "floats": function(
        "v2 = fadd v0, v1\n v3 = fneg v2\n v4 = fmul v3, v1\n return v4",
        "(f64, f64) -> f64",
        "v0: f64, v1: f64",
    ),
    "lanes": function(
        "v2 = sadd_sat v0, v1\n return v2", "(i16x8, i16x8) -> i16x8", "v0: i16x8, v1: i16x8"
    ),
    "a conversion": function("v1 = fcvt_to_sint_sat.i32 v0\n return v1", "(f64) -> i32", "v0: f64"),
}
MEMORY = function(
    "v2 = load.i32 v0+4\n v3 = iadd v2, v1\n store v3, v0+8\n v4 = load.i64 v0+4\n return v4",
    "(i64, i32) -> i64",
    "v0: i64, v1: i32",
)


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("name", PROVED)
def test_right_code_is_proved(name, subject):
    proof = Prover().prove(case_of(PROVED[name]), subject)
    assert (proof.status, proof.finding) == (Status.PROVED, None), proof.reason
    assert proof.reason == ("floats uninterpreted" if name == "floats" else "")


@pytest.mark.parametrize("subject", SUBJECTS)
def test_accesses_to_a_region_and_to_the_stack_are_proved(subject):
    assert Prover().prove(case_of(MEMORY, Region(0, bytes(16))), subject).status is Status.PROVED
    slots = (
        "function %main(i32) -> i16 system_v {\n ss0 = explicit_slot 8\nblock0(v0: i32):\n"
        "v1 = stack_addr.i64 ss0+2\n store v0, v1\n v2 = load.i16 v1+2\n return v2\n}\n"
    )
    assert Prover().prove(case_of(slots), subject).status is Status.PROVED


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_function_without_inputs_is_not_proved(subject):
    """All is true of no input: here none keeps the access in the region."""
    beyond = MEMORY.replace("v0+8", "v0+1000")
    proof = Prover().prove(case_of(beyond, Region(0, bytes(16))), subject)
    assert proof.status is Status.UNDECIDED
    assert proof.reason == "no input fulfils what it takes for granted"
    assert Prover().prove(case_of(beyond), subject).status is Status.PROVED  # of any memory


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("region", [None, Region(0, bytes(16))], ids=["any", "region"])
def test_wrong_memory_is_refuted(subject, region):
    def other_sum(functions):
        return read_functions(print_functions(functions).replace("iadd", "isub"))

    prover = Prover(inject=lambda _: Injection(functions=other_sum))
    proof = prover.prove(case_of(MEMORY, region), subject)
    assert proof.status is Status.REFUTED, proof.reason
    assert proof.case is not None
    assert proof.case.inputs.region is not None


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_planted_faults_are_refuted(fault):
    case = case_of(fault.function)
    sound = Prover().prove(case, fault.subject)
    proof = Prover(inject=lambda c: injection(fault, c) or NO_INJECTION).prove(case, fault.subject)
    assert sound.status is Status.PROVED, sound.reason
    assert proof.status is Status.REFUTED
    assert proof.finding is not None
    assert proof.finding.kind.value == "miscompile"
    assert not proof.finding.known


def test_a_counterexample_is_the_input_that_shows_the_fault():
    (fault,) = (fault for fault in FAULTS if fault.name == "mid-end-iadd-of-one-number")
    proof = Prover(inject=lambda c: injection(fault, c) or NO_INJECTION).prove(
        case_of(fault.function), MID_END
    )
    assert proof.case is not None
    assert ints_from_words(proof.case.inputs.args[0]) == [0x5DB3_17E2_9C40_A66F]


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("fmin-zero-f16", MID_END),
        ("regionless-load", MID_END),
        ("vany-true-i8x4", "x86_64"),
        ("atomic-store-i128-halves", "x86_64"),
        ("preserve-all-inline-probes", "x86_64"),
        ("atomic-cas-i32", "aarch64"),
        ("atomic-rmw-umin-i8", "aarch64"),
        ("fdemote-f128-f32", "aarch64"),
        ("fpromote-f16-f64", "aarch64"),
        ("swiden-high-i8x4", "aarch64"),
    ],
)
def test_known_faults_are_refuted(name, subject):
    (found, *_) = read_cases((CORPUS / "cranelift" / f"{name}.clif").read_text())
    case = found.case
    if name == "preserve-all-inline-probes":  # the fault is in the callee
        (callee,) = case.functions[1:]
        case = replace(case, functions=[callee], inputs=no_inputs(callee))
    proof = Prover().prove(case, subject)
    assert proof.status is Status.REFUTED, proof.reason
    assert proof.finding is not None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            function(
                "jump block1(v0)\nblock1(v2: i32):\n v3 = imul v2, v1\n brif v3, block1(v3), "
                "block2\nblock2:\n return v3"
            ),
            "too many paths",
        ),
        (
            function("v1 = get_stack_pointer.i64\n return v1", "(i64) -> i64", "v0: i64"),
            "get_stack_pointer has no meaning in terms",
        ),
        (
            function(
                "v2 = udiv v0, v1\n v3 = imul v2, v1\n v4 = urem v0, v1\n v5 = iadd v3, v4\n"
                " return v5",
                "(i64, i64) -> i64",
                "v0: i64, v1: i64",
            ),
            "",
        ),
    ],
)
def test_what_cannot_be_told_is_undecided(text, reason):
    proof = Prover().prove(case_of(text), "x86_64")
    if reason:
        assert (proof.status, proof.reason) == (Status.UNDECIDED, reason)
    else:  # the same operations on both sides need no solver's knowledge of division
        assert proof.status is Status.PROVED


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("48897c2408 4889f8 c3", "a store to the caller's part of the stack"),  # mov [rsp + 8], rdi
        ("48893c24 4889f8 c3", "a return to another address"),  # mov [rsp], rdi
    ],
)
def test_code_that_writes_the_caller_s_stack_is_not_proved(code, reason):
    def wild(_, __, program):
        return [PlainCode(program[0].name, bytes.fromhex(code))]

    case = case_of(function("return v0", "(i64) -> i64", "v0: i64"))
    proof = Prover(inject=lambda _: Injection(code=wild)).prove(case, "x86_64")
    assert (proof.status, proof.reason) == (Status.UNDECIDED, reason)


def test_a_solver_that_has_no_time_leaves_it_undecided():
    text = function(
        "v2 = imul v0, v1\n v3 = imul v1, v0\n v4 = isub v2, v3\n v5 = iconst.i64 10\n"
        "v6 = udiv v0, v5\n v7 = iadd v6, v4\n return v7",
        "(i64, i64) -> i64",
        "v0: i64, v1: i64",
    )
    proof = Prover(0.001, ["z3"]).prove(case_of(text), MID_END)
    assert (proof.status, proof.reason) == (Status.UNDECIDED, "the solvers do not know in time")
    late = Prover(total_seconds=-1.0).prove(case_of(text), MID_END)
    assert (late.status, late.reason) == (Status.UNDECIDED, "the proof takes too long")


def test_a_counterexample_that_makes_no_difference_is_no_refutation(monkeypatch):
    """Here the meaning of an opcode is wrong, not Cranelift."""
    monkeypatch.setitem(PURE, "iadd", lambda _, x, y: x - y)
    proof = Prover().prove(case_of(PROVED["a sum"]), "x86_64")
    assert proof.status is Status.UNDECIDED
    assert proof.reason == "a counterexample that makes no difference when it is run"


def test_answers_are_kept(tmp_path):
    store = ProofStore(tmp_path / "proofs.sqlite")
    case = case_of(PROVED["a sum"])
    first = Prover(store=store).prove(case, "aarch64")
    again = Prover(store=ProofStore(tmp_path / "proofs.sqlite")).prove(case, "aarch64")
    assert (first.stored, again.stored) == (False, True)
    assert again.status is first.status
    assert again.solvers == first.solvers == ["z3"]
    other = Prover(4.0, store=store).prove(case, "aarch64")
    assert not other.stored  # it was asked with another limit
    settings = case_of(PROVED["a sum"], opt_level="none")
    assert Prover(store=store).prove(settings, "aarch64").stored  # it is the same code


def test_a_store_that_is_no_database_keeps_nothing(tmp_path):
    (tmp_path / "proofs.sqlite").write_text("something else, longer than a header of a database")
    store = ProofStore(tmp_path / "proofs.sqlite")
    store.put("key", ["proved", "", []])
    assert store.get("key") is None
    assert ProofStore(tmp_path / "proofs.sqlite" / "below").get("key") is None
