"""The same case with other settings, and its nearest relations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from backend.cranelift import _cranelift
from backend.cranelift.opcodes import OPCODES
from backend.isa.registry import ISAS
from clif.opcodes import Opcode
from fuzz.cases.case import Case, copy_case, effective_settings
from fuzz.generate.settings import UNUSUAL, USUAL

OPT_LEVELS: Final = ("none", "speed", "speed_and_size")
ALLOCATORS: Final = ("backtracking", "single_pass")


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """A case with one setting or ISA flag changed.

    Attributes:
        isa: whose flag it is, empty for a shared setting.
        before, after: the values, as text.
    """

    case: Case
    name: str
    before: str
    after: str
    isa: str = ""


def with_setting(case: Case, name: str, value: str) -> Case:
    """The case with a shared setting."""
    return replace(case, settings=case.settings | {name: value})


@cache
def _defaults() -> dict[str, str]:
    return {row["name"]: str(row["default"]) for row in _cranelift.settings()}


def setting_of(case: Case, name: str) -> str:
    """The value that a shared setting has for a case."""
    return effective_settings(case).get(name, _defaults().get(name, ""))


def setting_variants(case: Case) -> Iterator[Variant]:
    """One shared setting changed: ``opt_level`` and the register allocator to each other value,
    those that the case has back to their defaults, others on."""
    for name, values in (("opt_level", OPT_LEVELS), ("regalloc_algorithm", ALLOCATORS)):
        before = setting_of(case, name)
        for value in values:
            if value != before:
                yield Variant(with_setting(case, name, value), name, before, value)
    others = [n for n in case.settings if n not in ("opt_level", "regalloc_algorithm")]
    for name in others:
        kept = {n: v for n, v in case.settings.items() if n != name}
        plain = replace(case, settings=kept)
        if setting_of(plain, name) != case.settings[name]:
            yield Variant(plain, name, case.settings[name], setting_of(plain, name))
    for name, drawn in (USUAL | UNUSUAL).items():
        if name not in case.settings and name != "regalloc_algorithm":
            value = drawn.values[0]
            yield Variant(with_setting(case, name, value), name, setting_of(case, name), value)
    if case.chaos:
        yield Variant(replace(case, chaos=b""), "chaos mode", case.chaos.hex(), "nothing")


def flag_variants(case: Case, isa: str) -> Iterator[Variant]:
    """One flag of an ISA changed: those that the case has off, the others on."""
    flags = case.isa_settings.get(isa, {})
    drawn = ISAS[isa].flags.drawn if isa in ISAS else ()
    for name in dict.fromkeys([*flags, *drawn]):
        changed = {n: v for n, v in flags.items() if n != name}
        after = "false"
        if name not in flags:
            changed[name] = after = "true"
        settings = case.isa_settings | {isa: changed}
        variant = replace(case, isa_settings=settings)
        yield Variant(variant, name, flags.get(name, "false"), after, isa)


# --- relations ---


def relations(case: Case) -> Iterator[tuple[Case, str]]:
    """Cases with one instruction that is another one of the same form, and what that is."""
    for f, function in enumerate(case.functions):
        for b, block in enumerate(function.blocks):
            for i, inst in enumerate(block.instructions):
                for other in _alike(inst.opcode):
                    relation = copy_case(case)
                    relation.functions[f].blocks[b].instructions[i].opcode = other
                    yield relation, f"{other} instead of {inst.opcode}"


@cache
def _alike(opcode: Opcode) -> tuple[Opcode, ...]:
    """Opcodes with the same operands and results, a few; none for those with effects."""
    if opcode.flags or not opcode.args:
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
