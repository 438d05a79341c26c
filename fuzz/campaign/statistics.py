"""Counts of a campaign: kept by each worker, added up by whoever supervises them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fuzz.differential.stage import Stage

if TYPE_CHECKING:
    from fuzz.mutate import Mutant


_MAX_RATIO = 400


@dataclass(slots=True)
class Statistics:
    """What a number of cases amounted to. Times are nanoseconds of CPU time.

    Attributes:
        cases: cases begun, rejected ones included.
        executions: inputs run on an ISA and compared in full.
        executions_by_isa, compile_ns, emulate_ns: by ISA.
        rejected: cases by the reason for which something could not read, interpret or compile them.
        examples: the index of a case that was rejected for each reason.
        hangs: inputs that the interpreter stopped for want of fuel.
        traps: inputs that trapped, by trap code.
        unintended_traps: inputs that trapped in cases that were not drawn as trapping.
        live_ratios: cases by percent of generated instructions left after optimising, of those
            compiled with optimisation; one entry per ISA.
        pairs: by ISA, the cases compiled and compared on it that have an opcode at a controlling
            type (``iadd.i32``; the opcode alone where it has none).
        rule_cases: by ISA, the cases compiled and compared on it in which a rule fired, by the
            rule's group and place.
        rule_inputs: the same in inputs.
        mutants: cases that are mutants; ``mutations`` counts their steps by name, ``refused`` those
            that were taken back, by name and reason.
        known_faults: differences that a known fault of the emulator or of the second oracle
            explains, by bucket.
        cross_checked: inputs that the second oracle was asked about and had a say on.
        unsupported: inputs on which it had none, by reason.
        stage_ns: by ``Stage``.
        total_ns: of the whole loop, what is between the stages included.
        wall_ns: the same by the clock, the longest of the workers.
    """

    cases: int = 0
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
    pairs: dict[str, Counter[str]] = field(default_factory=dict)
    rule_cases: dict[str, Counter[str]] = field(default_factory=dict)
    rule_inputs: dict[str, Counter[str]] = field(default_factory=dict)
    mutants: int = 0
    mutations: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    unsupported: Counter[str] = field(default_factory=Counter)
    stage_ns: list[int] = field(default_factory=lambda: [0] * len(Stage))
    total_ns: int = 0
    wall_ns: int = 0

    def add(self, other: Statistics) -> None:
        """Adds what another worker counted."""
        for name in ("cases", "executions", "trapping_cases", "hangs", "unintended_traps"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.mutants += other.mutants
        self.cross_checked += other.cross_checked
        self.instructions += other.instructions
        self.live_instructions += other.live_instructions
        for counter, more in zip(self._counters(), other._counters(), strict=True):
            counter.update(more)
        for table, added in (
            (self.pairs, other.pairs),
            (self.rule_cases, other.rule_cases),
            (self.rule_inputs, other.rule_inputs),
        ):
            for isa, counts in added.items():
                table.setdefault(isa, Counter()).update(counts)
        self.examples = other.examples | self.examples
        for stage, nanoseconds in enumerate(other.stage_ns):
            self.stage_ns[stage] += nanoseconds
        self.total_ns += other.total_ns
        self.wall_ns = max(self.wall_ns, other.wall_ns)

    def _counters(self) -> tuple[Counter[Any], ...]:
        return (
            self.rejected,
            self.traps,
            self.opcodes,
            self.executions_by_isa,
            self.compile_ns,
            self.emulate_ns,
            self.live_ratios,
            self.known_faults,
            self.mutations,
            self.refused,
            self.unsupported,
        )

    def note_pairs(self, isa: str, pairs: Iterable[str]) -> None:
        """Counts a case that was compared on an ISA; each pair is named once."""
        self.pairs.setdefault(isa, Counter()).update(pairs)

    def note_rejected(self, reason: str, index: int) -> None:
        """Counts case ``index`` as rejected."""
        self.rejected[reason] += 1
        self.examples.setdefault(reason, index)

    def note_mutant(self, mutant: Mutant) -> None:
        """Counts what a mutant was made of."""
        self.mutants += 1
        self.mutations.update(mutant.steps)
        for (name, reason), number in mutant.rolled_back.items():
            self.refused[f"{name}: {reason.value}"] += number

    def note_liveness(self, generated: int, left: int) -> None:
        """Counts one optimised compilation. Constant memory, so that a campaign may last."""
        if generated:
            self.live_ratios[min(_MAX_RATIO, round(100 * left / generated))] += 1

    @property
    def liveness_median(self) -> float | None:
        """The median share of instructions that optimising left, 1.0 for all of them."""
        middle, seen = self.live_ratios.total() / 2, 0
        for percent in sorted(self.live_ratios):
            seen += self.live_ratios[percent]
            if seen >= middle:
                return percent / 100
        return None

    @property
    def cases_per_second(self) -> float:
        """Per second of CPU time: what one core does."""
        return self.cases / self.total_ns * 1e9 if self.total_ns else 0.0

    @property
    def executions_per_second(self) -> float:
        """Per second of CPU time: what one core does."""
        return self.executions / self.total_ns * 1e9 if self.total_ns else 0.0

    def seconds(self) -> dict[str, float]:
        """CPU seconds by stage, and in total."""
        table = {stage.label: round(self.stage_ns[stage] / 1e9, 6) for stage in Stage}
        return table | {"total": round(self.total_ns / 1e9, 6)}

    def to_json(self) -> dict[str, Any]:
        """The counts under the names that programs rely on."""
        return {
            "cases": self.cases,
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
            "pairs": _sorted_tables(self.pairs),
            "rule_cases": _sorted_tables(self.rule_cases),
            "rule_inputs": _sorted_tables(self.rule_inputs),
            "mutants": self.mutants,
            "mutations": dict(self.mutations.most_common()),
            "refused_mutations": dict(self.refused.most_common()),
        }


def _sorted_tables(tables: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {isa: dict(sorted(counts.items())) for isa, counts in tables.items()}
