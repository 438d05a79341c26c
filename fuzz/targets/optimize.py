"""The mid-end keeps what a function does: the interpreter on it, and on its optimised CLIF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backend.cranelift import Functions
from backend.reader import read_file
from clif.outcome import Outcomes, Status
from clif.printer import print_functions
from fuzz import diagnosis
from fuzz.case import Case, has_canonical_nans
from fuzz.compare import compare
from fuzz.finding import Finding
from fuzz.generate import Options
from fuzz.oracle import DEFAULT_FUEL, OracleError, interpreter
from fuzz.pipeline import target_of
from fuzz.targets.target import CaseTarget

_INPUTS = 32


class Optimize(CaseTarget):
    """Nothing is lowered or run: what differs is the mid-end's doing."""

    def check(self, case: Case) -> tuple[Sequence[Finding], Outcomes | None]:
        if case.settings.get("opt_level", "speed") == "none":
            case = replace(case, settings=case.settings | {"opt_level": "speed"})
        try:
            expected = interpreter(case)
        except OracleError as error:
            self.statistics.rejected[f"oracle: {error}"] += 1
            return (), None
        self.statistics.traps.update(expected.traps.values())
        self.statistics.hangs += int(np.count_nonzero(expected.status == Status.HUNG))
        findings = [self._compare(case, isa, expected) for isa in self.isas]
        return [finding for finding in findings if finding is not None], expected

    def _compare(self, case: Case, isa: str, expected: Outcomes) -> Finding | None:
        try:
            optimised = self._optimised(case, isa)
            actual = interpreter(optimised, DEFAULT_FUEL)
        except OracleError as error:
            self.statistics.rejected[f"oracle, optimised for {isa}: {error}"] += 1
            return None
        except diagnosis.COMPILER_FAILURES as error:
            return self._compiler_failure(case, isa, error)
        differences = compare(expected, actual, canonical_nans=has_canonical_nans(case))
        self.statistics.executions += case.inputs.count
        if not differences:
            return None
        return diagnosis.difference(case, isa, (), differences)

    def _optimised(self, case: Case, isa: str) -> Case:
        functions = Functions(print_functions(case.functions))
        compiled = target_of(case, isa).compile(functions, clif=True, chaos=case.chaos)
        text = "\n".join(code.clif or "" for code in compiled)
        return replace(case, functions=[function for function, _ in read_file(text).functions])

    def _compiler_failure(
        self, case: Case, isa: str, error: diagnosis.CompilerFailure
    ) -> Finding | None:
        match diagnosis.failure(case, isa, error):
            case Finding() as finding:
                return finding
            case reason:
                self.statistics.rejected[reason] += 1
                return None


def target(isas: tuple[str, ...]) -> Optimize:
    return Optimize(isas, Options(inputs=_INPUTS, isas=isas))
