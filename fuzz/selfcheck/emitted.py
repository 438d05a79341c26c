"""The instruction forms that Cranelift emits: of every typed instruction, and of drawn cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from backend.cranelift.compiler import CompilerPanic, Functions, ReadError, Target
from backend.cranelift.probes import all_probes, probe_text
from backend.emulator.disassembly import Code, disassemble
from backend.emulator.isa import Isa
from backend.engines.features import with_flags
from backend.engines.instruction_sweep import INSTRUCTION_SWEEP
from backend.isa.registry import DESCRIBED, ISAS
from clif.printer import print_functions
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.target import compile_case
from fuzz.differential.diagnosis import COMPILER_FAILURES

#: So many encodings of a form are run, with other registers and immediates.
_ENCODINGS: Final = 4


@dataclass(slots=True)
class Forms:
    """The forms of instructions of one ISA.

    Attributes:
        encodings: by form, some of its instructions as Capstone has them, by their bytes.
        left_out: how often instructions were seen that cannot be run by themselves, by mnemonic.
        decoded: how many instructions two decoders took apart, where there is a second one.
        undecided: what only one of them found there, or with another length, once each.
    """

    isa: str
    encodings: dict[str, dict[bytes, Any]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    decoded: int = 0
    undecided: dict[str, int] = field(default_factory=dict)
    _known: set[bytes] = field(default_factory=set)

    def add(self, compiled: Code) -> None:
        """Take the instructions of a function."""
        sweep = INSTRUCTION_SWEEP.of(DESCRIBED[self.isa])
        relocated = {offset for offset, *_ in compiled.relocations}
        instructions = disassemble(DESCRIBED[self.isa], compiled)
        self._compare(compiled, instructions)
        for instruction in instructions:
            code = bytes(instruction.bytes)
            if code in self._known:
                continue
            place = range(instruction.address, instruction.address + instruction.size)
            if not relocated.isdisjoint(place) or sweep.code(instruction) is None:
                self.left_out[instruction.mnemonic] += 1
                continue
            self._known.add(code)
            found = self.encodings.setdefault(sweep.form(instruction), {})
            if len(found) < _ENCODINGS:
                found[code] = instruction

    def _compare(self, compiled: Code, instructions: Sequence[Any]) -> None:
        """Compare what Capstone found with what the extension's decoder finds."""
        other = set(getattr(compiled, "decoded", ()))
        if not other:
            return
        found = {(i.address, i.size): f"{i.mnemonic} {i.op_str}".strip() for i in instructions}
        self.decoded += len(other | found.keys())
        for offset, size in sorted(other ^ found.keys()):
            text = found.get((offset, size), "not to Capstone")
            encoded = compiled.code[offset : offset + size].hex()
            self.undecided.setdefault(f"{encoded}: {text}", offset)


def emitted_forms(
    isa: str, options: CaseOptions, *, seed: int, cases: int, flags: frozenset[str]
) -> Forms:
    """Return the forms that Cranelift emits for every typed instruction, and for drawn cases.

    Each typed instruction is compiled alone, with all flags and with none, optimised and not, and
    with the flags of each CPU that has no others.

    Args:
        flags: those that may be on.
    """
    forms = Forms(isa)
    described = with_flags(DESCRIBED[isa], flags)
    for compiled in _of_probes(described):
        forms.add(compiled)
    before, ISAS[isa] = ISAS[isa], described
    try:
        _add_cases(forms, options, seed=seed, cases=cases)
    finally:
        ISAS[isa] = before
    return forms


def _add_cases(forms: Forms, options: CaseOptions, *, seed: int, cases: int) -> None:
    """Take the instructions of drawn cases."""
    if not cases:
        return
    isa, source = forms.isa, CaseSource(options, seed)
    for index in range(cases):
        case = source.case(index)
        if case.is_for(isa):
            functions = Functions(print_functions(case.functions))
            try:
                for code in compile_case(case, isa, functions):
                    forms.add(code)
            except COMPILER_FAILURES:
                continue  # a finding of campaigns, and none of this


def _of_probes(isa: Isa) -> Iterator[Code]:
    every = [flag for flag in isa.flags.has if flag.startswith("has_")]
    choices = [("none", every), ("none", []), ("speed", every), ("speed", [])]
    choices += [("none", list(own)) for own in isa.flags.cpus]
    targets = [
        Target.of(isa.name, {**isa.settings, "opt_level": level}, dict.fromkeys(own, "true"))
        for level, own in choices
    ]
    for functions in _probes():
        for target in targets:
            for compiled in target.compile_each(functions):
                if not isinstance(compiled, Exception):
                    yield compiled


def _probes() -> Iterator[Functions]:
    """Yield a function for each typed instruction."""
    for probe in all_probes():
        try:
            yield Functions(probe_text(probe))
        except (ReadError, CompilerPanic):
            continue  # the reader knows no such instruction
