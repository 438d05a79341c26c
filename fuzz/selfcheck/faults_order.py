"""Faults of the order of accesses to memory, most of which no single thread can see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Final, cast

from backend.emulator.access_order import ORDERING, OrderingFault
from backend.emulator.disassembly import disassemble
from backend.emulator.linker import Compiled
from backend.isa.registry import ISAS
from clif.function import Function, Inst
from clif.uses import Place
from fuzz.cases.case import Case, ExtraCheck
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.editing import all_of, each, named, rename
from fuzz.selfcheck.faults_size import WithOtherCode
from fuzz.selfcheck.registry import clif_fault, fault

_ORDER: Final = frozenset({ExtraCheck.ORDER})
_ATOMICS: Final = ("atomic_load", "atomic_store", "atomic_rmw", "atomic_cas")
_PLAIN: Final = {"atomic_load": "load", "atomic_store": "store"}
_ACCESSES: Final = ("load", "store", *_ATOMICS)


@clif_fault("fence-dropped", "a fence is not there", each(named("fence")), checks=_ORDER)
def fence_dropped(place: Place) -> None:
    del place.block.instructions[place.index]


@clif_fault(
    "atomic-plain", "an atomic access is an ordinary one", each(named(*_PLAIN)), checks=_ORDER
)
def atomic_plain(place: Place) -> None:
    rename(place.inst, _PLAIN[place.inst.opcode.name])
    place.inst.offset = 0


def _swappable(functions: list[Function]) -> list[Place]:
    """List accesses that may change places with the one right behind: neither needs the other."""
    return [
        place
        for place in each(named(*_ACCESSES, "fence"))(functions)
        for behind in place.block.instructions[place.index + 1 : place.index + 2]
        if behind.opcode.name in (*_ACCESSES, "fence")
        and _is_barrier(place.inst) != _is_barrier(behind)
        and not set(place.inst.results) & set(behind.args)
    ]


def _is_barrier(inst: Inst) -> bool:
    return inst.opcode.name in (*_ATOMICS, "fence")


@clif_fault(
    "barrier-passed",
    "an access changes places with the atomic access or fence behind it",
    _swappable,
    checks=_ORDER,
)
def barrier_passed(place: Place) -> None:
    instructions, at = place.block.instructions, place.index
    instructions[at], instructions[at + 1] = instructions[at + 1], instructions[at]


@clif_fault("fence-doubled", "a fence is there twice", each(named("fence")), checks=_ORDER)
def fence_doubled(place: Place) -> None:
    place.block.instructions.insert(place.index, Inst(place.inst.opcode))


@clif_fault(
    "trapping-store-doubled",
    "a store that may trap is made again behind the atomic access or fence that follows",
    lambda functions: [
        place
        for place in each(all_of(named("store"), lambda inst: inst.flags.trap is not None))(
            functions
        )
        if any(map(_is_barrier, place.block.instructions[place.index + 1 :]))
    ],
    checks=_ORDER,
)
def trapping_store_doubled(place: Place) -> None:
    store, instructions = place.inst, place.block.instructions
    at = next(k for k in range(place.index + 1, len(instructions)) if _is_barrier(instructions[k]))
    again = Inst(store.opcode, store.type, list(store.args), flags=store.flags, offset=store.offset)
    instructions.insert(at + 1, again)


# --- in machine code ---


def _register(name: str, isa: str, of_code: OrderingFault) -> None:
    """Register a fault that changes one of the instructions of main on an ISA."""

    def inject(case: Case, rng: Random) -> Injection:
        def patch(_: Case, isa: str, program: Sequence[Compiled]) -> Sequence[Compiled]:
            first, *others = program
            instructions = disassemble(ISAS[isa], first)
            pattern = re.compile(of_code.instruction)
            places = [i for i in instructions if pattern.match(f"{i.mnemonic} {i.op_str}")]
            if not places:
                return program
            place = rng.choice(places)
            at, end = place.address, place.address + place.size
            code = first.code[:at] + of_code.change(first.code[at:end]) + first.code[end:]
            return [cast(Compiled, WithOtherCode(first, code)), *others]

        return Injection(code=patch)

    fault(name, of_code.summary, isas=(isa,), checks=_ORDER)(inject)


for _isa, _described in ISAS.items():
    _part = ORDERING.of_any(_described)
    for _name, _fault in ({} if _part is None else _part.faults).items():
        _register(_name, _isa, _fault)
