"""The state of machine code on a path: registers, memory, and what the conventions of calls say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import z3

from backend.emulator.convention import Convention
from clif.function import External, Function, Signature
from fuzz.prove.floats import arithmetic
from fuzz.prove.machine.calling import (
    ValuePlace,
    argument_places,
    convention_of,
    result_places,
)
from fuzz.prove.machine.cells import Cells
from fuzz.prove.machine.program import MachineProgram, context
from fuzz.prove.memory import ADDRESS_BITS, Memory, Place
from fuzz.prove.paths import Exploration, Kept, Path, PathEnd
from fuzz.prove.semantics import UndecidedError
from fuzz.prove.terms import Term, choose, const, join, part, resized, zext

#: Values that a computed address may have: the entries of a table.
_MOST_TARGETS: Final = 70
_STACK: Final = "stack"
_VECTOR_BITS: Final = 128
#: The least size of an argument on the stack.
_WORD: Final = 8
#: By the beginning of its name, what a library call computes, and of how many operands.
_LIBRARY_CALLS: Final = {
    "Ceil": ("ceil", 1),
    "Floor": ("floor", 1),
    "Trunc": ("trunc", 1),
    "Nearest": ("nearest", 1),
    "Fma": ("fma", 3),
}


def symbol(name: str, bits: int = 64) -> Term:
    """Return a symbol."""
    return z3.BitVec(name, bits)


class MachineState(Path):
    """Registers and memory on a path through a function's machine code.

    Attributes:
        function: whose code it is.
        registers, temporaries: the spaces of p-code.
    """

    def __init__(
        self,
        exploration: Exploration,
        memory: Memory,
        function: Function,
        program: MachineProgram,
    ) -> None:
        super().__init__(exploration, memory)
        self.function = function
        self.program = program
        self.machine = program.machine
        self.registers = Cells(lambda offset: symbol(f"register_{offset:x}"))
        self.temporaries = Cells(lambda offset: symbol(f"temporary_{offset:x}"))
        self._begun: dict[str, Term] = {}
        self._callers_words = 0  # how many bytes of the stack the caller has written
        self._own_above = 0  # up to where the stack is the function's, from its start

    # --- the convention ---

    def register(self, name: str) -> Any:
        """Return SLEIGH's varnode of a register."""
        return context(self.machine.language).registers[name]

    def get(self, name: str) -> Term:
        """Return what a register holds."""
        node = self.register(name)
        return self.registers.read(node.offset, node.size)

    def set(self, name: str, value: Term) -> None:
        """Write the low part of a register, and leave the rest of it as it is."""
        self.registers.write(self.register(name).offset, value)

    def begin(self, arguments: Sequence[Term]) -> None:
        """Set up what the caller leaves: arguments, stack pointer, return address."""
        machine, bottom = self.machine, symbol("stack_pointer")
        self.memory.add_segment(bottom, _STACK)
        self.set(machine.stack_pointer, bottom)
        returning, above = symbol("return_address"), 0
        if machine.link:
            self.set(machine.link, returning)
        else:
            self.memory.store(bottom, returning)
            above = returning.size() // 8
        places = argument_places(machine, self.function.signature)
        params = self.function.signature.params
        for value, param, place in zip(arguments, params, places, strict=True):
            if param.extension is not None and value.size() < 64:
                more = 64 - value.size()
                value = (z3.SignExt if param.extension == "sext" else z3.ZeroExt)(more, value)
            if param.type.is_vector and value.size() < _VECTOR_BITS:
                # As whoever loads a narrow vector leaves it; our emulator's driver does so, too.
                value = zext(value, _VECTOR_BITS)
            self._put(place, value, above)
        convention = convention_of(machine, self.function.signature)
        self._begun = {name: self.get(name) for name in self._preserved(convention)}
        self._callers_words = len(self.memory.segments[_STACK].writes)
        self._own_above = above + max(
            (p.stack + _WORD for p in places if p.stack is not None), default=0
        )

    def _put(self, place: ValuePlace, value: Term, above: int) -> None:
        if place.stack is not None:
            bottom = self.get(self.machine.stack_pointer)
            self.memory.store(bottom + const(above + place.stack, ADDRESS_BITS), value)
        elif len(place.registers) == 2:
            for name, at in zip(place.registers, (0, 64), strict=True):
                self.set(name, part(value, at, 64))
        else:
            self.set(place.registers[0], value)

    def _taken(self, place: ValuePlace, bits: int) -> Term:
        whole = join([self.get(name) for name in place.registers])
        return resized(whole, bits)

    def _preserved(self, convention: Convention) -> list[str]:
        """Return the registers that are preserved, and the frame pointer."""
        frame = self.machine.described.frame_pointer
        names = (*convention.preserved, *([frame] if frame else []))
        return [self.machine.name_of(name) for name in names]

    def copy_to(self, other: Path) -> None:
        """Make another path one that has come the same way."""
        super().copy_to(other)
        assert isinstance(other, MachineState)
        other._begun = self._begun
        other._callers_words, other._own_above = self._callers_words, self._own_above
        other.registers, other.temporaries = self.registers.copy(), self.temporaries.copy()

    def return_to(self, target: Term) -> None:
        """Return from the function.

        Raises:
            PathEnd: always.
            UndecidedError: it goes somewhere else.
        """
        if not z3.simplify(target).eq(symbol("return_address")):
            raise UndecidedError("a return to another address")
        self._require_own_stack()
        signature = self.function.signature
        places = result_places(self.machine, signature)
        results = [
            self._taken(place, param.type.bits)
            for place, param in zip(places, signature.returns, strict=True)
        ]
        above = 0 if self.machine.link else 8
        kept = [Kept(name, self.get(name), term) for name, term in self._begun.items()]
        bottom = symbol("stack_pointer") + const(above, ADDRESS_BITS)
        kept.append(Kept("the stack pointer", self.get(self.machine.stack_pointer), bottom))
        kept += self._extended(signature, places)
        self.end("", results, kept=tuple(kept))
        raise PathEnd

    def _require_own_stack(self) -> None:
        """Complain about a store to the caller's part of the stack.

        Raises:
            UndecidedError: there is one.
        """
        for place, _ in self.memory.segments[_STACK].writes[self._callers_words :]:
            signed = place.offset - ((place.offset >> 63) << ADDRESS_BITS)
            if signed >= self._own_above:
                raise UndecidedError("a store to the caller's part of the stack")

    def _extended(self, signature: Signature, places: Sequence[ValuePlace]) -> list[Kept]:
        """Return what the bits above results must be, where the convention says so."""
        convention = convention_of(self.machine, signature)
        found = []
        for place, param in zip(places, signature.returns, strict=True):
            if convention.extends_results and param.extension and param.type.bits < 64:
                whole = self.get(place.registers[0])
                value = resized(whole, param.type.bits)
                more = 64 - param.type.bits
                wanted = (z3.SignExt if param.extension == "sext" else z3.ZeroExt)(more, value)
                found.append(Kept("the bits above a result", whole, wanted))
        return found

    # --- operands ---

    def read(self, node: Any) -> Term:
        """Return what a varnode holds."""
        match node.space.name:
            case "const":
                return const(node.offset, 8 * node.size)
            case "register":
                return self.registers.read(node.offset, node.size)
            case "unique":
                return self.temporaries.read(node.offset, node.size)
            case _:
                return self.load(const(node.offset, ADDRESS_BITS), node.size)

    def write(self, node: Any, value: Term) -> None:
        """Write a varnode."""
        match node.space.name:
            case "register":
                self.registers.write(node.offset, value)
            case "unique":
                self.temporaries.write(node.offset, value)
            case _:
                self.store(const(node.offset, ADDRESS_BITS), value)

    def load(self, address: Term, size: int) -> Term:
        """Load from memory, from the stack or from the code's constants."""
        place = Place.of(address)
        if place.base is None and self.program.contains(place.offset):
            return self._constant(place.offset, size)
        if self.program.contains(place.offset):
            return self._from_table(address, size)
        return self.memory.load(address, size)

    def _constant(self, address: int, size: int) -> Term:
        found = bytes(self.program.byte(address + at) for at in range(size))
        return const(int.from_bytes(found, "little"), 8 * size)

    def _from_table(self, address: Term, size: int) -> Term:
        """Return what is at an address among the code's constants that the inputs decide on."""
        addresses = self.values_of(address)
        result = self._constant(addresses[0], size)
        for known in addresses[1:]:
            here = address == const(known, ADDRESS_BITS)
            result = choose(here, self._constant(known, size), result)
        return result

    def values_of(self, term: Term) -> list[int]:
        """Return all values that a term has on this path.

        Raises:
            UndecidedError: there are too many.
        """
        solver = z3.Solver()
        solver.set("timeout", 2000)
        solver.add(*self.exploration.assumptions, *self.conditions)
        found: list[int] = []
        while (answer := solver.check()) == z3.sat:
            value = solver.model().eval(term, model_completion=True).as_long()
            found.append(value)
            if len(found) > _MOST_TARGETS:
                raise UndecidedError("an address in the code with too many values")
            solver.add(term != const(value, term.size()))
        if answer != z3.unsat:
            raise UndecidedError("an address in the code whose values are not known")
        if not found:
            raise PathEnd
        return found

    def store(self, address: Term, value: Term) -> None:
        """Store to memory or to the stack.

        Raises:
            UndecidedError: it is the code that is written.
        """
        if self.program.contains(Place.of(address).offset):
            raise UndecidedError("a store to code")
        self.memory.store(address, value)

    # --- calls of what is not looked into ---

    def call_library(self, name: str) -> None:
        """Compute what a function of the runtime library does.

        Raises:
            UndecidedError: it is not known what it does.
        """
        registers = self.machine.conventions["system_v"]
        known = self.machine.library_calls.get(name)
        if known is not None:
            count = known.__code__.co_argcount
            result = known(*(self.get(n) for n in registers.vector_arguments[:count]))
            self._clobber("system_v")
            self.set(registers.vector_results[0], result)
            return
        for bits, suffix in ((32, "F32"), (64, "F64")):
            operation = _LIBRARY_CALLS.get(name.removesuffix(suffix))
            if operation is not None and name.endswith(suffix):
                which, count = operation
                names = registers.vector_arguments[:count]
                result = arithmetic(which, *(resized(self.get(n), bits) for n in names))
                self._clobber("system_v")
                self.set(registers.vector_results[0], result)
                return
        raise UndecidedError(f"the library call {name}")

    def call_function(self, name: str) -> None:
        """Call a function that the case leaves to the host.

        Raises:
            UndecidedError: it is none of these, or some arguments are on the stack.
        """
        external = next((e for e in self.function.externals if e.name == name), None)
        if not isinstance(external, External):
            raise UndecidedError("a call of another function")
        signature = external.signature
        places = argument_places(self.machine, signature)
        if any(place.stack is not None for place in places):
            raise UndecidedError("a call with arguments on the stack")
        args = [
            self._taken(place, param.type.bits)
            for place, param in zip(places, signature.params, strict=True)
        ]
        results = result_places(self.machine, signature)
        values = self.called(name, args, [param.type.bits for param in signature.returns])
        self._clobber(signature.call_conv)
        for place, value in zip(results, values, strict=True):
            self._put(place, value, 0)

    def _clobber(self, call_conv: str) -> None:
        """Forget what is in the registers that a callee need not preserve."""
        preserved = self._preserved(self.machine.described.conventions[call_conv])
        kept = {name: self.get(name) for name in (*preserved, self.machine.stack_pointer)}
        number = len(self.calls)
        self.registers = Cells(lambda offset: symbol(f"register_{offset:x}_after_{number}"))
        for name, value in kept.items():
            self.set(name, value)
