"""The signatures of functions: main's mostly from the pool, a callee's freely drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace

from clif.function import AbiParam, Signature, Value
from clif.nan_payload import has_nondeterministic_nans
from fuzz.generate import conventions
from fuzz.generate.addresses import argument_region, region_of
from fuzz.generate.conversions import extend_again
from fuzz.generate.signature_pool import DrawnSignature, abi_param, pick_signature
from fuzz.generate.writer import MemoryObject, Writer
from fuzz.known.status import has_fault

#: One main function in so many has a signature that is not from the pool.
_NOT_POOLED = 20
#: One callee in so many returns its results through an explicit ``sret`` pointer.
_SRET = 8
#: One callee in so many takes up to 32 arguments.
_MANY = 10
_MOST_VALUES = 32


@dataclass(slots=True)
class Declaration:
    """What is known of a function before its body is generated.

    Attributes:
        signature: the parameters, and the results if they are known (``fixed``).
        convention: the calling convention.
        sret: the index of the parameter that takes the address of the results.
        area: how many bytes there are at that address.
        fixed: whether the results are ``signature.returns``, even if that is empty.
    """

    signature: DrawnSignature
    convention: str
    sret: int | None = None
    area: int = 0
    fixed: bool = False


def declare(w: Writer, *, main: bool) -> Declaration:
    """Draw a signature, and put its parameters into the entry block."""
    declaration = _draw_main(w) if main else _draw_callee(w)
    signature = declaration.signature
    for index, param in enumerate(signature.params):
        value = w.value(param.type)
        w.block.params.append(value)
        if index == signature.memory:
            w.memory.append(MemoryObject(w.plan.region_size, base=value, writable=w.plan.readonly))
        elif index == declaration.sret:
            w.memory.append(MemoryObject(declaration.area, base=value, results=True))
        else:
            _take(w, value, param, main)
    _name_region(w)
    params = conventions.as_allowed(declaration.convention, signature.params, w.plan.options.isas)
    w.function.signature = Signature(params, (), declaration.convention)
    return declaration


def _name_region(w: Writer) -> None:
    """Sometimes give accesses to the argument's region an alias region."""
    target = region_of(w)
    if target is None:
        return
    named = w.plan.named_region
    if not has_fault("regionless-load"):
        # The area of results may lie in the region of the argument.
        named = len(w.memory) == 1 and w.plan.options.stage_parts and w.entropy.below(2) == 1
    if named:
        target.region = argument_region(w)


def _take(w: Writer, value: Value, param: AbiParam, main: bool) -> None:
    if has_nondeterministic_nans(param.type) and not main and not w.plan.canonical_nans:
        w.nondeterministic_nans.add(value)
    w.pool.add(value)
    extend_again(w, value, param)


def _draw_main(w: Writer) -> Declaration:
    entropy, plan = w.entropy, w.plan
    options, region = plan.options, plan.region_size > 0
    convention = conventions.draw(entropy, options.conventions, main=True)
    if not region and convention == "preserve_all":
        convention = options.conventions[0]
    if entropy.below(_NOT_POOLED) == 0:
        signature = _draw_params(w, memory=region)
        return Declaration(signature, convention, fixed=convention == "preserve_all")
    types, multi = w.swarm.types, plan.multi_return
    signature = pick_signature(entropy, types, multi, region, w.address)
    returns = conventions.results_as_allowed(signature.returns, on_stack=plan.multi_return)
    if convention != "preserve_all":
        while not _fits(w, convention, returns) and len(returns) > 1:
            returns = returns[:-1]
        if not _fits(w, convention, returns):
            convention = options.conventions[0]
        if not _fits(w, convention, returns):
            returns = conventions.fitting(convention, returns, options.isas)
    else:
        returns = ()
    return Declaration(replace(signature, returns=returns), convention, fixed=True)


def _fits(w: Writer, convention: str, returns: tuple[AbiParam, ...]) -> bool:
    return w.plan.multi_return or conventions.fits(
        convention, [p.type for p in returns], w.plan.options.isas
    )


def _draw_callee(w: Writer) -> Declaration:
    entropy, plan = w.entropy, w.plan
    convention = conventions.draw(entropy, plan.options.conventions, main=False)
    if convention == "preserve_all":
        # It has no results, so without memory it could have no effect.
        if plan.region_size:
            return Declaration(_draw_params(w, memory=True), convention, fixed=True)
        convention = plan.options.conventions[0]
    signature = _draw_params(w, memory=plan.region_size > 0 and entropy.below(3) == 0)
    if conventions.takes_sret(convention, plan.options.isas) and entropy.below(_SRET) == 0:
        return _with_sret(w, signature, convention)
    if convention == "tail":
        _find_tails(w, region=signature.memory is not None)
        if w.tails:
            returns = w.tails[0].function.signature.returns
            return Declaration(replace(signature, returns=returns), convention, fixed=True)
    return Declaration(signature, convention)


def _find_tails(w: Writer, *, region: bool) -> None:
    """Choose which functions this one may end in: those with the same results as a drawn one."""
    tails = [c for c in w.plan.callees if c.function.signature.call_conv == "tail"]
    tails = [c for c in tails if c.memory is None or region]
    if tails and w.entropy.below(4):
        returns = w.entropy.choice(tails).function.signature.returns
        w.tails = [c for c in tails if c.function.signature.returns == returns]


def _with_sret(w: Writer, signature: DrawnSignature, convention: str) -> Declaration:
    at = w.entropy.below(len(signature.params) + 1) if w.entropy.below(2) else 0
    params = list(signature.params)
    params.insert(at, AbiParam(w.address, purpose="sret"))
    memory = signature.memory
    if memory is not None and memory >= at:
        memory += 1
    area = 16 * (1 + w.entropy.below(4))
    return Declaration(DrawnSignature(tuple(params), (), memory), convention, at, area, fixed=True)


def _draw_params(w: Writer, *, memory: bool) -> DrawnSignature:
    """Draw parameters, and the region's address among them if it is wanted."""
    entropy = w.entropy
    count = 2 + entropy.below(4)
    if entropy.below(8) == 0:
        count += entropy.below(8)  # some on the stack
    if entropy.below(_MANY) == 0:
        count = entropy.between(12, _MOST_VALUES - 2)
    params = [abi_param(entropy, w.swarm.type(entropy)) for _ in range(count)]
    at = None
    if memory:
        at = entropy.below(count + 1)
        params.insert(at, AbiParam(w.address))
    return DrawnSignature(tuple(params), (), at)
