"""Cases that throw: what they throw is handled, and they are a function of their seed."""

from __future__ import annotations

import pytest

from clif.function import External
from clif.outcome import Status
from clif.printer import print_functions
from clif.throwing import UNCAUGHT, throws
from fuzz.cases.case import Case
from fuzz.differential.oracle import interpreter
from fuzz.entropy import PrngEntropy
from fuzz.generate import Generator, Options
from fuzz.generate.exceptions import ThrowingDirector

_FUEL = 100_000
_CASES = 60


def generator(trapping: float = 0.0, isas: tuple[str, ...] = ("x86_64", "aarch64")) -> Generator:
    options = Options(
        instructions=40, inputs=8, trapping_share=trapping, isas=isas, directed_share=0.2
    )
    return Generator(options, ThrowingDirector())


def drawn(trapping: float = 0.0, isas: tuple[str, ...] = ("x86_64", "aarch64")) -> list[Case]:
    made = generator(trapping, isas)
    return [made.generate(PrngEntropy((7, index))) for index in range(_CASES)]


def tables(case: Case) -> list[list[int | None]]:
    calls = (inst for function in case.functions for inst in function.instructions())
    return [[handler.tag for handler in inst.handlers] for inst in calls if inst.handlers]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return drawn()


def test_each_case_throws_or_calls_what_throws(cases: list[Case]) -> None:
    for case in cases:
        assert any(throws(e) for function in case.functions for e in function.externals)
        assert case.settings["unwind_info"] == "true"


def test_main_handles_everything_unless_the_case_may_trap(cases: list[Case]) -> None:
    for case in cases:
        assert set(interpreter(case, _FUEL).status.tolist()) == {Status.RETURNED}
    traps = [interpreter(case, _FUEL).traps for case in drawn(trapping=1.0)]
    assert UNCAUGHT in {code for each in traps for code in each.values()}


def test_exceptions_are_thrown_through_frames_and_past_handlers(cases: list[Case]) -> None:
    plain = [
        inst
        for case in cases
        for function in case.functions[1:]
        for inst in function.instructions()
        if inst.opcode.name in ("call", "call_indirect")
    ]
    found = [table for case in cases for table in tables(case)]
    assert plain
    assert any(None not in table for table in found)
    assert any(table[-1] is None and len(table) > 2 for table in found)


def test_with_contexts_every_throw_has_one_before_its_first_tag(cases: list[Case]) -> None:
    kinds = set()
    for case in cases:
        calls = [inst for function in case.functions for inst in function.instructions()]
        of_throwers = [c for c in calls if c.handlers]
        first = {
            bool(c.handlers[0].contexts)
            for c in of_throwers
            if isinstance(c.ref, External) and throws(c.ref)
        }
        assert len(first) < 2
        kinds |= first
    assert kinds == {True, False}


def test_a_case_is_a_function_of_its_seed() -> None:
    first, second = (generator().generate(PrngEntropy((3, 5))) for _ in range(2))
    assert print_functions(first.functions) == print_functions(second.functions)
    assert (first.settings, first.isa_settings) == (second.settings, second.isa_settings)


def test_words_have_the_size_of_an_address() -> None:
    for isa, names in (("pulley32", {"throw32_"}), ("x86_64", {"throw_"})):
        declared = [
            external
            for case in drawn(isas=(isa,))[:20]
            for function in case.functions
            for external in function.externals
            if throws(external)
        ]
        assert {external.name.partition("_")[0] + "_" for external in declared} == names


def test_what_is_called_is_near_where_other_calls_are_the_hosts() -> None:
    """A declaration that is there for its address may be far."""
    for case in drawn(isas=("pulley64", "pulley32")):
        for function in case.functions:
            calls = [i.ref for i in function.instructions() if "is_call" in i.opcode.flags]
            assert all(ref.colocated for ref in calls if isinstance(ref, External))
