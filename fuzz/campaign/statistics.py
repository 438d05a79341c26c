"""The statistics of a campaign: each worker counts its cases, and the supervisor adds them up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from operator import add
from typing import Any

from fuzz.campaign.json_codec import decode
from fuzz.differential.stage import Stage

_MAX_RATIO = 400
#: Fields that have another name in databases of schema 1.
_RENAMED = {"pairs": "opcode_types", "refused": "rolled_back"}


@dataclass(slots=True)
class Statistics:
    """Counts of a number of cases. Times are nanoseconds of CPU time.

    The campaign database saves the fields under their names.

    Attributes:
        cases: cases begun, including rejected ones.
        compilations: how often a case was compiled for an ISA in a configuration, run for all
            inputs, and compared.
        executions: inputs run on an ISA in a configuration and compared; ``executions_by_isa`` by
            ISA.
        compile_ns, emulate_ns: by ISA.
        rejected: cases that could not be read, interpreted or compiled, by reason.
        examples: for each reason the index of a case that was rejected.
        hangs: inputs that the interpreter stopped because they ran out of fuel.
        traps: inputs that trapped, by trap code.
        unintended_traps: inputs that trapped in cases that were not drawn as trapping.
        live_ratios: compilations with optimisation, by the percentage of the generated instructions
            that were left; each case counts once for each ISA and configuration.
        opcode_types: for each ISA the compared cases that contain an (opcode, type), by
            ``iadd.i32``; by the opcode alone if it has no controlling type.
        rule_cases: for each ISA the compared cases in which a rule fired, by the rule's group and
            place.
        rule_inputs: the inputs of these cases.
        mutants: cases that are mutants.
        mutations: steps of the mutants, by the mutation's name.
        rolled_back: steps that were rolled back, by the mutation's name and the reason.
        seeded: cases by what they have of the campaign's seed cases (``SeedUse``).
        known_faults: findings that a table of known faults explains, by bucket.
        proofs: proofs that were tried, by the subject and what became of it.
        cross_checked: inputs that the second oracle could execute.
        unsupported: inputs that it could not execute, by reason.
        stage_ns: by ``Stage``.
        total_ns: of everything, including the time between the stages.
        wall_ns: by the clock, of the worker that ran longest.
    """

    cases: int = 0
    compilations: int = 0
    executions: int = 0
    trapping_cases: int = 0
    hangs: int = 0
    unintended_traps: int = 0
    cross_checked: int = 0
    instructions: int = 0
    live_instructions: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    examples: dict[str, int] = field(default_factory=dict)
    traps: Counter[str] = field(default_factory=Counter)
    opcodes: Counter[str] = field(default_factory=Counter)
    executions_by_isa: Counter[str] = field(default_factory=Counter)
    compile_ns: Counter[str] = field(default_factory=Counter)
    emulate_ns: Counter[str] = field(default_factory=Counter)
    live_ratios: Counter[int] = field(default_factory=Counter)
    known_faults: Counter[str] = field(default_factory=Counter)
    opcode_types: dict[str, Counter[str]] = field(default_factory=dict)
    rule_cases: dict[str, Counter[str]] = field(default_factory=dict)
    rule_inputs: dict[str, Counter[str]] = field(default_factory=dict)
    mutants: int = 0
    mutations: Counter[str] = field(default_factory=Counter)
    rolled_back: Counter[str] = field(default_factory=Counter)
    seeded: Counter[str] = field(default_factory=Counter)
    unsupported: Counter[str] = field(default_factory=Counter)
    proofs: Counter[str] = field(default_factory=Counter)
    stage_ns: list[int] = field(default_factory=lambda: [0] * len(Stage))
    total_ns: int = 0
    wall_ns: int = 0

    def add(self, other: Statistics) -> None:
        """Add the counts of another worker, or of a later time."""
        wall_ns, examples = max(self.wall_ns, other.wall_ns), other.examples | self.examples
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            match mine:
                case int():
                    setattr(self, each.name, mine + theirs)
                case list():
                    mine[:] = map(add, mine, theirs)
                case Counter():
                    mine.update(theirs)
                case dict() if mine is not self.examples:
                    for isa, counts in theirs.items():
                        mine.setdefault(isa, Counter()).update(counts)
        self.wall_ns, self.examples = wall_ns, examples

    def add_time(self, cpu_ns: int, clock_ns: int) -> None:
        """Add the time that was spent on what is counted here, and scale that of the stages to it.

        Args:
            cpu_ns: CPU time.
            clock_ns: the same by the clock that the stages were timed with. It goes on while others
                have the processor.
        """
        share = min(1.0, cpu_ns / clock_ns) if clock_ns else 1.0
        self.total_ns += cpu_ns
        self.stage_ns[:] = [round(spent * share) for spent in self.stage_ns]
        for table in (self.compile_ns, self.emulate_ns):
            table.update({isa: round(spent * share) - spent for isa, spent in table.items()})

    def note_opcode_types(self, isa: str, opcode_types: Iterable[str]) -> None:
        """Count a case that was compared on an ISA; ``opcode_types`` names each pair once."""
        self.opcode_types.setdefault(isa, Counter()).update(opcode_types)

    def note_rejected(self, reason: str, index: int) -> None:
        """Count case ``index`` as rejected."""
        self.rejected[reason] += 1
        self.examples.setdefault(reason, index)

    def note_liveness(self, generated: int, left: int) -> None:
        """Count one compilation with optimisation.

        Only whole percentages are kept, so that memory stays constant in a long campaign.

        Args:
            generated: how many instructions the case has.
            left: how many were left after optimising.
        """
        if generated:
            self.live_ratios[min(_MAX_RATIO, round(100 * left / generated))] += 1

    @property
    def liveness_median(self) -> float | None:
        """The median share of instructions that were left after optimising; 1.0 means all."""
        middle, seen = self.live_ratios.total() / 2, 0
        for percent in sorted(self.live_ratios):
            seen += self.live_ratios[percent]
            if seen >= middle:
                return percent / 100
        return None

    @property
    def cases_per_second(self) -> float:
        """Cases per second of CPU time, which is what one core does."""
        return self.cases / self.total_ns * 1e9 if self.total_ns else 0.0

    @property
    def compilations_per_second(self) -> float:
        """Compilations per second of CPU time, which is what one core does."""
        return self.compilations / self.total_ns * 1e9 if self.total_ns else 0.0

    @property
    def executions_per_second(self) -> float:
        """Executions per second of CPU time, which is what one core does."""
        return self.executions / self.total_ns * 1e9 if self.total_ns else 0.0

    def seconds(self) -> dict[str, float]:
        """Return the CPU seconds of each stage and of everything."""
        table = {stage.label: round(self.stage_ns[stage] / 1e9, 6) for stage in Stage}
        return table | {"total": round(self.total_ns / 1e9, 6)}

    def to_json(self) -> dict[str, Any]:
        """Return the counts under the names of ``run --json``, which programs rely on."""
        return {
            "cases": self.cases,
            "compilations": self.compilations,
            "executions": self.executions,
            "rejected": dict(self.rejected.most_common()),
            "hangs": self.hangs,
            "traps": dict(self.traps.most_common()),
            "trapping_cases": self.trapping_cases,
            "unintended_traps": self.unintended_traps,
            "known_faults": dict(self.known_faults.most_common()),
            "cross_checked": self.cross_checked,
            "unsupported": dict(self.unsupported.most_common()),
            "seconds": self.seconds(),
            "wall_seconds": round(self.wall_ns / 1e9, 3),
            "cases_per_second": round(self.cases_per_second, 1),
            "compilations_per_second": round(self.compilations_per_second, 1),
            "executions_per_second": round(self.executions_per_second, 1),
            "by_isa": {
                isa: {
                    "executions": count,
                    "compile_seconds": round(self.compile_ns[isa] / 1e9, 6),
                    "emulate_seconds": round(self.emulate_ns[isa] / 1e9, 6),
                }
                for isa, count in self.executions_by_isa.items()
            },
            "instructions": self.instructions,
            "live_instructions": self.live_instructions,
            "liveness_median": self.liveness_median,
            "opcodes": dict(sorted(self.opcodes.items())),
            "opcode_types": _sorted_tables(self.opcode_types),
            "rule_cases": _sorted_tables(self.rule_cases),
            "rule_inputs": _sorted_tables(self.rule_inputs),
            "mutants": self.mutants,
            "mutations": dict(self.mutations.most_common()),
            "refused_mutations": dict(self.rolled_back.most_common()),
            "seeded": dict(self.seeded.most_common()),
            "proofs": dict(self.proofs.most_common()),
        }


def decode_statistics(value: Mapping[str, Any]) -> Statistics:
    """Return statistics that ``json_codec`` encoded, also those of databases of schema 1.

    Raises:
        TypeError, ValueError: the value has another form.
    """
    return decode(
        Statistics, {_RENAMED.get(name, name): each for name, each in dict(value).items()}
    )


def _sorted_tables(tables: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {isa: dict(sorted(counts.items())) for isa, counts in tables.items()}
