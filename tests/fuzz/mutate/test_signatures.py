"""Mutants call every function through its own signature."""

from __future__ import annotations

from functools import cache

import pytest

from backend.cranelift.compiler import Functions
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case, read_case
from fuzz.cases.target import target_of
from fuzz.entropy import PrngEntropy
from fuzz.generate import Generator, Options
from fuzz.mutate import Mutator
from tests.fuzz.analysis.agreeing_calls import WITH_CALLS, calls_without_meaning, disagreeing_calls

_MUTANTS = 25
_STEPS = 6
#: Who is called there is known only when it runs, so little may be changed.
UNKNOWN = "chosen"


@cache
def mutator() -> Mutator:
    return Mutator(Options(inputs=2))


@cache
def drawn(seed: int) -> Case:
    return Generator(Options(instructions=20, inputs=2)).generate(PrngEntropy(seed))


def check(case: Case) -> None:
    assert list(disagreeing_calls(case)) == [], print_case(case)
    assert calls_without_meaning(case) == []
    functions = Functions(print_functions(case.functions))
    assert not any(functions.verify(target_of(case, case.emulated_isas[0]).handle))


@pytest.mark.parametrize("name", sorted(WITH_CALLS))
def test_mutants_of_cases_with_calls(name: str) -> None:
    case = read_case(WITH_CALLS[name]).case
    texts = {text: read_case(text).case for text in WITH_CALLS.values()}
    steps: set[str] = set()
    for seed in range(_MUTANTS):
        entropy = PrngEntropy((seed, 1))
        others = [None, drawn(seed % 5), *texts.values()]
        other = others[seed % len(others)]
        mutant = mutator().mutate(case, entropy, steps=_STEPS, other=other)
        check(mutant.case)
        steps.update(mutant.steps)
    assert len(steps) > (2 if name == UNKNOWN else 5)


@pytest.mark.parametrize("name", sorted(WITH_CALLS))
def test_drawn_cases_that_take_functions_with_calls(name: str) -> None:
    other = read_case(WITH_CALLS[name]).case
    taken = 0
    for seed in range(_MUTANTS):
        mutant = mutator().crossover(drawn(seed % 5), other, PrngEntropy((seed, 2)))
        check(mutant.case)
        taken += bool(mutant.steps)
    assert taken or name == UNKNOWN
