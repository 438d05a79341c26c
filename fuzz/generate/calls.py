"""Calls between the functions of a case, direct and through an address."""

from __future__ import annotations

from clif.function import External, Value
from clif.types import I64
from fuzz.generate.memory import base
from fuzz.generate.operands import pick
from fuzz.generate.writer import Callee, MemoryObject, Writer


def call(w: Writer) -> bool:
    """Call a finished function. False where none may be called from here."""
    callees = [callee for callee in w.plan.callees if _allowed(w, callee)]
    if not callees:
        return False
    callee = w.entropy.choice(callees)
    args = [_argument(w, callee, n) for n in range(len(callee.function.signature.params))]
    external = _external(w, callee)
    signature = external.signature
    if w.entropy.below(4):
        inst = w.emit("call", *args, results=signature.return_types, ref=external)
    else:
        address = w.emit("func_addr", type=I64, results=(I64,), ref=external).results[0]
        inst = w.emit(
            "call_indirect", address, *args, type=I64, results=signature.return_types, ref=signature
        )
    w.steps += callee.steps * w.weight
    for result in inst.results:
        if result.type.is_float and not w.plan.canonical:
            w.open.add(result)
        w.keep(result)
    return True


def _allowed(w: Writer, callee: Callee) -> bool:
    return w.room(callee.steps + 40) and (callee.memory is None or _region(w) is not None)


def _region(w: Writer) -> MemoryObject | None:
    """The case's region, where this function has it. Callees rely on its size and contents."""
    return next((target for target in w.memory if target.base is not None), None)


def _argument(w: Writer, callee: Callee, index: int) -> Value:
    if index == callee.memory:
        region = _region(w)
        assert region is not None
        return base(w, region)
    return pick(w, callee.function.signature.params[index].type)


def _external(w: Writer, callee: Callee) -> External:
    """The callee's declaration in this function, made once."""
    for external in w.function.externals:
        if external.name == callee.function.name:
            return external
    external = External(
        callee.function.name, callee.function.signature, colocated=w.entropy.chance(0.5)
    )
    w.function.externals.append(external)
    return external
