"""SMT solvers: z3, and bitwuzla and cvc5 where they are installed, asked in turn.

A query is text of SMT-LIB, so that every solver gets the same one.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import z3

from fuzz.prove.terms import Condition


class Answer(Enum):
    """What a solver says of a query."""

    UNSATISFIABLE = "unsat"
    SATISFIABLE = "sat"
    UNKNOWN = "unknown"


#: Divisions whose divisor is known not to be 0, as z3 prints them.
_INTERNAL: Final = re.compile(r"\b(bv[su](?:div|rem|mod))_i\b")


@dataclass(frozen=True, slots=True)
class Query:
    """Conditions, of which is asked whether they can hold together.

    Attributes:
        conditions: the conditions.
        watched: terms whose values a counterexample consists of.
    """

    conditions: tuple[Condition, ...]
    watched: Mapping[str, z3.ExprRef]

    def text(self) -> str:
        """Return the query as SMT-LIB."""
        solver = z3.Solver()
        solver.add(*self.conditions)
        return _INTERNAL.sub(r"\1", str(solver.to_smt2()))


@dataclass(frozen=True, slots=True)
class Solution:
    """What became of a query.

    Attributes:
        answer: the answer.
        solver: who gave it; of an unknown one, all who were asked.
        model: values of the watched terms; only of a satisfiable query.
    """

    answer: Answer
    solver: str
    model: Mapping[str, int]


_TACTIC: Final = ("simplify", "propagate-values", "solve-eqs", "elim-uncnstr", "simplify")


def _ask_z3(query: Query, seconds: float) -> tuple[Answer, Mapping[str, int]]:
    solver = z3.Then(*_TACTIC, "smt").solver()
    solver.set("timeout", int(1000 * seconds))
    solver.add(*query.conditions)
    try:
        answer = solver.check()
    except z3.Z3Exception:
        return Answer.UNKNOWN, {}
    if answer == z3.unsat:
        return Answer.UNSATISFIABLE, {}
    if answer != z3.sat:
        return Answer.UNKNOWN, {}
    model = solver.model()
    values = {n: model.eval(x, model_completion=True) for n, x in query.watched.items()}
    return Answer.SATISFIABLE, {n: v.as_long() for n, v in values.items() if z3.is_bv_value(v)}


def _ask_bitwuzla(query: Query, seconds: float) -> tuple[Answer, Mapping[str, int]]:
    import bitwuzla as library  # only where it is installed

    options = library.Options()
    options.set(library.Option.PRODUCE_MODELS, True)
    options.set(library.Option.TIME_LIMIT_PER, int(1000 * seconds))
    terms = library.TermManager()
    parser = library.Parser(terms, options)
    names = {f"watched_{n}": n for n in query.watched}
    try:
        parser.parse(_with_watched(query), True, False)
    except library.BitwuzlaException:
        return Answer.UNKNOWN, {}  # something that is z3's own
    found = parser.bitwuzla()
    answer = found.check_sat()
    if answer == library.Result.UNSAT:
        return Answer.UNSATISFIABLE, {}
    if answer != library.Result.SAT:
        return Answer.UNKNOWN, {}
    values = {}
    for declared in parser.get_declared_funs():
        name = names.get(declared.symbol())
        if name is not None:
            values[name] = int(found.get_value(declared).value(10))
    return Answer.SATISFIABLE, values


def _ask_cvc5(query: Query, seconds: float) -> tuple[Answer, Mapping[str, int]]:
    import cvc5 as library  # only where it is installed

    terms = library.TermManager()
    solver = library.Solver(terms)
    solver.setOption("tlimit-per", str(int(1000 * seconds)))
    solver.setOption("produce-models", "true")
    parser = library.InputParser(solver)
    parser.setStringInput(
        library.InputLanguage.SMT_LIB_2_6, "(set-logic ALL)\n" + _with_watched(query), "query"
    )
    symbols = parser.getSymbolManager()
    try:
        while not (command := parser.nextCommand()).isNull():
            if command.getCommandName() not in ("check-sat", "exit"):
                command.invoke(solver, symbols)
        answer = solver.checkSat()
    except RuntimeError:
        return Answer.UNKNOWN, {}  # something that is z3's own, or a format that it does not have
    if answer.isUnsat():
        return Answer.UNSATISFIABLE, {}
    if not answer.isSat():
        return Answer.UNKNOWN, {}
    values = {}
    for declared in symbols.getDeclaredTerms():
        name = str(declared).removeprefix("watched_")
        if name in query.watched:
            values[name] = int(solver.getValue(declared).getBitVectorValue(10))
    return Answer.SATISFIABLE, values


def _with_watched(query: Query) -> str:
    """Return the query's text, with a symbol for each watched term."""
    named = [z3.BitVec(f"watched_{n}", x.size()) == x for n, x in query.watched.items()]
    return Query((*query.conditions, *named), {}).text()


_SOLVERS: Final[dict[str, Callable[[Query, float], tuple[Answer, Mapping[str, int]]]]] = {
    "z3": _ask_z3,
    "bitwuzla": _ask_bitwuzla,
    "cvc5": _ask_cvc5,
}
#: The first solver is given so much of the time before any other one is asked.
_FIRST_SHARE: Final = 0.15


def installed() -> tuple[str, ...]:
    """Return the names of the solvers that there are, in the order in which they are asked."""
    return tuple(n for n in _SOLVERS if n == "z3" or importlib.util.find_spec(n) is not None)


def solve(query: Query, seconds: float, solvers: Sequence[str]) -> Solution:
    """Ask solvers in turn until one knows; the first is asked shortly, and again in the end.

    Args:
        seconds: for the query, of all solvers together.
    """
    first, *others = solvers
    short = seconds * _FIRST_SHARE if others else 0.0
    rest = (seconds - short) / (len(others) + 1)
    turns = [(first, short), *((name, rest) for name in others), (first, rest)]
    for name, limit in turns:
        if limit:
            answer, model = _SOLVERS[name](query, limit)
            if answer is not Answer.UNKNOWN:
                return Solution(answer, name, model)
    return Solution(Answer.UNKNOWN, ", ".join(solvers), {})
