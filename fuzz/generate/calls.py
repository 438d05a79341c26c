"""Calls between the functions of a case: direct, through an address, with handlers, tail calls."""

from __future__ import annotations

from collections.abc import Sequence

from clif.function import BlockCall, External, GlobalValue, Handler, Inst, StackSlot, Value
from clif.nan_payload import has_nondeterministic_nans
from clif.types import I8, I64, Type
from fuzz.generate import conventions
from fuzz.generate.addresses import address_of, align_up, base, region_of
from fuzz.generate.case_plan import Callee
from fuzz.generate.control import join, leave
from fuzz.generate.conversions import extend_again
from fuzz.generate.liveness import condense, fill
from fuzz.generate.operands import pick
from fuzz.generate.options import TRAP_CODES
from fuzz.generate.pure import pure_operation
from fuzz.generate.writer import Edge, Writer
from fuzz.known.status import has_fault

_MOST_HANDLERS = 3
#: The probability that main calls a callee that nothing has called.
_CALLED = 0.9


def call(w: Writer) -> bool:
    """Call a finished function. Returns False if none may be called from here."""
    callees = [callee for callee in w.plan.callees if _is_callable(w, callee)]
    if not callees:
        return False
    _call_one(w, _one_of(w, callees))
    return True


def call_uncalled(w: Writer) -> None:
    """Call most of the callees that nothing has called, which would be compiled for nothing."""
    for callee in w.plan.uncalled:
        if w.entropy.chance(_CALLED) and _is_callable(w, callee):
            _call_one(w, callee)


def _is_callable(w: Writer, callee: Callee) -> bool:
    """Return whether a finished function may be called from here, and throws nothing."""
    own = w.function.signature.call_conv
    return (
        not conventions.calls_lack_vectors(own, w.plan.options.isas)
        and callee.function not in w.plan.throwing
        and may_call(w, callee)
    )


def _one_of(w: Writer, callees: list[Callee]) -> Callee:
    """Draw one of the callees, rather one that nothing calls yet."""
    uncalled = [callee for callee in callees if callee.function not in w.plan.called]
    return w.entropy.choice(uncalled if uncalled and w.entropy.below(2) else callees)


def _call_one(w: Writer, callee: Callee) -> None:
    area, args = arguments(w, callee)
    convention = callee.function.signature.call_conv
    w.steps += callee.steps * w.weight
    if conventions.takes_exceptions(convention, w.plan.options.isas) and w.entropy.below(4) == 0:
        _try_call(w, callee, args)
    else:
        plain_call(w, callee, args)
    if area is not None:
        load_results(w, callee, area)


def plain_call(w: Writer, callee: Callee, args: list[Value]) -> None:
    """Emit a call without handlers."""
    inst = emit_call(w, "call", callee, args, keep=True)
    for result, param in zip(inst.results, callee.function.signature.returns, strict=True):
        if has_nondeterministic_nans(result.type) and not w.plan.canonical_nans:
            w.nondeterministic_nans.add(result)
        w.keep(result)
        extend_again(w, result, param)


def arguments(w: Writer, callee: Callee) -> tuple[Value | None, list[Value]]:
    """Return the address of memory for results, if the callee wants one, and all arguments."""
    area = _area(w, callee) if callee.sret is not None else None
    params = range(len(callee.function.signature.params))
    return area, [_argument(w, callee, n, area) for n in params]


def may_call(w: Writer, callee: Callee) -> bool:
    """Return whether there is room for a call, and the memory that the callee needs."""
    return w.room(callee.steps + 60) and (callee.memory is None or region_of(w) is not None)


def _argument(w: Writer, callee: Callee, index: int, area: Value | None) -> Value:
    if index == callee.memory:
        region = region_of(w)
        assert region is not None
        return base(w, region)
    if index == callee.sret:
        assert area is not None
        return area
    return pick(w, callee.function.signature.params[index].type)


def _external(w: Writer, callee: Callee) -> External:
    """Return the declaration of the callee in this function."""
    may_be_far = conventions.takes_far_calls(w.plan.options.isas)
    for external in w.function.externals:  # some are there for an address alone
        if external.name == callee.function.name and (external.colocated or may_be_far):
            return external
    near = w.entropy.chance(0.5) or not may_be_far
    external = External(callee.function.name, callee.function.signature, colocated=near)
    w.function.externals.append(external)
    return external


def emit_call(
    w: Writer, name: str, callee: Callee, args: list[Value], *, keep: bool = False
) -> Inst:
    """Emit a call, directly or through an address.

    Args:
        name: ``call``, ``try_call`` or ``return_call``.
        keep: whether the instruction defines the results.
    """
    w.plan.called.add(callee.function)
    return emit_call_of(w, name, _external(w, callee), args, keep=keep)


def emit_call_of(
    w: Writer, name: str, external: External, args: list[Value], *, keep: bool = False
) -> Inst:
    """Emit a call of a declared function, as ``emit_call`` does."""
    results = external.signature.return_types if keep else ()
    if w.entropy.below(3):
        return w.emit(name, *args, results=results, ref=external)
    address = _address(w, external)
    signature = external.signature
    return w.emit(
        f"{name}_indirect", address, *args, type=w.address, results=results, ref=signature
    )


def _address(w: Writer, external: External) -> Value:
    """Return the function's address: of ``func_addr``, of its symbol, or loaded from a slot."""
    kind = w.entropy.below(4)
    if kind == 0:
        return symbol_value(w, external.name, w.entropy.below(2) == 0, 0)
    address = w.emit("func_addr", type=w.address, results=(w.address,), ref=external).results[0]
    if kind == 1:
        slot = StackSlot(8, 8)
        w.function.stack_slots.append(slot)
        place = address_of(w, slot, 0)
        w.emit("store", address, place, type=w.address)
        address = w.emit("load", place, type=w.address, results=(w.address,)).results[0]
    return address


def symbol_value(w: Writer, name: str, colocated: bool, offset: int) -> Value:
    """Return the address of a symbol plus an offset."""
    text = f"symbol {'colocated ' * colocated}%{name}{f'{offset:+}' if offset else ''}"
    known = w.function.global_values
    symbol = next((gv for gv in known if gv.text == text), None)
    if symbol is None:
        symbol = GlobalValue(text, symbol=name, offset=offset)
        known.append(symbol)
    return w.emit("symbol_value", type=w.address, results=(w.address,), ref=symbol).results[0]


def symbol_distance(w: Writer) -> bool:
    """Emit the distance of two places in a symbol, which is known unlike their addresses."""
    entropy = w.entropy
    name, near = f"data{entropy.below(3)}", entropy.below(2) == 0
    offset = entropy.choice((8, -8, 1, 4095, 4096, -4096, 0x12345))
    one = symbol_value(w, name, near, offset)
    other = symbol_value(w, name, near, entropy.choice((0, 16)))
    w.keep(w.op("iadd", w.op("isub", one, other), pick(w, w.address)))
    return True


# --- results by an explicit pointer ---


def _area(w: Writer, callee: Callee) -> Value:
    """Return the address of memory for the results: part of the region, or a stack slot."""
    region = region_of(w)
    if region is not None and region.region is not None and has_fault("regionless-load"):
        region = None  # what the callee stores has no alias region
    if region is not None and w.entropy.below(3) == 0:
        first = align_up(region.writable, 16) // 16
        last = (region.size - callee.area) // 16
        if first <= last:
            at = 16 * w.entropy.between(first, last)
            return w.op("iadd", base(w, region), w.constant(w.address, at))
    slot = StackSlot(callee.area, 16)
    w.function.stack_slots.append(slot)
    address = address_of(w, slot, 0)
    for at in range(0, callee.area, 8):
        value = w.constant(I64, w.entropy.bits(8) + 3)
        w.emit("store", value, address, type=I64, offset=at)
    return address


def load_results(w: Writer, callee: Callee, area: Value) -> None:
    """Load some of the results that a callee has left in memory."""
    for _ in range(1 + w.entropy.below(3)):
        types = [t for t in w.swarm.types if t.bytes <= callee.area]
        type_ = w.entropy.choice(types) if types else I8
        at = type_.bytes * w.entropy.below(callee.area // type_.bytes)
        w.keep(w.emit("load", area, type=type_, results=(type_,), offset=at).results[0])


# --- with handlers ---


def _try_call(w: Writer, callee: Callee, args: list[Value]) -> None:
    """Emit a ``try_call``. The callee never throws, so handlers are compiled but not executed."""
    signature = callee.function.signature
    returned = returning_edge(w, signature.return_types)
    normal = returned.block
    inst = emit_call(w, "try_call", callee, args)
    inst.targets = [returned]
    handlers = _handlers(w, signature.call_conv)
    inst.handlers = handlers
    blocks = list(dict.fromkeys(handler.target.block for handler in handlers))
    if not blocks or w.entropy.below(2):
        for block in blocks:
            block.cold = w.entropy.below(2) == 0
            w.block = block
            w.emit("trap", trap=w.entropy.choice(TRAP_CODES))
        w.enter(normal)
        return
    mark = w.pool.mark()
    w.enter(normal)
    edges = [leave(w, mark)]
    w.pool.release(mark)
    for block in blocks:
        w.enter(block)
        for _ in range(1 + w.entropy.below(3)):
            pure_operation(w)
        edges.append(leave(w, mark))
        w.pool.release(mark)
    join(w, edges)


def returning_edge(w: Writer, results: Sequence[Type]) -> BlockCall:
    """Draw the edge for a call that returns, to a new block.

    It mostly takes the results in order, or else some of them, in any order, and other values.
    """
    numbers = list(range(len(results)))
    args: list[Value | str] = [f"ret{n}" for n in numbers]
    if w.entropy.below(3) == 2:
        if not has_fault("try-call-result-twice"):
            numbers += [w.entropy.choice(numbers) for _ in range(w.entropy.below(2)) if numbers]
        w.entropy.shuffle(numbers)
        del numbers[len(numbers) - w.entropy.below(2) :]
        args = [f"ret{n}" for n in numbers]
        args += [pick(w, w.swarm.type(w.entropy)) for _ in range(w.entropy.below(2))]
        w.entropy.shuffle(args)
    block = w.new_block([a.type if isinstance(a, Value) else results[int(a[3:])] for a in args])
    return BlockCall(block, args)


def _handlers(w: Writer, convention: str) -> list[Handler]:
    """Draw an exception table. Handlers may share blocks, and the last may catch everything."""
    handlers: list[Handler] = []
    for number in range(w.entropy.below(_MOST_HANDLERS + 1)):
        if handlers and w.entropy.below(3) == 0:
            target = handlers[0].target
            handlers.append(Handler(number, BlockCall(target.block, list(target.args))))
            continue
        words = (
            w.entropy.below(3) if conventions.has_payload(convention, w.plan.options.isas) else 0
        )
        block = w.new_block([w.address] * words)
        handlers.append(Handler(number, BlockCall(block, [f"exn{n}" for n in range(words)])))
    if handlers and w.entropy.below(2):
        handlers[-1].tag = None
    return handlers


# --- in tail place ---


def tail_call(w: Writer, callee: Callee, own: list[Value]) -> None:
    """End the function in a tail call of a function with the same results.

    Args:
        own: unused values, which should become arguments.
    """
    w.plan.required_settings.update(conventions.tail_call_settings(w.plan.options.isas))
    if callee.function in w.plan.throwing:
        w.plan.throwing.add(w.function)
    params = callee.function.signature.param_types
    types = [type_ for n, type_ in enumerate(params) if n != callee.memory]
    own = condense(w, own, len(types))
    for value in own:
        w.pool.use(value)
    inst = emit_call(w, "return_call", callee, [])
    w.steps += callee.steps * w.weight
    args: list[Value] = []
    fill(w, Edge(w.block, args, own, w.pool.candidates()), types)
    if callee.memory is not None:
        region = region_of(w)
        assert region is not None
        args.insert(callee.memory, base(w, region))  # emits nothing, as it is a parameter
    inst.args += args
