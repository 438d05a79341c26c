"""Follows machine code along all its paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import z3
from pypcode import OpCode

from backend.emulator.linker import Compiled
from clif.function import Function
from fuzz.prove.floats import arithmetic
from fuzz.prove.machine.description import Instruction, Machine
from fuzz.prove.machine.pcode import (
    DIVISIONS,
    OPERATIONS,
    is_true,
    quotient_faults,
)
from fuzz.prove.machine.program import MachineProgram
from fuzz.prove.machine.state import MachineState, symbol
from fuzz.prove.memory import ADDRESS_BITS, Memory
from fuzz.prove.paths import Exploration, PathEnd, Summary, explore
from fuzz.prove.semantics import UndecidedError
from fuzz.prove.terms import Condition, Term, choose, const, truth_of, value_of, zext

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
    program = MachineProgram(machine, compiled)
    first = CodePath(Exploration(), Memory.shared(), function, program)
    first.begin(arguments)
    return explore(first)


class CodePath(MachineState):
    """A path through machine code.

    Attributes:
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
        super().__init__(exploration, memory, function, program)
        self.address = program.start
        self.at = 0
        self._visits: dict[int, int] = {}

    def fork(self, condition: Condition) -> CodePath:
        """Return a path that goes another way from here on, where a condition holds."""
        self.exploration.count_path()
        other = CodePath(self.exploration, self.memory, self.function, self.program)
        self.copy_to(other)
        other.address, other.at = self.address, self.at
        other._visits = self._visits.copy()
        other.conditions.append(condition)
        return other

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
                self.store(address, choose(condition, value, old))
            else:
                self._compute(op, OPERATIONS[op.opcode])
        self.registers.merge(z3.Not(condition), before)
        self.temporaries.merge(z3.Not(condition), others)
        self.at = end

    def _indirect(self, target: Term) -> list[CodePath] | None:
        known = value_of(target)
        if known is not None:
            return self._leave(known)
        if z3.simplify(target).eq(symbol("return_address")):
            self.return_to(target)
        found = []
        for address in self.values_of(target):
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
            self.call_library(name.removeprefix("LibCall:"))
        else:
            self.call_function(name.removeprefix("%"))
        self.goto(self.address + size)


def _relative(target: Any) -> int:
    """Return the signed number of operations that a branch in an instruction goes."""
    bits = 8 * target.size
    return int(target.offset - (1 << bits) if target.offset >> (bits - 1) else target.offset)
