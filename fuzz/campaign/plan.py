"""What a campaign is asked to do. Cheap to import: the supervisor needs no more than this."""

from __future__ import annotations

from dataclasses import dataclass, field

from fuzz.cases.case_options import CaseOptions

#: Those of ``fuzz.differential.oracle``; with both, the first is the reference and compared with
#: the second.
ORACLE_NAMES = ("interp", "cranelift", "both")


@dataclass(frozen=True, slots=True)
class Plan:
    """One campaign.

    Attributes:
        cases: how many cases; None for no limit.
        seconds: how long by the clock, setting up not counted; None for no limit.
        jobs: worker processes. Job j takes the cases whose index is j modulo ``jobs``, so the
            cases are the same for any number of them.
        oracle: one of ``ORACLE_NAMES``.
        out: directory for findings.
        case_seconds: how long one case may take by the clock before its worker is stopped.
        memory_mb: mebibytes of address space that a worker may take for its cases.
    """

    options: CaseOptions = field(default_factory=CaseOptions)
    seed: int = 0
    cases: int | None = None
    seconds: float | None = None
    jobs: int = 1
    oracle: str = "interp"
    out: str = "findings"
    case_seconds: float = 30.0
    memory_mb: int = 4096
