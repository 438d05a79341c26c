"""Hypothesis strategies over the generator and the mutator, for our own properties and for users'.

    @given(cases())
    def test_prints(case): ...

They draw choice by choice, so that Hypothesis shrinks them; keep the cases small, since it is some
hundred times slower than ``PrngEntropy``. docs/strategies.md has an example.
"""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from clif.function import Function
from fuzz.cases.case import Case
from fuzz.entropy import HypothesisEntropy
from fuzz.generate import Generator, Options
from fuzz.mutate import Mutator

#: Small enough for Hypothesis's bound on the choices of one example.
SMALL = Options(instructions=12, inputs=4, callees=1)


@cache
def _generator(options: Options) -> Generator:
    return Generator(options)


@cache
def _mutator(options: Options) -> Mutator:
    return Mutator(options, _generator(options).repertoires)


@st.composite
def cases(draw: st.DrawFn, options: Options = SMALL) -> Case:
    """Valid cases: functions, inputs and settings."""
    return _generator(options).generate(HypothesisEntropy(draw))


def functions(options: Options = SMALL) -> st.SearchStrategy[list[Function]]:
    """The functions of valid cases, main first."""
    return cases(options).map(lambda case: case.functions)


@st.composite
def mutants(
    draw: st.DrawFn, base: st.SearchStrategy[Case] | None = None, options: Options = SMALL
) -> Case:
    """Mutants of the cases of ``base``, by default of drawn ones; as valid as these.

    ``options`` names the ISAs, and what mutants may be made of.
    """
    case = draw(cases(options) if base is None else base)
    return _mutator(options).mutate(case, HypothesisEntropy(draw)).case
