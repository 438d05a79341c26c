"""Branches, calls, returns, traps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from clif.function import BlockCall, External, Function, Inst, format_name
from clif.outcome import Status
from clif.throwing import Thrower, throws
from interp.calls import call as run_call
from interp.frame import Frame, NoLanes
from interp.lanes import Lanes, Mask, choose
from interp.registry import Unsupported, effect


@effect
def nop(frame: Frame, inst: Inst) -> None:
    """Do nothing."""


@effect
def sequence_point(frame: Frame, inst: Inst) -> None:
    """Do nothing: it is a barrier for the compiler."""


# --- branches ---


@effect
def jump(frame: Frame, inst: Inst) -> None:
    frame.jump(inst.targets[0])


@effect
def brif(frame: Frame, inst: Inst, c: Lanes) -> None:
    full = frame.full
    taken = (c != 0) if full else (c != 0) & frame.mask
    count = np.count_nonzero(taken)
    if count == 0:
        frame.jump(inst.targets[1])
    elif count == (len(taken) if full else np.count_nonzero(frame.mask)):
        frame.jump(inst.targets[0])
    else:
        then, otherwise = inst.targets
        frame.split([(then, taken), (otherwise, frame.mask & ~taken)])


@effect
def br_table(frame: Frame, inst: Inst, x: Lanes) -> None:
    default, *table = inst.targets
    ways: list[tuple[BlockCall, Mask]] = []
    rest = frame.mask
    for index in sorted(set(x[frame.mask].tolist())):
        if index < len(table):
            taken = rest & (x == index)
            rest = rest & ~taken
            ways.append((table[index], taken))
    if np.count_nonzero(rest):
        ways.append((default, rest))
    if len(ways) == 1:
        frame.jump(ways[0][0])
    else:
        frame.split(ways)


# --- traps ---


@effect
def trap(frame: Frame, inst: Inst) -> None:
    frame.stop(frame.mask, Status.TRAPPED, inst.trap)


@effect
def trapz(frame: Frame, inst: Inst, c: Lanes) -> None:
    frame.trap(c == 0, inst.trap)


@effect
def trapnz(frame: Frame, inst: Inst, c: Lanes) -> None:
    frame.trap(c != 0, inst.trap)


# --- calls ---


@effect
def return_(frame: Frame, _: Inst, *values: Lanes) -> None:
    frame.returns.add(list(values), frame.mask)


@effect
def call(frame: Frame, inst: Inst, *args: Lanes) -> Any:
    return _results(inst, _call(frame, _named(frame, inst), args))


@effect
def call_indirect(frame: Frame, inst: Inst, address: Lanes, *args: Lanes) -> Any:
    return _results(inst, _call_addresses(frame, inst, address, args))


@effect
def try_call(frame: Frame, inst: Inst, *args: Lanes) -> None:
    _try(frame, inst, lambda: _call(frame, _named(frame, inst), args))


@effect
def try_call_indirect(frame: Frame, inst: Inst, address: Lanes, *args: Lanes) -> None:
    _try(frame, inst, lambda: _call_addresses(frame, inst, address, args))


@effect
def return_call(frame: Frame, inst: Inst, *args: Lanes) -> None:
    _tail_call(frame, _named(frame, inst), args, frame.mask)


@effect
def return_call_indirect(frame: Frame, inst: Inst, address: Lanes, *args: Lanes) -> None:
    for callee, mask in _callees(frame, inst, address):
        _tail_call(frame, callee, args, mask)


def _named(frame: Frame, inst: Inst) -> Function | Thrower:
    assert isinstance(inst.ref, External)
    name = inst.ref.name
    if name not in frame.machine.functions and throws(inst.ref):
        return Thrower(name, inst.ref.signature)
    function = frame.machine.function(name, inst.opcode.name)
    if not _matches(function, inst.ref.signature):
        reason = f"{format_name(function.name)} has another signature or convention"
        raise Unsupported(inst.opcode.name, "", reason)
    return function


def _call(frame: Frame, callee: Function | Thrower, args: Sequence[Lanes]) -> list[Lanes]:
    results, returned = _run_callee(frame, callee, args, frame.mask)
    if returned is not frame.mask:
        frame.keep(returned)
    assert results is not None  # else `keep` would have raised
    return results


def _run_callee(
    frame: Frame, callee: Function | Thrower, args: Sequence[Lanes], mask: Mask
) -> tuple[list[Lanes] | None, Mask]:
    """Call a function for some inputs.

    Returns:
        The results (None if no input returned), and the inputs that returned. The others ended, or
        an exception was thrown.
    """
    machine = frame.machine
    machine.counters.calls += 1
    if isinstance(callee, Thrower):
        machine.throw(args, mask)
        return None, np.zeros_like(mask)
    return run_call(machine, callee, args, mask)


def _tail_call(frame: Frame, callee: Function | Thrower, args: Sequence[Lanes], mask: Mask) -> None:
    if isinstance(callee, Thrower):
        frame.machine.throw(args, mask)
    else:
        frame.tail_call(callee, args, mask)


def _call_addresses(frame: Frame, inst: Inst, address: Lanes, args: Sequence[Lanes]) -> list[Lanes]:
    """Call each function whose address an input has, for these inputs."""
    callees = list(_callees(frame, inst, address))
    if len(callees) == 1:
        return _call(frame, callees[0][0], args)
    merged: list[Lanes] | None = None
    back = np.zeros_like(frame.mask)
    for callee, mask in callees:
        results, returned = _run_callee(frame, callee, args, mask)
        if results is not None:
            pairs = zip(results, merged or results, strict=True)
            merged = [choose(returned, *pair) for pair in pairs]
            back = back | returned
    frame.keep(back)
    assert merged is not None
    return merged


def _callees(frame: Frame, inst: Inst, address: Lanes) -> list[tuple[Function | Thrower, Mask]]:
    """Return the functions that active inputs call, each with the mask of these.

    An input that calls another address, or a function of another signature, ends.
    """
    found: list[tuple[Function | Thrower, Mask]] = []
    for place in sorted(set(address[frame.mask].tolist())):
        machine = frame.machine
        callee = machine.function_at(place) or machine.thrower_at(place)
        here = address == place
        if callee is None:
            frame.violate(here, "call of an address where no function is")
        elif not _matches(callee, inst.ref):
            name = format_name(callee.name)
            frame.violate(here, f"{name} called with another signature or convention")
        else:
            found.append((callee, here))
    return [(callee, here & frame.mask) for callee, here in found]


def _matches(function: Function | Thrower, signature: object) -> bool:
    """Return whether calling a function by a signature has a meaning.

    Convention, types and how values are passed must be the same: where they differ, compiled code
    may do anything.
    """
    return function.signature == signature


def _results(inst: Inst, results: list[Lanes]) -> Any:
    if not inst.results:
        return None
    return results[0] if len(results) == 1 else results


def _try(frame: Frame, inst: Inst, attempt: Callable[[], list[Lanes]]) -> None:
    """Make a call, and go to its normal return, or to the handlers of what it throws."""
    tried = frame.mask
    values: dict[str, Lanes] = {}
    ways: list[tuple[BlockCall, Mask]] = []
    try:
        values.update((f"ret{n}", value) for n, value in enumerate(attempt()))
        ways.append((inst.targets[0], frame.mask))
    except NoLanes:
        pass
    exceptions = frame.machine.exceptions
    if exceptions is not None:
        ways += exceptions.handle(inst.handlers, tried, frame.env)
        values.update(exceptions.payload())
    if len(ways) == 1:
        target, mask = ways[0]
        frame.keep(mask)
        frame.jump(target, values)
    else:
        frame.split(ways, values)
