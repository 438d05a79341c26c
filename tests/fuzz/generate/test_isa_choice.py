"""Which ISAs a case is for: single ones, weights, and addresses of one width."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from backend.isa.registry import DESCRIBED, ISAS
from fuzz.cases.case_options import IsaWeight
from fuzz.entropy import PrngEntropy
from fuzz.generate.isa_choice import IsaChoice, are_usual, by_pointer_width

USUAL = ("x86_64", "aarch64")
DRAWS = 4000


def drawn(choice: IsaChoice) -> Counter[tuple[str, ...]]:
    return Counter(choice.draw(PrngEntropy((number,))) for number in range(DRAWS))


def runs(found: Counter[tuple[str, ...]], isa: str) -> float:
    return sum(count for isas, count in found.items() if isa in isas) / DRAWS


@pytest.fixture
def more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two more ISAs, with addresses of 32 bits."""
    narrow = replace(DESCRIBED["aarch64"], name="narrow", pointer_bytes=4)
    for isa in (narrow, replace(narrow, name="narrowbe", byte_order="big")):
        monkeypatch.setitem(ISAS, isa.name, isa)


def test_one_case_in_six_is_for_one_of_two() -> None:
    found = drawn(IsaChoice(USUAL))
    assert set(found) == {USUAL, ("x86_64",), ("aarch64",)}
    assert found[USUAL] / DRAWS == pytest.approx(5 / 6, abs=0.03)
    assert found[("x86_64",)] / DRAWS == pytest.approx(1 / 12, abs=0.02)
    assert set(drawn(IsaChoice(USUAL, alone=False))) == {USUAL}
    assert set(drawn(IsaChoice(["x86_64"]))) == {("x86_64",)}


def test_an_isa_runs_as_many_cases_as_its_weight_says() -> None:
    found = drawn(IsaChoice(USUAL, [IsaWeight("aarch64", 0.25)]))
    share = runs(found, "aarch64") / runs(found, "x86_64")
    # A quarter of those for both, and a fifth of those for one.
    assert share == pytest.approx((5 / 24 + 1 / 30) / (5 / 6 + 4 / 30), abs=0.03)
    assert all(isas for isas in found)


def test_weights_are_relative() -> None:
    halves = [IsaWeight("x86_64", 0.5), IsaWeight("aarch64", 0.5)]
    assert drawn(IsaChoice(USUAL, halves)) == drawn(IsaChoice(USUAL))


@pytest.mark.usefixtures("more")
def test_a_case_is_for_isas_of_one_pointer_width() -> None:
    isas = ("x86_64", "narrow", "aarch64", "narrowbe")
    assert by_pointer_width(isas) == {8: USUAL, 4: ("narrow", "narrowbe")}
    found = drawn(IsaChoice(isas))
    assert {tuple(isas) for isas in found} == {
        USUAL,
        ("narrow", "narrowbe"),
        *((isa,) for isa in isas),
    }
    assert runs(found, "x86_64") == pytest.approx(runs(found, "narrow"), abs=0.05)
    slow = [IsaWeight(isa, 0.25) for isa in ("narrow", "narrowbe")]
    found = drawn(IsaChoice(isas, slow))
    assert runs(found, "narrow") / runs(found, "x86_64") == pytest.approx(0.25, abs=0.05)


def test_half_of_the_cases_are_for_one_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("third", "fourth", "fifth"):
        monkeypatch.setitem(ISAS, name, replace(DESCRIBED["aarch64"], name=name))
    many = by_pointer_width(ISAS)[8]  # a case is for ISAs of one width
    for isas, share in ((USUAL, 1 / 6), ((*USUAL, "third"), 1 / 3), (many, 1 / 2)):
        single = sum(n for found, n in drawn(IsaChoice(isas)).items() if len(found) == 1)
        assert single / DRAWS == pytest.approx(share, abs=0.03)


@pytest.mark.usefixtures("more")
def test_what_is_usual() -> None:
    assert are_usual(USUAL)
    assert are_usual([])
    assert not are_usual(["x86_64", "narrow"])
    assert not are_usual(["narrowbe"])
