"""Cases that throw: exceptions, the calls that they leave, and the handlers that take them.

A function throws under a condition. What it throws is handled by the call itself, by a function
further up, or in a trapping case by none. Values are live across all of these calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from clif.function import BlockCall, External, Handler, Inst, Value
from clif.throwing import PAYLOAD, thrower
from clif.types import Type
from fuzz.cases.frame_check import without_tables
from fuzz.entropy import Entropy
from fuzz.generate import conventions
from fuzz.generate.calls import (
    arguments,
    emit_call,
    emit_call_of,
    load_results,
    may_call,
    plain_call,
    returning_edge,
)
from fuzz.generate.case_plan import Callee
from fuzz.generate.control import early_return, join, leave
from fuzz.generate.operands import pick
from fuzz.generate.options import TRAP_CODES
from fuzz.generate.pure import pure_operation
from fuzz.generate.unstructured import pressure
from fuzz.generate.writer import Edge, Writer

_MOST_HANDLERS: Final = 4
#: Tags of exceptions: few, so that handlers of other calls have them too.
_TAGS: Final = (0, 1, 2, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE)
#: About how many instructions a part has, and with many values live across it.
_PART, _PRESSURE = 60, 200
#: One part in so many has more values live across it than there are registers.
_PRESSED: Final = 4


@dataclass(slots=True)
class ThrowingCase:
    """Emits what throws and what handles in one case.

    Attributes:
        contexts: whether every exception table names contexts.
        parts: how many parts main has.
    """

    contexts: bool
    parts: int = 0
    trapping: bool = False
    _pressed: bool = field(default=False, init=False)

    def emit_part(self, w: Writer) -> bool:
        """Emit a throw or a call that an exception may leave."""
        if not w.room(_PART) or conventions.calls_lack_vectors(
            w.function.signature.call_conv, w.plan.options.isas
        ):
            return False
        if not self._pressed and w.entropy.below(_PRESSED) == 0 and w.room(_PRESSURE):
            self._pressed = True
            pressure(w, lambda: self._emit(w))
            self._pressed = False
            return True
        return self._emit(w)

    def finish(self, w: Writer) -> None:
        """Have main handle something."""
        if not self.parts:
            self.emit_part(w)

    def _emit(self, w: Writer) -> bool:
        callees = [c for c in w.plan.callees if c.function in w.plan.throwing and may_call(w, c)]
        self.parts += _is_main(w)
        if callees and w.entropy.below(4):
            _call(w, w.entropy.choice(callees), contexts=self.contexts)
        elif w.entropy.below(3) and not _must_handle(w):
            w.plan.throwing.add(w.function)
            early_return(w, lambda: _leave_by_throwing(w))
        else:
            _throw_and_handle(w, contexts=self.contexts)
        return True


class ThrowingDirector:
    """Directs every case at exceptions."""

    def begin_case(
        self,
        entropy: Entropy,
        isas: Sequence[str],
        settings: dict[str, str],
        isa_settings: dict[str, dict[str, str]],
        index: int | None,
    ) -> ThrowingCase:
        """Return what emits the parts of one case, whose functions have tables of frames."""
        settings["unwind_info"] = "true"
        for isa, flags in isa_settings.items():
            for name in without_tables(isa):
                flags.pop(name, None)
        return ThrowingCase(entropy.below(3) == 0)


def _is_main(w: Writer) -> bool:
    return w.function.name == "main"


def _must_handle(w: Writer) -> bool:
    """Return whether no exception may leave this function."""
    return _is_main(w) and not w.plan.trapping


# --- throwing ---


def _words(w: Writer) -> list[Value]:
    """Return what is thrown: a tag and a context that handlers may have, and a payload."""
    tag = w.constant(w.address, w.entropy.choice(_TAGS))
    if w.entropy.below(2):
        tag = w.op("band", pick(w, w.address), w.constant(w.address, 3))
    return [tag, _context(w), *(pick(w, w.address) for _ in range(PAYLOAD))]


def _context(w: Writer) -> Value:
    if w.entropy.below(2):
        return w.constant(w.address, w.entropy.below(2))
    return w.op("band", pick(w, w.address), w.constant(w.address, 1))


def _thrower(w: Writer, convention: str) -> External:
    """Return the declaration of the function that throws."""
    found = thrower(convention, w.address)
    for external in w.function.externals:
        if external.name == found.name:
            return external
    near = w.entropy.chance(0.5) or not conventions.takes_far_calls(w.plan.options.isas)
    external = External(found.name, found.signature, colocated=near)
    w.function.externals.append(external)
    return external


def _throwing_conventions(w: Writer) -> list[str]:
    isas = w.plan.options.isas
    return [
        convention
        for convention in w.plan.options.conventions
        if conventions.takes_exceptions(convention, isas)
        and not conventions.calls_lack_vectors(convention, isas)
    ]


def _leave_by_throwing(w: Writer) -> None:
    """End the current block by throwing what this function does not handle."""
    mark = w.pool.mark()
    convention = w.entropy.choice(_throwing_conventions(w))
    emit_call_of(w, "call", _thrower(w, convention), _words(w))
    w.emit("trap", trap=w.entropy.choice(TRAP_CODES))
    w.pool.release(mark)


def _throw_and_handle(w: Writer, *, contexts: bool) -> None:
    """Throw with handlers at the call itself."""
    convention = w.entropy.choice(_throwing_conventions(w))
    external = _thrower(w, convention)
    attempt = _Attempt(w, convention, contexts=contexts)
    words = _words(w)
    attempt.make(lambda: emit_call_of(w, "try_call", external, words), (), returns=False)


# --- calling what throws ---


def _call(w: Writer, callee: Callee, *, contexts: bool) -> None:
    """Call a function that an exception may leave."""
    signature = callee.function.signature
    handled = conventions.takes_exceptions(signature.call_conv, w.plan.options.isas)
    if not handled and _must_handle(w):
        _throw_and_handle(w, contexts=contexts)
        return
    area, args = arguments(w, callee)
    w.steps += callee.steps * w.weight
    if not handled or (w.entropy.below(3) == 0 and not _must_handle(w)):
        w.plan.throwing.add(w.function)
        plain_call(w, callee, args)
    else:
        attempt = _Attempt(w, signature.call_conv, contexts=contexts)
        attempt.make(lambda: emit_call(w, "try_call", callee, args), signature.return_types)
    if area is not None:
        load_results(w, callee, area)


class _Attempt:
    """A call with handlers.

    Args:
        convention: the callee's.
        contexts: whether the table names contexts.
    """

    def __init__(self, w: Writer, convention: str, *, contexts: bool) -> None:
        self.w = w
        has_payload = conventions.has_payload(convention, w.plan.options.isas)
        self.words = [f"exn{n}" for n in range(PAYLOAD)] if has_payload else []
        self.handlers: list[Handler] = []
        for _ in range(1 + w.entropy.below(_MOST_HANDLERS)):
            self.handlers.append(self._handler(w.entropy.choice(_TAGS)))
        if _must_handle(w) or w.entropy.below(2):
            self.handlers.append(self._handler(None))
        else:
            w.plan.throwing.add(w.function)
        if contexts:
            self._add_contexts()

    def _handler(self, tag: int | None) -> Handler:
        w, entropy = self.w, self.w.entropy
        if self.handlers and entropy.below(4) == 0:
            shared = entropy.choice(self.handlers).target
            return Handler(tag, BlockCall(shared.block, list(shared.args)))
        args: list[Value | str] = [
            entropy.choice(self.words) for _ in range(entropy.below(4)) if self.words
        ]
        args += [pick(w, w.swarm.type(entropy)) for _ in range(entropy.below(3))]
        entropy.shuffle(args)
        block = w.new_block([w.address if isinstance(a, str) else a.type for a in args])
        block.cold = entropy.below(4) == 0
        return Handler(tag, BlockCall(block, args))

    def _add_contexts(self) -> None:
        w = self.w
        for number, handler in enumerate(self.handlers):
            if number == 0 or w.entropy.below(3) == 0:
                handler.contexts = [_context(w)]

    def make(
        self, emit: Callable[[], Inst], results: Sequence[Type], *, returns: bool = True
    ) -> None:
        """Emit the call and its handlers, and enter the block where they meet.

        Args:
            returns: whether the call may return.
        """
        w = self.w
        returned = returning_edge(w, results)
        normal = returned.block
        inst = emit()
        inst.targets = [returned]
        inst.handlers = self.handlers
        mark = w.pool.mark()
        edges: list[Edge] = []
        if returns:
            w.enter(normal)
            edges.append(leave(w, mark))
        else:
            w.block = normal
            w.emit("trap", trap=w.entropy.choice(TRAP_CODES))
        w.pool.release(mark)
        for block in dict.fromkeys(handler.target.block for handler in self.handlers):
            w.enter(block)
            for _ in range(w.entropy.below(3)):
                pure_operation(w)
            edges.append(leave(w, mark))
            w.pool.release(mark)
        join(w, edges)
