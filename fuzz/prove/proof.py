"""Proving one function: what the mid-end made of it, or its machine code, does what it says."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    Functions,
    ReadError,
    VerifierError,
)
from backend.cranelift.reader import read_functions
from backend.emulator.linker import Compiled, CompiledCode
from clif.function import Function, Inst
from clif.memory_access import address_operand
from clif.outcome import Region
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.target import compile_case, optimize_case
from fuzz.differential.finding import Finding
from fuzz.differential.pipeline import NO_INJECTION
from fuzz.prove.clif_paths import argument_terms, summarize
from fuzz.prove.counterexample import (
    Inject,
    InjectingRunner,
    as_case,
    differing,
    differing_clif,
    region_of,
    watched,
)
from fuzz.prove.floats import FloatModel, float_model
from fuzz.prove.machine.code_paths import summarize_code
from fuzz.prove.machine.registry import MACHINES
from fuzz.prove.paths import Summary
from fuzz.prove.refinement import Obligation, obligations
from fuzz.prove.semantics import UndecidedError
from fuzz.prove.solvers import Answer, Query, installed, solve
from fuzz.prove.store import ProofStore, key_of

#: The name of the mid-end among the subjects of proofs; the others are ISAs.
MID_END: Final = "mid-end"
SUBJECTS: Final = (MID_END, *MACHINES)
#: How long the solvers may think about one query, and about all of a proof, in seconds.
QUERY_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 60.0


class Status(StrEnum):
    """What is known of a function and what became of it."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


@dataclass(slots=True)
class Proof:
    """What became of the attempt to prove something.

    Attributes:
        status: the outcome.
        reason: of a proof, how floats were told, empty if there are none; else what is not as it
            should be, or why nothing is known.
        seconds: wall time that it took.
        solvers: who answered.
        stored: the answer was known from before.
        case: the counterexample, of what is refuted.
        finding: what is found when it is run.
    """

    status: Status
    reason: str = ""
    seconds: float = 0.0
    solvers: list[str] = field(default_factory=list)
    stored: bool = False
    case: Case | None = None
    finding: Finding | None = None

    def __str__(self) -> str:
        """Return the outcome and the reason."""
        return f"{self.status.value}: {self.reason}" if self.reason else self.status.value


@dataclass(frozen=True, slots=True)
class _Open:
    """An obligation that was not proved, and the model of a counterexample if there is one."""

    obligation: Obligation
    answer: Answer
    model: dict[str, int]


class Prover:
    """Proves functions.

    Args:
        seconds: for each query.
        solvers: who is asked; None for all that are installed.
        store: where answers are kept.
        total_seconds: for all queries of a proof together.
        inject: puts faults into cases, to see that they are refuted.
    """

    def __init__(
        self,
        seconds: float = QUERY_SECONDS,
        solvers: Sequence[str] | None = None,
        store: ProofStore | None = None,
        *,
        total_seconds: float = TOTAL_SECONDS,
        inject: Inject = lambda _: NO_INJECTION,
    ) -> None:
        self._seconds = seconds
        self._solvers = tuple(solvers or installed())
        self._store = store or ProofStore(None)
        self._total_seconds = total_seconds
        self._inject = inject
        self._runner = InjectingRunner(inject)

    def prove(self, case: Case, subject: str) -> Proof:
        """Prove that a case's main function is optimised or compiled right.

        Args:
            subject: the mid-end, or the name of an ISA.
        """
        start = time.monotonic()
        try:
            made = self._made(case, subject)
        except (CompileError, CompilerPanic, VerifierError, ReadError) as error:
            return Proof(Status.UNDECIDED, f"it does not compile: {type(error).__name__}")
        except UndecidedError as error:
            return Proof(Status.UNDECIDED, error.reason)
        text = print_functions(case.functions)
        key = key_of(
            (subject, text, _described(made), self._seconds, self._total_seconds, self._solvers)
        )
        if (known := self._store.get(key)) is not None:
            return Proof(Status(known[0]), known[1], stored=True, solvers=known[2])
        proof = self._attempt(case, subject, made)
        proof.seconds = time.monotonic() - start
        if proof.status is not Status.REFUTED:
            self._store.put(key, [proof.status, proof.reason, proof.solvers])
        return proof

    def _made(self, case: Case, subject: str) -> Function | Compiled:
        """Return what the compiler makes of the main function.

        Raises:
            Others: as compiling does.
        """
        injection = self._inject(case)
        changed = injection.functions(case.functions) if injection.functions else case.functions
        functions = Functions(print_functions(changed))
        if subject == MID_END:
            if any(_loses_flags(inst) for inst in case.main.instructions()):
                raise UndecidedError("printed CLIF does not have the byte order of atomic_cas")
            return read_functions(optimize_case(case, _compiled_for(case), functions)[0])[0]
        compiled: Sequence[CompiledCode] = compile_case(case, subject, functions)
        return (injection.code(case, subject, compiled) if injection.code else compiled)[0]

    def _attempt(self, case: Case, subject: str, made: Function | Compiled) -> Proof:
        solvers: list[str] = []
        try:
            left, opaque = self._ask(case, subject, made, FloatModel.OPAQUE, solvers)
            if left is None:
                return Proof(Status.PROVED, "floats uninterpreted" if opaque else "", 0.0, solvers)
            refuted = self._refuted(case, subject, made, left, solvers)
            if refuted is not None or not opaque:
                return refuted or _undecided(left, solvers)
            left, _ = self._ask(case, subject, made, FloatModel.IEEE, solvers)
            if left is None:
                return Proof(Status.PROVED, "the theory of floats", 0.0, solvers)
            return self._refuted(case, subject, made, left, solvers) or _undecided(left, solvers)
        except UndecidedError as error:
            return Proof(Status.UNDECIDED, error.reason, 0.0, solvers)

    def _ask(
        self,
        case: Case,
        subject: str,
        made: Function | Compiled,
        model: FloatModel,
        solvers: list[str],
    ) -> tuple[_Open | None, bool]:
        """Ask for all obligations.

        Returns:
            The first one that was not proved, and whether any operation on floats was opaque.

        Raises:
            UndecidedError: one side cannot be told in terms.
        """
        with float_model(model) as floats:
            function, arguments = case.main, argument_terms(case.main)
            wanted = summarize(function, region=case.inputs.region)
            self._require_inputs(wanted)
            got: Summary
            if isinstance(made, Function):
                got = summarize(made)
            else:
                got = summarize_code(MACHINES[subject], function, made, arguments)
            types = function.signature.return_types
            end = time.monotonic() + self._total_seconds
            for obligation in obligations(wanted, got, types):
                if time.monotonic() > end:
                    raise UndecidedError("the proof takes too long")
                conditions = (*obligation.violated, *floats.definitions)
                query = Query(conditions, {})
                solution = solve(query, self._seconds, self._solvers)
                if solution.solver not in solvers:
                    solvers.append(solution.solver)
                if solution.answer is Answer.UNSATISFIABLE:
                    continue
                values: dict[str, int] = {}
                if solution.answer is Answer.SATISFIABLE:
                    region = _region(case)
                    known = region is case.inputs.region
                    inside = () if known else summarize(function, region=region).assumptions
                    asked = Query((*conditions, *inside), watched(arguments, region))
                    values = dict(solve(asked, 2 * self._seconds, self._solvers).model)
                return _Open(obligation, solution.answer, values), bool(floats.opaque)
        return None, bool(floats.opaque)

    def _require_inputs(self, wanted: Summary) -> None:
        """Complain if no input fulfils what a function takes for granted: all is true of none.

        Raises:
            UndecidedError: none does, as far as the solvers know.
        """
        if wanted.assumptions:
            granted = solve(Query(wanted.assumptions, {}), self._seconds, self._solvers)
            if granted.answer is Answer.UNSATISFIABLE:
                raise UndecidedError("no input fulfils what it takes for granted")

    def _refuted(
        self,
        case: Case,
        subject: str,
        made: Function | Compiled,
        left: _Open,
        solvers: list[str],
    ) -> Proof | None:
        """Run a counterexample. Returns None if there is none, or it makes no difference."""
        if not left.model and left.answer is not Answer.SATISFIABLE:
            return None
        example = as_case(case, left.model, _region(case))
        if isinstance(made, Function):
            finding = differing_clif(example, made, _compiled_for(case))
        else:
            finding = differing(example, [subject], self._runner)
        if finding is None:
            return None
        what = left.obligation.what
        return Proof(Status.REFUTED, what, 0.0, solvers, case=example, finding=finding)


def subjects_of(case: Case, isas: Iterable[str]) -> tuple[str, ...]:
    """Return what there is to be proved of a case: the mid-end, and those ISAs that it is for."""
    return (MID_END, *(isa for isa in isas if isa in MACHINES and case.is_for(isa)))


def _compiled_for(case: Case) -> str:
    """Return the ISA that a case's functions are optimised for."""
    return next((isa for isa in case.isas if isa in MACHINES), next(iter(MACHINES)))


def _loses_flags(inst: Inst) -> bool:
    return inst.opcode.name == "atomic_cas" and inst.flags.endianness is not None


def _undecided(left: _Open, solvers: list[str]) -> Proof:
    if left.answer is Answer.UNKNOWN:
        return Proof(Status.UNDECIDED, "the solvers do not know in time", 0.0, solvers)
    return Proof(
        Status.UNDECIDED, "a counterexample that makes no difference when it is run", 0.0, solvers
    )


def _described(made: Function | Compiled) -> object:
    """Return what distinguishes what the compiler made."""
    if isinstance(made, Function):
        return print_functions([made])
    return (made.code, made.relocations, made.traps)


def _region(case: Case) -> Region | None:
    """Return the region that a counterexample is run with: the case's, or one at the first
    argument if the function accesses memory."""
    if case.inputs.region is not None:
        return case.inputs.region
    accesses = any(address_operand(i.opcode) is not None for i in case.main.instructions())
    return region_of(case.main) if accesses else None
