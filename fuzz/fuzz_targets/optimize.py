"""Target ``optimize``: a function and its optimised CLIF do the same in the interpreter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.cranelift.compiler import Functions, ReadError
from backend.cranelift.reader import read_file
from clif.byte_order import BYTE_ORDERS, ByteOrder, depends_on_byte_order
from clif.outcome import Outcomes, Status
from clif.printer import print_functions
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.compare import compare
from fuzz.cases.printed_flags import LostFlagsError, restore_byte_orders
from fuzz.cases.target import optimize_case
from fuzz.differential import diagnosis
from fuzz.differential.byte_orders import in_its_order
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.oracle import OracleError, interpreter
from fuzz.fuzz_targets.target import CaseTarget, Checked


class Optimize(CaseTarget):
    """Compares the interpreter's outcomes before and after Cranelift's mid-end.

    No machine code is run, so every difference is a fault of the mid-end. Accesses have any byte
    order, and cases that depend on that of the machine are interpreted in both.
    """

    def check(self, case: Case) -> Checked:
        if case.settings.get("opt_level") == "none":
            case = replace(case, settings=case.settings | {"opt_level": "speed"})
        oracle: dict[ByteOrder, Outcomes] = {}
        findings: list[Finding] = []
        for order, ordered in _by_byte_order(case).items():
            try:
                expected = interpreter(ordered)
            except OracleError as error:
                self.statistics.rejected[f"oracle: {error}"] += 1
                return Checked(case, ())
            oracle[order] = expected
            self.statistics.traps.update(expected.traps.values())
            hangs = int(np.count_nonzero(expected.status == Status.HUNG))
            self.statistics.hangs += hangs
            if not hangs:
                for isa in filter(case.is_for, self.isas):
                    findings += self._compare(ordered, isa, expected)
        return Checked(case, findings, oracle)

    def _compare(self, case: Case, isa: str, expected: Outcomes) -> list[Finding]:
        try:
            actual = interpreter(self._optimised(case, isa))
        except OracleError as error:
            self.statistics.rejected[f"oracle, optimised for {isa}: {error}"] += 1
            return []
        except LostFlagsError as error:
            self.statistics.rejected[str(error)] += 1
            return []
        except ReadError as error:
            return [Finding(FindingKind.READER_FAULT, isa, error.message, (str(error),))]
        except diagnosis.COMPILER_FAILURES as error:
            return self.compiler_failure(case, isa, error)
        self.statistics.executions += case.inputs.count
        differences = compare(expected, actual, canonical_nans=has_canonical_nans(case))
        if not differences:
            return []
        finding = diagnosis.difference(case, isa, (), differences)
        return [finding if case.order is None else in_its_order(finding, case.order)]

    def _optimised(self, case: Case, isa: str) -> Case:
        inject = self.injection(case).functions
        functions = Functions(print_functions(inject(case.functions) if inject else case.functions))
        text = "\n".join(optimize_case(case, isa, functions))
        optimised = [function for function, _ in read_file(text).functions]
        restore_byte_orders(case.functions, optimised, case.byte_order)
        return replace(case, functions=optimised)


def _by_byte_order(case: Case) -> dict[ByteOrder, Case]:
    """Return the case in each byte order that its outcome depends on, whatever the ISAs have."""
    if not depends_on_byte_order(case.functions):
        return {case.byte_order: case}
    return {order: replace(case, order=order) for order in BYTE_ORDERS}
