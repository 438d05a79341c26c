"""What all frames of a run share: memory, names, the ends of inputs, fuel, calls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clif.function import Function, Value
from clif.outcome import Status
from interp.frame import Frame, Returns
from interp.lanes import Lanes, Mask
from interp.memory import FUNCTION_BASE, STACK_TOP, SYMBOL_BASE, Memory
from interp.options import Counters, Options
from interp.registry import Unsupported
from interp.tables import Tables, tables

#: Calls that may be open at once. Each costs five Python frames, of the 1000 that there may be.
MAX_DEPTH = 128


class Machine:
    """The state of one run that all frames share."""

    def __init__(self, functions: Sequence[Function], n: int, options: Options) -> None:
        self.functions = {function.name: function for function in functions}
        self.n = n
        self.options = options
        self.tables: Tables = tables(
            canonical=options.canonical_nans, odd=options.odd_nans and not options.canonical_nans
        )
        self.everyone: Mask = np.ones(n, np.bool_)
        self.rows = np.arange(n)
        self.memory = Memory()
        # What looks at the upper half of an address depends on where things lie, too.
        near, far = (options.layout * 0x9E3779 & 0xFFFFFF) * 16, options.layout << 44
        self.skew = near + far
        self.garbage = (0xA5 + 29 * options.layout) & 0xFF
        self.stack_pointer = STACK_TOP - near + far
        self.depth = 0
        self.status = np.zeros(n, np.uint8)
        self.traps: dict[int, str] = {}
        self.details: dict[int, str] = {}
        self.pinned: Lanes | None = None
        self.counters = Counters()
        self.trace: dict[Value, Lanes] | None = None
        self._spent = np.zeros(n, np.int64)
        self._spent_by_all = 0
        self._symbols: dict[str, int] = {}
        self._addresses = {
            FUNCTION_BASE + self.skew + 16 * k: function for k, function in enumerate(functions)
        }

    # --- names and addresses ---

    def function(self, name: str, opcode: str) -> Function:
        """The function of this name. Raises Unsupported if the case does not define it."""
        found = self.functions.get(name)
        if found is None:
            raise Unsupported(opcode, "", f"%{name} is not defined in this case")
        return found

    def function_at(self, address: int) -> Function | None:
        """The function whose address this is."""
        return self._addresses.get(address)

    def address_of(self, name: str) -> int:
        """The made-up address of a function or symbol."""
        for address, function in self._addresses.items():
            if function.name == name:
                return address
        return self._symbols.setdefault(
            name, SYMBOL_BASE + self.skew + 0x1_0000 * len(self._symbols)
        )

    # --- the ends of inputs ---

    def record(self, rows: npt.NDArray[np.intp], status: Status, text: str) -> None:
        """These inputs end here; ``text`` is the trap code or what was violated."""
        self.status[rows] = status
        if text:
            table = self.traps if status is Status.TRAPPED else self.details
            table.update(dict.fromkeys(rows.tolist(), text))

    def charge(self, frame: Frame, cost: int) -> None:
        """Take fuel from the active inputs; those that have none left hang."""
        counters = self.counters
        counters.blocks += 1
        counters.instructions += cost
        if frame.mask is self.everyone:
            self._spent_by_all += cost
        else:
            self._spent += frame.mask * cost
        if counters.instructions > self.options.fuel:  # a bound on what any one input has spent
            frame.stop(self._spent > self.options.fuel - self._spent_by_all, Status.HUNG, "")

    # --- calls ---

    def call(
        self, function: Function, args: Sequence[Lanes], mask: Mask
    ) -> tuple[list[Lanes] | None, Mask]:
        """Run a function for the inputs in ``mask``, and what it tail-calls after it.

        Returns:
            The results (None if no input returned), and the mask of the inputs that returned.
        """
        if self.depth == MAX_DEPTH:
            self.record(np.flatnonzero(mask), Status.HUNG, f"more than {MAX_DEPTH} open calls")
            return None, np.zeros_like(mask)
        self.depth += 1
        returns = Returns()
        waiting = {function: (args, mask)}
        while waiting:
            callee, (args, mask) = waiting.popitem()
            frame = Frame(self, callee, args, mask, returns, waiting)
            frame.run()
        self.depth -= 1
        return returns.values, np.zeros_like(mask) if returns.mask is None else returns.mask
