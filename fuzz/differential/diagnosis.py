"""Makes findings out of failures: their kind, and the detail that identifies them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    UnsupportedError,
    VerifierError,
)
from backend.cranelift.interpreter import NAME as SECOND
from backend.cranelift.interpreter_faults import InterpreterFault
from backend.cranelift.panic_place import (
    panic_location,
    panic_place,
    panicking_rules,
    rules_in_words,
)
from backend.cranelift.time_limit import CompileTimeoutError
from backend.emulator.emulator_faults import Effect, EmulatorFault, find_faults
from backend.emulator.linker import Compiled
from backend.emulator.throwing import UNWINDING
from backend.engines.guest_process import ENGINE_DIED
from backend.isa.executors import engine_of
from backend.isa.registry import ISAS
from clif.function import Function, format_name
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.compare import Difference, DifferenceKind, Observed
from fuzz.differential.explain import explain_differences
from fuzz.differential.finding import UNPROVED, Finding, FindingKind, opcodes_in_bucket
from fuzz.differential.known_instructions import in_words, known_faults_of
from fuzz.known.failures import known_failure
from fuzz.known.user import user_fault

#: Exceptions of Cranelift for functions that it cannot compile.
COMPILER_FAILURES: Final = (VerifierError, CompileError, CompilerPanic)

_Failure: TypeAlias = VerifierError | CompileError | CompilerPanic

#: Cranelift's message names the instruction without lowering: ``inst = `v3 = smax.i128 v1, v2```.
_UNSUPPORTED_INST = re.compile(r"`(?:[^`=]* = )?(\w+)\.(\w+)[ `]")
_ADDRESS = re.compile(r",? pc (?:%\S+|u\d+:\S+|0x\S+)| at 0x[0-9a-f]+")
_PLAIN_NUMBER = re.compile(r"(?<![A-Za-z0-9])[+-]?\d+")
_ENTITY = re.compile(r"\b(v|block|inst|ss|fn|sig|gv|region)\d+")
_LONGEST = 120
#: Cranelift's message for what it does not compile by design, and the size of stack frames for
#: which that is expected.
_LIMIT: Final = "Implementation limit exceeded"
_LARGE_FRAME: Final = 64 << 20
#: What Rust says where a programmer has said that something is still to be done.
_NOT_IMPLEMENTED: Final = "not implemented: "


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """What another engine says of code that seems to be wrong.

    Attributes:
        engine: its name and version.
        agrees: whether its outcomes are the oracle's.
    """

    engine: str
    agrees: bool

    def in_words(self) -> str:
        verb = "agrees with" if self.agrees else "differs from"
        return f"{self.engine} {verb} interp"


def compiler_failure(isa: str, error: VerifierError | CompileError | CompilerPanic) -> Finding:
    """Return the finding of a failed compilation."""
    if isinstance(error, CompilerPanic):
        return _panic(isa, error)
    verifier = isinstance(error, VerifierError)
    kind = FindingKind.VERIFIER_ERROR if verifier else FindingKind.COMPILE_ERROR
    message = " ".join(error.message.split())
    explanation = (f"in {format_name(error.function)}: {message}",)
    return Finding(kind, isa, _without_entities(message), explanation)


def compile_timeout(case: Case, isa: str, error: CompileTimeoutError) -> Finding:
    """Return the finding of a compilation that did not end in time."""
    opcodes = opcodes_in_bucket(case.functions)
    detail = "took too long in compile" + f": {opcodes}" * bool(opcodes)
    return Finding(FindingKind.COMPILE_TIMEOUT, isa, detail, (error.message,))


def _panic(isa: str, error: CompilerPanic) -> Finding:
    location, rule = panic_location(error), rules_in_words(panicking_rules(error))
    explanation = [
        f"panic: {error.message}",
        f"at {location} in {format_name(error.function)}",
        *([f"in the rule at {rule}"] if rule not in ("", location) else []),
    ]
    detail = f"{error.phase} {panic_place(error)}"
    return Finding(FindingKind.COMPILER_PANIC, isa, detail, tuple(explanation))


def unsupported(case: Case, isa: str, error: UnsupportedError) -> Finding | str:
    """Classify a compilation that failed because the ISA lacks an instruction.

    Returns:
        A reason for rejecting the case if the case itself contains the instruction; a finding if
        Cranelift's optimiser introduced it.
    """
    reason = _without_entities(error.message.partition(":")[0])
    inst = _UNSUPPORTED_INST.search(error.message)
    if inst is None:
        return f"{isa}: {reason}"
    name = f"{inst.group(1)}.{inst.group(2)}"
    if _contains(case, inst.group(1), inst.group(2)):
        return f"{isa}: {name} {reason}"
    explanation = (f"in {format_name(error.function)}: {error.message}",)
    detail = f"{name}, which is not in the case: {reason}"
    return Finding(FindingKind.COMPILE_ERROR, isa, detail, explanation)


def refusal(isa: str, functions: Sequence[Function], error: _Failure) -> str:
    """Return why a failed compilation is no failure; empty if it is one.

    Cranelift says that it does not compile stack frames beyond some size.
    """
    largest = max((sum(s.size for s in f.stack_slots) for f in functions), default=0)
    if largest < _LARGE_FRAME or _LIMIT not in error.message:
        return ""
    return f"{isa}: {_LIMIT}: stack slots of {largest} bytes"


def is_unimplemented(error: _Failure) -> bool:
    """Return whether Cranelift says that what it is asked for is still to be done."""
    return error.message.startswith(_NOT_IMPLEMENTED)


def missing_instruction(isa: str, reason: str, error: UnsupportedError) -> Finding:
    """Return the finding of an instruction that an ISA lacks, for those who look for that."""
    detail = reason.removeprefix(f"{isa}: ")
    explanation = (f"in {format_name(error.function)}: {error.message}",)
    return Finding(FindingKind.UNSUPPORTED, isa, detail, explanation)


def mark_known(finding: Finding, functions: Sequence[Function]) -> Finding:
    """Return a finding, marked as known if a known fault explains it: of ours, or of the user's."""
    if finding.known:
        return finding
    messages = (finding.bucket, *finding.explanation)
    name = known_failure(finding.isa, messages, functions) or user_fault(
        finding.kind.value, finding.isa, messages, functions
    )
    return finding if name is None else known_as(finding, name)


def known_as(finding: Finding, name: str) -> Finding:
    """Return a finding, marked as a known fault of this name."""
    return replace(finding, detail=f"{finding.detail}: {name}", known=True)


def _contains(case: Case, opcode: str, type_: str) -> bool:
    return any(
        inst.opcode.name == opcode and inst.type is not None and inst.type.name == type_
        for function in case.functions
        for inst in function.instructions()
    )


def difference(
    case: Case,
    isa: str,
    compiled: Sequence[Compiled],
    differences: Sequence[Difference],
    opinion: SecondOpinion | None = None,
) -> Finding:
    """Return the finding of outcomes that differ from the oracle's.

    Args:
        opinion: what another engine says, if it was asked. Without it, and where the code holds a
            form that the emulator gets wrong, the difference is put down to the emulator without
            proof.
    """
    wrong = [] if opinion is not None and not opinion.agrees else wrong_forms(isa, compiled)
    if all(difference.actual.detail.startswith(ENGINE_DIED) for difference in differences):
        wrong = wrong or _forms(isa, compiled, "", {Effect.DEATH})
    if wrong and not any(breaks_the_abi(difference.actual) for difference in differences):
        finding = emulator_fault(case, isa, wrong, differences)
        if opinion is None:
            return replace(finding, detail=finding.detail + UNPROVED)
        return replace(finding, explanation=(opinion.in_words(), *finding.explanation))
    if all(difference.kind is DifferenceKind.HANG for difference in differences):
        detail, kind = opcodes_in_bucket(case.functions), FindingKind.HANG
    else:
        detail, kind = _miscompile_detail(case, differences), FindingKind.MISCOMPILE
    finding = _finding(case, kind, isa, detail, differences)
    known = map(in_words, known_faults_of(case, isa))
    others = [opinion.in_words()] if opinion is not None else []
    return replace(finding, explanation=(*finding.explanation, *others, *known))


def emulator_fault(
    case: Case, isa: str, faults: Sequence[EmulatorFault], differences: Sequence[Difference]
) -> Finding:
    """Return the finding of differences that known faults of the emulator explain."""
    detail = " ".join(fault.name for fault in faults)
    return _finding(case, FindingKind.EMULATOR_FAULT, isa, detail, differences, known=True)


def oracles_disagree(case: Case, differences: Sequence[Difference]) -> Finding:
    """Return the finding of a second oracle that differs from the first."""
    detail = f"{SECOND} {_miscompile_detail(case, differences)}"
    return _finding(case, FindingKind.ORACLES_DISAGREE, "", detail, differences)


def oracle_fault(
    case: Case, faults: Sequence[InterpreterFault], differences: Sequence[Difference]
) -> Finding:
    """Return the finding of differences that known faults of the second oracle explain."""
    detail = f"{SECOND} {' '.join(faults)}"
    finding = _finding(case, FindingKind.ORACLE_FAULT, "", detail, differences, known=True)
    reasons = [fault.explanation for fault in faults]
    return replace(finding, explanation=(*reasons, *finding.explanation))


def spurious_faults(
    isa: str, compiled: Sequence[Compiled], engine: str = ""
) -> list[EmulatorFault]:
    """List the faults of an engine, by default the ISA's, in this code that read too much
    memory."""
    return _forms(isa, compiled, engine, {Effect.SPURIOUS_FAULT})


def wrong_forms(isa: str, compiled: Sequence[Compiled], engine: str = "") -> list[EmulatorFault]:
    """List the faults of an engine, by default the ISA's, in this code that compute wrong
    results."""
    others = {Effect.SPURIOUS_FAULT, Effect.DEATH}
    return _forms(isa, compiled, engine, set(Effect) - others)


def _forms(
    isa: str, compiled: Sequence[Compiled], engine: str, effects: Collection[Effect]
) -> list[EmulatorFault]:
    """List the faults of an engine, by default the ISA's, in this code that have such effects."""
    name = engine or engine_of(isa)
    found = {f for code in compiled for f in find_faults(ISAS[isa], code, engine=name)}
    return sorted((f for f in found if f.effect in effects), key=lambda fault: fault.name)


def breaks_the_abi(actual: Observed) -> bool:
    """Whether the code broke the calling convention, or its frames cannot be walked.

    Wrong values in the emulator can have any other effect, but they cannot make code skip
    restoring a register, nor change a table.
    """
    return any(words in actual.detail for words in ("clobbered", "pointer off", UNWINDING))


def _finding(
    case: Case,
    kind: FindingKind,
    isa: str,
    detail: str,
    differences: Sequence[Difference],
    known: bool = False,
) -> Finding:
    region = case.inputs.region
    explanation = explain_differences(
        differences,
        canonical_nans=has_canonical_nans(case),
        initial=region.contents if region else None,
    )
    inputs = tuple(difference.input for difference in differences)
    return Finding(kind, isa, detail, tuple(explanation), inputs, known=known)


def _miscompile_detail(case: Case, differences: Sequence[Difference]) -> str:
    """Name the gravest kind of difference, and the opcodes of the case."""
    kinds = {difference.kind for difference in differences}
    gravest = next(kind for kind in DifferenceKind if kind in kinds)
    if gravest is DifferenceKind.VIOLATION:
        what = next(d.actual.detail for d in differences if d.kind is gravest)
        return f"{gravest.value}: {_without_addresses(what)}"
    opcodes = opcodes_in_bucket(case.functions)
    return f"{gravest.value}: {opcodes}" if opcodes else gravest.value


def _without_addresses(text: str) -> str:
    """Remove addresses and numbers, which vary from case to case; registers keep their names."""
    return _PLAIN_NUMBER.sub("N", _ADDRESS.sub("", text))[:_LONGEST]


def _without_entities(text: str) -> str:
    """Replace numbers, which vary from case to case: ``v12`` becomes ``vN``."""
    return _PLAIN_NUMBER.sub("N", _ENTITY.sub(r"\1N", text))[:_LONGEST]
