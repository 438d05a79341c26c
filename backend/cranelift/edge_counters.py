"""Cranelift's coverage counters as NumPy arrays, and for another libFuzzer.

The extension is instrumented throughout; every edge of its control flow has an 8-bit counter that
wraps around. They belong to the process: what a thread compiles is seen by all.
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
    """The live counters: reading shows what ran so far, and ``counters()[:] = 0`` starts anew."""
    return np.frombuffer(memoryview(_cranelift.coverage_counters()), np.uint8)


@contextmanager
def uncounted() -> Iterator[None]:
    """What runs inside leaves the counters as they were: it is ours, and no case's."""
    live = counters()
    before = live.copy()
    try:
        yield
    finally:
        live[:] = before


class CoveredEdges:
    """The edges that were covered since it was made, or since it was last restarted.

    A counter of 8 bits is zero again after 256 passes, so the counters are collected after each
    case: then what counts is a function of the cases, not of when somebody looked.
    """

    def __init__(self) -> None:
        self._live = counters()
        self._unseen = np.empty_like(self._live)
        # A whole number of words: looking for any new edge is eight times as fast by words.
        self._new = np.zeros(-(-len(self._live) // 8), np.uint64)
        self.restart()

    def restart(self) -> None:
        """Forgets everything, what has not been collected yet included."""
        self._live.fill(0)
        self._unseen.fill(0xFF)

    def collect(self) -> NDArray[np.intp]:
        """Adds what ran since the last call, and sets the counters to zero.

        Returns:
            The numbers of the edges that are new.
        """
        new = self._new.view(np.uint8)[: len(self._live)]
        np.bitwise_and(self._live, self._unseen, out=new)
        self._live.fill(0)
        if not self._new.any():
            return np.empty(0, np.intp)
        numbers = np.flatnonzero(new)
        self._unseen[numbers] = 0
        return numbers

    @property
    def covered(self) -> NDArray[np.bool_]:
        """One flag per edge, of what was collected."""
        return np.equal(self._unseen, 0)

    def pack(self) -> bytes:
        """The flags as a bit set, for ``unpack``."""
        return np.packbits(self.covered).tobytes()


def unpack(packed: bytes) -> NDArray[np.bool_]:
    """The flags of a bit set; without any, all are off."""
    edges = len(counters())
    if not packed:
        return np.zeros(edges, np.bool_)
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=edges).astype(np.bool_)


def edge_pcs() -> NDArray[np.uintp]:
    """Where each counter's block begins, as an address of this process."""
    return _pc_table()[:, 0]


def function_entries() -> NDArray[np.bool_]:
    """Which counters stand at the entry of a function."""
    return (_pc_table()[:, 1] & 1).astype(np.bool_)


def _pc_table() -> NDArray[np.uintp]:
    return np.frombuffer(memoryview(_cranelift.coverage_pcs()), np.uintp).reshape(-1, 2)


def announce_to(library: str | Path | ctypes.CDLL) -> int:
    """Hands the counters to the libFuzzer in ``library``, which is guided by them from then on.

    The library must be the very one that runs the fuzzing, and must not have started yet. Call it
    once: libFuzzer takes a second call for another set of counters.

    Returns:
        The number of edges announced.

    Raises:
        OSError: the library cannot be loaded.
        AttributeError: it has no libFuzzer in it.
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
