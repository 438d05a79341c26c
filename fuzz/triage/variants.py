"""A case's neighbours: the same case with another setting, or with one instruction changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from backend.cranelift import _cranelift
from backend.cranelift.opcodes import OPCODES
from backend.isa.registry import ISAS
from clif.function import Inst
from clif.opcodes import Format, Opcode
from clif.typed_instructions import FLOAT_CONDITIONS, INT_CONDITIONS
from fuzz.cases.case import Case, copy_case, effective_settings, with_flags
from fuzz.generate.settings import UNUSUAL, USUAL

OPT_LEVELS: Final = ("none", "speed", "speed_and_size")
#: The effects of an opcode that only may trap.
_TRAPS: Final = frozenset({"can_trap", "side_effects_idempotent"})
_CONSTANTS: Final = frozenset(
    {Format.UNARY_IMM, Format.UNARY_IEEE16, Format.UNARY_IEEE32, Format.UNARY_IEEE64}
)
_CONDITIONS: Final = {
    Format.INT_COMPARE: INT_CONDITIONS,
    Format.FLOAT_COMPARE: FLOAT_CONDITIONS,
}
ALLOCATORS: Final = ("backtracking", "single_pass")


@dataclass(frozen=True, slots=True, eq=False)
class SettingVariant:
    """A case with one setting or ISA flag changed.

    Attributes:
        isa: the ISA whose flag it is; empty for a setting that all ISAs share.
        before, after: the setting's values, as text.
    """

    case: Case
    name: str
    before: str
    after: str
    isa: str = ""


def with_setting(case: Case, name: str, value: str) -> Case:
    """Return a case with a shared setting changed."""
    return replace(case, settings=case.settings | {name: value})


@cache
def _defaults() -> dict[str, str]:
    return {row["name"]: str(row["default"]) for row in _cranelift.settings()}


def setting_of(case: Case, name: str) -> str:
    """Return the value that a shared setting has for a case."""
    return effective_settings(case).get(name, _defaults().get(name, ""))


def setting_variants(case: Case) -> Iterator[SettingVariant]:
    """Yield the case with one shared setting changed.

    ``opt_level`` and the register allocator get each other value. Other settings of the case go
    back to their defaults; settings that it does not have get an unusual value.
    """
    for name, values in (("opt_level", OPT_LEVELS), ("regalloc_algorithm", ALLOCATORS)):
        before = setting_of(case, name)
        for value in values:
            if value != before:
                yield SettingVariant(with_setting(case, name, value), name, before, value)
    others = [n for n in case.settings if n not in ("opt_level", "regalloc_algorithm")]
    for name in others:
        kept = {n: v for n, v in case.settings.items() if n != name}
        plain = replace(case, settings=kept)
        if setting_of(plain, name) != case.settings[name]:
            yield SettingVariant(plain, name, case.settings[name], setting_of(plain, name))
    for name, drawn in (USUAL | UNUSUAL).items():
        if name not in case.settings and name != "regalloc_algorithm":
            value = drawn.values[0]
            yield SettingVariant(
                with_setting(case, name, value), name, setting_of(case, name), value
            )
    if case.chaos:
        yield SettingVariant(replace(case, chaos=b""), "chaos mode", case.chaos.hex(), "nothing")
    if case.inlining:
        changed = replace(case, inlining=b"")
        yield SettingVariant(changed, "inlining", case.inlining.hex(), "nothing")


def flag_variants(case: Case, isa: str) -> Iterator[SettingVariant]:
    """Yield the case with one flag of an ISA changed: its own are switched off, others on."""
    flags = case.isa_settings.get(isa, {})
    drawn = ISAS[isa].flags.drawn if isa in ISAS else ()
    for name in dict.fromkeys([*flags, *drawn]):
        changed = {n: v for n, v in flags.items() if n != name}
        after = "false"
        if name not in flags:
            changed[name] = after = "true"
        variant = with_flags(case, isa, changed)
        yield SettingVariant(variant, name, flags.get(name, "false"), after, isa)


# --- instructions ---


def instruction_neighbours(case: Case) -> Iterator[tuple[Case, str]]:
    """Yield the case with one instruction changed, and a description of the change.

    Opcodes and conditions of comparisons are replaced, constants changed by one.
    """
    for f, function in enumerate(case.functions):
        for b, block in enumerate(function.blocks):
            for i, inst in enumerate(block.instructions):
                for changed, words in _changes(inst):
                    neighbour = copy_case(case)
                    place = neighbour.functions[f].blocks[b].instructions[i]
                    place.opcode, place.imm, place.cond = changed
                    yield neighbour, words


def _changes(inst: Inst) -> Iterator[tuple[tuple[Opcode, int, str], str]]:
    """Yield opcode, constant and condition of similar instructions, with descriptions."""
    if inst.opcode.format in _CONSTANTS:
        mask = (1 << inst.result.type.bits) - 1
        for imm in (inst.imm + 1 & mask, inst.imm - 1 & mask):
            yield (inst.opcode, imm, inst.cond), f"another constant of {inst.opcode}"
    for cond in _CONDITIONS.get(inst.opcode.format, ()):
        if cond != inst.cond:
            words = f"{inst.opcode} {cond} instead of {inst.opcode} {inst.cond}"
            yield (inst.opcode, inst.imm, cond), words
    for other in _similar(inst.opcode):
        yield (other, inst.imm, inst.cond), f"{other} instead of {inst.opcode}"


@cache
def _similar(opcode: Opcode) -> tuple[Opcode, ...]:
    """List opcodes without effects that have the same operands and results as one that may trap."""
    if not opcode.flags <= _TRAPS or not opcode.args:
        return ()
    found = [
        other
        for other in OPCODES.values()
        if other is not opcode
        and not other.flags
        and other.format is opcode.format
        and other.args == opcode.args
        and other.results == opcode.results
        and other.polymorphic == opcode.polymorphic
    ]
    return tuple(found)
