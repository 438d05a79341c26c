"""Reading the cases that a campaign begins with, and refusing those that it cannot use.

Nothing is compiled here, so no fault of the compiler can end the command. A case is refused if it
says nothing, whatever the compiler does: it has no outcome, or one that CLIF leaves open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import interp
from backend.cranelift.compiler import SettingsError
from backend.emulator.convention import ConventionError
from backend.emulator.isa import UnemulatedFlagError
from backend.isa.registry import ISAS
from clif.function import Signature, format_name
from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case
from fuzz.cases.file_header import foreign_reason
from fuzz.cases.interpretation import run_options
from fuzz.cases.seed_cases import RefusedSeeds, SeedCase, SeedCases
from fuzz.corpus.defined_outcomes import NoOutcomeError, with_defined_outcomes
from fuzz.corpus.files import Rejections, read_text
from fuzz.corpus.importer import cases_to_import
from fuzz.differential.known_instructions import known_faults_of
from fuzz.generate.conventions import as_allowed, fits, results_as_allowed
from fuzz.generate.drawn_inputs import with_drawn_inputs
from fuzz.generate.options import Options
from fuzz.minimize.soundness import Flaw, flaws, is_verified, is_well_formed
from fuzz.mutate import Mutator

#: Instructions that one input of a seed case may execute: longer ones are too slow to be of use.
FUEL: Final = 100_000


class SeedReader:
    """Reads seed cases for some ISAs, and counts what it refuses.

    Attributes:
        rejections: what was refused, by reason.
    """

    def __init__(self, isas: Sequence[str]) -> None:
        self.isas = tuple(isas)
        self.rejections = Rejections()
        self._mutators = {isa: Mutator(Options(isas=(isa,))) for isa in self.isas}

    def read(self, folder: Path, on_file: Callable[[int, int], None] | None = None) -> SeedCases:
        """Return the cases of all ``.clif`` files of a folder, and of folders in it.

        Args:
            on_file: called before each file with its number, from 0, and how many there are.
        """
        found: dict[str, SeedCase] = {}
        paths = sorted(folder.rglob("*.clif"))
        for number, path in enumerate(paths):
            if on_file is not None:
                on_file(number, len(paths))
            for case in self._cases_of(path):
                name = f"{path.relative_to(folder).as_posix()} {format_name(case.main.name)}"
                usable = self.usable(case, name)
                if usable is None:
                    continue
                text = print_case(replace(usable, origin=""), isas=usable.isas)
                if text in found:
                    self.rejections.note("the same as another one", name)
                else:
                    found[text] = SeedCase(name, text)
        refused = (
            RefusedSeeds(reason, count, self.rejections.examples[reason])
            for reason, count in self.rejections.counts.most_common()
        )
        return SeedCases(tuple(found.values()), tuple(refused))

    def _cases_of(self, path: Path) -> Iterator[Case]:
        """Yield the cases of a file; functions without run commands get drawn inputs."""
        text = read_text(path, self.rejections)
        if text is None:
            return
        for case in cases_to_import(text, path, self.rejections, None):
            yield case if case.inputs.count else with_drawn_inputs(case)

    def usable(self, case: Case, name: str) -> Case | None:
        """Return a case for those of the ISAs that lower it; None, and a rejection, if none do."""
        if not any(map(case.is_for, self.isas)):
            self.rejections.note(foreign_reason(case.isas), name)
            return None
        reasons = {isa: self._refusal(case, isa) for isa in filter(case.is_for, self.isas)}
        able = tuple(isa for isa, reason in reasons.items() if not reason)
        if not able:
            self.rejections.note(_joined(reasons), name)
            return None
        flags = {isa: case.isa_settings[isa] for isa in able if isa in case.isa_settings}
        case = replace(case, isas=able, isa_settings=flags)
        valid = is_well_formed(case) and is_verified(case)
        found = _with_outcomes(case) if valid else "the verifier refuses it"
        if isinstance(found, str):
            self.rejections.note(found, name)
            return None
        return found

    def _refusal(self, case: Case, isa: str) -> str:
        """Return why a case cannot be compiled and run for an ISA; empty if it can, most likely."""
        flags = case.isa_settings.get(isa, {})
        try:
            ISAS[isa].refuse_unemulated(flags)
            for function in case.functions:
                ISAS[isa].convention(function.signature.call_conv)
            alone = replace(case, isas=(isa,))
            instructions = self._mutators[isa].instructions_of(alone)
        except (UnemulatedFlagError, ConventionError, SettingsError) as error:
            return str(error).removeprefix(f"{isa}: ")
        faults = known_faults_of(case, isa)
        if faults:
            return f"has the known fault {faults[0].name}"
        for function in case.functions:
            if fault := _signature_fault(function.signature):
                return f"has the known fault {fault}"
            for inst in function.instructions():
                if not instructions.lowers_instruction(inst):
                    type_ = f".{inst.type.name}" if inst.type is not None else ""
                    return f"{inst.opcode.name}{type_} is not lowered, or not generated"
        return ""


def _signature_fault(signature: Signature) -> str:
    """Return the known fault of extended parameters or results on the stack; empty for none."""
    if as_allowed(signature.call_conv, signature.params) != signature.params:
        return "uext-stack-argument-apple"
    on_stack = not fits(signature.call_conv, signature.return_types)
    if results_as_allowed(signature.returns, on_stack=on_stack) != signature.returns:
        return "uext-stack-result"
    return ""


def _joined(reasons: Mapping[str, str]) -> str:
    """Return reasons by ISA as one, and those that ISAs share once."""
    isas_of: dict[str, list[str]] = {}
    for isa, reason in reasons.items():
        isas_of.setdefault(reason, []).append(isa)
    return "; ".join(f"{', '.join(isas)}: {reason}" for reason, isas in isas_of.items())


def _with_outcomes(case: Case) -> Case | str:
    """Return a case whose outcomes CLIF determines, or why it has none.

    Returns:
        The case notes whether inputs trap.
    """
    options = run_options(case, FUEL)
    try:
        outcomes = interp.run(case.functions, case.inputs, options)
    except interp.Unsupported as error:
        return f"the interpreter cannot run it: {error}"
    try:
        case = with_defined_outcomes(case, outcomes, FUEL)
    except NoOutcomeError as error:
        return str(error)
    found = flaws(case) - {Flaw.ADDRESS, Flaw.REGIONS}
    return f"open: {min(flaw.value for flaw in found)}" if found else case
