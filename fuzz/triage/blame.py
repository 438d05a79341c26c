"""Who is to blame for a failure, as data; ``fuzz.triage.attribution`` finds it out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from backend.cranelift.rule_map import RuleId


class Part(Enum):
    """What a failure is put down to."""

    INTERPRETER = "the reference interpreter"
    SECOND_ORACLE = "the second oracle, cranelift-interpreter"
    EMULATOR = "the emulator, unless it depends on what registers held before"
    MID_END = "the mid-end"
    REGISTER_ALLOCATOR = "register allocation"
    BACKEND = "one ISA's code generation"
    SHARED = "what the code generation of all ISAs has in common"
    UNKNOWN = "nothing in particular"


class Say(Enum):
    """What an executor has to say of the inputs that fail."""

    EXPECTED = "as expected"
    OTHERWISE = "something else"
    FAILS = "does not compile it"
    NOTHING = "no say"


@dataclass(frozen=True, slots=True)
class Vote:
    """One executor's word.

    Attributes:
        executor: ``interp``, ``cranelift-interpreter``, an ISA's name, ``<ISA> opt_level=none``...
        detail: why it has no say, or what failed; else empty.
    """

    executor: str
    say: Say
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Decider:
    """A setting or ISA flag whose value alone decides whether the case fails.

    Attributes:
        isa: the ISA whose flag it is; empty for a setting that all ISAs share.
    """

    name: str
    fails_with: str
    passes_with: str
    isa: str = ""

    def __str__(self) -> str:
        prefix = f"{self.isa} " * bool(self.isa)
        return f"{prefix}{self.name}: fails with {self.fails_with}, not with {self.passes_with}"


@dataclass(frozen=True, slots=True)
class FiredRule:
    """An ISLE rule that fires in the failing compilation and not in its passing neighbour.

    ``source`` is the rule's first line, empty where Cranelift's sources are not at hand.
    """

    rule: RuleId
    isa: str
    source: str = ""

    def __str__(self) -> str:
        return f"{self.isa}: {self.rule}" + f"  {self.source}" * bool(self.source)


@dataclass(frozen=True, slots=True)
class Blame:
    """What is to blame for one failing case, as far as trying things out can tell.

    Attributes:
        part: what it is put down to.
        isas: the ISAs on which it fails.
        alone: the executor that stands alone against all others; empty if none does.
        votes: everybody's word on the inputs that fail, the reference first.
        deciders: settings and flags that decide by themselves; ``opt_level`` and
            ``regalloc_algorithm`` are always tried.
        rules: ISLE rules that fire only in the failing compilation; the fewer, the more they say.
        neighbour: what the passing compilation is that they are told from, in words: the value
            of a setting, or the CLIF of the instruction that is another one there. Empty without
            rules.
    """

    part: Part = Part.UNKNOWN
    isas: tuple[str, ...] = ()
    alone: str = ""
    votes: tuple[Vote, ...] = ()
    deciders: tuple[Decider, ...] = ()
    rules: tuple[FiredRule, ...] = ()
    neighbour: str = ""

    def lines(self) -> Iterator[str]:
        """For people."""
        where = f" ({', '.join(self.isas)})" if self.isas else ""
        yield f"blame: {self.part.value}{where}"
        if self.alone:
            yield f"  {self.alone} stands alone"
        for vote in self.votes:
            yield f"  {vote.executor}: {vote.say.value}" + f" ({vote.detail})" * bool(vote.detail)
        for decider in self.deciders:
            yield f"  decided by {decider}"
        if self.rules:
            yield f"  rules that fire only in the failing compilation, not {self.neighbour}:"
        for rule in self.rules:
            yield f"    {rule}"

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "part": self.part.name.lower(),
            "isas": list(self.isas),
            "stands_alone": self.alone or None,
            "votes": {vote.executor: vote.say.name.lower() for vote in self.votes},
            "deciders": [
                {
                    "name": d.name,
                    "isa": d.isa or None,
                    "fails_with": d.fails_with,
                    "passes_with": d.passes_with,
                }
                for d in self.deciders
            ],
            "rules": [str(fired.rule) for fired in self.rules],
            "neighbour": self.neighbour or None,
        }
