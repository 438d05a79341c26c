"""Two oracles: outliers, known faults of the second one, and inputs that it cannot run."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fuzz.differential.crosscheck
import interp
from backend.cranelift.compiler import version
from backend.cranelift.interpreter import Interpretation, interpret, interpret_functions
from backend.cranelift.interpreter_faults import InterpreterFault
from backend.cranelift.probes import Probe, all_probes, probe_text
from backend.cranelift.reader import read_functions
from backend.isa.registry import DEFAULT_ISAS
from clif.memory_access import address_operand
from clif.outcome import Inputs, Outcomes, Region, words_from_ints
from clif.types import Type
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.differential.crosscheck import CrossChecker
from fuzz.differential.finding import FindingKind
from fuzz.differential.oracle import OracleError, cranelift_interpreter, interpreter
from fuzz.differential.pipeline import Pipeline
from fuzz.entropy import PrngEntropy
from fuzz.generate.options import Options
from fuzz.isle.director import directed_generator
from tests.interp.asking import join, random_int
from tests.interp.exact import special_floats

ADD = """
function %add(i32, i32) -> i32 {
block0(v0: i32, v1: i32):
    v2 = iadd v0, v1
    return v2
}
; run: %add(1, -2) == -1
; run: %add(5, 9) == 14
"""

BEHIND = """
function %f(i64, i64) -> i64 {
    ss0 = explicit_slot 16
block0(v0: i64, v1: i64):
    v2 = stack_addr.i64 ss0
    store v0, v2
    v3 = iconst.i64 8
    v4 = iadd v2, v3
    v5 = load.i64 notrap v4-8
    v6 = srem v5, v1
    return v6
}
; run: %f(9, 4) == 1
; run: %f(-9223372036854775808, -1) == 0
"""

AVERAGE = """
set opt_level=speed
target x86_64 has_sse3 has_ssse3 has_sse41
target aarch64
function %f(i8x16, i8) -> i8x16 {
block0(v0: i8x16, v1: i8):
    brif v1, block1, block2
block1:
    v2 = avg_round v0, v0
    return v2
block2:
    return v0
}
; run: %f([0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1], 1) == [0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1]
; run: %f([0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1], 0) == [0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1]
"""


def case_of(text: str) -> Case:
    return read_case(text).case


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(DEFAULT_ISAS, second=True)


def test_all_agree(pipeline: Pipeline) -> None:
    verdict = pipeline.check(case_of(ADD))
    assert (verdict.findings, verdict.rejected) == ([], [])
    assert verdict.second is not None
    assert (verdict.second.compared, verdict.second.unsupported) == (2, {})


def one_off(outcomes: Outcomes) -> Outcomes:
    """The outcomes with the lowest bit of the last input's first result flipped."""
    words = outcomes.results[0].copy()
    words[-1, 0] ^= 1
    return replace(outcomes, results=[words, *outcomes.results[1:]])


def test_the_first_oracle_may_be_the_outlier() -> None:
    wrong = Pipeline(DEFAULT_ISAS, oracle=lambda *a: one_off(interpreter(*a)), second=True)
    findings = wrong.check(case_of(ADD)).findings
    kinds = [finding.kind for finding in findings]
    assert kinds == [*[FindingKind.MISCOMPILE] * 2, FindingKind.ORACLES_DISAGREE]
    assert all(finding.inputs == (1,) for finding in findings)
    assert all(finding.explanation[-1] == "outlier: interp" for finding in findings)


def test_the_second_oracle_may_be_the_outlier(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*args: Any, **rest: Any) -> Interpretation:
        asked = interpret(*args, **rest)
        return replace(asked, outcomes=one_off(asked.outcomes))

    monkeypatch.setattr(fuzz.differential.crosscheck, "interpret", wrong)
    (finding,) = pipeline.check(case_of(ADD)).findings
    assert finding.bucket == "oracles-disagree cranelift-interpreter result: iadd.i32"
    assert finding.inputs == (1,)
    assert not finding.known
    assert finding.explanation[-1] == "outlier: cranelift-interpreter"


@pytest.mark.skipif(version() != "0.135.8", reason="faults of this release")
def test_known_faults_are_proved_and_counted(pipeline: Pipeline) -> None:
    verdict = pipeline.check(case_of(BEHIND))
    (finding,) = verdict.findings
    assert finding.known
    assert finding.bucket == ("oracle-fault cranelift-interpreter negative-offset srem-of-minimum")
    only = BEHIND.replace("-9223372036854775808, -1) == 0", "7, 4) == 3")
    (finding,) = pipeline.check(case_of(only)).findings
    assert finding.bucket == "oracle-fault cranelift-interpreter negative-offset"
    assert finding.explanation[0] == InterpreterFault.NEGATIVE_OFFSET.explanation


@pytest.mark.skipif(version() != "0.135.8", reason="faults of this release")
def test_a_known_fault_hides_no_other_difference(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:

    def wrong(*args: Any, **rest: Any) -> Interpretation:
        asked = interpret_functions(*args, **rest)
        return replace(asked, outcomes=one_off(asked.outcomes))

    monkeypatch.setattr(fuzz.differential.crosscheck, "interpret_functions", wrong)
    known, other = pipeline.check(case_of(BEHIND)).findings
    assert (known.known, known.inputs) == (True, (0,))
    assert (other.kind, other.inputs) == (FindingKind.ORACLES_DISAGREE, (1,))


def test_what_it_has_no_say_on_is_counted_and_runs(pipeline: Pipeline) -> None:
    verdict = pipeline.check(case_of(AVERAGE))
    assert (verdict.findings, verdict.rejected, verdict.executions) == ([], [], 4)
    assert verdict.second is not None
    assert verdict.second.reasons() == {"avg_round.i8x16: not implemented": 1}
    assert verdict.second.compared == 1
    assert "cranelift-interpreter" not in verdict.observed(0)
    assert "cranelift-interpreter" in verdict.observed(1)


def test_the_second_oracle_as_the_only_one() -> None:
    assert cranelift_interpreter(case_of(ADD)).results[0].tolist() == [[0xFFFFFFFF], [14]]
    assert cranelift_interpreter(case_of(BEHIND)).results[0].tolist() == [[1], [0]]
    with pytest.raises(OracleError, match="cranelift-interpreter: avg_round"):
        cranelift_interpreter(case_of(AVERAGE))


@pytest.mark.parametrize("vectors", [False, True])
def test_generated_cases(pipeline: Pipeline, vectors: bool) -> None:
    generator = directed_generator(Options(inputs=8, vectors=vectors))
    compared = 0
    for index in range(60):
        case = generator.generate(PrngEntropy((5, index)))
        check = CrossChecker(case, interpreter(case), 100_000).check()
        assert check.differences == []
        compared += check.compared
    assert compared > 60 * 8 / 3  # it has no try_call


# --- every instruction on every type ---

#: Opaque values, which no case may show.
_OPAQUE = ("stack_addr", "func_addr", "get_pinned_reg", "symbol_value")
_ROWS = 10


def _value(type_: Type, chance: random.Random) -> int:
    if not type_.is_float:
        return random_int(type_, chance)
    specials = special_floats(type_.lane)
    return join(type_, [chance.choice(specials) for _ in range(type_.lanes)])


def _probe_case(probe: Probe) -> Case:
    """Make a case of the probe's function with random operands."""
    functions = read_functions(probe_text(probe))
    chance = random.Random(str(probe.name))
    types = functions[0].signature.param_types
    columns = [words_from_ints(t, [_value(t, chance) for _ in range(_ROWS)]) for t in types]
    address = address_operand(probe.opcode)
    region = Region(address, chance.randbytes(32)) if address is not None else None
    return Case(functions, Inputs(_ROWS, columns, region))


@pytest.mark.skipif(version() != "0.135.8", reason="faults of this release")
def test_every_instruction_on_every_type() -> None:
    """Two independent interpreters, and nothing between them but known faults."""
    agreed = 0
    for probe in all_probes():
        if probe.opcode.name in _OPAQUE:
            continue
        case = _probe_case(probe)
        try:
            expected = interp.run(case.functions, case.inputs)
        except interp.Unsupported:
            continue
        check = CrossChecker(case, expected, 1000).check()
        assert check.differences == [], probe
        agreed += check.compared == _ROWS
    assert agreed > 2000


def test_nothing_is_compared_where_the_first_hangs(pipeline: Pipeline) -> None:
    text = ADD.replace("v2 = iadd v0, v1", "v2 = iadd v0, v1\n    jump block1\nblock1:")
    endless = text.replace("return v2", "jump block1")
    hung = Pipeline(DEFAULT_ISAS, second=True, fuel=50).check(case_of(endless))
    assert (hung.hangs, hung.second) == (2, None)
    assert np.count_nonzero(hung.expected.status if hung.expected else 0) == 2
