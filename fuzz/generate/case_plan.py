"""What all functions of a case share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clif.function import Function, Inst
from clif.typed_instructions import OpcodeType, TypedInstruction
from clif.types import Type
from fuzz.entropy import Entropy
from fuzz.generate.instruction_set import InstructionSet
from fuzz.generate.options import Options
from fuzz.generate.swarm import Swarm


@dataclass(slots=True, eq=False)
class Callee:
    """A finished function that other functions may call.

    Attributes:
        memory: the index of the parameter that takes the region's address.
        steps: an upper bound on the instructions that a call executes.
        sret: the index of the parameter that takes the address of ``area`` bytes for the results.
    """

    function: Function
    memory: int | None
    steps: int
    sret: int | None = None
    area: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Redrawable:
    """An instruction of which nothing else was derived, so that it may be drawn anew.

    Attributes:
        typed: what it is; None for a constant.
    """

    inst: Inst
    typed: TypedInstruction | None = None


@dataclass(slots=True, eq=False)
class CasePlan:
    """What all functions of a case share.

    Attributes:
        canonical_nans: Cranelift canonicalises NaNs in this case.
        multi_return: functions may have more results than fit in registers.
        region_size: bytes of the region that the case may access, 0 for no region.
        named_region: the accesses of all functions to that region have an alias region. It counts
            only while some with one and some without is a known fault of Cranelift.
        readonly: how many bytes at the region's start are never written.
        sites: in how many more places the case may trap; ``trapped`` says whether it has such a
            place.
        required: the (opcode, type) pairs that main must contain and does not yet.
        condition: the type that the next condition must have; None for any.
        settings: Cranelift's shared settings as drawn.
        required_settings: settings that the functions so far depend on; they override ``settings``.
        depth: how deep control flow may be nested.
        redrawable: what siblings of the case may have other instructions for.
        frames: how many bytes big stack frames may take in all functions together.
        throwing: the functions that an exception may leave.
        called: the functions that others call.
    """

    entropy: Entropy
    options: Options
    instruction_set: InstructionSet
    swarm: Swarm
    canonical_nans: bool
    multi_return: bool
    trapping: bool
    region_size: int = 0
    named_region: bool = False
    readonly: int = 0
    sites: int = 0
    trapped: bool = False
    callees: list[Callee] = field(default_factory=list)
    required: list[OpcodeType] = field(default_factory=list)
    condition: Type | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    required_settings: dict[str, str] = field(default_factory=dict)
    depth: int = 3
    frames: int = 160 << 10
    redrawable: list[Redrawable] = field(default_factory=list)
    throwing: set[Function] = field(default_factory=set)
    called: set[Function] = field(default_factory=set)

    @property
    def uncalled(self) -> list[Callee]:
        """Return the callees that nothing calls so far."""
        return [callee for callee in self.callees if callee.function not in self.called]
