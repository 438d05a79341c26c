"""Each solver says the same of a query, and whoever knows is believed."""

from __future__ import annotations

import pytest
import z3

from fuzz.prove import solvers
from fuzz.prove.memory import Memory
from fuzz.prove.solvers import Answer, Query, installed, solve
from fuzz.prove.terms import const

X, Y = z3.BitVecs("arg0 arg1", 32)


def test_z3_is_asked_first_and_is_always_there():
    assert installed()[0] == "z3"
    assert set(installed()) <= {"z3", "bitwuzla", "cvc5"}


@pytest.mark.parametrize("name", installed())
def test_a_solver_decides_and_gives_a_model(name):
    holds = Query((X + Y != Y + X,), {})
    assert solve(holds, 5.0, [name]).answer is Answer.UNSATISFIABLE
    fails = Query((X * 3 == 21, z3.ULT(X, 100)), {"arg0": X, "arg1": Y})
    solution = solve(fails, 5.0, [name])
    assert (solution.answer, solution.solver) == (Answer.SATISFIABLE, name)
    assert solution.model["arg0"] == 7
    assert solution.model.keys() == {"arg0", "arg1"}


@pytest.mark.parametrize("name", installed())
def test_a_solver_knows_memory_and_division(name):
    memory = Memory.shared()
    address = z3.BitVec("address", 64)
    memory.store(address, const(0x1234, 16))
    read = memory.load(address + 1, 1)
    query = Query((read != const(0x12, 8), z3.UDiv(X, Y) == z3.simplify(z3.UDiv(X, Y))), {})
    assert solve(query, 5.0, [name]).answer is Answer.UNSATISFIABLE


@pytest.mark.parametrize("name", installed())
def test_a_solver_knows_the_theory_of_floats(name):
    bits = z3.BitVec("bits", 32)
    number = z3.fpBVToFP(bits, z3.Float32())
    half = z3.fpMul(z3.RNE(), number, z3.FPVal(0.5, z3.Float32()))
    query = Query((z3.fpGT(half, number), z3.fpIsPositive(number)), {"bits": bits})
    assert solve(query, 20.0, [name]).answer is Answer.UNSATISFIABLE


def test_the_others_are_asked_when_the_first_does_not_know(monkeypatch):
    asked = []

    def never(query, seconds):
        asked.append(seconds)
        return Answer.UNKNOWN, {}

    monkeypatch.setitem(solvers._SOLVERS, "z3", never)
    monkeypatch.setitem(solvers._SOLVERS, "other", lambda *_: (Answer.UNSATISFIABLE, {}))
    solution = solve(Query((X != X,), {}), 10.0, ["z3", "other"])
    assert (solution.answer, solution.solver) == (Answer.UNSATISFIABLE, "other")
    assert asked == [pytest.approx(1.5)]
    unknown = solve(Query((X != X,), {}), 10.0, ["z3"])
    assert (unknown.answer, unknown.solver) == (Answer.UNKNOWN, "z3")
    assert asked[1:] == [10.0]


def test_text_is_what_every_solver_reads():
    quotient = z3.simplify(z3.If(Y == 0, X, z3.UDiv(X, Y)))
    text = Query((quotient == X,), {}).text()
    assert "bvudiv" in text
    assert "_i " not in text
