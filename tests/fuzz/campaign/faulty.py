"""Workers whose compiler or emulator crashes on certain cases, as a real one might.

They replace a campaign's workers::

    LocalWorkers(plan, partial(run_faulty_worker, faults={7: "abort"}))
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from fuzz.campaign.in_flight import InFlightSlot
from fuzz.campaign.plan import Assignment, CampaignPlan
from fuzz.campaign.worker_process import start_worker

TEN_GIGABYTES = 10 << 30


def abort() -> None:
    os.abort()


def overflow_the_stack() -> None:
    """Recurse without end in native frames, which Python's limit on recursion does not count."""
    sys.setrecursionlimit(1 << 30)
    recurse: Any = ctypes.CFUNCTYPE(None)(lambda: recurse())
    recurse()


def allocate() -> None:
    """Allocate as Rust's runtime does: if it fails, print that and abort."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    if libc.malloc(TEN_GIGABYTES) is None:
        os.write(2, b"memory allocation of %d bytes failed\n" % TEN_GIGABYTES)
        os.abort()


def grow() -> None:
    """Allocate little by little, in Python."""
    blocks = []
    while True:
        blocks.append(bytearray(64 << 20))


def run_on() -> None:
    while True:
        pass


def touch_nothing() -> None:
    ctypes.string_at(0)


COMPILER_FAULTS: dict[str, Callable[[], None]] = {
    "abort": abort,
    "stack overflow": overflow_the_stack,
    "allocation": allocate,
    "growth": grow,
    "endless": run_on,
}
EMULATOR_FAULTS: dict[str, Callable[[], None]] = {"crash": touch_nothing, "endless run": run_on}


def run_faulty_worker(
    plan: CampaignPlan,
    assignment: Assignment,
    in_flight: InFlightSlot,
    errors: str,
    connection: Connection,
    *,
    faults: Mapping[int, str],
) -> None:
    """Run a worker; the main function of its process.

    Args:
        faults: the fault of each case that has one, by the case's index.
    """
    from backend.cranelift.compiler import Target
    from backend.emulator.executor import Executor

    _inject(Target, "compile", COMPILER_FAULTS, in_flight, faults)
    _inject(Executor, "run", EMULATOR_FAULTS, in_flight, faults)
    start_worker(plan, assignment, in_flight, errors, connection)


def _inject(
    owner: type,
    name: str,
    kinds: Mapping[str, Callable[[], None]],
    in_flight: InFlightSlot,
    faults: Mapping[int, str],
) -> None:
    original = getattr(owner, name)

    def faulty(*args: Any, **kwargs: Any) -> Any:
        last = in_flight.read()
        fault = kinds.get(faults.get(last.index, "")) if last is not None else None
        if fault is not None:
            fault()
        return original(*args, **kwargs)

    setattr(owner, name, faulty)
