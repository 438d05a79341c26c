"""What all functions of a case share: its options, settings and budgets, and its finished
functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clif.function import (
    Function,
)
from clif.typed_instructions import OpcodeType
from clif.types import Type
from fuzz.entropy import Entropy
from fuzz.generate.instruction_set import InstructionSet
from fuzz.generate.options import Options
from fuzz.generate.swarm import Swarm


@dataclass(slots=True, eq=False)
class Callee:
    """A finished function that others may call.

    Attributes:
        memory: the parameter that takes the region's address.
        steps: bound on what a call costs.
        sret: the parameter that takes the address of ``area`` bytes for results.
    """

    function: Function
    memory: int | None
    steps: int
    sret: int | None = None
    area: int = 0


@dataclass(slots=True, eq=False)
class CasePlan:
    """What all functions of a case share.

    Attributes:
        settings: Cranelift's shared settings as they were drawn.
        demands: settings that what has been written cannot do without; they prevail.
        sites: how many places may yet be made to trap; ``trapped`` whether there is one.
        depth: how deep control flow may be nested.
        frames: bytes that big stack frames may yet take.
        required: opcode_types that main is to have yet.
        condition: the type that the next condition must have, None for any.
    """

    entropy: Entropy
    options: Options
    instruction_set: InstructionSet
    swarm: Swarm
    canonical_nans: bool
    multi_return: bool
    trapping: bool
    region_size: int = 0
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
