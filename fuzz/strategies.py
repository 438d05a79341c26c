"""Hypothesis strategies for cases, functions and mutants.

    @given(cases())
    def test_prints(case): ...

Every decision of the generator is a draw of its own, so that Hypothesis can shrink the case. That
is some hundred times slower than ``PrngEntropy``: keep the cases small. docs/strategies.md has an
example.
"""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from clif.function import Function
from fuzz.cases.case import Case
from fuzz.entropy import HypothesisEntropy
from fuzz.generate import Generator, Options
from fuzz.isle.director import directed_generator
from fuzz.mutate import Mutator

#: Cases small enough for Hypothesis's bound on the draws of one example.
SMALL = Options(instructions=12, inputs=4, callees=1)


@cache
def _generator(options: Options) -> Generator:
    return directed_generator(options)


@cache
def _mutator(options: Options) -> Mutator:
    return Mutator(options, _generator(options).instruction_sets)


@st.composite
def cases(draw: st.DrawFn, options: Options = SMALL) -> Case:
    """Draw valid cases: functions, inputs and settings."""
    return _generator(options).generate(HypothesisEntropy(draw))


def functions(options: Options = SMALL) -> st.SearchStrategy[list[Function]]:
    """Draw the functions of valid cases, main first."""
    return cases(options).map(lambda case: case.functions)


@st.composite
def mutants(
    draw: st.DrawFn, base: st.SearchStrategy[Case] | None = None, options: Options = SMALL
) -> Case:
    """Draw mutants, as valid as the cases that they are made of.

    Args:
        base: draws the cases to mutate; ``cases(options)`` by default.
        options: the ISAs, and what new instructions may be.
    """
    case = draw(cases(options) if base is None else base)
    return _mutator(options).mutate(case, HypothesisEntropy(draw)).case
