"""Generation of one function: parameters, a body of drawn parts, results that keep values alive."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

from clif.function import Function, Signature
from fuzz.generate import frames, unstructured
from fuzz.generate.calls import call, call_uncalled, symbol_distance, tail_call
from fuzz.generate.case_plan import Callee, CasePlan
from fuzz.generate.control import branch, early_return, leave_loop, table
from fuzz.generate.director import CaseDirector
from fuzz.generate.loops import loop
from fuzz.generate.machine_dependent import machine_dependent
from fuzz.generate.memory import access, new_slot
from fuzz.generate.memory_sequences import memory_sequence
from fuzz.generate.overflow_flags import overflow_flag
from fuzz.generate.pure import pure_operation
from fuzz.generate.required_instructions import emit_required
from fuzz.generate.returns import write_returns
from fuzz.generate.several_edges import several_edges
from fuzz.generate.signatures import declare
from fuzz.generate.special_constants import special_constants
from fuzz.generate.trap_guards import guarded_operation
from fuzz.generate.traps import ensure_trap, trap_site
from fuzz.generate.writer import Writer

#: The kinds of parts of a body, and their weights.
_PARTS = (
    *("pure", "extra", "memory", "guarded", "control", "call", "break", "return", "flow"),
    *("machine_dependent", "sequence", "overflow", "special_constants", "edges"),
)
_WEIGHTS = (46, 6, 13, 5, 9, 5, 2, 1, 3, 1, 6, 3, 6, 2)
_CUMULATIVE = tuple(accumulate(_WEIGHTS))
#: The least probability that the next part is a call while there is a function that nothing calls.
_UNCALLED_SHARE = 0.1
#: About how many instructions the smallest of these parts have; a sequence has some more.
_SHAPE_COST = 5
#: Parts that are made for one stage of Cranelift each.
_SHAPES: dict[str, Callable[[Writer], bool]] = {
    "overflow": overflow_flag,
    "special_constants": special_constants,
    "edges": several_edges,
}


class _Body:
    """Emits bodies made of drawn parts, and of parts that a director decides on.

    It is also the ``Body`` of everything that is nested in these.
    """

    def __init__(self, director: CaseDirector | None, share: float) -> None:
        self._director = director
        self._share = share if director is not None else 0.0

    def __call__(self, w: Writer, budget: int) -> None:
        """Emit about ``budget`` instructions, including the control flow among them."""
        end = w.count + budget
        while w.count < end and w.room(40):
            if self._share and w.entropy.chance(self._share) and self._emit_directed(w):
                continue
            part = w.entropy.weighted(_PARTS, _CUMULATIVE)
            if w.plan.sites and w.entropy.below(10) == 0:
                part = "trap"
            elif w.plan.depth > w.depth > 0 and w.plan.depth > 3 and w.entropy.below(3) == 0:
                part = "control"  # otherwise the budget rarely suffices for the depth
            elif w.entropy.chance(_call_share(w)):
                part = "call"
            if w.required and w.entropy.below(6) == 0:
                emit_required(w, w.required.pop(), self)
            if part == "pure" or not self._emit_part(w, part, end - w.count):
                pure_operation(w)

    def _emit_directed(self, w: Writer) -> bool:
        return self._director is not None and self._director.emit_part(w)

    def _emit_part(self, w: Writer, part: str, budget: int) -> bool:
        """Emit one part, not a pure operation. Returns False if it does not fit here."""
        if part == "extra":
            parts = w.plan.options.extra_parts
            return bool(parts) and w.entropy.choice(parts)(w, w.entropy)
        if part == "memory":
            return _write_access(w)
        if part == "guarded":
            return guarded_operation(w)
        if part == "control" and budget >= 6 and w.depth < w.plan.depth:
            return self._control(w, budget)
        if part == "flow" and budget >= 6 and w.depth < w.plan.depth:
            return self._flow(w, budget)
        if part == "call":
            return symbol_distance(w) if w.entropy.below(40) == 0 else call(w)
        if part == "break":
            return leave_loop(w)
        if part == "machine_dependent":
            return machine_dependent(w)
        if part == "sequence" or part in _SHAPES:
            return w.plan.options.stage_parts and _emit_stage_part(w, part, budget)
        if part == "return" and w.depth < 2:
            return _write_early_return(w)
        return part == "trap" and trap_site(w)

    def _control(self, w: Writer, budget: int) -> bool:
        share = 3 + w.entropy.below(budget - 3)
        if w.plan.depth > 3:
            share = max(share, budget * 3 // 4)
        kind = w.entropy.below(8)
        if kind < 3:
            branch(w, share, self)
            return True
        if kind < 4:
            table(w, share, self)
            return True
        return loop(w, min(share, 20), self)

    def _flow(self, w: Writer, budget: int) -> bool:
        """Emit one of the rarer kinds of control flow."""
        share = 3 + w.entropy.below(budget - 3)
        kind = w.entropy.below(8)
        if kind < 2:
            unstructured.diamond(w)
        elif kind < 3:
            unstructured.chain(w, share, self)
        elif kind < 4:
            unstructured.unreached(w)
        elif kind < 6:
            return unstructured.irreducible(w, min(share, 16), self)
        elif w.room(150):
            unstructured.pressure(w, lambda: self._across(w, min(share, 12)))
        else:
            return False
        return True

    def _across(self, w: Writer, budget: int) -> None:
        """Emit what many values are live across: a call, a loop or a branch."""
        w.depth += 1
        if not (w.entropy.below(2) and call(w)) and not loop(w, budget, self):
            branch(w, budget, self)
        w.depth -= 1


def _call_share(w: Writer) -> float:
    """Return the probability that the next part is a call, beside what is drawn anyway."""
    return max(w.plan.options.call_share, _UNCALLED_SHARE if w.plan.uncalled else 0.0)


def _emit_stage_part(w: Writer, part: str, budget: int) -> bool:
    """Emit a part that is made for one stage of Cranelift."""
    if part == "sequence":
        return budget >= 3 * _SHAPE_COST and memory_sequence(w, budget)
    return budget >= _SHAPE_COST and _SHAPES[part](w)


def _write_access(w: Writer) -> bool:
    if w.fields and w.entropy.below(2):
        return frames.access(w)
    if w.memory:
        access(w)
    return bool(w.memory)


def _write_early_return(w: Writer) -> bool:
    tails = [callee for callee in w.tails if w.room(callee.steps + 60)]
    if tails and w.entropy.below(2):
        early_return(w, lambda: tail_call(w, w.entropy.choice(tails), []))
    else:
        early_return(w)
    return True


def write_function(
    plan: CasePlan, director: CaseDirector | None, name: str, budget: int, limit: int, *, main: bool
) -> Callee:
    """Generate a function.

    Args:
        director: decides what some parts are; every part is drawn without one.
        budget: about how many instructions the function has.
        limit: about how many instructions it executes at most.
        main: whether it is the main function of the case.
    """
    function = Function(name, Signature())
    w = Writer(plan, function, limit)
    declaration = declare(w, main=main)
    for _ in range(plan.entropy.below(5) // 3):
        w.memory.append(new_slot(w))
    if main:
        w.required = plan.required
    frames.enlarge(w, declaration.convention)
    body = _Body(director, plan.options.directed_share)
    body(w, max(1, budget - w.count))
    while w.required:
        emit_required(w, w.required.pop(), body)
    if main:
        if director is not None:
            director.finish(w)
        call_uncalled(w)
        ensure_trap(w)
    write_returns(w, declaration)
    return Callee(
        function, declaration.signature.memory, w.steps, declaration.sret, declaration.area
    )
