"""What counts as the same outcome, and what as which kind of difference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clif.floats import canonical_nan
from clif.outcome import Bytes, Outcomes, Status, words_from_ints
from clif.types import F32, F64, I8, I32, I128, Type, by_name
from fuzz.cases.compare import DifferenceKind, Observed, compare, difference_kind, observe
from fuzz.differential.agreement import agreement_groups, outlier

NAN = canonical_nan(F32)
OTHER_NAN = 0xFFC0_1234
F32X4 = by_name("f32x4")
KINDS = tuple(DifferenceKind)


def outcomes(
    type_: Type,
    values: list[int],
    status: list[Status] | None = None,
    traps: dict[int, str] | None = None,
    memory: list[bytes] | None = None,
) -> Outcomes:
    region: Bytes | None = None
    if memory is not None:
        region = np.array([list(row) for row in memory], np.uint8)
    rows = np.array(status or [Status.RETURNED] * len(values), np.uint8)
    return Outcomes((type_,), [words_from_ints(type_, values)], rows, traps or {}, memory=region)


def kinds(expected: Outcomes, actual: Outcomes, *, canonical: bool = True) -> dict[int, str]:
    found = compare(expected, actual, canonical_nans=canonical)
    return {difference.input: difference.kind.name for difference in found}


def test_equal_outcomes() -> None:
    one, two = (outcomes(I32, [1, 2, 3], memory=[b"ab", b"cd", b"ef"]) for _ in range(2))
    assert compare(one, two, canonical_nans=True) == []


def test_results_and_memory_bit_for_bit() -> None:
    expected = outcomes(I32, [1, 2, 3], memory=[b"ab", b"cd", b"ef"])
    actual = outcomes(I32, [1, 7, 3], memory=[b"ab", b"cd", b"eg"])
    assert kinds(expected, actual) == {1: "RESULT", 2: "MEMORY"}
    (first, second) = compare(expected, actual, canonical_nans=True)
    assert (first.expected.results, first.actual.results) == ((2,), (7,))
    assert (second.expected.memory, second.actual.memory) == (b"ef", b"eg")


def test_wide_values_are_whole() -> None:
    expected, actual = outcomes(I128, [1 << 100]), outcomes(I128, [1 << 101])
    (difference,) = compare(expected, actual, canonical_nans=True)
    assert difference.actual.results == (1 << 101,)


def test_traps() -> None:
    trapped, returned = Status.TRAPPED, Status.RETURNED
    expected = outcomes(I8, [0] * 3, [trapped, trapped, returned], {0: "user1", 1: "user1"})
    actual = outcomes(I8, [9] * 3, [trapped, trapped, trapped], {0: "user1", 1: "user2", 2: "x"})
    assert kinds(expected, actual) == {1: "TRAP", 2: "STATUS"}


def test_memory_of_an_input_that_trapped_counts() -> None:
    status = [Status.TRAPPED]
    expected = outcomes(I8, [0], status, {0: "user1"}, [b"ab"])
    actual = outcomes(I8, [7], status, {0: "user1"}, [b"xb"])
    assert kinds(expected, actual) == {0: "MEMORY"}


def test_results_of_an_input_that_trapped_do_not_count() -> None:
    status = [Status.TRAPPED]
    expected, actual = (outcomes(I8, [n], status, {0: "user1"}) for n in (1, 2))
    assert kinds(expected, actual) == {}


def test_hangs_and_violations() -> None:
    expected = outcomes(I8, [0] * 2)
    actual = outcomes(I8, [0] * 2, [Status.HUNG, Status.VIOLATED])
    assert kinds(expected, actual) == {0: "HANG", 1: "VIOLATION"}


def test_what_the_oracle_did_not_finish_is_not_compared() -> None:
    expected = outcomes(I8, [0], [Status.HUNG])
    assert kinds(expected, outcomes(I8, [1])) == {}


@pytest.mark.parametrize(("canonical", "found"), [(True, {0: "RESULT"}), (False, {})])
def test_nans(canonical: bool, found: dict[int, str]) -> None:
    expected, actual = outcomes(F32, [NAN]), outcomes(F32, [OTHER_NAN])
    assert kinds(expected, actual, canonical=canonical) == found


def test_a_nan_is_no_number_and_integers_have_none() -> None:
    assert kinds(outcomes(F32, [NAN]), outcomes(F32, [0]), canonical=False) == {0: "RESULT"}
    one, two = outcomes(I32, [NAN]), outcomes(I32, [OTHER_NAN])
    assert kinds(one, two, canonical=False) == {0: "RESULT"}


def test_zeros_have_signs() -> None:
    one, two = outcomes(F64, [0]), outcomes(F64, [1 << 63])
    assert kinds(one, two, canonical=False) == {0: "RESULT"}


def test_nans_lane_by_lane() -> None:
    def lanes(*values: int) -> list[int]:
        return [sum(value << 32 * n for n, value in enumerate(values))]

    expected = outcomes(F32X4, lanes(1, NAN, 3, NAN))
    same = outcomes(F32X4, lanes(1, OTHER_NAN, 3, NAN))
    other = outcomes(F32X4, lanes(2, OTHER_NAN, 3, NAN))
    assert kinds(expected, same, canonical=False) == {}
    assert kinds(expected, other, canonical=False) == {0: "RESULT"}
    assert kinds(expected, same, canonical=True) == {0: "RESULT"}


Row = tuple[int, Status, str, bytes]
rows = st.tuples(
    st.sampled_from([NAN, OTHER_NAN, 0, 1]),
    st.sampled_from(list(Status)),
    st.sampled_from(["user1", "user2"]),
    st.sampled_from([b"ab", b"ac"]),
)


def outcomes_of(drawn: list[Row]) -> Outcomes:
    values, status, traps, memory = (list(column) for column in zip(*drawn, strict=True))
    codes = {n: t for n, t in enumerate(traps) if status[n] is Status.TRAPPED}
    return outcomes(F32, values, status, codes, memory)


@given(st.lists(st.tuples(rows, rows), min_size=1, max_size=8), st.booleans())
def test_all_at_once_is_one_by_one(pairs: list[tuple[Row, Row]], canonical: bool) -> None:
    expected, actual = (outcomes_of(list(side)) for side in zip(*pairs, strict=True))
    one_by_one = {
        row: kind
        for row in range(len(pairs))
        if (
            kind := difference_kind(
                observe(expected, row), observe(actual, row), canonical_nans=canonical
            )
        )
    }
    found = compare(expected, actual, canonical_nans=canonical)
    assert {difference.input: difference.kind for difference in found} == one_by_one


# --- who agrees with whom ---


def returned(value: int, memory: bytes | None = None) -> Observed:
    return Observed(Status.RETURNED, (I32,), (value,), memory=memory)


def test_the_odd_one_out() -> None:
    seen = {"interp": returned(1), "x86_64": returned(2), "aarch64": returned(1)}
    assert outlier(seen, canonical_nans=True) == "x86_64"
    assert agreement_groups(seen, canonical_nans=True) == [["interp", "aarch64"], ["x86_64"]]


def test_two_against_two_and_one_against_one_is_nobody() -> None:
    two = {"a": returned(1), "b": returned(2)}
    assert outlier(two, canonical_nans=True) == ""
    four = two | {"c": returned(1), "d": returned(2)}
    assert outlier(four, canonical_nans=True) == ""


def test_a_trap_and_a_hang_are_opinions_too() -> None:
    seen = {"a": returned(1), "b": Observed(Status.HUNG), "c": returned(1)}
    assert outlier(seen, canonical_nans=True) == "b"
    seen = {"a": Observed(Status.TRAPPED, trap="x"), "b": returned(1), "c": returned(1)}
    assert outlier(seen, canonical_nans=True) == "a"


def test_memory_counts_only_where_both_know_it() -> None:
    seen = {"file": returned(1), "a": returned(1, b"x"), "b": returned(1, b"x")}
    assert outlier(seen, canonical_nans=True) == ""
