"""Who agrees with whom on an input, and who stands alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from clif.outcome import Status
from fuzz.cases.compare import Observed, difference_kind

_ENDED = (Status.RETURNED, Status.TRAPPED)


def agree(left: Observed, right: Observed, *, canonical_nans: bool) -> bool:
    """Whether two executors saw the same. Memory counts where both know it."""
    if left.status is not right.status:
        return False
    if left.status not in _ENDED:
        return left.detail == right.detail
    if left.memory is None or right.memory is None:
        left, right = _without_memory(left), _without_memory(right)
    return difference_kind(left, right, canonical_nans=canonical_nans) is None


def _without_memory(outcome: Observed) -> Observed:
    return Observed(outcome.status, outcome.types, outcome.results, outcome.trap, outcome.detail)


def camps(outcomes: Mapping[str, Observed], *, canonical_nans: bool) -> list[list[str]]:
    """The executors in groups that agree, the largest first."""
    groups: list[list[str]] = []
    for name, outcome in outcomes.items():
        for group in groups:
            if agree(outcomes[group[0]], outcome, canonical_nans=canonical_nans):
                group.append(name)
                break
        else:
            groups.append([name])
    return sorted(groups, key=len, reverse=True)


def stands_alone(outcomes: Mapping[str, Observed], *, canonical_nans: bool) -> str:
    """The one executor that all others, two at least, agree against; empty if there is none."""
    match camps(outcomes, canonical_nans=canonical_nans):
        case [[_, _, *_], [alone]]:
            return alone
        case _:
            return ""


def stands_alone_on_all(
    rows: Iterable[int],
    observed: Callable[[int], Mapping[str, Observed]],
    *,
    canonical_nans: bool,
) -> str:
    """The one executor that stands alone on each of these inputs; empty if there is none.

    ``observed`` gives what each executor that has a say did with an input.
    """
    lone = Counter(stands_alone(observed(row), canonical_nans=canonical_nans) for row in rows)
    return next(iter(lone)) if len(lone) == 1 else ""
