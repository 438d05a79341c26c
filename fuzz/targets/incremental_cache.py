"""Cranelift's incremental cache: a hit is as good as compiling anew, a changed function never hits,
and what may differ (a function's name, the names of what it calls) still does.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

from backend.cranelift import Compiled, Functions, IncrementalCache, TargetIsa
from clif.function import Function
from clif.outcome import Outcomes
from clif.printer import print_functions
from fuzz import diagnosis
from fuzz.case import Case
from fuzz.finding import Finding, FindingKind
from fuzz.generate import Options
from fuzz.pipeline import target_of
from fuzz.targets.target import CaseTarget

#: The cache is emptied when it holds so many functions.
_FULL = 2000


class IncrementalCaching(CaseTarget):
    """Compiles each case anew, through the cache twice, renamed, and changed."""

    def __init__(self, isas: Sequence[str], options: Options) -> None:
        super().__init__(isas, options)
        self.cache = IncrementalCache()

    def check(self, case: Case) -> tuple[Sequence[Finding], Outcomes | None]:
        if len(self.cache) > _FULL:
            self.cache.clear()
        case = replace(case, chaos=b"")  # the cache knows nothing of it
        findings = [self._check_isa(case, isa) for isa in self.isas]
        return [finding for finding in findings if finding is not None], None

    def _check_isa(self, case: Case, isa: str) -> Finding | None:
        try:
            faults = self._faults(case, target_of(case, isa).handle)
        except diagnosis.COMPILER_FAILURES as error:
            match diagnosis.failure(case, isa, error):
                case Finding() as finding:
                    return finding
                case reason:
                    self.statistics.rejected[reason] += 1
                    return None
        self.statistics.executions += 1
        if not faults:
            return None
        return Finding(FindingKind.CACHE_FAULT, isa, faults[0], tuple(faults))

    def _faults(self, case: Case, isa: TargetIsa) -> list[str]:
        functions = Functions(print_functions(case.functions))
        anew = functions.compile(isa)
        first = self.cache.compile(functions, isa)
        again = self.cache.compile(functions, isa)
        renamed = self.cache.compile(Functions(print_functions(_renamed(case.functions))), isa)
        changed = self._changed(case, isa)
        facts = self.statistics.facts
        facts["lookups"] += 3 * len(first)
        facts["hits"] += sum(hit for rest in (first, again, renamed) for _, hit in rest)
        faults = []
        for name, code, one, two, other in zip(
            functions.names, anew, first, again, renamed, strict=True
        ):
            if not two[1]:
                faults.append(f"a function misses the second time: %{name}")
            if not other[1]:
                faults.append(f"a renamed function misses: %{name}")
            for what, found in (("first", one[0]), ("second", two[0])):
                if _essence(found) != _essence(code):
                    faults.append(f"the {what} result is not what compiling anew gives: %{name}")
            if other[0].code != code.code:
                faults.append(f"the renamed function has other code: %{name}")
        return faults + changed

    def _changed(self, case: Case, isa: TargetIsa) -> list[str]:
        """A function with another constant, or one more, must not be taken for the old one."""
        changed = _with_another_constant(case.functions[0])
        if changed is None:
            return []
        functions = Functions(print_functions([changed]))
        ((found, hit),) = self.cache.compile(functions, isa)
        (anew,) = functions.compile(isa)
        self.statistics.facts["changed"] += 1
        self.statistics.facts["changed hits"] += hit
        if _essence(found) != _essence(anew):
            return ["a changed function gets the code of another one"]
        return []


def _essence(compiled: Compiled) -> tuple[object, ...]:
    return compiled.code, compiled.relocations, compiled.traps, compiled.alignment


def _renamed(functions: Sequence[Function]) -> list[Function]:
    """The same functions, each under another name."""
    copies = deepcopy(list(functions))
    for function in copies:
        function.name += "_renamed"
        for external in function.externals:
            external.name += "_renamed"
    return copies


def _with_another_constant(function: Function) -> Function | None:
    """A copy in which the last constant differs in its lowest bit."""
    copy = deepcopy(function)
    for inst in reversed(list(copy.instructions())):
        if inst.opcode.name == "iconst":
            inst.imm ^= 1
            return copy
    return None


def target(isas: tuple[str, ...]) -> IncrementalCaching:
    return IncrementalCaching(isas, Options(inputs=1, isas=isas))


