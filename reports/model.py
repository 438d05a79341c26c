"""The contents of report pages as plain data, which ``fuzz.reporting`` fills in.

Texts are stored as they are shown, and nothing here is computed from anything else here.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sample:
    """A campaign's counters at one moment, counted from its start."""

    seconds: float
    cases: int
    executions: int
    cpu_seconds: float
    findings: int
    edges: int


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class CountTable:
    """A table of counts, the highest first.

    Attributes:
        none: shown if the table is empty.
    """

    title: str
    counts: tuple[tuple[str, int], ...] = ()
    none: str = "none"


@dataclass(frozen=True, slots=True)
class Coverage:
    """The number of cases with each opcode and controlling type, by ISA.

    Attributes:
        isas: in the order in which each cell of the heat map shows them.
        cases: by ISA, opcode and type (``-`` for none). A pair that the ISA lowers but no case had
            has 0; a pair that it does not lower is missing.
    """

    isas: tuple[str, ...] = ()
    cases: dict[tuple[str, str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProofCell:
    """What is known of a rule at one type.

    Attributes:
        status: ``proved``, ``refuted`` or ``undecided``.
        note: why, for people; empty if there is nothing to say.
    """

    type: str
    status: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ProofRow:
    """What is known of a rule.

    Attributes:
        sampled: how often a run compared it, in words; empty without a run.
    """

    rule: str
    cells: tuple[ProofCell, ...]
    sampled: str = ""


@dataclass(frozen=True, slots=True)
class ProofSection:
    """What is known of the rules of the mid-end, or of an ISA."""

    subject: str
    facts: tuple[Fact, ...]
    undecided: CountTable
    rows: tuple[ProofRow, ...]


@dataclass(frozen=True, slots=True)
class ProofsPage:
    """The page about what ``clif-fuzz prove --rules`` found out."""

    build: str
    sections: tuple[ProofSection, ...]


@dataclass(frozen=True, slots=True)
class BucketSummary:
    """The findings of one bucket, which are taken to have one cause.

    Attributes:
        known: whether a known fault explains them.
        old: whether the campaign's base has them, too.
        files: of the findings, minimised ones first; the first one is shown in detail.
        first_seconds: when the first one was found; None if unknown.
        rules: places of the suspected ISLE rules.
        minimized: how many of the files are minimised.
    """

    name: str
    kind: str
    isa: str
    known: bool
    files: tuple[str, ...]
    count: int
    first_seconds: float | None = None
    rules: tuple[str, ...] = ()
    minimized: int = 0
    old: bool = False


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A value in several notations.

    Attributes:
        bits: in hexadecimal.
        number: as CLIF writes it: signed, or a hexadecimal float; a vector's lanes in brackets.
        more: other notations by name, such as unsigned.
    """

    name: str
    type: str
    bits: str
    number: str
    more: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownOutcome:
    """What an executor did with an input.

    Attributes:
        results: if it returned.
        what: it did, if it did not return, or returned nothing.
        memory: where it differs from the other executor's memory.
    """

    results: tuple[ShownValue, ...] = ()
    what: str = ""
    memory: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FailingInput:
    """An input on which an ISA differs from the oracle.

    Attributes:
        number: of the input.
        kind: of the difference.
        differing: indices of the results that differ.
    """

    isa: str
    number: int
    kind: str
    arguments: tuple[ShownValue, ...]
    expected: ShownOutcome
    actual: ShownOutcome
    differing: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A machine instruction.

    Attributes:
        notes: its traps and relocations.
        clif: the line of the CLIF text that it was compiled from, counted from 1; 0 for none.
        diverges: whether the run diverges here from the interpreter.
    """

    offset: int
    text: str
    notes: str = ""
    clif: int = 0
    diverges: bool = False


@dataclass(frozen=True, slots=True)
class FunctionCode:
    """The machine code of a function on one ISA.

    Attributes:
        size: in bytes.
        optimised: the CLIF after the mid-end.
    """

    isa: str
    function: str
    size: int
    lines: tuple[CodeLine, ...]
    optimised: str = ""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first machine instruction after which a run differs from the interpreter.

    Attributes:
        number: of the input.
        function, offset, instruction: the machine instruction.
        clif_line, clif: the CLIF instruction whose code ends there.
        expected: the value that a register should hold.
        found: the values of the registers that the code of the CLIF instruction wrote.
    """

    isa: str
    number: int
    function: str
    offset: int
    instruction: str
    clif_line: int
    clif: str
    expected: ShownValue
    found: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A command for the user to run, and its purpose."""

    purpose: str
    text: str


@dataclass(frozen=True, slots=True)
class FindingPage:
    """One finding in full.

    Attributes:
        detail: the bucket without kind and ISA.
        explanation: comment lines of the finding's file.
        says: messages of failures in this run that are not about single inputs, such as panics.
        clif: the functions as text; ``CodeLine.clif`` counts its lines.
        filetest: shows the failure to Cranelift's own tools; empty if that is not possible.
        filetest_problem: why it is not possible; empty if it is, or was not tried.
        known: whether a known fault explains it.
        small: whether the case is small enough for somebody to look at.
        inputs: how many the file has; ``failing`` are the first that fail.
        settings: shared settings, then flags by ISA.
        left_out: functions whose code is too long to be shown.
        agreeing: executors that agree with the interpreter on all inputs that they ran.
        outlier: the one executor that all others disagree with; empty if there is none.
        attribution: which part is at fault, as lines; empty if it was not tried.
        suspects: ISLE rules that fire here, and not ``compared_with``.
        local_tree: the name of the Cranelift under test if it is no published release.
        problem: why the finding could not be run again; empty if it was.
        fails: whether it failed as its file records, if it was run again.
    """

    file: str
    kind: str
    bucket: str
    isas: tuple[str, ...]
    detail: str = ""
    explanation: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    clif: str = ""
    filetest: str = ""
    filetest_problem: str = ""
    known: bool = False
    small: bool = True
    inputs: int = 0
    failing: tuple[FailingInput, ...] = ()
    settings: tuple[Fact, ...] = ()
    codes: tuple[FunctionCode, ...] = ()
    left_out: tuple[str, ...] = ()
    divergences: tuple[Divergence, ...] = ()
    agreeing: tuple[str, ...] = ()
    outlier: str = ""
    attribution: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()
    compared_with: str = ""
    versions: tuple[Fact, ...] = ()
    commands: tuple[ShellCommand, ...] = ()
    local_tree: str = ""
    problem: str = ""
    fails: bool = True


@dataclass(frozen=True, slots=True)
class CampaignPage:
    """A campaign in full, without the details of its findings.

    Attributes:
        title: the folder's name.
        state: a sentence on how it ended.
        headline: the most important figures.
        facts: its options, and further figures.
        stages: CPU seconds by stage.
        count_tables: of rejected cases, traps and so on.
        samples: its counters over time; empty if none were kept.
        rules: by group the number of ISLE rules that fired, and of all rules.
        commands: for using the folder further.
        notes: what is missing on the page, and why.
    """

    title: str
    state: str = ""
    headline: tuple[Fact, ...] = ()
    facts: tuple[Fact, ...] = ()
    stages: tuple[tuple[str, float], ...] = ()
    count_tables: tuple[CountTable, ...] = ()
    samples: tuple[Sample, ...] = ()
    coverage: Coverage = Coverage()
    rules: tuple[tuple[str, int, int], ...] = ()
    buckets: tuple[BucketSummary, ...] = ()
    commands: tuple[ShellCommand, ...] = ()
    notes: tuple[str, ...] = ()
