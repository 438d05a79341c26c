"""Comparison of the second oracle with the first one (``--oracle both``).

The first oracle stays the reference. Inputs that the second oracle cannot run are counted by
reason; they do not reject the case. If the second oracle differs, the instructions that its known
faults concern are replaced by equivalent ones, and it is asked again. Differences that are gone
then are attributed to the known fault; the others are findings.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace

from backend.cranelift.compiler import Functions
from backend.cranelift.interpreter import Interpretation, interpret, interpret_functions
from backend.cranelift.interpreter_faults import InterpreterFault, possible_faults, without_faults
from clif.byte_order import with_explicit_order
from clif.function import External
from clif.outcome import Outcomes, Status
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.compare import Difference, DifferenceKind, compare

#: Numbers in the second oracle's reasons, which vary from case to case.
_NUMBER = re.compile(r"\b(0x[0-9a-f]+|\d+)\b")
_NO_ADDRESS = "func_addr of a function that the case does not define"
_ASTRAY = "an access that goes astray finds its stack"


@dataclass(slots=True)
class CrossCheck:
    """What the second oracle says about a case.

    Attributes:
        outcomes: for all inputs; if known faults were avoided, those without them.
        unsupported: for each input that it cannot run, the reason. The outcomes of these inputs
            mean nothing.
        known: the differences that known faults explain, by fault. Inputs that the fault keeps it
            from running have no difference here.
        differences: all other differences from the first oracle.
        open: by input, why CLIF leaves its outcome open, of inputs with a difference besides these.
    """

    outcomes: Outcomes
    unsupported: dict[int, str] = field(default_factory=dict)
    known: dict[tuple[InterpreterFault, ...], list[Difference]] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    open: dict[int, str] = field(default_factory=dict)

    @property
    def compared(self) -> int:
        """How many inputs were compared."""
        return self.outcomes.count - len(self.unsupported)

    def reasons(self) -> Counter[str]:
        """Count the inputs that it cannot run, by reason."""
        return Counter(_NUMBER.sub("N", reason) for reason in self.unsupported.values())


class CrossChecker:
    """Compares the second oracle with the first one on one case.

    Args:
        expected: the first oracle's outcomes.
        fuel: instructions that one input may execute.
    """

    def __init__(self, case: Case, expected: Outcomes, fuel: int) -> None:
        if case.byte_order != sys.byteorder:
            # The second oracle has this machine's, and its known faults are those of accesses.
            explicit = with_explicit_order(case.functions, case.byte_order)
            case = replace(case, functions=explicit)
        self.case = case
        self.expected = expected
        self.fuel = fuel
        self.canonical_nans = has_canonical_nans(case)

    def check(self, functions: Functions | None = None) -> CrossCheck:
        """Ask the second oracle, and sort its differences.

        Args:
            functions: the case's functions, if they have been read already. They are not used
                where the case is for machines with another byte order than this one.

        Raises:
            CompilerPanic, CompileError: from Cranelift's pass that canonicalises NaNs.
        """
        if functions is None or self.case.byte_order != sys.byteorder:
            first = self._ask(())
        else:
            first = self._ask_read(functions)
        differences = self._differences(first)
        check = CrossCheck(first.outcomes, first.unsupported, {}, differences)
        faults = possible_faults(self.case.functions)
        if faults and (differences or first.unsupported):
            self._explain(check, faults)
        self._leave_out_astray(check)
        self._leave_out_undefined(check)
        return check

    def _leave_out_undefined(self, check: CrossCheck) -> None:
        """Count inputs as unsupported that take the address of a function that nobody defines.

        The second oracle panics there, even if the address is never called.
        """
        defined = {function.name for function in self.case.functions}
        if not any(
            isinstance(inst.ref, External) and inst.ref.name not in defined
            for function in self.case.functions
            for inst in function.instructions()
        ):
            return
        left_out = {d.input for d in check.differences if "func_addr" in d.actual.detail}
        check.differences = [d for d in check.differences if d.input not in left_out]
        check.unsupported = check.unsupported | dict.fromkeys(left_out, _NO_ADDRESS)

    def _leave_out_astray(self, check: CrossCheck) -> None:
        """Count inputs as unsupported if an access may have left the memory region.

        The second oracle keeps the region in its stack, where no memory is unmapped. An access
        outside of the region may therefore succeed instead of trapping.
        """
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
        """Move the differences that known faults explain to ``check.known``."""
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
        """Return the one fault that explains all these inputs, else all faults."""
        for fault in faults if len(faults) > 1 else ():
            alone = self._ask([fault])
            wrong = {d.input for d in self._differences(alone)} | alone.unsupported.keys()
            if not wrong & rows:
                return (fault,)
        return tuple(faults)

    def _ask(self, faults: Sequence[InterpreterFault]) -> Interpretation:
        """Ask about the case with these faults avoided."""
        functions = without_faults(self.case.functions, faults)
        assert functions is not None
        return interpret_functions(
            functions,
            self.case.inputs,
            fuel=self.fuel,
            canonical_nans=self.canonical_nans,
            byte_order=self.case.byte_order,
        )

    def _ask_read(self, functions: Functions) -> Interpretation:
        case = self.case
        return interpret(
            functions,
            case.main,
            case.inputs,
            fuel=self.fuel,
            canonical_nans=self.canonical_nans,
            byte_order=case.byte_order,
        )

    def _differences(self, asked: Interpretation) -> list[Difference]:
        differences = compare(self.expected, asked.outcomes, canonical_nans=self.canonical_nans)
        return [d for d in differences if d.input not in asked.unsupported]
