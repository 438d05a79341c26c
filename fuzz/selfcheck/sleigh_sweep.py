"""Running every instruction form that Cranelift emits by SLEIGH and on an engine.

Proofs of machine code (``fuzz.prove``) believe SLEIGH, except where a meaning of ours takes the
place of one that is missing or wrong. This sweep shows of each form whether what a proof takes it
for is what an engine does; and of each meaning of ours for an instruction, that SLEIGH is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from random import Random
from typing import Any, Final

import numpy as np

from backend.engines.instruction_sweep import INSTRUCTION_SWEEP, InstructionSweep
from backend.isa.executors import default_engine, executor_for
from backend.isa.registry import DESCRIBED
from clif.outcome import Bytes
from fuzz.cases.case_options import CaseOptions
from fuzz.prove.machine.concrete import run_concretely
from fuzz.prove.machine.description import Machine
from fuzz.prove.machine.registry import MACHINES
from fuzz.prove.semantics import UndecidedError
from fuzz.selfcheck.emitted import Forms, emitted_forms
from fuzz.selfcheck.engine_sweep import (
    differing,
    faults_of,
    flags_of,
    place_of,
    rows_of,
    run_on,
)

#: Of each set of rows, so many are run by SLEIGH, which takes milliseconds for each.
ROWS: Final = 8


@dataclass(frozen=True, slots=True)
class SleighFault:
    """An instruction that SLEIGH, or a meaning of ours, takes for another one than an engine does.

    Attributes:
        where: the first place that differs: the engine's value and the other one.
    """

    form: str
    mnemonic: str
    text: str
    where: str


@dataclass(slots=True)
class SleighSweep:
    """What a sweep came to.

    Attributes:
        forms, encodings, states: how many of each were run.
        wrong: instructions that a proof would be wrong about.
        mended: instructions that SLEIGH is wrong about, and a meaning of ours is not.
        undecided: by form, why a proof says nothing about it.
    """

    isa: str
    forms: int = 0
    encodings: int = 0
    states: int = 0
    wrong: list[SleighFault] = field(default_factory=list)
    mended: list[SleighFault] = field(default_factory=list)
    undecided: dict[str, str] = field(default_factory=dict)

    @property
    def mended_mnemonics(self) -> list[str]:
        """The mnemonics that SLEIGH is wrong about, sorted."""
        return sorted({fault.mnemonic for fault in self.mended})


def sweep_sleigh(forms: Forms, seed: int, encodings: int = 1, rows: int = ROWS) -> SleighSweep:
    """Run some instructions of each form by SLEIGH and on the ISA's default engine.

    Args:
        encodings: so many of each form.
        rows: so many states of the registers for each.
    """
    machine = MACHINES[forms.isa]
    described = INSTRUCTION_SWEEP.of(DESCRIBED[forms.isa])
    result = SleighSweep(forms.isa, len(forms.encodings))
    drawn = rows_of(described, Random(f"{seed} sleigh"))
    for form, found in forms.encodings.items():
        for instruction in list(found.values())[:encodings]:
            result.encodings += 1
            result.states += rows
            _check(result, machine, described, form, instruction, drawn, rows)
    return result


def _check(
    result: SleighSweep,
    machine: Machine,
    described: InstructionSweep,
    form: str,
    instruction: Any,
    drawn: bytes,
    rows: int,
) -> None:
    engine = default_engine(result.isa)
    wanted = run_on(result.isa, engine, described, instruction, drawn)
    if isinstance(wanted, str):
        result.undecided[form] = f"{engine} {wanted}"
        return
    if faults := list(faults_of(result.isa, [engine], instruction)):
        result.undecided[form] = f"{engine} has the known fault {', '.join(faults)}"
        return
    plain = replace(machine, instructions={})
    mine = _difference(machine, engine, described, instruction, drawn, wanted, rows)
    if isinstance(mine, UndecidedError):
        result.undecided[form] = mine.reason
        return
    text = f"{instruction.mnemonic} {instruction.op_str}".strip()
    if mine:
        result.wrong.append(SleighFault(form, instruction.mnemonic, text, mine))
    elif instruction.mnemonic in machine.instructions:
        other = _difference(plain, engine, described, instruction, drawn, wanted, rows)
        if other:
            where = other.reason if isinstance(other, UndecidedError) else other
            result.mended.append(SleighFault(form, instruction.mnemonic, text, where))


def _difference(
    machine: Machine,
    engine: str,
    described: InstructionSweep,
    instruction: Any,
    drawn: bytes,
    wanted: Any,
    rows: int,
) -> str | UndecidedError:
    """Return the first place where SLEIGH differs from an engine, empty if none does."""
    code = described.code(instruction)
    assert code is not None
    address = int(executor_for(machine.isa, engine).regions.addresses[0])
    try:
        after = run_concretely(machine, code, drawn, address, rows)
    except UndecidedError as error:
        return error
    found = np.frombuffer(after, np.uint8).copy()
    _unify_nans(described, wanted, found)
    places = differing(described, instruction, wanted, found)
    places = places[places < rows * described.row]
    return place_of(described, int(places[0]), wanted, found) if len(places) else ""


def _unify_nans(described: InstructionSweep, wanted: Bytes, found: Bytes) -> None:
    """Replace NaNs in vector registers by those of the engine: proofs know one NaN only."""
    first, count = described.vectors
    for bits, kind in ((32, np.float32), (64, np.float64)):
        rows = [
            a.reshape(-1, described.row)[:, first : first + 16 * count] for a in (wanted, found)
        ]
        words = [np.ascontiguousarray(part).view(f"u{bits // 8}") for part in rows]
        both = np.isnan(words[0].view(kind)) & np.isnan(words[1].view(kind))
        rows[1][:] = np.where(both, words[0], words[1]).view(np.uint8)


def sweep_machines(
    options: CaseOptions, *, seed: int, cases: int, rows: int = ROWS
) -> Iterator[SleighSweep]:
    """Sweep the forms of each of the options' ISAs whose code can be proved.

    Raises:
        EngineError: an engine cannot be started.
    """
    for isa in options.isas:
        if isa in MACHINES:
            flags = flags_of(isa, default_engine(isa))
            forms = emitted_forms(isa, options, seed=seed, cases=cases, flags=flags)
            yield sweep_sleigh(forms, seed, rows=rows)


def to_json(result: SleighSweep) -> dict[str, Any]:
    """Return a result for programs."""
    return asdict(result)


def lines(result: SleighSweep) -> Iterator[str]:
    """Yield a result for people."""
    yield (
        f"{result.isa}, SLEIGH: {result.forms} forms, {result.encodings} instructions, "
        f"{result.states} states, {len(result.wrong)} instructions wrong, "
        f"{len(result.undecided)} forms undecided"
    )
    for fault in result.wrong:
        yield f"  {fault.text}: WRONG; {fault.where}"
    yield f"  SLEIGH is wrong about: {' '.join(result.mended_mnemonics)}"
    for form, reason in sorted(result.undecided.items()):
        yield f"  {form}: undecided, {reason}"
