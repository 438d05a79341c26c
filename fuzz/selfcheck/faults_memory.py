"""Faults of loads and stores."""

from __future__ import annotations

from random import Random

from clif.function import Function
from clif.types import I8, I16, I32, I64
from clif.uses import Place
from fuzz.cases.case import Case
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.editing import all_of, each, insert_before, named, places, rename
from fuzz.selfcheck.registry import clif_fault, fault, opcode_fault

_STORES = ("store", "istore8", "istore16", "istore32")
_LOADS = ("load", "uload8", "sload8", "uload16", "sload16", "uload32", "sload32")
_NARROWER = {I16: "istore8", I32: "istore16", I64: "istore32"}


@clif_fault("store-dropped", "a store does not happen", each(named(*_STORES)))
def store_dropped(place: Place) -> None:
    del place.block.instructions[place.index]


@clif_fault(
    "store-too-narrow",
    "a store writes half of its bytes",
    each(all_of(named("store"), lambda inst: inst.type in _NARROWER)),
)
def store_too_narrow(place: Place) -> None:
    assert place.inst.type is not None
    rename(place.inst, _NARROWER[place.inst.type])


opcode_fault(
    "store-too-wide",
    "a store writes more bytes than it has",
    dict.fromkeys(("istore8", "istore16", "istore32"), "store"),
)


@clif_fault("store-offset", "a store goes to the next byte", each(named(*_STORES)))
def store_offset(place: Place) -> None:
    place.inst.offset += 1


@clif_fault("load-offset", "a load reads from the next byte", each(named(*_LOADS)))
def load_offset(place: Place) -> None:
    place.inst.offset += 1


opcode_fault(
    "load-extension",
    "a narrow load extends in the wrong way",
    {
        left + width: right + width
        for left, right in (("uload", "sload"), ("sload", "uload"))
        for width in ("8", "16", "32")
    },
)


@clif_fault(
    "byte-order",
    "a store writes its bytes in the opposite order",
    each(all_of(named("store"), lambda inst: inst.type in (I16, I32, I64))),
)
def byte_order(place: Place) -> None:
    inst = place.inst
    with insert_before(place) as builder:
        inst.args[0] = builder.value("bswap", inst.args[0])


def _loads_below_stores(functions: list[Function]) -> list[tuple[Place, int]]:
    """List loads, each with the index of the nearest store above it that they can move over."""
    loads = places(functions, named(*_LOADS))
    return [(load, above) for load in loads if (above := _store_above(load)) is not None]


def _store_above(load: Place) -> int | None:
    (address,) = load.inst.args
    for index in range(load.index - 1, -1, -1):
        inst = load.block.instructions[index]
        if address in inst.results:
            return None
        if inst.opcode.name in _STORES:
            return index
    return None


@clif_fault(
    "load-stale",
    "a load is moved up over a store, and reads what was there before",
    _loads_below_stores,
)
def load_stale(choice: tuple[Place, int]) -> None:
    place, above = choice
    instructions = place.block.instructions
    instructions.insert(above, instructions.pop(place.index))


def _overlapping_stores(functions: list[Function]) -> list[tuple[Place, int]]:
    """List stores, each with the index of the last one above it that has the same address."""
    pairs = []
    for place in places(functions, named(*_STORES)):
        for index in range(place.index - 1, -1, -1):
            other = place.block.instructions[index]
            if other.opcode.name in _STORES and other.args[1] is place.inst.args[1]:
                pairs.append((place, index))
                break
    return pairs


@clif_fault("stores-reordered", "two stores change places", _overlapping_stores)
def stores_reordered(choice: tuple[Place, int]) -> None:
    place, index = choice
    instructions = place.block.instructions
    # The upper store moves down, where its operands are defined as well.
    instructions.insert(place.index, instructions.pop(index))


@fault("write-outside", "a byte behind the case's memory is written")
def write_outside(case: Case, rng: Random) -> Injection | None:
    return _at_entry(case, rng, "store")


@fault("write-before", "a byte in front of the case's memory is written")
def write_before(case: Case, rng: Random) -> Injection | None:
    return _at_entry(case, rng, "store", offset=-1)


@fault("read-outside", "a byte behind the case's memory is read")
def read_outside(case: Case, rng: Random) -> Injection | None:
    return _at_entry(case, rng, "load")


def _at_entry(case: Case, rng: Random, access: str, offset: int | None = None) -> Injection | None:
    """Let main begin with an access of one byte outside of its region, by default behind it."""
    region = case.inputs.region
    if region is None:
        return None
    functions = [function.clone() for function in case.functions]
    main = functions[0]
    address = main.entry.params[region.param]
    where = region.size if offset is None else offset
    with insert_before(Place(main, main.entry, 0)) as builder:
        if access == "store":
            byte = builder.iconst(I8, rng.randrange(256))
            builder.ins("store", byte, address, type=I8, offset=where)
        else:
            # The load may trap, so the optimiser must keep it although its result is unused.
            builder.ins("load", address, type=I8, offset=where)
    return Injection(functions=lambda _: functions)
