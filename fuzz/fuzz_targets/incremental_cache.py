"""Target ``incremental_cache``: Cranelift's incremental cache hits exactly when it should.

A hit must equal a fresh compilation. A function must hit if it differs only in its own name, in the
names of what it calls, or in its source locations; a function that differs otherwise must miss.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backend.cranelift.compiler import Compiled, Functions, IncrementalCache, ReadError, TargetIsa
from clif.function import Function
from clif.printer import print_function
from fuzz.cases.case import Case, effective_settings
from fuzz.cases.target import target_of
from fuzz.differential import diagnosis
from fuzz.differential.finding import Finding, FindingKind
from fuzz.fuzz_targets.target import CaseTarget, Checked

#: Names of functions and symbols that are declared in a function's preamble. The reader takes
#: ``u0:1+16`` for one number, so a symbol with an offset keeps its name.
_DECLARED = re.compile(
    r"^(    (?:fn\d+ = (?:colocated )?|gv\d+ = symbol (?:colocated )?))%(\w+)(?![\w+-])"
)
_HEAD = re.compile(r"^function %(\w+)")


@dataclass(frozen=True, slots=True)
class Names:
    """The parts of a function's text that must not make a difference to the cache.

    Attributes:
        own: suffix of the functions' own names.
        namespace, shift: of the user names of what they call: ``u<namespace>:<number + shift>``.
        line: source location of the first instruction.
    """

    own: str = ""
    namespace: int = 0
    shift: int = 0
    line: int = 0x1000


#: Differences with which a function must hit the entry of the original.
_MUST_HIT = {
    "once more": Names(),
    "under another name": Names(own="other"),
    "with other names of what it calls": Names(namespace=7, shift=5),
    "elsewhere in the source": Names(line=0x4321),
}


class IncrementalCaching(CaseTarget):
    """Compiles each case through an empty cache, then variants of it that must hit or miss."""

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
        """Return an empty cache; tests replace it by a faulty one."""
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
        """Return what must miss, by what was changed: functions, and what to compile them for."""
        level = effective_settings(case)["opt_level"]
        settings = case.settings | {"opt_level": "none" if level == "speed" else "speed"}
        other = Case([], case.inputs, settings, case.isa_settings)
        # Of two equal functions the second would rightly hit the entry of the first.
        distinct = list({_body(function): function for function in case.functions}.values())
        changes = {"under another setting": (distinct, target_of(other, isa).handle)}
        changed = _with_another_constant(case.main)
        if changed is not None and _body(changed) not in map(_body, case.functions):
            changes["with another constant"] = [changed], target_of(case, isa).handle
        return changes


def _lookup(cache: IncrementalCache, text: str, isa: TargetIsa) -> list[tuple[bool, bool]]:
    """Compile functions through the cache.

    Returns:
        For each function whether it hit, and whether its code equals that of a fresh compilation.
    """
    functions = Functions(text)
    cached, fresh = cache.compile(functions, isa), functions.compile(isa)
    return [
        (hit, _essence(code) == _essence(expected))
        for (code, hit), expected in zip(cached, fresh, strict=True)
    ]


def _essence(compiled: Compiled) -> tuple[object, ...]:
    return compiled.code, compiled.relocations, compiled.traps, compiled.alignment


def _with_another_constant(function: Function) -> Function | None:
    """Return a copy with the lowest bit of the last ``iconst`` flipped; None if there is none."""
    copy = function.clone()
    for inst in reversed(list(copy.instructions())):
        if inst.opcode.name == "iconst":
            inst.imm ^= 1
            return copy
    return None


# --- text for the cache ---


def print_for_cache(functions: Sequence[Function], names: Names) -> str:
    """Print functions, one after another, with names and source locations as given.

    Callees get user names, ``u0:1``, which are not part of the cache's key; names like ``%f1``,
    which only tests use, would be. Every instruction gets a source location, of which only the
    distance to the first one is part of the key.
    """
    numbers: dict[str, int] = {}
    lines: list[str] = []
    for function in functions:
        lines += _lines(print_function(function), names, numbers)
    return "\n".join(lines) + "\n"


def _lines(text: str, names: Names, numbers: dict[str, int]) -> Iterator[str]:
    in_blocks, line_number = False, names.line

    def user_name(match: re.Match[str]) -> str:
        number = numbers.setdefault(match[2], len(numbers))
        return f"{match[1]}u{names.namespace}:{number + names.shift}"

    for line in text.splitlines():
        if line.startswith("block"):
            in_blocks = True
        if line.startswith("function"):
            yield _HEAD.sub(rf"function %\1{names.own}", line)
        elif in_blocks and line.startswith("    "):
            yield f"@{line_number:04x} {line}"
            line_number += 1
        else:
            yield _DECLARED.sub(user_name, line)


def _body(function: Function) -> str:
    """Return a function's text without its own name and the names of what it calls."""
    text = _HEAD.sub("function", print_function(function))
    return "\n".join(_DECLARED.sub(r"\1", line) for line in text.splitlines())
