"""Wrong loads and stores."""

from __future__ import annotations

from random import Random

from clif.function import Function, Inst
from clif.place import Place
from clif.types import I8, I16, I32, I64
from fuzz.cases.case import Case
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.editing import insert_before, named, pick, places, rename
from fuzz.selfcheck.registry import clif_fault, fault

_STORES = ("store", "istore8", "istore16", "istore32")
_LOADS = ("load", "uload8", "sload8", "uload16", "sload16", "uload32", "sload32")
_NARROWER = {I16: "istore8", I32: "istore16", I64: "istore32"}
_OTHER_EXTENSION = {
    left + width: right + width
    for left, right in (("uload", "sload"), ("sload", "uload"))
    for width in ("8", "16", "32")
}


@clif_fault("store-dropped", "a store does not happen")
def store_dropped(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named(*_STORES)), dice)
    if place is None:
        return False
    del place.block.instructions[place.index]
    return True


@clif_fault("store-too-narrow", "a store writes half of its bytes")
def store_too_narrow(functions: list[Function], dice: Random) -> bool:
    def possible(inst: Inst) -> bool:
        return inst.opcode.name == "store" and inst.type in _NARROWER

    place = pick(places(functions, possible), dice)
    if place is None:
        return False
    assert place.inst.type is not None
    rename(place.inst, _NARROWER[place.inst.type])
    return True


@clif_fault("store-too-wide", "a store writes more bytes than it has")
def store_too_wide(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named("istore8", "istore16", "istore32")), dice)
    if place is None:
        return False
    rename(place.inst, "store")
    return True


@clif_fault("store-offset", "a store goes to the next byte")
def store_offset(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named(*_STORES)), dice)
    if place is None:
        return False
    place.inst.offset += 1
    return True


@clif_fault("load-offset", "a load reads from the next byte")
def load_offset(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named(*_LOADS)), dice)
    if place is None:
        return False
    place.inst.offset += 1
    return True


@clif_fault("load-extension", "a narrow load extends in the wrong way")
def load_extension(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named(*_OTHER_EXTENSION)), dice)
    if place is None:
        return False
    rename(place.inst, _OTHER_EXTENSION[place.inst.opcode.name])
    return True


@clif_fault("byte-order", "a store writes its bytes in the opposite order")
def byte_order(functions: list[Function], dice: Random) -> bool:
    def possible(inst: Inst) -> bool:
        return inst.opcode.name == "store" and inst.type in (I16, I32, I64)

    place = pick(places(functions, possible), dice)
    if place is None:
        return False
    inst = place.inst
    with insert_before(place) as builder:
        inst.args[0] = builder.value("bswap", inst.args[0])
    return True


@clif_fault("load-stale", "a load is moved up over a store, and reads what was there before")
def load_stale(functions: list[Function], dice: Random) -> bool:
    place = pick([p for p in places(functions, named(*_LOADS)) if _store_above(p)], dice)
    if place is None:
        return False
    above = _store_above(place)
    assert above is not None
    instructions = place.block.instructions
    instructions.insert(above, instructions.pop(place.index))
    return True


def _store_above(load: Place) -> int | None:
    """The nearest store above the load in its block that does not stand before its address."""
    (address,) = load.inst.args
    for index in range(load.index - 1, -1, -1):
        inst = load.block.instructions[index]
        if address in inst.results:
            return None
        if inst.opcode.name in _STORES:
            return index
    return None


@clif_fault("stores-reordered", "two stores change places")
def stores_reordered(functions: list[Function], dice: Random) -> bool:
    """Only where they overlap does it matter, and only then is one chosen over the other."""
    pairs = []
    for place in places(functions, named(*_STORES)):
        for index in range(place.index - 1, -1, -1):
            other = place.block.instructions[index]
            if other.opcode.name in _STORES and other.args[1] is place.inst.args[1]:
                pairs.append((place, index))
                break
    chosen = pick(pairs, dice)
    if chosen is None:
        return False
    place, index = chosen
    instructions = place.block.instructions
    # The upper one goes down: its operands are defined there all the more.
    instructions.insert(place.index, instructions.pop(index))
    return True


@fault("write-outside", "a byte behind the case's memory is written")
def write_outside(case: Case, dice: Random) -> Injection | None:
    return _at_entry(case, dice, "store")


@fault("write-before", "a byte in front of the case's memory is written")
def write_before(case: Case, dice: Random) -> Injection | None:
    return _at_entry(case, dice, "store", offset=-1)


@fault("read-outside", "a byte behind the case's memory is read")
def read_outside(case: Case, dice: Random) -> Injection | None:
    return _at_entry(case, dice, "load")


def _at_entry(case: Case, dice: Random, access: str, offset: int | None = None) -> Injection | None:
    """Main begins with an access of one byte outside of its region, behind it by default."""
    region = case.inputs.region
    if region is None:
        return None
    functions = [function.clone() for function in case.functions]
    main = functions[0]
    address = main.entry.params[region.param]
    where = region.size if offset is None else offset
    with insert_before(Place(main, main.entry, 0)) as builder:
        if access == "store":
            byte = builder.iconst(I8, dice.randrange(256))
            builder.ins("store", byte, address, type=I8, offset=where)
        else:
            # It may trap, so the optimiser has to keep it, though nobody uses the value.
            builder.ins("load", address, type=I8, offset=where)
    return Injection(functions=lambda _: functions)
