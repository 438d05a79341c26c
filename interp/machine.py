"""The state that all frames of a run share: memory, names, outcomes, fuel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clif.function import Function, Inst, Value, format_name
from clif.memory_access import has_narrow_addresses
from clif.outcome import Status
from clif.throwing import Thrower, thrower_named
from interp.exceptions import Exceptions
from interp.lanes import Lanes, Mask
from interp.memory import FUNCTION_BASE, STACK_TOP, SYMBOL_BASE, Memory, layouts
from interp.options import Counters, NanBits, RunOptions
from interp.registry import Unsupported
from interp.tables import Tables, tables

if TYPE_CHECKING:
    from interp.frame import Frame


#: Called with a frame and the instruction that it is about to execute.
Observer = Callable[["Frame", Inst], None]


class Machine:
    """The state of one run.

    Attributes:
        n: the number of inputs.
        everyone: the mask of all inputs.
        layouts: how values lie in memory, by an access's own byte order or None.
        skew: what is added to every made-up address; it depends on ``RunOptions.layout``.
        garbage: the byte that fills fresh stack slots.
        stack_top: the end of the stack.
        stack_pointer: the lowest address of the open frames' stack slots.
        depth: the number of open calls.
        too_deep: whether an input was stopped for its many open calls.
        status, traps, details: how inputs ended, as in ``clif.outcome.Outcomes``.
        exceptions: those on their way to a handler; None until the first one is thrown.
        pinned: the pinned register; None until it is first used.
        trace: receives the values of frames that have ended; None if nobody asked for them.
        observer: called before each instruction that is not pure; None if nobody wants to know.
        spent: by input, the instructions that it executed apart from others;
            ``spent_by_all`` those that all inputs executed together.
    """

    def __init__(self, functions: Sequence[Function], n: int, options: RunOptions) -> None:
        self.functions = {function.name: function for function in functions}
        self.n = n
        self.options = options
        self.tables: Tables = tables(
            NanBits.POSITIVE if options.canonical_nans else options.nan_bits
        )
        self.everyone: Mask = np.ones(n, np.bool_)
        self.rows = np.arange(n)
        self.memory = Memory()
        self.layouts = layouts(options.byte_order)
        # All bits of an address vary: a program may look at any. So do distances between objects,
        # and which of two lies above the other.
        layout = options.layout
        near = (layout * 0x9E3779B1 >> 2 & 0xFFFFFF) * 16
        narrow = layout and has_narrow_addresses(functions)
        far = 0 if narrow else (layout * 0x5D2B3 & 0x7FFFF) << 28
        self.skew = near + far
        self.garbage = (0xA5 ^ (-(layout & 1) & 0xFF)) + 29 * (layout >> 1) & 0xFF
        self.stack_top = self.stack_pointer = STACK_TOP - near + far
        self.depth = 0
        self.too_deep = False
        self.status = np.zeros(n, np.uint8)
        self.traps: dict[int, str] = {}
        self.details: dict[int, str] = {}
        self.exceptions: Exceptions | None = None
        self.pinned: Lanes | None = None
        self.counters = Counters()
        self.trace: dict[Value, Lanes] | None = None
        self.open_frame: Callable[..., Any] | None = None
        self.observer: Observer | None = None
        self.spent = np.zeros(n, np.int64)
        self.spent_by_all = 0
        self._symbols: dict[str, int] = {}
        size, order = 16 * (1 + 2 * layout), functions[::-1] if layout & 1 else functions
        self._addresses = {
            FUNCTION_BASE + self.skew + size * k: function for k, function in enumerate(order)
        }

    # --- names and addresses ---

    def function(self, name: str, opcode: str) -> Function:
        """Return the function of a name.

        Raises:
            Unsupported: the case does not define it; the exception names ``opcode``.
        """
        found = self.functions.get(name)
        if found is None:
            raise Unsupported(opcode, "", f"{format_name(name)} is not defined in this case")
        return found

    def function_at(self, address: int) -> Function | None:
        """Return the function whose address this is; None if there is none."""
        return self._addresses.get(address)

    def address_of(self, name: str) -> int:
        """Return the made-up address of a function or symbol."""
        for address, function in self._addresses.items():
            if function.name == name:
                return address
        return self._symbols.setdefault(
            name, SYMBOL_BASE + self.skew + 0x1_0000 * len(self._symbols)
        )

    def thrower_at(self, address: int) -> Thrower | None:
        """Return the function that throws whose address this is; None if there is none."""
        name = next((n for n, place in self._symbols.items() if place == address), "")
        return thrower_named(name)

    def throw(self, words: Sequence[Lanes], mask: Mask) -> None:
        """Throw an exception for each of some inputs: its tag, context and payload."""
        if self.exceptions is None:
            self.exceptions = Exceptions(self.n)
        self.exceptions.throw(words, mask)

    # --- outcomes ---

    def record(self, rows: npt.NDArray[np.intp], status: Status, text: str) -> None:
        """Record that inputs end with a status.

        Args:
            text: the trap code, or what the case violated.
        """
        self.status[rows] = status
        if text:
            table = self.traps if status is Status.TRAPPED else self.details
            table.update(dict.fromkeys(rows.tolist(), text))
