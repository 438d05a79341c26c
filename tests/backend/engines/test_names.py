"""Choices of engines: one for all ISAs, and those of single ones."""

from __future__ import annotations

import pytest

from backend.engines.names import EngineChoice, EngineChoiceError, read_choice


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("", EngineChoice()),
        ("unicorn", EngineChoice()),
        ("qemu-user", EngineChoice("qemu-user")),
        ("x86_64=bochs", EngineChoice("unicorn", (("x86_64", "bochs"),))),
        (
            "qemu-user, x86_64=bochs ,aarch64=unicorn",
            EngineChoice("qemu-user", (("aarch64", "unicorn"), ("x86_64", "bochs"))),
        ),
    ],
)
def test_a_choice_is_read(text: str, choice: EngineChoice) -> None:
    assert read_choice(text) == choice
    assert read_choice(str(choice)) == choice


def test_an_isa_has_its_own_engine_or_that_of_all() -> None:
    choice = read_choice("qemu-user,x86_64=bochs")
    assert [choice.of(isa) for isa in ("x86_64", "aarch64")] == ["bochs", "qemu-user"]


@pytest.mark.parametrize("text", ["nothing", "x86_64=", "x86_64=nothing"])
def test_there_must_be_such_an_engine(text: str) -> None:
    with pytest.raises(EngineChoiceError, match="there is no engine"):
        read_choice(text)
