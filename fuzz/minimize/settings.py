"""Pass: settings, ISA flags, chaos mode and inlining go back to their defaults."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from fuzz.cases.case import Case
from fuzz.minimize.working_copy import Change, WorkingCopy


def drop_settings(work: WorkingCopy) -> list[Change]:
    """Drop settings, flags, bytes of chaos mode and of the inliner; lower ``opt_level``.

    Preserves: functions and inputs.
    Decreases: settings, flags and bytes, or the optimisation level.
    """
    return list(_changes(work.case))


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
    if case.inlining:
        yield partial(setattr, case, "inlining", b"")
        yield partial(setattr, case, "inlining", case.inlining[: len(case.inlining) // 2])
        yield partial(setattr, case, "inlining", case.inlining[:-1])
    for at, decision in enumerate(case.inlining):
        for simpler in sorted({0, 1, decision & 3, decision & 5} - {decision}):
            if simpler < decision:
                changed = bytes([*case.inlining[:at], simpler, *case.inlining[at + 1 :]])
                yield partial(setattr, case, "inlining", changed)
    if case.trapping:
        yield partial(setattr, case, "trapping", False)
    for level in ("none", "speed"):
        yield partial(case.settings.__setitem__, "opt_level", level)
