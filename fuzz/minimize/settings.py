"""Settings, ISA flags and chaos that the failure does not need."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from fuzz.cases.case import Case
from fuzz.minimize.subject import Change, Subject


def drop_settings(subject: Subject) -> list[Change]:
    """Settings and flags go back to their defaults, ``opt_level`` to ``none``.

    Keeps: functions and inputs. Ends: each change leaves one setting, flag or byte of chaos less.
    """
    return list(_changes(subject.case))


def _changes(case: Case) -> Iterator[Change]:
    for name in case.settings:
        if name != "opt_level":
            yield partial(case.settings.pop, name, None)
    for flags in case.isa_settings.values():
        for flag in flags:
            yield partial(flags.pop, flag, None)
    if case.chaos:
        yield partial(setattr, case, "chaos", b"")
        yield partial(setattr, case, "chaos", case.chaos[len(case.chaos) // 2 :])
        yield partial(setattr, case, "chaos", case.chaos[1:])
    if case.trapping:
        yield partial(setattr, case, "trapping", False)
    for level in ("none", "speed"):
        yield partial(case.settings.__setitem__, "opt_level", level)
