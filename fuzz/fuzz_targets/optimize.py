"""Target ``optimize``: a function and its optimised CLIF do the same in the interpreter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.cranelift.compiler import Functions, ReadError
from backend.cranelift.reader import read_file
from clif.outcome import Outcomes, Status
from clif.printer import print_functions
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.compare import compare
from fuzz.differential import diagnosis
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.oracle import OracleError, interpreter
from fuzz.differential.pipeline import target_of
from fuzz.fuzz_targets.target import CaseTarget, Checked


class Optimize(CaseTarget):
    """Compares the interpreter's outcomes before and after Cranelift's mid-end.

    No machine code is run, so every difference is a fault of the mid-end.
    """

    def check(self, case: Case) -> Checked:
        if case.settings.get("opt_level") == "none":
            case = replace(case, settings=case.settings | {"opt_level": "speed"})
        try:
            expected = interpreter(case)
        except OracleError as error:
            self.statistics.rejected[f"oracle: {error}"] += 1
            return Checked(case, ())
        self.statistics.traps.update(expected.traps.values())
        hangs = int(np.count_nonzero(expected.status == Status.HUNG))
        self.statistics.hangs += hangs
        findings: list[Finding] = []
        if not hangs:
            for isa in filter(case.is_for, self.isas):
                findings += self._compare(case, isa, expected)
        return Checked(case, findings, expected)

    def _compare(self, case: Case, isa: str, expected: Outcomes) -> list[Finding]:
        try:
            actual = interpreter(self._optimised(case, isa))
        except OracleError as error:
            self.statistics.rejected[f"oracle, optimised for {isa}: {error}"] += 1
            return []
        except ReadError as error:
            return [Finding(FindingKind.READER_FAULT, isa, error.message, (str(error),))]
        except diagnosis.COMPILER_FAILURES as error:
            return self.compiler_failure(case, isa, error)
        self.statistics.executions += case.inputs.count
        differences = compare(expected, actual, canonical_nans=has_canonical_nans(case))
        return [diagnosis.difference(case, isa, (), differences)] if differences else []

    def _optimised(self, case: Case, isa: str) -> Case:
        inject = self.injection(case).functions
        functions = Functions(print_functions(inject(case.functions) if inject else case.functions))
        compiled = target_of(case, isa).compile(functions, clif=True, chaos=case.chaos)
        text = "\n".join(code.clif or "" for code in compiled)
        return replace(case, functions=[function for function, _ in read_file(text).functions])
