"""What a campaign has to do, what one worker process has to do of it, and how far a worker is.

Cheap to import: the supervisor and the command line start with this.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fuzz.cases.case_options import CAMPAIGN_OPTIONS, CaseOptions

#: The oracles of ``fuzz.differential.oracle``. With ``both``, the project's own interpreter is the
#: reference, and Cranelift's interpreter is compared with it like a compiled program.
ORACLE_NAMES = ("interp", "cranelift", "both")


@dataclass(frozen=True, slots=True)
class CampaignBase:
    """The Cranelift that a campaign's findings are run against as well: only what is new counts.

    Attributes:
        name: a version, or the path of a folder, as ``--base`` takes it.
        version: the exact version.
        digest: identifies the program that was built of a folder; empty for a published version.
    """

    name: str
    version: str
    digest: str = ""

    @property
    def title(self) -> str:
        """The name for people, without the folders above it."""
        if not self.digest:
            return f"Cranelift {self.version}"
        return f"Cranelift {self.version} of {self.name.rpartition('/')[2]}, {self.digest}"

    def __str__(self) -> str:
        return f"{self.name} (build {self.digest})" if self.digest else self.version


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """What one campaign has to do.

    Attributes:
        options: how cases are made.
        seed: case ``i`` of a seed is the same in every campaign with the same options.
        cases: how many cases; None for no limit.
        seconds: how long by the clock, without the time to set up; None for no limit.
        stop_after: after how many new findings; None for no limit.
        jobs: number of worker processes. They take turns, with a family of cases
            (``CaseOptions.family``) each, so a campaign has the same cases for any number of them.
        oracle: one of ``ORACLE_NAMES``.
        out: directory of the findings and the database.
        case_seconds: how long one case may take by the clock before its worker is killed.
        memory_mb: by how many mebibytes a worker's address space may grow for its cases.
        prove_share: the share of the cases that are proved as well.
        base: findings that it has, too, are old; None if there is no base.
    """

    options: CaseOptions = CAMPAIGN_OPTIONS
    seed: int = 0
    cases: int | None = None
    seconds: float | None = None
    jobs: int = 1
    oracle: str = "interp"
    out: str = "findings"
    case_seconds: float = 30.0
    memory_mb: int = 4096
    stop_after: int | None = None
    base: CampaignBase | None = None
    prove_share: float = 0.0

    def first_case(self, worker: int) -> int:
        """Return the index of a worker's first case."""
        return worker * self.options.family

    def next_case(self, index: int) -> int:
        """Return the index of the case that its worker runs after a case."""
        size = self.options.family
        index += 1
        return index if index % size else index + (self.jobs - 1) * size

    def worker_of(self, index: int) -> int:
        """Return the number of the worker that runs a case."""
        return index // self.options.family % self.jobs


@dataclass(slots=True)
class WorkerState:
    """How far one worker is; what its successor needs after a crash, or after ``--resume``.

    Attributes:
        next_case: index of the first case of the worker that is not counted yet.
        skip: later cases that are counted all the same, because a worker process crashed on them.
    """

    next_case: int
    skip: set[int] = field(default_factory=set)

    def advance(self, next_case: int) -> None:
        """Note that all cases before ``next_case`` are counted."""
        self.next_case = next_case
        self.skip = {index for index in self.skip if index >= next_case}


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one worker process has to do, beside the campaign's plan.

    Attributes:
        first: index of its first case.
        skip: cases that it must not run.
        known: buckets of known faults that have a file as an example already.
        seconds: how long it may run; None for no limit.
    """

    first: int
    skip: frozenset[int] = frozenset()
    known: frozenset[str] = frozenset()
    seconds: float | None = None
