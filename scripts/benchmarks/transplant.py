"""Puts a small failing case into a large healthy one, as real findings look before minimising."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.cranelift.opcodes import OPCODES
from clif.builder import FunctionBuilder
from clif.function import AbiParam, Block, External, Function, Inst, Value
from fuzz.cases.case import Case, copy_case

_PREFIX = "transplanted_"


def transplant(host: Case, graft: Case) -> Case | None:
    """Let the host's main call the graft's main first, and return its results as well.

    Every input passes on the graft's first input. The graft's settings and ISAs take precedence
    over the host's.

    Returns:
        A new case; None if the host ends in a tail call or lacks an ISA of the graft, or if the
        graft takes memory.
    """
    names = {inst.opcode.name for inst in host.main.instructions()}
    if graft.inputs.region is not None or any(name.startswith("return_") for name in names):
        return None
    if host.isas and not set(graft.isas) <= set(host.isas):
        return None
    case = copy_case(host)
    added = [_renamed(function) for function in graft.functions]
    case.functions += added
    case.settings = case.settings | graft.settings
    case.isa_settings = {**case.isa_settings, **graft.isa_settings}
    case.isas = graft.isas
    _call(case, added[0], graft)
    return case


def _renamed(function: Function) -> Function:
    copy = function.clone()
    copy.name = _PREFIX + copy.name
    for external in copy.externals:
        external.name = _PREFIX + external.name
    return copy


def _call(case: Case, callee: Function, graft: Case) -> None:
    main = case.main
    builder = FunctionBuilder(main, OPCODES)
    args = [_param(case, builder, param, graft, n) for n, param in enumerate(callee.entry.params)]
    main.externals.append(External(callee.name, callee.signature))
    results = [builder.new_value(type_) for type_ in callee.signature.return_types]
    call = Inst(OPCODES["call"], None, args, results, ref=main.externals[-1])
    main.entry.instructions.insert(0, call)
    returns = tuple(AbiParam(value.type) for value in results)
    main.signature = replace(main.signature, returns=main.signature.returns + returns)
    for block in main.blocks:
        _return_too(block, results)


def _param(case: Case, builder: FunctionBuilder, param: Value, graft: Case, at: int) -> Value:
    value = builder.new_value(param.type)
    main = case.main
    main.entry.params.append(value)
    params = (*main.signature.params, AbiParam(param.type))
    main.signature = replace(main.signature, params=params)
    words = np.repeat(graft.inputs.args[at][:1], case.inputs.count, axis=0)
    case.inputs = replace(case.inputs, args=[*case.inputs.args, words])
    return value


def _return_too(block: Block, results: list[Value]) -> None:
    last = block.instructions[-1]
    if last.opcode.name == "return":
        last.args = [*last.args, *results]
