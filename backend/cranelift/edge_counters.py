"""Cranelift's coverage counters, as NumPy arrays and for libFuzzer.

Every edge of the extension's control flow has an 8-bit counter, which wraps around. There is one
set of counters for the process, to which all threads add.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.cranelift import _cranelift


def counters() -> NDArray[np.uint8]:
    """Return the live counters. ``counters()[:] = 0`` sets them to zero."""
    return np.frombuffer(memoryview(_cranelift.coverage_counters()), np.uint8)


@contextmanager
def uncounted() -> Iterator[None]:
    """Make a context that restores the counters at its end.

    For what the project compiles for itself, which shall not count as coverage of a case.
    """
    live = counters()
    before = live.copy()
    try:
        yield
    finally:
        live[:] = before


class CoveredEdges:
    """The edges that were covered since it was made or restarted.

    A counter of 8 bits is zero again after 256 passes. So the counters have to be collected after
    each case; then what is covered depends on the cases alone. They need not be set to zero for
    that: the counter of an edge is zero until it is seen, and does not matter any more afterwards.
    """

    def __init__(self) -> None:
        self._unseen = _cranelift.UnseenEdges()
        self.restart()

    def restart(self) -> None:
        """Forget all covered edges, those included that have not been collected yet."""
        self._unseen.restart()

    def collect(self) -> list[int]:
        """Add the edges that were passed since the last call.

        Returns:
            The numbers of the edges that were not covered before.
        """
        return self._unseen.collect()

    @property
    def covered(self) -> NDArray[np.bool_]:
        """One flag for each edge: whether it was collected as covered."""
        return np.frombuffer(self._unseen.seen(), np.bool_)

    def pack(self) -> bytes:
        """Return the flags as a bit set, for ``unpack``."""
        return np.packbits(self.covered).tobytes()


def unpack(packed: bytes) -> NDArray[np.bool_]:
    """Return the flags of a bit set; of an empty one, all flags are off."""
    edges = len(counters())
    if not packed:
        return np.zeros(edges, np.bool_)
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=edges).astype(np.bool_)


def edge_pcs() -> NDArray[np.uintp]:
    """Return the address at which the basic block of each counter begins."""
    return _pc_table()[:, 0]


def function_entries() -> NDArray[np.bool_]:
    """Return which counters are those of the entry of a function."""
    return (_pc_table()[:, 1] & 1).astype(np.bool_)


def entry_pcs() -> list[int]:
    """Return the addresses at which functions begin, ascending."""
    return sorted(edge_pcs()[function_entries()].tolist())


def _pc_table() -> NDArray[np.uintp]:
    return np.frombuffer(memoryview(_cranelift.coverage_pcs()), np.uintp).reshape(-1, 2)


def announce_to(library: str | Path | ctypes.CDLL) -> int:
    """Give the counters to a libFuzzer, which is guided by them from then on.

    It has to be called once, before fuzzing begins: libFuzzer takes a second call for another set
    of counters.

    Args:
        library: the shared library whose libFuzzer runs the fuzzing.

    Returns:
        The number of edges announced.

    Raises:
        OSError: the library cannot be loaded.
        AttributeError: there is no libFuzzer in it.
    """
    loaded = library if isinstance(library, ctypes.CDLL) else ctypes.CDLL(str(library))
    ranges = _cranelift.coverage_ranges()
    table = _pc_table()
    for start, stop in ranges:
        _call(loaded, "__sanitizer_cov_8bit_counters_init", start, stop)
        first = table.ctypes.data
        _call(loaded, "__sanitizer_cov_pcs_init", first, first + table.nbytes)
    return sum(stop - start for start, stop in ranges)


def _call(library: ctypes.CDLL, name: str, start: int, stop: int) -> None:
    function = getattr(library, name)
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    function.restype = None
    function(start, stop)
