"""The CLIF of drivers."""

from __future__ import annotations

from dataclasses import replace

from backend.emulator import control_block
from backend.emulator.guest_memory import ARGUMENTS, RESULTS
from backend.emulator.isa import Isa
from backend.emulator.tables import VALUE, first_byte
from backend.emulator.thunk import Thunk
from clif.function import AbiParam, Signature
from clif.types import F32, F64, I64, I128, Type


def driver_text(
    signature: Signature,
    thunk: Thunk,
    isa: Isa,
    *,
    extends_results: bool,
    boxed_floats: bool = False,
) -> str:
    """Return the driver in CLIF, which calls the function through this thunk.

    Args:
        extends_results: the driver takes results that are extended as i64, so that it sees all of
            their bits. They are at the same place as those of the narrow type.
        boxed_floats: there is no garbage above narrow floats, so that they are no lanes of vectors.
    """
    if extends_results:
        word = 8 * isa.pointer_bytes
        returns = tuple(AbiParam(I64) if is_extended(r, word) else r for r in signature.returns)
        signature = replace(signature, returns=returns)
    return _DriverText(signature, thunk, isa, boxed_floats=boxed_floats).text()


def is_extended(param: AbiParam, word_bits: int) -> bool:
    """Return whether a parameter or result is to be extended to a word of the ISA."""
    return param.extension is not None and param.type.is_int and param.type.bits < word_bits


class _DriverText:
    """The CLIF of one driver, line by line."""

    def __init__(self, signature: Signature, thunk: Thunk, isa: Isa, *, boxed_floats: bool) -> None:
        self.signature = signature
        self.boxed_floats = boxed_floats
        self.isa = isa
        self.address = "i32" if isa.pointer_bytes == 4 else "i64"
        self.thunk = thunk
        self.values = 0
        self.lines: list[str] = []

    def emit(self, instruction: str) -> str:
        """Append an instruction with one result and return the result's name."""
        name = f"v{self.values}"
        self.values += 1
        self.lines.append(f"    {name} = {instruction}")
        return name

    def fresh(self) -> str:
        self.values += 1
        return f"v{self.values - 1}"

    def text(self) -> str:
        # No value lives across the call. The loop loads again what it needs, so that the driver
        # uses no callee-saved registers and the thunk need not save them.
        self.lines += ["function %driver() system_v {", f"    sig0 = {self.signature}"]
        self.lines += ["block0:", "    jump block1", "block1:"]
        self._call()
        self._advance()
        self.lines += ["block2:", "    return", "}"]
        return "\n".join(self.lines) + "\n"

    def _call(self) -> None:
        row = self._row(ARGUMENTS, len(self.signature.params))
        operands = [self._argument(p, row, n) for n, p in enumerate(self.signature.params)]
        thunk = self._place(self.thunk.address)
        compared = not self.thunk.preserved.stack_pointer
        if compared:
            place = self._place(control_block.address(control_block.DRIVER_STACK))
            self.lines.append(f"    store notrap aligned {self._stack_pointer()}, {place}")
        returned = [self.fresh() for _ in self.signature.returns]
        call = f"call_indirect sig0, {thunk}({', '.join(operands)})"
        self.lines.append(f"    {', '.join(returned)} = {call}" if returned else f"    {call}")
        if compared:
            off = self.emit(
                f"bxor {self._stack_pointer()}, {self._word(control_block.DRIVER_STACK)}"
            )
            self.lines.append(f"    trapnz {off}, user1")
        row = self._row(RESULTS, len(returned))
        for number, (value, result) in enumerate(
            zip(returned, self.signature.returns, strict=True)
        ):
            place = f"{row}+{self._offset(result, number)}"
            if result.type is I128:  # docs/findings.md: store-i128-offset
                place = self._sum(row, self._offset(result, number))
            self.lines.append(f"    store {self._flags(result.type)} {value}, {place}")

    def _offset(self, param: AbiParam, number: int) -> int:
        """Return where in a row a value is loaded from or stored to."""
        order = self.isa.order_of(param.type)
        within = 0 if param.type.bits > 64 else first_byte(param.type, order)
        return VALUE * number + within

    def _flags(self, type_: Type) -> str:
        """Return the flags of an access to a value in a table."""
        order = self.isa.order_of(type_)
        return "notrap aligned" if order == self.isa.byte_order else f"notrap aligned {order}"

    def _stack_pointer(self) -> str:
        pointer = self.emit(f"get_stack_pointer.{self.address}")
        return pointer if self.address == "i64" else self.emit(f"uextend.i64 {pointer}")

    def _word(self, word: int) -> str:
        return self.emit(f"load.i64 notrap aligned {self._place(control_block.address(word))}")

    def _constant(self, value: int) -> str:
        return self.emit(f"iconst.i64 {value}")

    def _place(self, address: int) -> str:
        return self.emit(f"iconst.{self.address} {address}")

    def _sum(self, place: str, offset: int) -> str:
        return self.emit(f"iadd {place}, {self._place(offset)}")

    def _row(self, table: int, columns: int) -> str:
        """Return the address of the current input's row in a table."""
        size = self._constant(VALUE * columns)
        offset = self.emit(f"imul {self._word(control_block.POSITION)}, {size}")
        if self.address != "i64":
            offset = self.emit(f"ireduce.{self.address} {offset}")
        return self.emit(f"iadd {offset}, {self._place(table)}")

    def _advance(self) -> None:
        following = self.emit(f"iadd {self._word(control_block.POSITION)}, {self._constant(1)}")
        position = self._place(control_block.address(control_block.POSITION))
        self.lines.append(f"    store notrap aligned {following}, {position}")
        more = self.emit(f"icmp ult {following}, {self._word(control_block.END)}")
        self.lines.append(f"    brif {more}, block1, block2")

    def _argument(self, param: AbiParam, row: str, number: int) -> str:
        type_, whole = param.type, f"{row}+{VALUE * number}"
        if type_.is_int and type_.bits < 64 and not type_.is_vector and param.extension is None:
            return self.emit(f"ireduce.{type_} {self.emit(f'load.i64 notrap aligned {whole}')}")
        if type_ in (F32, F64) and not self.boxed_floats:
            vector = type_.by(128 // type_.bits)
            loaded = self.emit(f"load.{vector} {self._flags(vector)} {whole}")
            return self.emit(f"extractlane.{vector} {loaded}, 0")
        if type_ is I128 and self.isa.byte_order == "big":  # docs/findings.md: load-i128-big
            high = self.emit(f"load.i64 notrap aligned {whole}")
            low = self.emit(f"load.i64 notrap aligned {row}+{VALUE * number + 8}")
            return self.emit(f"iconcat {low}, {high}")
        place = f"{row}+{self._offset(param, number)}"
        return self.emit(f"load.{type_} {self._flags(type_)} {place}")
