"""Cranelift's incremental cache: a hit is as good as compiling anew, a changed function never hits,
and what may differ (a function's name, the names of what it calls, where in the source it is) does.
"""

from __future__ import annotations

from collections.abc import Iterator

from backend.cranelift.compiler import Compiled, Functions, IncrementalCache, ReadError, TargetIsa
from clif.function import Function
from fuzz.cases.case import Case, effective_settings
from fuzz.differential import diagnosis
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.pipeline import target_of
from fuzz.fuzz_targets.cachetext import Names, body, print_for_cache
from fuzz.fuzz_targets.target import CaseTarget, Checked
from fuzz.generate import Generator, Options

#: Ways in which a function may differ from one in the cache and is still the same.
_MUST_HIT = {
    "once more": Names(),
    "under another name": Names(own="other"),
    "with other names of what it calls": Names(namespace=7, shift=5),
    "elsewhere in the source": Names(line=0x4321),
}


class IncrementalCaching(CaseTarget):
    """Compiles each case through an empty cache, and then again in ways that must hit or miss."""

    def check(self, case: Case) -> Checked:
        findings: list[Finding] = []
        for isa in filter(case.is_for, self.isas):
            try:
                faults = list(self._faults(case, isa))
            except ReadError as error:
                self.statistics.rejected[f"read: {error.message}"] += 1
                continue
            except diagnosis.COMPILER_FAILURES as error:
                findings += self.compiler_failure(case, isa, error)
                continue
            self.statistics.executions += 1
            if faults:
                findings.append(Finding(FindingKind.CACHE_FAULT, isa, faults[0], tuple(faults)))
        return Checked(case, findings)

    def make_cache(self) -> IncrementalCache:
        """An empty one."""
        return IncrementalCache()

    def _faults(self, case: Case, name: str) -> Iterator[str]:
        cache, isa = self.make_cache(), target_of(case, name).handle
        _lookup(cache, print_for_cache(case.functions, Names()), isa)
        for way, names in _MUST_HIT.items():
            text = print_for_cache(case.functions, names)
            for hit, right in _lookup(cache, text, isa):
                self.statistics.facts["lookups"] += 1
                self.statistics.facts["hits"] += hit
                if not hit:
                    yield f"a function {way} is not found"
                if not right:
                    yield f"the code of a function {way} is not what compiling it gives"
        for way, (functions, other) in self._changes(case, name).items():
            for hit, right in _lookup(cache, print_for_cache(functions, Names()), other):
                self.statistics.facts["changed"] += 1
                self.statistics.facts["changed hits"] += hit
                if hit or not right:
                    yield f"a function {way} is taken for the old one"

    def _changes(self, case: Case, isa: str) -> dict[str, tuple[list[Function], TargetIsa]]:
        """What must miss."""
        level = effective_settings(case)["opt_level"]
        settings = case.settings | {"opt_level": "none" if level == "speed" else "speed"}
        other = Case([], case.inputs, settings, case.isa_settings)
        # Of two that are the same, the second one would rightly find the first.
        distinct = list({body(function): function for function in case.functions}.values())
        changes = {"under another setting": (distinct, target_of(other, isa).handle)}
        changed = _with_another_constant(case.main)
        if changed is not None and body(changed) not in map(body, case.functions):
            changes["with another constant"] = [changed], target_of(case, isa).handle
        return changes


def _lookup(cache: IncrementalCache, text: str, isa: TargetIsa) -> list[tuple[bool, bool]]:
    """Compiles through the cache: of each function, whether it hit, and whether the code is what
    compiling it anew gives."""
    functions = Functions(text)
    found, anew = cache.compile(functions, isa), functions.compile(isa)
    return [
        (hit, _essence(code) == _essence(expected))
        for (code, hit), expected in zip(found, anew, strict=True)
    ]


def _essence(compiled: Compiled) -> tuple[object, ...]:
    return compiled.code, compiled.relocations, compiled.traps, compiled.alignment


def _with_another_constant(function: Function) -> Function | None:
    """A copy in which the last constant differs in its lowest bit."""
    copy = function.clone()
    for inst in reversed(list(copy.instructions())):
        if inst.opcode.name == "iconst":
            inst.imm ^= 1
            return copy
    return None


def target(isas: tuple[str, ...]) -> IncrementalCaching:
    return IncrementalCaching(isas, Generator(Options(inputs=1, isas=isas)))
