"""What a report shows, as plain data: whoever knows campaigns and cases fills it in.

Texts are as they are shown; nothing in here is worked out from anything else in here.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sample:
    """A campaign at one moment, everything counted from its beginning."""

    seconds: float
    cases: int
    executions: int
    cpu_seconds: float
    findings: int
    edges: int


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure with what it is called."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each thing of a kind was counted, the most frequent first.

    ``none`` is what is said where there is nothing.
    """

    title: str
    counts: tuple[tuple[str, int], ...] = ()
    none: str = "none"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Cases by opcode, controlling type (``-`` for none) and ISA.

    Attributes:
        isas: their order in each cell.
        cases: by ISA, opcode and type; 0 where the ISA lowers it but no case had it. What is not
            in there, the ISA lacks.
    """

    isas: tuple[str, ...] = ()
    cases: dict[tuple[str, str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Findings that are taken for one fault.

    Attributes:
        known: explained by a known fault.
        files: of these findings, the one that is shown in detail first.
        first_seconds: when the first was found, None where that is not known.
    """

    name: str
    kind: str
    isa: str
    known: bool
    files: tuple[str, ...]
    count: int
    first_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A value in every form that someone may want.

    Attributes:
        bits: hexadecimal.
        number: as CLIF writes it: signed, or a float; a vector's lanes in brackets.
        more: other readings, by what they are: unsigned, hexadecimal float.
    """

    name: str
    type: str
    bits: str
    number: str
    more: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an executor did with an input: ``results``, or ``what`` where it did not return."""

    results: tuple[Shown, ...] = ()
    what: str = ""
    memory: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failing:
    """One input on one ISA that does not do as expected.

    ``differing`` are the indices of the results that differ.
    """

    isa: str
    number: int
    kind: str
    arguments: tuple[Shown, ...]
    expected: Outcome
    actual: Outcome
    differing: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A machine instruction.

    Attributes:
        clif: the line of the CLIF text that it came of, counted from 1; 0 for none.
        notes: traps, relocations.
    """

    offset: int
    text: str
    notes: str = ""
    clif: int = 0
    departs: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """One function on one ISA. ``optimised`` is the CLIF that its code was made of."""

    isa: str
    function: str
    size: int
    lines: tuple[CodeLine, ...]
    optimised: str = ""


@dataclass(frozen=True, slots=True)
class Departure:
    """The first place where emulated state is not as the interpreter says.

    Attributes:
        number: of the input.
        instruction: the machine instruction, with its offset.
        clif: the CLIF instruction that it ends, with its line.
        expected: the value that should be in a register then.
        found: what the registers hold that this CLIF instruction's code wrote.
    """

    isa: str
    number: int
    function: str
    offset: int
    instruction: str
    clif_line: int
    clif: str
    expected: Shown
    found: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """A command to copy, and what it is for."""

    purpose: str
    text: str


@dataclass(frozen=True, slots=True)
class FindingPage:
    """One finding in full.

    Attributes:
        detail: the bucket without kind and ISA.
        explanation: lines of the finding's file.
        says: what came of it this time, where it did not get as far as outcomes.
        clif: the functions as text; ``Code`` refers to its lines.
        filetest: a whole file for Cranelift's own tools; empty where the case has none.
        settings: shared settings, then flags by ISA.
        left_out: functions whose code is too long to be read.
        alone: who stands alone, empty for nobody.
        blame: lines.
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
    inputs: int = 0
    failing: tuple[Failing, ...] = ()
    settings: tuple[Fact, ...] = ()
    codes: tuple[Code, ...] = ()
    left_out: tuple[str, ...] = ()
    departures: tuple[Departure, ...] = ()
    alone: str = ""
    blame: tuple[str, ...] = ()
    versions: tuple[Fact, ...] = ()
    commands: tuple[Command, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CampaignPage:
    """A campaign in full, but for the details of its findings.

    Attributes:
        title: of the folder.
        state: how it ended.
        facts: what was asked for, and what came of it.
        stages: CPU seconds by stage.
        tallies: rejected cases, traps...
        samples: over time; empty where none were kept.
        rules: ISLE rules fired and all, by group.
        commands: to see or to go on with it.
        notes: what is missing on this page, and why.
    """

    title: str
    state: str = ""
    headline: tuple[Fact, ...] = ()
    facts: tuple[Fact, ...] = ()
    stages: tuple[tuple[str, float], ...] = ()
    tallies: tuple[Tally, ...] = ()
    samples: tuple[Sample, ...] = ()
    coverage: Coverage = Coverage()
    rules: tuple[tuple[str, int, int], ...] = ()
    buckets: tuple[Bucket, ...] = ()
    commands: tuple[Command, ...] = ()
    notes: tuple[str, ...] = ()
