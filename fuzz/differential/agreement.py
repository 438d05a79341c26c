"""Which executors agree on an input, and which one is the outlier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from clif.outcome import Status
from fuzz.cases.compare import Observed, difference_kind

_ENDED = (Status.RETURNED, Status.TRAPPED)


def agree(left: Observed, right: Observed, *, canonical_nans: bool) -> bool:
    """Whether two executors observed the same. Memory counts if both observed it."""
    if left.status is not right.status:
        return False
    if left.status not in _ENDED:
        return left.detail == right.detail
    if left.memory is None or right.memory is None:
        left, right = _without_memory(left), _without_memory(right)
    return difference_kind(left, right, canonical_nans=canonical_nans) is None


def _without_memory(outcome: Observed) -> Observed:
    return Observed(outcome.status, outcome.types, outcome.results, outcome.trap, outcome.detail)


def agreement_groups(outcomes: Mapping[str, Observed], *, canonical_nans: bool) -> list[list[str]]:
    """Sort executors into groups that agree with each other, the largest group first."""
    groups: list[list[str]] = []
    for name, outcome in outcomes.items():
        for group in groups:
            if agree(outcomes[group[0]], outcome, canonical_nans=canonical_nans):
                group.append(name)
                break
        else:
            groups.append([name])
    return sorted(groups, key=len, reverse=True)


def outlier(outcomes: Mapping[str, Observed], *, canonical_nans: bool) -> str:
    """Find the one executor that differs while all others, at least two, agree.

    Returns:
        The executor's name; empty if there is none.
    """
    match agreement_groups(outcomes, canonical_nans=canonical_nans):
        case [[_, _, *_], [alone]]:
            return alone
        case _:
            return ""


def outlier_on_all(
    rows: Iterable[int],
    observed: Callable[[int], Mapping[str, Observed]],
    *,
    canonical_nans: bool,
) -> str:
    """Find the executor that is the outlier on every one of these inputs.

    Args:
        rows: indices of inputs.
        observed: returns what each executor observed for an input; executors that cannot run the
            input are missing.

    Returns:
        The executor's name; empty if there is none, or not the same one everywhere.
    """
    outliers = Counter(outlier(observed(row), canonical_nans=canonical_nans) for row in rows)
    return next(iter(outliers)) if len(outliers) == 1 else ""
