"""The answer of a campaign's base in the head of a finding's file."""

from __future__ import annotations

import pytest

from fuzz.differential.base_answer import (
    NO_BASE,
    BaseAnswer,
    BaseStatus,
    Novelty,
    parse_answer,
    with_answer,
)

TEXT = """; finding: miscompile
; isa: x86_64
; bucket: miscompile x86_64 result
; input 0, result:
test run
; run: %main() == 1
"""


def line_of(text: str) -> str:
    (line,) = (line for line in text.splitlines() if line.startswith("; base: "))
    return line.removeprefix("; base: ")


@pytest.mark.parametrize("status", [s for s in BaseStatus if s is not BaseStatus.NO_BASE])
@pytest.mark.parametrize("note", ["", "has not these settings: a (b): c"])
def test_it_is_read_as_it_was_written(status: BaseStatus, note: str) -> None:
    answer = BaseAnswer(status, note)
    text = with_answer(TEXT, answer, "Cranelift 0.135.8")
    assert parse_answer(line_of(text)) == answer
    assert text.splitlines()[3].startswith(f"; base: {status.value} (Cranelift 0.135.8)")


def test_it_takes_the_place_of_an_earlier_one_and_changes_nothing_else() -> None:
    first = with_answer(TEXT, BaseAnswer(BaseStatus.UNCLEAR, "one\nline"), "Cranelift 1")
    assert "cannot say (Cranelift 1): one line" in first
    second = with_answer(first, BaseAnswer(BaseStatus.RIGHT), "Cranelift 2")
    assert line_of(second) == "right (Cranelift 2)"
    assert second.replace(f"; base: {line_of(second)}\n", "") == TEXT


@pytest.mark.parametrize("value", ["", "right", "perhaps (Cranelift 1)", "0.135.8"])
def test_what_is_no_answer(value: str) -> None:
    assert parse_answer(value) == NO_BASE


def test_only_what_the_base_has_too_is_old() -> None:
    found = {status: Novelty.of(known=False, base=status) for status in BaseStatus}
    assert found.pop(BaseStatus.FAILS) is Novelty.OLD
    assert set(found.values()) == {Novelty.NEW}
    assert Novelty.of(known=True, base=BaseStatus.FAILS) is Novelty.KNOWN
