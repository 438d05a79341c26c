"""Writing one function: parameters, a body out of drawn parts, results that keep it alive."""

from __future__ import annotations

from itertools import accumulate

from clif.function import AbiParam, Function, Signature, Value
from clif.types import I64
from fuzz.generate.calls import call
from fuzz.generate.control import branch, early_return, leave_loop, table
from fuzz.generate.focus import focus
from fuzz.generate.guards import guarded_operation
from fuzz.generate.idioms import idiom
from fuzz.generate.leftovers import condense, fill
from fuzz.generate.loops import loop
from fuzz.generate.memory import access, new_slot
from fuzz.generate.payload import may_be_open
from fuzz.generate.pure import pure_operation
from fuzz.generate.rarities import rarity
from fuzz.generate.shapes import Shape, abi_param, fits_registers, pick_shape
from fuzz.generate.traps import ensure_trap, trap_site
from fuzz.generate.writer import Callee, Edge, MemoryObject, Plan, Writer
from fuzz.rules.directed import directed

_MOST_DEPTH = 3
#: One main function in so many has a signature that is not from the menu.
_FREE_SHAPES = 20
#: Parts of a body: their weights where nothing speaks against them.
_PARTS = ("pure", "idiom", "memory", "guarded", "control", "call", "break", "return", "rare")
_WEIGHTS = (52, 12, 14, 5, 9, 5, 2, 1, 1)
_CUMULATIVE = tuple(accumulate(_WEIGHTS))


def write_body(w: Writer, budget: int) -> None:
    """Emit about ``budget`` instructions, control flow of their own included."""
    end = w.count + budget
    share = w.plan.options.directed_share
    while w.count < end and w.room(40):
        if share and w.entropy.chance(share) and directed(w):
            continue
        part = w.entropy.weighted(_PARTS, _CUMULATIVE)
        if w.plan.sites and w.entropy.below(10) == 0:
            part = "trap"
        if w.focuses and w.entropy.below(6) == 0:
            focus(w, w.focuses.pop(), write_body)
        if part == "pure" or not _write_part(w, part, end - w.count):
            pure_operation(w)


def _write_part(w: Writer, part: str, budget: int) -> bool:
    """Emit one part other than a pure operation; False where it does not fit here."""
    if part == "idiom":
        return idiom(w)
    if part == "memory" and w.memory:
        access(w)
        return True
    if part == "guarded":
        return guarded_operation(w)
    if part == "control" and budget >= 6 and w.depth < _MOST_DEPTH:
        return _write_control(w, budget)
    if part == "call":
        return call(w)
    if part == "break":
        return leave_loop(w)
    if part == "rare":
        return rarity(w)
    if part == "return" and w.depth < 2:
        early_return(w)
        return True
    return part == "trap" and trap_site(w)


def _write_control(w: Writer, budget: int) -> bool:
    share = 3 + w.entropy.below(budget - 3)
    kind = w.entropy.below(8)
    if kind < 3:
        branch(w, share, write_body)
        return True
    if kind < 4:
        table(w, share, write_body)
        return True
    return loop(w, min(share, 20), write_body)


def write_function(plan: Plan, name: str, budget: int, limit: int, main: bool) -> Callee:
    """A function of about ``budget`` instructions that executes at most about ``limit``."""
    function = Function(name, Signature())
    w = Writer(plan, function, limit)
    shape = _write_params(w, main)
    for _ in range(plan.entropy.below(5) // 3):
        w.memory.append(new_slot(w))
    if main:
        w.focuses = plan.focuses
    write_body(w, max(1, budget - w.count))
    while w.focuses:
        focus(w, w.focuses.pop(), write_body)
    if main:
        ensure_trap(w)
    _write_returns(w, shape)
    return Callee(function, shape.memory, w.steps)


def _write_params(w: Writer, main: bool) -> Shape:
    """Declare the parameters; main functions mostly take theirs from the menu."""
    entropy, plan = w.entropy, w.plan
    shape = None
    if main and entropy.below(_FREE_SHAPES):
        region = plan.region_size > 0
        shape = pick_shape(entropy, w.swarm.types, plan.multi_return, region)
    params, memory = (shape.params, shape.memory) if shape else _draw_params(w, main)
    for index, param in enumerate(params):
        _declare(w, w.value(param.type), address=index == memory, main=main)
    conventions = plan.options.call_convs
    convention = conventions[0] if main else entropy.choice(conventions)
    w.function.signature = Signature(params, (), convention)
    return shape or Shape(params, (), memory)


def _draw_params(w: Writer, main: bool) -> tuple[tuple[AbiParam, ...], int | None]:
    """Draw parameters; which of them is the region's address, if any."""
    entropy, plan = w.entropy, w.plan
    count = 2 + entropy.below(4)
    if entropy.below(8) == 0:
        count += entropy.below(8)  # some on the stack
    params = [abi_param(entropy, w.swarm.type(entropy)) for _ in range(count)]
    memory = None
    if plan.region_size and (main or entropy.below(3) == 0):
        memory = entropy.below(count + 1)
        params.insert(memory, AbiParam(I64))
    return tuple(params), memory


def _declare(w: Writer, param: Value, *, address: bool, main: bool) -> None:
    plan = w.plan
    w.block.params.append(param)
    if address:
        w.memory.append(MemoryObject(plan.region_size, base=param, writable=plan.readonly))
        return
    if may_be_open(param.type) and not main and not plan.canonical:
        w.open.add(param)
    w.pool.add(param)


def _write_returns(w: Writer, shape: Shape) -> None:
    """Return what is unused, folded until the signature can hold it; early returns follow suit."""
    types = [param.type for param in shape.returns]
    multi = w.plan.multi_return
    wanted = len(types) or w.entropy.between(1, 6 if multi else 3)
    values = condense(w, w.pool.since(0), wanted)
    if not types:
        values = _fit(w, values or [_any_value(w)])
        types = [value.type for value in values]
    inst = w.emit("return")
    way = Edge(w.block, inst.args, values, w.pool.candidates())
    for value in values:
        w.pool.use(value)
    for each in (way, *w.returns):
        fill(w, each, types)
    signature = w.function.signature
    returns = shape.returns or tuple(abi_param(w.entropy, t) for t in types)
    w.function.signature = Signature(signature.params, returns, signature.call_conv)


def _any_value(w: Writer) -> Value:
    value = w.pool.pick(w.entropy, w.pool.types()[0], 0.0)
    assert value is not None
    return value


def _fit(w: Writer, values: list[Value]) -> list[Value]:
    """Without an implicit sret area only so much can be returned."""
    while not w.plan.multi_return and not fits_registers([value.type for value in values]):
        values = condense(w, values, len(values) - 1)
    return values
