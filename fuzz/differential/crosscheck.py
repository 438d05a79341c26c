"""The second oracle's view of a case, beside the first one's: ``--oracle both``.

The first oracle stays the reference. What the second cannot do is counted by reason and rejects
nothing. Where it differs, its known faults are written out of the case and it is asked again: where
it then agrees, such a fault it was; what it still says otherwise is a finding.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from backend.cranelift.compiler import Functions
from backend.cranelift.interpreter import Interpretation, interpret, interpret_functions
from backend.cranelift.interpreter_faults import InterpreterFault, possible_faults, without_faults
from clif.outcome import Outcomes, Status
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.compare import Difference, DifferenceKind, compare

#: What differs from case to case in its reasons.
_NUMBER = re.compile(r"\b(0x[0-9a-f]+|\d+)\b")
_ASTRAY = "an access that goes astray finds its stack"


@dataclass(slots=True)
class CrossCheck:
    """What the second oracle made of a case.

    Attributes:
        outcomes: of all inputs, its known faults written out of the case where it has any.
        unsupported: by input, why it has no say; the outcomes of these mean nothing.
        known: by known fault, the differences that are gone without it. Inputs on which it gave
            up for the fault have no difference here.
        differences: all others.
    """

    outcomes: Outcomes
    unsupported: dict[int, str] = field(default_factory=dict)
    known: dict[tuple[InterpreterFault, ...], list[Difference]] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    @property
    def compared(self) -> int:
        """Inputs on which it had something to say."""
        return self.outcomes.count - len(self.unsupported)

    def reasons(self) -> Counter[str]:
        """Inputs by the reason for which it has no say."""
        return Counter(_NUMBER.sub("N", reason) for reason in self.unsupported.values())


class CrossChecker:
    """Asks the second oracle about one case.

    Args:
        expected: the first one's outcomes.
        fuel: instructions that one input may execute.
    """

    def __init__(self, case: Case, expected: Outcomes, fuel: int) -> None:
        self.case = case
        self.expected = expected
        self.fuel = fuel
        self.canonical_nans = has_canonical_nans(case)

    def check(self, functions: Functions | None = None) -> CrossCheck:
        """``functions`` are the case's, if they were read before.

        Raises:
            CompilerPanic, CompileError: of Cranelift's pass that makes NaNs canonical.
        """
        first = self._ask(()) if functions is None else self._ask_read(functions)
        differences = self._differences(first)
        check = CrossCheck(first.outcomes, first.unsupported, {}, differences)
        faults = possible_faults(self.case.functions)
        if faults and (differences or first.unsupported):
            self._explain(check, faults)
        self._leave_out_astray(check)
        return check

    def _leave_out_astray(self, check: CrossCheck) -> None:
        """The region lies in its stack, where nothing is unmapped: an access that goes astray may
        find memory there instead of a trap, and go on to another trap."""
        if self.case.inputs.region is None:
            return
        astray = {
            d.input
            for d in check.differences
            if d.kind in (DifferenceKind.STATUS, DifferenceKind.TRAP)
            and d.expected.status is Status.TRAPPED
        }
        check.differences = [d for d in check.differences if d.input not in astray]
        check.unsupported = check.unsupported | dict.fromkeys(astray, _ASTRAY)

    def _explain(self, check: CrossCheck, faults: Sequence[InterpreterFault]) -> None:
        """Tell known faults from what is left without them."""
        if without_faults(self.case.functions, faults) is None:
            reason = f"has the known fault {', '.join(faults)}"
            check.unsupported = check.unsupported | {d.input: reason for d in check.differences}
            check.differences = []
            return
        doubtful = {d.input: d for d in check.differences} | dict.fromkeys(check.unsupported)
        after = self._ask(faults)
        check.outcomes, check.unsupported = after.outcomes, after.unsupported
        check.differences = self._differences(after)
        left = {d.input for d in check.differences} | after.unsupported.keys()
        explained = {row: d for row, d in doubtful.items() if row not in left}
        if explained:
            culprits = self._culprits(faults, explained.keys())
            check.known[culprits] = [d for d in explained.values() if d is not None]

    def _culprits(
        self, faults: Sequence[InterpreterFault], rows: Set[int]
    ) -> tuple[InterpreterFault, ...]:
        """The one fault that explains all these inputs, or all faults."""
        for fault in faults if len(faults) > 1 else ():
            alone = self._ask([fault])
            wrong = {d.input for d in self._differences(alone)} | alone.unsupported.keys()
            if not wrong & rows:
                return (fault,)
        return tuple(faults)

    def _ask(self, faults: Sequence[InterpreterFault]) -> Interpretation:
        """Asks about the case without these faults."""
        functions = without_faults(self.case.functions, faults)
        assert functions is not None
        return interpret_functions(
            functions, self.case.inputs, fuel=self.fuel, canonical_nans=self.canonical_nans
        )

    def _ask_read(self, functions: Functions) -> Interpretation:
        case = self.case
        return interpret(
            functions, case.main, case.inputs, fuel=self.fuel, canonical_nans=self.canonical_nans
        )

    def _differences(self, asked: Interpretation) -> list[Difference]:
        differences = compare(self.expected, asked.outcomes, canonical_nans=self.canonical_nans)
        return [d for d in differences if d.input not in asked.unsupported]
