"""Running every instruction form that Cranelift emits on two engines, and comparing the states."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import combinations
from random import Random
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backend.emulator.emulator_faults import EmulatorFault, find_faults
from backend.emulator.linker import PlainCode
from backend.engines.features import supported_flags
from backend.engines.host_cpu import HOST, HostCpu, HostStopped
from backend.engines.instruction_sweep import INSTRUCTION_SWEEP, InstructionSweep
from backend.engines.registry import ENGINES
from backend.isa.executors import executor_for
from backend.isa.registry import DESCRIBED
from clif.function import AbiParam, Signature
from clif.outcome import Bytes, Inputs, Region, Status, words_from_ints
from clif.types import I64
from fuzz.cases.case_options import CaseOptions
from fuzz.selfcheck.emitted import Forms, emitted_forms

_SIGNATURE: Final = Signature((AbiParam(I64),), (), "system_v")
#: Each form is run with so many sets of rows.
_SETS: Final = 4

_INTEGERS: Final = (
    *(0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256),
    *(0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 32),
    *((1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 2, 0x80, 0x5555_5555_5555_5555),
)
_F32: Final = (
    *(0, 0x8000_0000, 1, 0x8000_0001, 0x007F_FFFF, 0x0080_0000, 0x3F80_0000, 0xBF80_0000),
    *(0x3F00_0000, 0x3FC0_0000, 0x4B00_0000, 0x4EFF_FFFF, 0x4F00_0000, 0xCF00_0000),
    *(0x5F00_0000, 0x7F7F_FFFF, 0xFF7F_FFFF, 0x7F80_0000, 0xFF80_0000, 0x7FC0_0000),
    *(0x7F80_0001, 0xFFC0_1234),
)
_F64: Final = (
    *(0, 1 << 63, 1, 0x000F_FFFF_FFFF_FFFF, 0x0010_0000_0000_0000, 0x3FF0_0000_0000_0000),
    *(0xBFF0_0000_0000_0000, 0x3FE0_0000_0000_0000, 0x4330_0000_0000_0000, 0x41DF_FFFF_FFC0_0000),
    *(0x41E0_0000_0000_0000, 0x43E0_0000_0000_0000, 0xC3E0_0000_0000_0000, 0x7FEF_FFFF_FFFF_FFFF),
    *(0x7FF0_0000_0000_0000, 0xFFF0_0000_0000_0000, 0x7FF8_0000_0000_0000, 0x7FF0_0000_0000_0001),
    *(0xFFF8_0000_0000_1234, 0x3810_0000_0000_0000, 0x36A0_0000_0000_0000, 0x47EF_FFFF_F000_0000),
)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An instruction whose state after it differs between two engines.

    Attributes:
        text: the instruction as the disassembler writes it.
        rows: how many of the rows differ.
        where: the first place that differs, and what is there on each engine.
        faults: known faults of one of the engines that explain it; empty if none does.
    """

    form: str
    text: str
    rows: int
    where: str
    faults: tuple[str, ...]


@dataclass(slots=True)
class SweepResult:
    """What sweeping one ISA's forms through two engines came to.

    Attributes:
        forms, encodings, states: how many of each were run.
        left_out: mnemonics of which no instruction can be run by itself.
        decoded: how many instructions two decoders took apart, 0 where there is one only.
        undecided: instructions that only one of them finds, or with another length.
    """

    isa: str
    engines: tuple[str, str]
    forms: int = 0
    encodings: int = 0
    states: int = 0
    left_out: tuple[str, ...] = ()
    decoded: int = 0
    undecided: tuple[str, ...] = ()
    disagreements: list[Disagreement] = field(default_factory=list)

    @property
    def unexplained(self) -> list[Disagreement]:
        return [found for found in self.disagreements if not found.faults]


_host: Final = HostCpu()


def sweep_all(
    options: CaseOptions, *, seed: int, cases: int, host: bool = False
) -> Iterator[SweepResult]:
    """Sweep the forms of each ISA of the options through every two engines that run it here.

    The forms are those that Cranelift emits with the flags that both engines run.

    Args:
        host: run them on this machine's CPU as well.

    Raises:
        EngineError: an engine cannot be started.
    """
    for isa in options.isas:
        forms: dict[frozenset[str], Forms] = {}
        for one, other in combinations(_engines(isa, host=host), 2):
            flags = flags_of(isa, one) & flags_of(isa, other)
            if flags not in forms:
                forms[flags] = emitted_forms(isa, options, seed=seed, cases=cases, flags=flags)
            yield sweep(forms[flags], (one, other), seed)


def _engines(isa: str, *, host: bool) -> list[str]:
    described = DESCRIBED[isa]
    there = [name for name, engine in ENGINES.items() if not engine.missing(described)]
    return [*there, HOST] if host and not _host.missing(described) else there


@cache
def flags_of(isa: str, engine: str) -> frozenset[str]:
    """Return the flags whose instructions an engine has."""
    described = DESCRIBED[isa]
    if engine == HOST:
        return _host.supported_flags(described)
    return supported_flags(described, executor_for(isa, engine))


def _version(isa: str, engine: str) -> str:
    return "CPU" if engine == HOST else ENGINES[engine].version(DESCRIBED[isa])


def lines(result: SweepResult) -> Iterator[str]:
    """Yield a result for people."""
    one, other = (f"{engine} {_version(result.isa, engine)}" for engine in result.engines)
    yield (
        f"{result.isa}, {one} and {other}: {result.forms} forms, {result.encodings} instructions, "
        f"{result.states} states, {len(result.disagreements)} instructions differ, "
        f"{len(result.unexplained)} of them unexplained"
    )
    for found in result.disagreements:
        why = f"known: {', '.join(found.faults)}" if found.faults else "UNEXPLAINED"
        yield f"  {found.text}: {why}; {found.rows} states differ; {found.where}"
    yield f"  not run by themselves: {' '.join(result.left_out)}"
    if result.decoded:
        yield (
            f"  two decoders: {result.decoded} instructions, {len(result.undecided)} differ"
            + "".join(f"; {text}" for text in result.undecided)
        )


def to_json(result: SweepResult) -> dict[str, Any]:
    """Return a result for programs."""
    return asdict(result) | {"unexplained": len(result.unexplained)}


def sweep(forms: Forms, engines: tuple[str, str], seed: int) -> SweepResult:
    """Run some instructions of each form with special and random operands on both engines.

    Raises:
        EngineError: an engine cannot be started.
    """
    described = INSTRUCTION_SWEEP.of(DESCRIBED[forms.isa])
    swept = {i.mnemonic for found in forms.encodings.values() for i in found.values()}
    left_out = tuple(sorted(set(forms.left_out) - swept))
    result = SweepResult(
        forms.isa,
        engines,
        len(forms.encodings),
        left_out=left_out,
        decoded=forms.decoded,
        undecided=tuple(forms.undecided),
    )
    sets = [rows_of(described, Random(f"{seed} {number}")) for number in range(_SETS)]
    for form, encodings in forms.encodings.items():
        for instruction in encodings.values():
            result.encodings += 1
            result.states += _SETS * described.rows
            found = _compare(forms.isa, engines, described, instruction, sets)
            if found is not None:
                rows, where = found
                faults = tuple(faults_of(forms.isa, engines, instruction))
                text = f"{instruction.mnemonic} {instruction.op_str}".strip()
                result.disagreements.append(Disagreement(form, text, rows, where, faults))
    return result


def _compare(
    isa: str,
    engines: tuple[str, str],
    described: InstructionSweep,
    instruction: Any,
    sets: Sequence[bytes],
) -> tuple[int, str] | None:
    """Run an instruction on both engines.

    Returns:
        How many rows differ, and the first place; None if none does.
    """
    count, first = 0, ""
    for rows in sets:
        ends = [run_on(isa, engine, described, instruction, rows) for engine in engines]
        one, other = ends
        if isinstance(one, str) or isinstance(other, str):
            if one is not other and (isinstance(one, str) != isinstance(other, str)):
                count += described.rows
                first = first or " / ".join(e if isinstance(e, str) else "returns" for e in ends)
            continue
        places = differing(described, instruction, one, other)
        count += len(np.unique(places // described.row))
        if len(places) and not first:
            first = place_of(described, int(places[0]), one, other)
    return (count, first) if count else None


def _plain(code: bytes) -> PlainCode:
    """Return an instruction, or its loop, as executors take it."""
    return PlainCode("sweep", code, frame_size=256)


def run_on(
    isa: str, engine: str, described: InstructionSweep, instruction: Any, rows: bytes
) -> Bytes | str:
    """Return the states after an instruction, or how it ended instead."""
    code = described.code(instruction)
    assert code is not None
    region = Region(0, rows)
    if engine == HOST:
        return _run_on_host(isa, code, region)
    inputs = Inputs(1, [words_from_ints(I64, [0])], region)
    outcomes = executor_for(isa, engine).run([_plain(code)], _SIGNATURE, inputs, settings={})
    if outcomes.status[0] != Status.RETURNED or outcomes.memory is None:
        return f"stops: {outcomes.details.get(0, '')}"
    state: Bytes = outcomes.memory[0]
    return state


def _run_on_host(isa: str, code: bytes, region: Region) -> Bytes | str:
    """Run code on this machine's CPU, with the rows where engines have them."""
    regions = executor_for(isa).regions
    regions.fill(region, 1)
    try:
        after = _host.run(code, region.contents, int(regions.addresses[0]))
    except HostStopped as error:
        return f"stops: {error}"
    return np.frombuffer(after, np.uint8)


def differing(
    described: InstructionSweep, instruction: Any, one: Bytes, other: Bytes
) -> npt.NDArray[np.intp]:
    """Return the offsets of the bytes that differ, undefined flags left out."""
    different = one != other
    by_row = different.reshape(described.rows, described.row)
    mask = np.zeros(described.row, bool)
    for byte in range(8):
        mask[described.flags + byte] = True
    flags = slice(described.flags, described.flags + 8)
    both = [a.reshape(described.rows, described.row)[:, flags].copy() for a in (one, other)]
    defined = described.flag_bits & ~described.undefined_flags(instruction)
    words = [part.view(np.uint64) & np.uint64(defined) for part in both]
    by_row[:, mask] = (words[0] != words[1]).repeat(8, axis=1)
    return np.flatnonzero(by_row.reshape(-1))


def place_of(described: InstructionSweep, offset: int, one: Bytes, other: Bytes) -> str:
    """Say what is at an offset on both engines."""
    row, at = divmod(offset, described.row)
    vectors, count = described.vectors
    size = 16 if vectors <= at < vectors + 16 * count else 8
    start = at // size * size
    if at < 8 * described.integers:
        name = f"integer register {start // 8}"
    elif size == 16:
        name = f"vector register {(start - vectors) // 16}"
    else:
        name = "flags" if at // 8 == described.flags // 8 else "memory"
    place = slice(row * described.row + start, row * described.row + start + size)
    values = [int.from_bytes(state[place].tobytes(), "little") for state in (one, other)]
    return f"row {row}, {name}: {values[0]:#x} / {values[1]:#x}"


def faults_of(isa: str, engines: Sequence[str], instruction: Any) -> Iterator[str]:
    """Yield the names of the known faults of engines that an instruction may show."""
    code = _plain(bytes(instruction.bytes))
    found: list[EmulatorFault] = []
    for engine in engines:
        found += find_faults(DESCRIBED[isa], code, engine=engine, harmless=True)
    yield from dict.fromkeys(fault.name for fault in found)


def rows_of(described: InstructionSweep, random: Random) -> bytes:
    """Return rows of special and random operands."""
    return b"".join(_row(described, random) for _ in range(described.rows))


def _row(described: InstructionSweep, random: Random) -> bytes:
    row = bytearray(random.randbytes(described.row))
    for number in range(described.integers):
        struct.pack_into("<Q", row, 8 * number, _integer(random))
    first, count = described.vectors
    for number in range(count):
        row[first + 16 * number : first + 16 * number + 16] = _vector(random)
    start, size = described.memory
    for place in range(start, start + size - 15, 16):
        row[place : place + 16] = _vector(random)
    # Interrupts, if there is a flag for them, are enabled; a bit that is always set is set.
    struct.pack_into("<Q", row, described.flags, random.getrandbits(32) & described.flag_bits | 2)
    return bytes(row)


def _integer(random: Random) -> int:
    return random.choice(_INTEGERS) if random.random() < 0.6 else random.getrandbits(64)


def _vector(random: Random) -> bytes:
    """Return 16 bytes: special floats, small lanes, special integers, or random bits."""
    kind = random.randrange(5)
    if kind == 0:
        return struct.pack("<4I", *(random.choice(_F32) for _ in range(4)))
    if kind == 1:
        return struct.pack("<2Q", *(random.choice(_F64) for _ in range(2)))
    if kind == 2:
        return struct.pack("<2Q", *(_integer(random) for _ in range(2)))
    if kind == 3:
        return bytes(random.choice((0, 1, 0x7F, 0x80, 0xFF, 0x40)) for _ in range(16))
    return random.randbytes(16)
