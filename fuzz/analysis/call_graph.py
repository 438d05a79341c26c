"""The call graph of a case, with an index of each function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clif.function import BlockCall, External, Function, Inst, Value
from clif.opcodes import Format
from clif.uses import Index, targets
from fuzz.cases.case import Case

_INDIRECT = (Format.CALL_INDIRECT, Format.TRY_CALL_INDIRECT)


@dataclass(frozen=True, slots=True, eq=False)
class CallSite:
    """A call of a function of the case; ``args`` are the arguments, without a callee's address."""

    caller: Function
    inst: Inst
    args: tuple[Value, ...]


class CallGraph:
    """Who calls whom in a case. It is a snapshot: a changed case needs another one.

    Attributes:
        index: the definitions and uses of each function.
        owner: for each value, the function that defines it.
        calls: for each function, the calls of it.
        escaping: functions whose address is used for anything else than a direct call of it.
        callee: by the identity of a call's instruction, the function that it calls. A call that is
            not in it may call anything.
        recursive: whether main can reach a function that can call itself.
        reachable: the functions that can be called, main among them. The others are compiled but
            never run, so nothing that they do is a hazard.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.functions = case.functions
        self.index = {function: Index(function) for function in case.functions}
        self._by_name = {function.name: function for function in case.functions}
        self.owner = {value: f for f, index in self.index.items() for value in index.place}
        self.calls: dict[Function, list[CallSite]] = {f: [] for f in case.functions}
        self.escaping: set[Function] = set()
        self.callee: dict[int, Function] = {}
        for function in case.functions:
            if function.externals or function.global_values:
                self._find_calls(function)
        self.recursive = self._is_recursive()
        self.reachable = self._find_reachable()

    def definition(self, value: Value) -> Inst | None:
        """Return the instruction that defines a value, None for a parameter."""
        return self.index[self.owner[value]].definition.get(value)

    def arguments(self, param: Value) -> list[Value | str] | None:
        """Return everything that is passed for a parameter of a block or of a function.

        Returns:
            The values, and for results of a ``try_call`` the names ``ret0``, ``exn0``...; None if
            there may be others.
        """
        function = self.owner[param]
        index = self.index[function]
        block = index.place[param][0]
        at = next(n for n, other in enumerate(block.params) if other is param)
        found = [target.args[at] for target in index.incoming[block]]
        if block is function.entry:
            if function is self.case.main or function in self.escaping:
                return None
            found += [site.args[at] for site in self.calls[function]]
        return found

    def _find_calls(self, function: Function) -> None:
        index = self.index[function]
        for value in function.global_values:
            name = (value.symbol or "").lstrip("%")
            if name in self._by_name:
                self.escaping.add(self._by_name[name])
        for _, _, inst in index.instructions():
            callee = self._named(inst)
            if callee is None:
                continue
            if "is_call" in inst.opcode.flags:
                self._add_call(function, callee, inst, inst.args)
            else:
                self._follow_address(function, index, inst, callee)

    def _named(self, inst: Inst) -> Function | None:
        """Return the function of the case whose name an instruction has."""
        return self._by_name.get(inst.ref.name) if isinstance(inst.ref, External) else None

    def _follow_address(
        self, function: Function, index: Index, inst: Inst, callee: Function
    ) -> None:
        """Note the indirect calls of a function's address, or that it escapes."""
        for use in index.uses[inst.result]:
            called = use.inst.opcode.format in _INDIRECT and use.position == 0
            if called and use.target is None and use.inst.ref == callee.signature:
                self._add_call(function, callee, use.inst, use.inst.args[1:])
            else:
                self.escaping.add(callee)

    def _add_call(self, caller: Function, callee: Function, inst: Inst, args: list[Value]) -> None:
        self.calls[callee].append(CallSite(caller, inst, tuple(args)))
        self.callee[id(inst)] = callee

    def _find_reachable(self) -> list[Function]:
        found = {self.case.main, *self.escaping}
        size = 0
        while size < len(found):
            size = len(found)
            found |= {f for f, sites in self.calls.items() if any(s.caller in found for s in sites)}
        return [function for function in self.functions if function in found]

    def _is_recursive(self) -> bool:
        done: set[Function] = set()

        def returns_to(function: Function, above: tuple[Function, ...]) -> bool:
            if function in above:
                return True
            if function in done:
                return False
            found = any(returns_to(f, (*above, function)) for f in self._called_by(function))
            done.add(function)
            return found

        return any(self.calls.values()) and returns_to(self.case.main, ())

    def _called_by(self, function: Function) -> list[Function]:
        return [f for f, sites in self.calls.items() if any(s.caller is function for s in sites)]


def try_call_arguments(inst: Inst) -> Iterator[tuple[BlockCall, int, str]]:
    """Iterate over the block arguments of a ``try_call`` that are results of the call.

    Yields:
        The target that passes the argument, the argument's position, and its name: ``ret0`` is the
        first result, ``exn0`` the first part of an exception.
    """
    for target in targets(inst):
        for position, arg in enumerate(target.args):
            if isinstance(arg, str):
                yield target, position, arg
