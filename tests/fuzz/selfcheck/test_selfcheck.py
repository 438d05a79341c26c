"""Every injected fault is seen, and is what it says it is."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from clif.function import Function
from clif.printer import print_functions
from clif.validity import problems
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.casefile import read_case
from fuzz.differential.pipeline import Injection, Pipeline
from fuzz.selfcheck.check import cases_for, check_faults
from fuzz.selfcheck.registry import Fault, all_faults
from tests.backend.emulator.machine import run_here
from tests.fuzz.command import Command

FAULTS = all_faults()
OPTIONS = CaseOptions(inputs=16)

#: What every harness of this kind has to see.
WANTED = {
    "neighbour-operation",
    "swapped-operands",
    "flipped-condition",
    "constant-off-by-one",
    "wrong-extension",
    "extension-width",
    "shift-amount",
    "store-dropped",
    "store-too-narrow",
    "load-offset",
    "load-stale",
    "loop-one-turn-short",
    "branch-targets-swapped",
    "br-table-shifted",
    "call-arguments-swapped",
    "call-results-swapped",
    "wrong-callee",
    "trap-missing",
    "trap-code",
    "extra-trap",
    "select-arms-swapped",
    "callee-saved-clobbered",
    "stack-pointer-not-restored",
    "write-outside",
    "read-outside",
    "clean-upper-bits",
    "fma-rounds-twice",
    "min-max-nan",
    "signed-zero",
}


def test_there_are_enough_kinds() -> None:
    assert FAULTS.keys() >= WANTED
    assert all(fault.summary for fault in FAULTS.values())


@pytest.mark.parametrize("name", FAULTS)
def test_each_is_caught(name: str) -> None:
    fault = FAULTS[name]
    options = OPTIONS
    if fault.isas and not set(fault.isas) & set(options.isas):
        options = replace(options, isas=fault.isas)
    (outcome,) = check_faults([fault], options, seed=1, cases=1000)
    assert outcome.caught
    assert outcome.problem == ""


@pytest.mark.parametrize("isa", [run_here("s390x"), run_here("pulley64")])
@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.throwing])
def test_faults_of_exceptions_are_caught_in_processes(name: str, isa: str) -> None:
    fault = FAULTS[name]
    options = replace(OPTIONS, isas=(isa,))
    found = list(check_faults([fault], options, seed=1, cases=1000))
    assert [outcome.caught for outcome in found] == [True] * (not fault.isas or isa in fault.isas)


@pytest.mark.parametrize("name", [n for n, f in FAULTS.items() if not f.isas])
def test_what_is_injected_is_still_valid_and_the_case_untouched(name: str) -> None:
    fault = FAULTS[name]
    options = CaseOptions(inputs=2, trapping_share=float(fault.trapping))
    make = cases_for(fault, options, 2)
    injected = 0
    for index in range(400):
        if injected == 10 or (index == 60 and not all_clif(fault)):
            break
        case = make(index)
        before = print_functions(case.functions)
        injection = fault.inject(case, Random(index))
        assert print_functions(case.functions) == before
        if injection is None or injection.functions is None:
            continue
        injected += 1
        changed = injection.functions(case.functions)
        assert print_functions(changed) != before
        if name != "clean-upper-bits":
            assert [list(problems(function)) for function in changed] == [[]] * len(changed)
    if all_clif(fault):
        assert injected > 0


def all_clif(fault: Fault) -> bool:
    """Whether the fault changes CLIF wherever it finds a place: the machine's do not."""
    cases = map(cases_for(fault, OPTIONS, 1), range(500))
    injections = filter(None, (fault.inject(case, Random(0)) for case in cases))
    return next(injections).functions is not None


def test_without_a_fault_nothing_is_seen() -> None:
    def nothing(case: object, rng: Random) -> Injection:
        return Injection(functions=lambda functions: [f.clone() for f in functions])

    fault = Fault("nothing", "no fault", nothing)
    (outcome,) = check_faults([fault], OPTIONS, seed=1, cases=40)
    assert not outcome.caught
    assert (outcome.cases, outcome.injected, outcome.problem) == (40, 40, "")


def test_a_fault_that_does_not_compile_is_a_problem_not_a_catch() -> None:
    def break_it(case: object, rng: Random) -> Injection:
        def functions(originals: list[Function]) -> list[Function]:
            clones = [function.clone() for function in originals]
            clones[0].entry.instructions.pop()
            return clones

        return Injection(functions=functions)

    fault = Fault("broken", "invalid CLIF", break_it)
    (outcome,) = check_faults([fault], OPTIONS, seed=1, cases=3)
    assert not outcome.caught
    assert outcome.problem.startswith("case 0: ")


def changed_lines(name: str, text: str) -> list[str]:
    """Inject a fault, and return the lines that it changes or adds."""
    case = read_case(text).case
    injection = FAULTS[name].inject(case, Random(0))
    assert injection is not None
    assert injection.functions is not None
    after = print_functions(injection.functions(case.functions)).splitlines()
    before = print_functions(case.functions).splitlines()
    return [line.strip() for line in after if line not in before]


def function(signature: str, params: str, body: str) -> str:
    return f"function %f{signature} {{\nblock0{params}:\n  {body}\n}}\n; print: %f(1, 2)\n"


def test_a_few_faults_by_hand() -> None:
    sub = function("(i8, i8) -> i8", "(v0: i8, v1: i8)", "v2 = isub v0, v1\n  return v2")
    assert changed_lines("swapped-operands", sub) == ["v2 = isub.i8 v1, v0"]
    assert changed_lines("neighbour-operation", sub) == ["v2 = iadd.i8 v0, v1"]
    store = function("(i64, i32)", "(v0: i64, v1: i32)", "store v1, v0+4\n  return")
    assert changed_lines("store-too-narrow", store) == ["istore16.i32 v1, v0+4"]
    assert changed_lines("store-offset", store) == ["store.i32 v1, v0+5"]
    assert changed_lines("store-dropped", store) == []
    trap = function("(i8, i8)", "(v0: i8, v1: i8)", "trapz v0, user1\n  return")
    assert changed_lines("trap-code", trap) == ["trapz.i8 v0, user99"]
    assert changed_lines("trap-condition", trap) == ["trapnz.i8 v0, user1"]


def test_a_loop_loses_one_turn() -> None:
    text = """\
function %turns(i32) -> i32 {
block0(v0: i32):
    v1 = iconst.i32 0
    v2 = iconst.i32 1
    jump block1(v0, v1)
block1(v3: i32, v4: i32):
    v5 = isub v3, v2
    v6 = iadd v4, v0
    brif v5, block1(v5, v6), block2
block2:
    return v6
}
; run: %turns(10) == 100
"""
    case = read_case(text).case
    injection = FAULTS["loop-one-turn-short"].inject(case, Random(0))
    assert injection is not None
    verdict = Pipeline(["x86_64"]).check(case, injection)
    (difference,) = verdict.runs[0].differences
    assert difference.actual.results == (90,)


def test_command(command: Command) -> None:
    output = command("selfcheck", "--fault", "flipped-condition", "--fault", "trap-code")
    assert output.code == 0
    assert "2 of 2 faults caught" in output.out
    missed = command("selfcheck", "--fault", "signed-zero", "--cases", 1)
    assert missed.code == 1
    assert "MISSED" in missed.out
    assert "no fault named 'x'" in command.complaint("selfcheck", "--fault", "x")
    listed = command("selfcheck", "--list").out
    assert {line.split()[0] for line in listed.splitlines()} == set(FAULTS)
