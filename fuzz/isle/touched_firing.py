"""Whether a case fires a rule that a change touches, by compiling it."""

from __future__ import annotations

from contextlib import suppress

from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    Functions,
    ReadError,
    Target,
    VerifierError,
)
from backend.cranelift.edge_counters import uncounted
from backend.cranelift.fired_rules import FiredRules
from clif.printer import print_functions
from fuzz.cases.case import Case, effective_settings
from fuzz.cases.touched_rules import TouchedRules

_FAILURES = (CompileError, CompilerPanic, ReadError, VerifierError)


class TouchedFiring:
    """Tells which cases fire touched rules; all do where this build cannot tell.

    Args:
        isas: those that cases are compiled for.
    """

    def __init__(self, touched: TouchedRules, isas: tuple[str, ...]) -> None:
        self._isas = isas
        self._fired_rules = FiredRules.of_build()
        names = {*touched.changed, *touched.users}
        rules = () if self._fired_rules is None else self._fired_rules.names
        self._numbers = frozenset(n for n, name in enumerate(rules) if name in names)

    def fires(self, case: Case) -> bool:
        """Return whether a case fires one of the rules on some ISA, as far as it is compiled."""
        if self._fired_rules is None or not self._numbers:
            return True
        text = print_functions(case.functions)
        for isa in case.isas or self._isas:
            target = Target.of(isa, effective_settings(case, isa), case.isa_settings.get(isa, {}))
            with uncounted():
                mark = self._fired_rules.mark()
                with suppress(*_FAILURES):
                    target.compile(Functions(text))
                if not self._numbers.isdisjoint(self._fired_rules.since(mark)):
                    return True
        return False
