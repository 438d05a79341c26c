"""Pass: calls become plain direct calls. Also what other passes need to know about calls."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from backend.cranelift.opcodes import OPCODES
from clif.function import Block, BlockCall, External, Function, Inst, Value
from clif.opcodes import Format
from fuzz.analysis.call_graph import CallGraph
from fuzz.cases.case import Case
from fuzz.minimize.working_copy import Change, WorkingCopy

_INDIRECT = (Format.CALL_INDIRECT, Format.TRY_CALL_INDIRECT)


def calls_of(case: Case, callee: Function) -> Iterator[tuple[Function, Block, Inst]]:
    """Yield caller, block and instruction of each call that is known to call a function."""
    graph = CallGraph(case)
    for function in case.functions:
        for block in function.blocks:
            for inst in block.instructions:
                if graph.callee.get(id(inst)) is callee:
                    yield function, block, inst


def declarations_of(case: Case, callee: Function) -> Iterator[External]:
    """Yield a function's declarations in all functions of the case."""
    for function in case.functions:
        for external in function.externals:
            if external.name == callee.name:
                yield external


def call_plainly(work: WorkingCopy) -> list[Change]:
    """Make indirect calls direct; make tail calls and calls with handlers plain.

    Preserves: callees and arguments.
    Decreases: the weight of calls in ``order``; no pass makes a plain call special again.
    """
    return list(_plain(work))


def _plain(work: WorkingCopy) -> Iterator[Change]:
    for function in work.case.functions:
        index = work.index(function)
        for block in function.blocks:
            for inst in block.instructions:
                if inst.opcode.format in _INDIRECT and inst.args[0] in index.definition:
                    address = index.definition[inst.args[0]]
                    if isinstance(address.ref, External):
                        yield partial(_make_direct, inst, address.ref)
            last = block.instructions[-1]
            if last.opcode.name in ("try_call", "try_call_indirect"):
                yield partial(_without_handlers, work, function, block, last)
            elif last.opcode.name in ("return_call", "return_call_indirect"):
                yield partial(_without_tail, work, function, block, last)


def _make_direct(inst: Inst, callee: External) -> None:
    inst.opcode = OPCODES[inst.opcode.name.removesuffix("_indirect")]
    inst.ref = callee
    inst.args = inst.args[1:]


def _without_handlers(work: WorkingCopy, function: Function, block: Block, call: Inst) -> None:
    (normal,) = call.targets
    plain = _plain_call(work, function, call, call.opcode.name.removeprefix("try_"))
    args: list[Value | str] = [
        plain.results[int(arg.removeprefix("ret"))] if isinstance(arg, str) else arg
        for arg in normal.args
    ]
    jump = Inst(OPCODES["jump"], targets=[BlockCall(normal.block, args)])
    block.instructions[-1:] = [plain, jump]


def _without_tail(work: WorkingCopy, function: Function, block: Block, call: Inst) -> None:
    plain = _plain_call(work, function, call, call.opcode.name.removeprefix("return_"))
    block.instructions[-1:] = [plain, Inst(OPCODES["return"], None, list(plain.results))]


def _plain_call(work: WorkingCopy, function: Function, call: Inst, name: str) -> Inst:
    signature = call.ref.signature if isinstance(call.ref, External) else call.ref
    types = () if signature is None else signature.return_types  # type: ignore[union-attr]
    results = [work.fresh(function, type_) for type_ in types]
    type_ = call.type if OPCODES[name].polymorphic else None
    return Inst(OPCODES[name], type_, list(call.args), results, ref=call.ref)
