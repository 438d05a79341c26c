"""Measures how soon proofs and campaigns see faults that show for few inputs.

    python -m scripts.benchmarks.proof_detection [--seconds N] [--seed N] [--only NAME,...]
        [--json FILE]

Each fault of ``planted_faults`` is put into what Cranelift makes of a small function, which is then
to be proved; and into what it makes of the cases of a campaign, until one shows it or the CPU time
is up, which a plus sign stands for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import Final

import click

from backend.cranelift.reader import read_functions
from backend.emulator.linker import Compiled as AnyCompiled
from backend.emulator.linker import CompiledCode, PlainCode
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case import Case, no_inputs
from fuzz.cases.case_options import CAMPAIGN_OPTIONS
from fuzz.differential.pipeline import NO_INJECTION, Injection, Pipeline
from fuzz.prove.machine.program import MachineProgram
from fuzz.prove.machine.registry import MACHINES
from fuzz.prove.proof import MID_END, Prover
from fuzz.prove.proof import Status as ProofStatus
from fuzz.prove.semantics import UndecidedError
from scripts.benchmarks.planted_faults import FAULTS, PlantedFault

_ISAS: Final = tuple(MACHINES)


@dataclass(frozen=True, slots=True)
class Detection:
    """How soon a fault was seen.

    Attributes:
        proof: the status of the proof, and its CPU seconds.
        run: CPU seconds and cases of the campaign, and whether it saw the fault.
    """

    name: str
    proof: tuple[str, float]
    run: tuple[float, int, bool]


def patched(fault: PlantedFault, isa: str, compiled: AnyCompiled) -> PlainCode | None:
    """Return code with the fault in all instructions that have it; None if there is none."""
    assert fault.patch is not None
    try:
        program = MachineProgram(MACHINES[isa], compiled)
    except UndecidedError:
        return None
    code, at, found = bytearray(compiled.code), 0, False
    while at < len(code):
        try:
            size = program.instruction(program.start + at).size
        except UndecidedError:
            break  # constants behind the code
        wrong = fault.patch(bytes(code[at : at + size]))
        if wrong is not None:
            code[at : at + size], found = wrong, True
        at += size
    if not found:
        return None
    return PlainCode(
        compiled.name,
        bytes(code),
        compiled.relocations,
        compiled.traps,
        compiled.alignment,
        compiled.block_starts,
        compiled.frame_size,
    )


def injection(fault: PlantedFault, case: Case) -> Injection | None:
    """Return what puts a fault into a case; None if there is no place, as far as is known."""
    if fault.edit is not None:
        functions = [function.clone() for function in case.functions]
        changed = [fault.edit(function) for function in functions]
        return Injection(functions=lambda _: functions) if any(changed) else None

    def code(_: Case, isa: str, program: Sequence[CompiledCode]) -> Sequence[AnyCompiled]:
        if isa != fault.subject:
            return program
        return [patched(fault, isa, compiled) or compiled for compiled in program]

    return Injection(code=code)


def _prove(fault: PlantedFault) -> tuple[str, float]:
    (function,) = read_functions(fault.function)
    subject = fault.subject
    isas = (subject,) if subject != MID_END else ()
    case = Case([function], no_inputs(function), {"opt_level": "speed"}, isas=isas)
    start = process_time()
    proof = Prover(inject=lambda c: injection(fault, c) or NO_INJECTION).prove(case, subject)
    assert proof.status is not ProofStatus.PROVED
    return proof.status.value, round(process_time() - start, 3)


def _run(fault: PlantedFault, seed: int, seconds: float) -> tuple[float, int, bool]:
    isas = (fault.subject,) if fault.subject != MID_END else _ISAS
    source = CaseSource(replace(CAMPAIGN_OPTIONS, isas=isas), seed)
    pipeline = Pipeline(isas)
    start, index = process_time(), 0
    while process_time() < start + seconds:
        case = source.case(index)
        index += 1
        found = injection(fault, case)
        if found is None:
            continue
        verdict = pipeline.check(case, found)
        if any(not finding.known for finding in verdict.findings):
            return round(process_time() - start, 1), index, True
    return round(process_time() - start, 1), index, False


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="CPU seconds of each campaign.")
@click.option("--seed", default=1, show_default=True)
@click.option("--only", default="", metavar="NAME,...", help="Only these faults.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures there.")
def main(seconds: float, seed: int, only: str, json_file: Path | None) -> None:
    """Print for each fault what a proof says, and how long a campaign needs."""
    found = []
    for fault in FAULTS:
        if only and fault.name not in only.split(","):
            continue
        proof, run = _prove(fault), _run(fault, seed, seconds)
        found.append(Detection(fault.name, proof, run))
        missed = "+" * (not run[2])
        click.echo(
            f"{fault.name:28} {proof[0]} {proof[1]:7.2f} s   run {run[0]:6.1f} s{missed:1} "
            f"{run[1]:6} cases"
        )
    if json_file is not None:
        facts = [[each.name, each.proof, each.run] for each in found]
        json_file.write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main()
