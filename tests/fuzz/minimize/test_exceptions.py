"""Minimising cases that throw: tables get shorter, what throws stays what it is."""

from __future__ import annotations

from random import Random

from clif.throwing import throws
from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.casefile import print_case, read_case
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.runner import CaseRunner
from fuzz.differential.verdict import Verdict
from fuzz.minimize.engine import Minimizer
from fuzz.minimize.interestingness import FailureTest
from fuzz.minimize.order import instructions
from fuzz.minimize.registry import PASSES
from fuzz.minimize.soundness import flaws
from fuzz.selfcheck.check import cases_for
from fuzz.selfcheck.registry import all_faults

FAULT = all_faults()["exception-other-tag"]


class WithFault(CaseRunner):
    """Has other tags in all exception tables."""

    def check(self, pipeline: Pipeline, case: Case) -> Verdict:
        injection = FAULT.inject(case, Random(5))
        return pipeline.check(case) if injection is None else pipeline.check(case, injection)


def test_a_case_that_throws_comes_to_a_few_instructions() -> None:
    make = cases_for(FAULT, CaseOptions(instructions=30, inputs=8), 3)
    test = FailureTest(WithFault(), ("x86_64", "aarch64"))
    case = next(case for case in map(make, range(50)) if test(case) is not None)
    minimizer = Minimizer(test, PASSES)
    minimizer.start(case)
    small = minimizer.run()
    assert instructions(small) <= 8
    assert not flaws(small)
    assert sum(len(inst.handlers) for f in small.functions for inst in f.instructions()) <= 3
    declared = [e for function in small.functions for e in function.externals]
    symbols = [value.symbol for function in small.functions for value in function.global_values]
    assert any(map(throws, declared)) or any("throw_" in (name or "") for name in symbols)


def test_what_is_thrown_is_no_address() -> None:
    text = """function %main(i64) -> i64 {
    sig0 = (i64, i64, i64, i64) tail
    fn0 = %throw_tail sig0
    ss0 = explicit_slot 8
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    try_call fn0(v0, v0, PAYLOAD, v0), sig0, block1, [ default: block2(exn0) ]
block1:
    trap user1
block2(v2: i64):
    return v2
}
; input: %main(5)
"""
    assert not flaws(read_case(text.replace("PAYLOAD", "v0")).case)
    assert flaws(read_case(text.replace("PAYLOAD", "v1")).case)


def test_lines_of_such_a_case_are_not_for_other_tools() -> None:
    text = (
        "function %main(i64) {\n    sig0 = (i64, i64, i64, i64) tail\n    fn0 = %throw_tail sig0\n"
        "block0(v0: i64):\n    try_call fn0(v0, v0, v0, v0), sig0, block1, [ default: block1 ]\n"
        "block1:\n    return\n}\n; input: %main(5)\n"
    )
    case_file = read_case(text)
    verdict = Pipeline(["x86_64"]).check(case_file.case)
    assert verdict.findings == []
    assert print_case(case_file.case, verdict.expected).endswith("\n; input: %main(5) == []\n")
