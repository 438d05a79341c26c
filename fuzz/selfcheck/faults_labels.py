"""Faults of debug information: a value that is elsewhere, a range that goes on, a wrong line..."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import Any, cast

from backend.emulator.linker import Compiled
from fuzz.cases.case import Case, ExtraCheck
from fuzz.cases.label_check import HasLabels
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.registry import fault

#: A value's number, start and end of a range, DWARF's number of a register or None, an offset.
Location = tuple[int, int, int, int | None, int]
#: Start and end of a range, and a source location.
Line = tuple[int, int, int]


class _WithOtherLabels:
    """A function's code with changed debug information."""

    def __init__(
        self,
        compiled: Compiled,
        change_values: Callable[[list[Location]], None],
        change_lines: Callable[[list[Line]], None],
    ) -> None:
        self._compiled = compiled
        self._labelled = cast(HasLabels, compiled)
        self._change_values, self._change_lines = change_values, change_lines

    def value_locations(self, isa: Any) -> list[Location]:
        found = self._labelled.value_locations(isa)
        self._change_values(found)
        return found

    @property
    def source_locations(self) -> list[Line]:
        found = self._labelled.source_locations
        self._change_lines(found)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)


def _nothing(_: list[Any]) -> None:
    """Change nothing."""


def _label_fault(
    name: str,
    summary: str,
    *,
    values: Callable[[list[Location]], None] = _nothing,
    lines: Callable[[list[Line]], None] = _nothing,
) -> None:
    """Register a fault that changes what is said of each function, in place."""

    def inject(case: Case, _: Random) -> Injection:
        def change(case: Case, isa: str, program: Sequence[Compiled]) -> Sequence[Compiled]:
            return [cast(Compiled, _WithOtherLabels(each, values, lines)) for each in program]

        return Injection(code=change)

    fault(name, summary, checks=frozenset({ExtraCheck.LABELS}))(inject)


def _other_register(found: list[Location]) -> None:
    for index, (value, start, end, register, offset) in enumerate(found):
        if register is not None:
            found[index] = (value, start, end, register ^ 1, offset)
            return


def _other_word(found: list[Location]) -> None:
    for index, (value, start, end, register, offset) in enumerate(found):
        if register is None:
            found[index] = (value, start, end, register, offset - 8)


def _longer(found: list[Location]) -> None:
    last = max((end for _, _, end, _, _ in found), default=0)
    found[:] = [(value, start, last, *place) for value, start, _, *place in found]  # type: ignore[misc]


def _earlier(found: list[Location]) -> None:
    found[:] = [(value, 0, end, *place) for value, _, end, *place in found]  # type: ignore[misc]


def _next_value(found: list[Location]) -> None:
    numbers = sorted({value for value, *_ in found})
    others = dict(pairwise(numbers))
    found[:] = [(others.get(value, value), *rest) for value, *rest in found]  # type: ignore[misc]


def _next_line(found: list[Line]) -> None:
    found[:] = [(start, end, location + 1) for start, end, location in found]


def _no_line(found: list[Line]) -> None:
    found.clear()


_label_fault("label-register", "a value is said to be in another register", values=_other_register)
_label_fault("label-word", "values are said to be in the word below", values=_other_word)
_label_fault("label-range-long", "ranges of values go on to the last one's end", values=_longer)
_label_fault("label-range-early", "ranges of values begin with the function", values=_earlier)
_label_fault("label-value", "ranges belong to the value with the next number", values=_next_value)
_label_fault("label-line", "code has the source location of the next instruction", lines=_next_line)
_label_fault("label-line-lost", "code has no source locations", lines=_no_line)
