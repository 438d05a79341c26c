"""Follows machine code along all its paths."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final

import z3
from pypcode import OpCode

from backend.emulator.linker import Compiled
from clif.function import External, Function, Signature
from fuzz.prove.floats import arithmetic
from fuzz.prove.machine.calling import (
    ValuePlace,
    argument_places,
    convention_of,
    result_places,
)
from fuzz.prove.machine.cells import Cells
from fuzz.prove.machine.description import Instruction, Machine
from fuzz.prove.machine.pcode import (
    DIVISIONS,
    OPERATIONS,
    is_true,
    predicated,
    quotient_faults,
)
from fuzz.prove.machine.program import MachineProgram, context
from fuzz.prove.memory import ADDRESS_BITS, Memory, Place
from fuzz.prove.paths import Exploration, Kept, Path, PathEnd, Summary
from fuzz.prove.semantics import UndecidedError
from fuzz.prove.terms import (
    Condition,
    Term,
    choose,
    const,
    join,
    part,
    resized,
    truth_of,
    value_of,
    zext,
)

#: Values that a computed address may have: the entries of a table.
_MOST_TARGETS: Final = 70
_STACK: Final = "stack"
_VECTOR_BITS: Final = 128
#: How often an instruction may be executed on one path.
_MOST_VISITS: Final = 70


def summarize_code(
    machine: Machine, function: Function, compiled: Compiled, arguments: Sequence[Term]
) -> Summary:
    """Return what a function's machine code does when it is called as its signature says.

    Args:
        arguments: the terms of the function's arguments.

    Raises:
        UndecidedError: that cannot be told in terms, or has too many paths.
    """
    exploration = Exploration()
    program = MachineProgram(machine, compiled)
    first = CodePath(exploration, Memory.shared(), function, program)
    first.begin(arguments)
    waiting = [first]
    while waiting:
        path = waiting.pop()
        with contextlib.suppress(PathEnd):
            waiting += path.run()
    return Summary(tuple(exploration.ends), tuple(exploration.assumptions))


def _symbol(name: str, bits: int = 64) -> Term:
    return z3.BitVec(name, bits)


class CodePath(Path):
    """A path through machine code.

    Attributes:
        registers, temporaries: the spaces of p-code.
        address: of the instruction that comes next.
        at: which operation of it.
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
        self.registers = Cells(lambda offset: _symbol(f"register_{offset:x}"))
        self.temporaries = Cells(lambda offset: _symbol(f"temporary_{offset:x}"))
        self.address = program.start
        self.at = 0
        self._visits: dict[int, int] = {}

    def fork(self, condition: Condition) -> CodePath:
        """Return a path that goes another way from here on, where a condition holds."""
        self.exploration.count_path()
        other = CodePath(self.exploration, self.memory, self.function, self.program)
        self.copy_to(other)
        other.registers, other.temporaries = self.registers.copy(), self.temporaries.copy()
        other.address, other.at = self.address, self.at
        other._visits = self._visits.copy()
        other.conditions.append(condition)
        return other

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
        machine, bottom = self.machine, _symbol("stack_pointer")
        self.memory.add_segment(bottom, _STACK)
        self.set(machine.stack_pointer, bottom)
        returning, above = _symbol("return_address"), 0
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
        self._begun = {name: self.get(name) for name in self._saved()}

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

    def _saved(self) -> list[str]:
        """Return the registers that are preserved, and the frame pointer."""
        convention = convention_of(self.machine, self.function.signature)
        frame = self.machine.described.frame_pointer
        names = (*convention.preserved, *([frame] if frame else []))
        return [self.machine.name_of(name) for name in names]

    def copy_to(self, other: Path) -> None:
        """Make another path one that has come the same way."""
        super().copy_to(other)
        assert isinstance(other, CodePath)
        other._begun = self._begun

    def return_to(self, target: Term) -> None:
        """Return from the function.

        Raises:
            PathEnd: always.
            UndecidedError: it goes somewhere else.
        """
        if not z3.simplify(target).eq(_symbol("return_address")):
            raise UndecidedError("a return to another address")
        signature = self.function.signature
        places = result_places(self.machine, signature)
        results = [
            self._taken(place, param.type.bits)
            for place, param in zip(places, signature.returns, strict=True)
        ]
        above = 0 if self.machine.link else 8
        kept = [Kept(name, self.get(name), term) for name, term in self._begun.items()]
        bottom = _symbol("stack_pointer") + const(above, ADDRESS_BITS)
        kept.append(Kept("the stack pointer", self.get(self.machine.stack_pointer), bottom))
        kept += self._extended(signature, places)
        self.end("", results, kept=tuple(kept))
        raise PathEnd

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

    # --- going on ---

    def run(self) -> list[CodePath]:
        """Execute code up to a branch that some inputs take and others do not.

        Returns:
            The paths that go on.

        Raises:
            PathEnd: none does.
        """
        while True:
            instruction = self.program.instruction(self.address)
            meaning = None
            if self.at == 0:
                self._begin_instruction(instruction)
                meaning = self.machine.instructions.get(instruction.mnemonic)
            if meaning is not None:
                self.exploration.count_step()
                meaning(self, instruction)
                self.goto(self.address + instruction.size)
            else:
                following = self._operations(instruction)
                if following is not None:
                    return following
            self.at = 0

    def _operations(self, instruction: Instruction) -> list[CodePath] | None:
        """Execute what is left of an instruction's p-code, and go to the next instruction.

        Returns:
            The paths that go on, if this one does not go on alone.
        """
        ops, size = instruction.operations, instruction.size
        while self.at < len(ops):
            self.exploration.count_step()
            following = self._step(ops, size)
            if following is not None:
                return following
            if self.at < 0:  # it has gone to another instruction
                return None
        self.goto(self.address + size)
        return None

    def execute(self, instruction: Instruction) -> None:
        """Execute an instruction's p-code, for a meaning that adds to it.

        Raises:
            UndecidedError: it branches.
        """
        here = self.address
        if self._operations(instruction) is not None:
            raise UndecidedError(f"SLEIGH's {instruction.mnemonic} branches")
        self.address = here

    def _begin_instruction(self, instruction: Instruction) -> None:
        visits = self._visits[self.address] = self._visits.get(self.address, 0) + 1
        if visits > 1 and not self.is_possible():
            raise PathEnd
        if visits > _MOST_VISITS:
            raise UndecidedError("a loop that is too long")
        code = self.program.traps.get(self.address)
        if code is not None and instruction.mnemonic in self.machine.traps:
            self.end(code)
            raise PathEnd

    def goto(self, address: int) -> None:
        """Go to another instruction."""
        self.address, self.at = address, -1

    def _step(self, ops: Any, size: int) -> list[CodePath] | None:
        """Execute one operation.

        Returns:
            The paths that go on, if this one does not go on alone.
        """
        op = ops[self.at]
        self.at += 1
        code = op.opcode
        operation = OPERATIONS.get(code)
        if operation is not None:
            self._compute(op, operation)
        elif code is OpCode.IMARK:
            pass
        elif code is OpCode.LOAD:
            self.write(op.output, self.load(self.read(op.inputs[1]), op.output.size))
        elif code is OpCode.STORE:
            self.store(self.read(op.inputs[1]), self.read(op.inputs[2]))
        elif code is OpCode.BRANCH:
            return self._branch(op.inputs[0])
        elif code is OpCode.CBRANCH:
            return self._conditional(ops, size, op)
        elif code is OpCode.BRANCHIND:
            return self._indirect(self.read(op.inputs[0]))
        elif code is OpCode.CALL:
            self._call(op.inputs[0].offset, size)
        elif code is OpCode.CALLIND:
            target = value_of(self.read(op.inputs[0]))
            if target is None:
                raise UndecidedError("an indirect call")
            self._call(target, size)
        elif code is OpCode.RETURN:
            self.return_to(self.read(op.inputs[0]))
        elif code is OpCode.CALLOTHER:
            self._opaque(op)
        elif code is OpCode.FLOAT_TRUNC:
            self.write(
                op.output, self.machine.to_integer(self.read(op.inputs[0]), 8 * op.output.size)
            )
        elif code is OpCode.FLOAT_ROUND:
            self.write(op.output, arithmetic("nearest", self.read(op.inputs[0])))
        else:
            raise UndecidedError(f"p-code {code}")
        return None

    def _compute(self, op: Any, operation: Any) -> None:
        operands = [self.read(node) for node in op.inputs]
        signed = DIVISIONS.get(op.opcode)
        if signed is not None and self.machine.division_traps:
            code = self.program.traps.get(self.address)
            if code is not None:
                self.trap(quotient_faults(*operands, signed=signed), code)
        self.write(op.output, operation(8 * op.output.size, *operands))

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
        addresses = self._values_of(address)
        result = self._constant(addresses[0], size)
        for known in addresses[1:]:
            here = address == const(known, ADDRESS_BITS)
            result = choose(here, self._constant(known, size), result)
        return result

    def _values_of(self, term: Term) -> list[int]:
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
        if self.program.contains(Place.of(address).offset):
            raise UndecidedError("a store to code")
        self.memory.store(address, value)

    # --- branches ---

    def _branch(self, target: Any) -> list[CodePath] | None:
        if target.space.name == "const":
            self.at += _relative(target) - 1
            if self.at < 0:
                raise UndecidedError("a loop in an instruction")
            return None
        return self._leave(target.offset)

    def _leave(self, address: int) -> list[CodePath] | None:
        """Go to an address; a jump to another function is a tail call."""
        if address in self.program.externals:
            raise UndecidedError("a tail call")
        self.goto(address)
        return None

    def _conditional(self, ops: Any, size: int, op: Any) -> list[CodePath] | None:
        condition = is_true(self.read(op.inputs[1]))
        known = truth_of(condition)
        if known is not None:
            return self._branch(op.inputs[0]) if known else None
        end = self._skipped_to(ops, size, op.inputs[0])
        if end is not None:
            self._predicate(ops, z3.Not(condition), end)
            return None
        taken, other = self.fork(condition), self.fork(z3.Not(condition))
        found = [other]
        following = taken._branch(op.inputs[0])
        if taken.at < 0:
            taken.at = 0
        found += following if following is not None else [taken]
        return [path for path in found if path.is_possible()]

    def _skipped_to(self, ops: Any, size: int, target: Any) -> int | None:
        """Return up to which operation of this instruction a branch skips; None if it does more
        than to skip operations that only write registers and memory."""
        if target.space.name == "const":
            end = self.at + _relative(target) - 1
        elif target.offset == self.address + size:
            end = len(ops)
        else:
            return None
        if not self.at <= end <= len(ops):
            return None
        simple = all(
            (op.opcode in OPERATIONS and op.opcode not in DIVISIONS) or op.opcode is OpCode.STORE
            for op in ops[self.at : end]
        )
        return end if simple else None

    def _predicate(self, ops: Any, condition: Condition, end: int) -> None:
        """Execute some operations where a condition holds."""
        before, others = self.registers.copy(), self.temporaries.copy()
        for op in ops[self.at : end]:
            if op.opcode is OpCode.STORE:
                address, value = self.read(op.inputs[1]), self.read(op.inputs[2])
                old = self.load(address, value.size() // 8)
                self.store(address, predicated(condition, value, old))
            else:
                self._compute(op, OPERATIONS[op.opcode])
        self.registers.merge(z3.Not(condition), before)
        self.temporaries.merge(z3.Not(condition), others)
        self.at = end

    def _indirect(self, target: Term) -> list[CodePath] | None:
        known = value_of(target)
        if known is not None:
            return self._leave(known)
        if z3.simplify(target).eq(_symbol("return_address")):
            self.return_to(target)
        found = []
        for address in self._values_of(target):
            path = self.fork(target == const(address, ADDRESS_BITS))
            path.goto(address)
            path.at = 0
            found.append(path)
        return found

    # --- calls ---

    def _opaque(self, op: Any) -> None:
        name = op.inputs[0].getUserDefinedOpName()
        meaning = self.machine.opaque.get(name)
        if meaning is None:
            raise UndecidedError(f"SLEIGH's opaque operation {name}")
        bits = 8 * op.output.size if op.output is not None else 0
        result = meaning(self, bits, [self.read(node) for node in op.inputs[1:]])
        if op.output is not None:
            if result is None:
                raise UndecidedError(f"SLEIGH's opaque operation {name}")
            self.write(op.output, result)
            self._clear_above(op.output, result)

    def _clear_above(self, node: Any, result: Term) -> None:
        """Clear what is above the result of an opaque operation, on a machine that does so."""
        first = self.register(self.machine.vector)
        partly = node.space.name == "register" and node.size < first.size
        if self.machine.clears_above and partly and node.offset >= first.offset:
            self.registers.write(node.offset, zext(result, 8 * first.size))

    def _call(self, address: int, size: int) -> None:
        """Call a function, and go on behind the call."""
        name = self.program.externals.get(address)
        if name is None:
            raise UndecidedError("a call into the function")
        if not self.machine.link:  # the return address has been pushed
            bottom = self.get(self.machine.stack_pointer)
            self.set(self.machine.stack_pointer, bottom + const(8, ADDRESS_BITS))
        if name.startswith("LibCall:"):
            self._library_call(name.removeprefix("LibCall:"))
        else:
            self._call_function(name.removeprefix("%"))
        self.goto(self.address + size)

    def _library_call(self, name: str) -> None:
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

    def _call_function(self, name: str) -> None:
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
        convention = self.machine.described.conventions[call_conv]
        frame = self.machine.described.frame_pointer
        kept = {
            name: self.get(name)
            for name in (
                *map(self.machine.name_of, (*convention.preserved, *([frame] if frame else []))),
                self.machine.stack_pointer,
            )
        }
        number = len(self.calls)
        self.registers = Cells(lambda offset: _symbol(f"register_{offset:x}_after_{number}"))
        for name, value in kept.items():
            self.set(name, value)


_LIBRARY_CALLS: Final = {
    "Ceil": ("ceil", 1),
    "Floor": ("floor", 1),
    "Trunc": ("trunc", 1),
    "Nearest": ("nearest", 1),
    "Fma": ("fma", 3),
}


def _relative(target: Any) -> int:
    """Return the signed number of operations that a branch in an instruction goes."""
    bits = 8 * target.size
    return int(target.offset - (1 << bits) if target.offset >> (bits - 1) else target.offset)
