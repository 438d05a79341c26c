"""This machine's CPU as an executor, which tells faults of Cranelift from faults of the emulator.

It is used only if the user asks for it. Generated code runs in a child process with limits, which
may die of it.
"""

from __future__ import annotations

import ctypes
import mmap
import multiprocessing
import platform
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    Functions,
    SettingsError,
    VerifierError,
)
from backend.emulator.linker import Linker, LinkError, RelocationError
from backend.isa.registry import ISAS, find_isa
from clif.function import Function, format_name
from clif.outcome import Bytes, Region, Status, ints_from_words
from clif.printer import print_functions
from clif.types import F32, F64, Type
from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case, read_case
from fuzz.cases.compare import Observed
from fuzz.cases.target import compile_case

_CONTEXT: Final = multiprocessing.get_context("spawn")
_HOST: Final = find_isa(platform.machine())
_SLOT: Final = 16
_CODE_BYTES: Final = 1 << 20
_SECONDS: Final = 20.0
_CPU_SECONDS: Final = 5
_BYTES_WRITTEN: Final = 1 << 16
_GARBAGE: Final = 0xA5
_NAME: Final = "clif_fuzz_host"


@dataclass(slots=True)
class HostExecutor:
    """Runs cases on this machine's CPU (``fuzz.triage.attributor.AdditionalExecutor``).

    Each call takes a second, because it starts a process.
    """

    isa: str = _HOST.name if _HOST is not None else ""
    name: str = f"host {isa}"

    def outcomes(self, case: Case, rows: Sequence[int]) -> list[Observed] | None:
        """Run these inputs of a case.

        Returns:
            None if this CPU's ISA is not supported, or the code does not compile, link or survive.
        """
        if not self.isa or not case.is_for(self.isa) or _has_undefined_bits(case):
            return None
        if ISAS[self.isa].byte_order != "little":  # as the tables of arguments and results are
            return None
        ours, theirs = _CONTEXT.Pipe(duplex=False)
        text = print_case(case, isas=(self.isa,))
        process = _CONTEXT.Process(target=_run, args=(text, self.isa, list(rows), theirs))
        process.start()
        theirs.close()
        try:
            if ours.poll(_SECONDS):
                found: list[Observed] | None = ours.recv()
                return found
        except (EOFError, OSError):
            pass  # the code killed the process
        finally:
            process.kill()
            process.join()
            ours.close()
        return None


# --- in the child ---


def _run(text: str, isa: str, rows: list[int], connection: Connection) -> None:
    """Run the inputs, and send what was observed, or None: the child's main function."""
    case = read_case(text).case
    try:
        entry, memory = _link(case, isa)
    except (LinkError, CompileError, CompilerPanic, VerifierError, SettingsError):
        connection.send(None)
        return
    _limit()
    function = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64)(entry)
    connection.send([_call(function, case, row) for row in rows])
    del memory


def _limit() -> None:
    """Limit CPU time and the size of files; allow no core file."""
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_BYTES_WRITTEN, _BYTES_WRITTEN))


def _link(case: Case, isa: str) -> tuple[int, mmap.mmap]:
    """Compile and link a case. Returns the address of main's caller, and its memory."""
    text = print_functions(case.functions) + "\n" + _caller(case.main)
    compiled = compile_case(case, isa, Functions(text))
    rights = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    memory = mmap.mmap(-1, _CODE_BYTES, prot=rights)
    ring = np.frombuffer(memory, np.uint8)
    base = int(ring.ctypes.data)
    linker = Linker(ring, base, ISAS[isa], external=_no_external, on_wrap=lambda: None)
    return linker.link(compiled).by_name[_NAME].address, memory


def _no_external(kind: str, target: str) -> int:
    raise RelocationError(kind, target, "only functions of the case can be called")


def _caller(main: Function) -> str:
    """Return CLIF that loads arguments from a table, calls main, and stores the results."""
    signature = main.signature
    lines = [f"function %{_NAME}(i64, i64) system_v {{", f"    sig0 = {signature}"]
    lines += [f"    fn0 = colocated {format_name(main.name)} sig0", "block0(v0: i64, v1: i64):"]
    count = len(signature.params)
    for n, type_ in enumerate(signature.param_types):
        lines += _argument(type_, n, 2 + n, 2 + count + n)
    args = ", ".join(f"v{n + 2}" for n in range(count))
    results = [f"v{n + 2 + 2 * count}" for n in range(len(signature.returns))]
    called = f"call fn0({args})"
    lines.append(f"    {', '.join(results)} = {called}" if results else f"    {called}")
    lines += [f"    store {value}, v1+{_SLOT * n}" for n, value in enumerate(results)]
    return "\n".join([*lines, "    return", "}"]) + "\n"


def _argument(type_: Type, n: int, value: int, spare: int) -> list[str]:
    """Return CLIF that loads an argument; the rest of its register comes from the table as well."""
    place = f"v0+{_SLOT * n}"
    if type_.is_int and type_.bits < 64:
        return [f"    v{spare} = load.i64 {place}", f"    v{value} = ireduce.{type_} v{spare}"]
    if type_ in (F32, F64):
        vector = type_.by(128 // type_.bits)
        load = f"    v{spare} = load.{vector} {place}"
        return [load, f"    v{value} = extractlane.{vector} v{spare}, 0"]
    return [f"    v{value} = load.{type_} {place}"]


def _has_undefined_bits(case: Case) -> bool:
    """Whether a vector leaves bits of its register undefined, which CLIF cannot fill."""
    values = (value.type for function in case.functions for value in function.values())
    return any(type_.is_vector and type_.bits < 128 for type_ in values)


def _call(function: Callable[[int, int], None], case: Case, row: int) -> Observed:
    signature, region = case.main.signature, case.inputs.region
    arguments = _table(len(signature.params))
    results = _table(len(signature.returns))
    memory = _region(region)
    for n, words in enumerate(case.inputs.args):
        value = ints_from_words(words[row : row + 1])[0]
        if region is not None and n == region.param:
            value = int(memory.ctypes.data)
        width = case.main.signature.param_types[n].bytes
        arguments[n, :width] = np.frombuffer(value.to_bytes(width, "little"), np.uint8)
    function(int(arguments.ctypes.data), int(results.ctypes.data))
    types = signature.return_types
    values = tuple(
        int.from_bytes(results[n].tobytes()[: type_.bytes], "little")
        for n, type_ in enumerate(types)
    )
    after = None if region is None else _contents_after(region, memory)
    return Observed(Status.RETURNED, types, values, memory=after)


def _table(rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.full((max(rows, 1), _SLOT), _GARBAGE, np.uint8)


def _region(region: Region | None) -> Bytes:
    """Copy the region to memory with the alignment of a page."""
    size = 0 if region is None else region.size
    memory = np.frombuffer(mmap.mmap(-1, size + mmap.PAGESIZE), np.uint8)
    if region is not None:
        memory[:size] = np.frombuffer(region.contents, np.uint8)
        region.place_pointers(memory[np.newaxis, :size], _address(memory), "little")
    return memory


def _contents_after(region: Region, memory: Bytes) -> bytes:
    found = memory[np.newaxis, : region.size].copy()
    region.hide_pointers(found, _address(memory), "little")
    return found.tobytes()


def _address(memory: Bytes) -> npt.NDArray[np.uint64]:
    return np.array([memory.ctypes.data], np.uint64)
