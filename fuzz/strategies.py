"""Hypothesis strategies over the generator, for our own properties and for users' tests.

    @given(cases())
    def test_prints(case): ...

They draw choice by choice, so that Hypothesis shrinks them; keep the cases small, since it is some
hundred times slower than ``PrngEntropy``.
"""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from clif.function import Function
from fuzz.case import Case
from fuzz.entropy import HypothesisEntropy
from fuzz.generate import Generator, Options

#: Small enough for Hypothesis's bound on the choices of one example.
SMALL = Options(instructions=12, inputs=4, callees=1)


@cache
def _generator(options: Options) -> Generator:
    return Generator(options)


@st.composite
def cases(draw: st.DrawFn, options: Options = SMALL) -> Case:
    """Valid cases: functions, inputs and settings."""
    return _generator(options).generate(HypothesisEntropy(draw))


def functions(options: Options = SMALL) -> st.SearchStrategy[list[Function]]:
    """The functions of valid cases, main first."""
    return cases(options).map(lambda case: case.functions)
