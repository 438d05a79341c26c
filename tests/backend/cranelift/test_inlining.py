"""Calls that Cranelift's inliner replaces: which, in which order, and that the rest stays."""

from __future__ import annotations

import pytest

from backend.cranelift.compiler import Functions, Target, VerifierError

X64 = Target.of("x86_64")
#: Main calls middle twice, which calls leaf.
CHAIN = """\
function %main(i32) -> i32 {
    fn0 = %middle(i32) -> i32
block0(v0: i32):
    v1 = call fn0(v0)
    v2 = call fn0(v1)
    return v2
}
function %middle(i32) -> i32 {
    fn0 = %leaf(i32) -> i32
block0(v0: i32):
    v1 = call fn0(v0)
    return v1
}
function %leaf(i32) -> i32 {
block0(v0: i32):
    v1 = iconst.i32 1
    v2 = iadd v0, v1
    return v2
}
"""


def calls(text: str, inlining: list[int]) -> list[int]:
    """The number of calls in each function after inlining."""
    inlined = Functions(text).inline(bytes(inlining))
    return [function.count("call fn") for function in inlined.split("\nfunction ")]


@pytest.mark.parametrize(
    ("inlining", "left"),
    [
        ([0], [2, 1, 0]),  # the call of the last function that has one comes first
        ([1], [2, 0, 0]),
        ([0, 1], [2, 1, 0]),  # the body brings its own call with it
        ([0, 1, 1], [2, 1, 0]),
        ([1, 1, 1], [2, 0, 0]),  # bodies as they were written, not as they have become
        ([1, 5, 1], [1, 0, 0]),  # one of the two is the one without a call
        ([1, 5, 5], [0, 0, 0]),
        ([0, 3, 1, 3, 1], [0, 1, 0]),  # the calls of bodies are considered
        ([0, 3, 0, 3, 1], [1, 1, 0]),
    ],
)
def test_each_byte_decides_on_a_call(inlining: list[int], left: list[int]) -> None:
    assert calls(CHAIN, inlining) == left


def test_without_decisions_nothing_changes() -> None:
    assert Functions(CHAIN).inline(b"") == Functions(CHAIN).display()
    plain = [code.code for code in X64.compile(Functions(CHAIN))]
    assert [code.code for code in X64.compile(Functions(CHAIN), inlining=b"\0\0")] == plain


def test_what_is_compiled_has_the_bodies() -> None:
    main, *_ = X64.compile(Functions(CHAIN), inlining=bytes([1, 5, 5]))
    assert main.relocations == []
    assert len(X64.compile(Functions(CHAIN))[0].relocations) == 2


def test_a_function_is_not_inlined_into_itself() -> None:
    text = CHAIN.replace("fn0 = %leaf", "fn0 = %middle")
    assert calls(text, [1] * 8) == [2, 1, 0]
    assert calls(text, [3] * 8) == [2, 1, 0]  # goes on until there are no decisions left


def test_another_signature_and_a_function_of_elsewhere_are_left_alone() -> None:
    assert calls(CHAIN.replace("fn0 = %leaf(i32)", "fn0 = %leaf(i32 uext)"), [1]) == [2, 1, 0]
    assert calls(CHAIN.replace("fn0 = %leaf", "fn0 = %elsewhere"), [1]) == [2, 1, 0]


def test_tail_calls_and_try_calls_are_inlined() -> None:
    tail = CHAIN.replace("-> i32", "-> i32 tail").replace(
        "    v1 = call fn0(v0)\n    return v1", "    return_call fn0(v0)"
    )
    inlined = Functions(tail).inline(bytes([1]))
    assert "return_call" not in inlined
    tried = CHAIN.replace(
        "    v1 = call fn0(v0)\n    return v1",
        "    try_call fn0(v0), sig0, block1(ret0), []\nblock1(v1: i32):\n    return v1",
    ).replace("fn0 = %leaf", "sig0 = (i32) -> i32\n    fn0 = %leaf")
    assert "try_call" not in Functions(tried).inline(bytes([1]))


def test_what_the_inliner_makes_is_verified() -> None:
    wrong = CHAIN.replace("v2 = iadd v0, v1", "v2 = iadd.i64 v0, v1")
    with pytest.raises(VerifierError) as refused:
        X64.compile(Functions(wrong), inlining=bytes([1]))
    assert refused.value.function == "middle"
