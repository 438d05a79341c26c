"""The functions that throw: their names, their signatures, and who declares them."""

from __future__ import annotations

from clif.function import External
from clif.throwing import is_of_thrower, thrower, thrower_named, throws
from clif.types import I32, I64


def test_words_have_the_size_of_an_address() -> None:
    wide, narrow = thrower("tail"), thrower("tail", I32)
    assert (wide.name, narrow.name) == ("throw_tail", "throw32_tail")
    assert (wide.word, narrow.word) == (I64, I32)
    assert [param.type for param in narrow.signature.params] == [I32] * 4


def test_a_name_says_convention_and_words() -> None:
    for each in (thrower("system_v"), thrower("preserve_all", I32)):
        assert thrower_named(each.name) == each
    assert thrower_named("throw_") is None
    assert thrower_named("thrown_tail") is None


def test_a_function_throws_by_name_and_signature() -> None:
    wide, narrow = thrower("tail"), thrower("tail", I32)
    assert throws(External(narrow.name, narrow.signature, colocated=True))
    assert not throws(External(narrow.name, wide.signature, colocated=True))
    assert is_of_thrower(narrow.signature)
    assert is_of_thrower(wide.signature)
