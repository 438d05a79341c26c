"""Further configurations to compile a case with: what its functions do must not depend on them.

Making, reading and interpreting a function costs as much as compiling and running it once, so it is
worth compiling it more than once. A configuration is drawn like the settings of a case, except for
the settings that the functions or their expected outcomes depend on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from clif.byte_order import BYTE_ORDERS, in_order
from clif.function import Function, Inst
from clif.opcodes import Format
from clif.typed_instructions import InstructionName, name_of
from fuzz.cases.case import Case, Configuration
from fuzz.entropy import Entropy
from fuzz.generate.conventions import tail_call_settings
from fuzz.generate.instruction_sets import decisive_settings, supported_keys
from fuzz.generate.options import Options
from fuzz.generate.settings import (
    UNUSUAL,
    USUAL,
    draw_chaos,
    draw_inlining,
    draw_isa_settings,
    draw_settings,
)

#: Formats of instructions that are always lowered: control flow, calls, and those without operands.
ALWAYS_LOWERED: Final = frozenset(
    {
        Format.JUMP,
        Format.BRANCH_TABLE,
        Format.CALL,
        Format.CALL_INDIRECT,
        Format.TRY_CALL,
        Format.TRY_CALL_INDIRECT,
        Format.MULTI_ARY,
        Format.NULL_ARY,
        Format.TRAP,
        Format.UNARY_IMM,
        Format.UNARY_IEEE16,
        Format.UNARY_IEEE32,
        Format.UNARY_IEEE64,
        Format.STACK_ADDR,
        Format.FUNC_ADDR,
    }
)
#: Settings that decide which signatures are allowed or what code means.
SEMANTIC_SETTINGS: Final = frozenset(
    {"enable_multi_ret_implicit_sret", "enable_llvm_abi_extensions", "enable_pinned_reg"}
)
#: Settings that configurations of a case may differ in. Those of stack probes are not among them,
#: since a function with a large frame or some calling conventions rules some of them out.
_DRAWN_ANEW: Final = frozenset(
    {"opt_level", *USUAL, *UNUSUAL} - SEMANTIC_SETTINGS - {"enable_nan_canonicalization"}
)
#: How many configurations are drawn at most for each that is wanted: one may be there already.
_TRIES: Final = 3


def draw_alternatives(
    entropy: Entropy, case: Case, options: Options, count: int
) -> tuple[Configuration, ...]:
    """Draw configurations for a case that differ from its own and from each other.

    Args:
        options: those of the generator.
        count: how many to draw; fewer are returned if the options leave too few.
    """
    isas = case.isas or options.isas
    options = replace(options, isas=isas)
    kept = {name: value for name, value in case.settings.items() if name not in _DRAWN_ANEW}
    # With these settings functions may have tail calls.
    kept |= dict(tail_call_settings().items() & case.settings.items())
    used = instruction_names(case.functions)
    found = [Configuration(case.settings, case.isa_settings, case.chaos, case.inlining)]
    for _ in range(_TRIES * count):
        if len(found) > count:
            break
        drawn = draw_settings(entropy, options)
        settings = {name: v for name, v in drawn.items() if name in _DRAWN_ANEW} | kept
        flags = draw_isa_settings(entropy, options)
        chaos = draw_chaos(entropy, options)
        inlining = draw_inlining(entropy, options, len(case.functions) - 1)
        for isa in isas:
            # Where the functions need some flags, or known faults rule the level out, those of the
            # case are taken.
            if not _is_lowered(used, isa, settings, flags.get(isa, {})):
                flags[isa] = case.isa_settings.get(isa, {})
            if not _is_lowered(used, isa, settings, flags.get(isa, {})):
                settings["opt_level"] = case.settings.get("opt_level", "speed")
        chosen = Configuration(settings, flags, chaos, inlining)
        if chosen not in found and all(
            _is_lowered(used, isa, settings, flags.get(isa, {})) for isa in isas
        ):
            found.append(chosen)
    return tuple(found[1:])


def instruction_names(functions: Iterable[Function]) -> frozenset[InstructionName]:
    """Return the names of the instructions of functions that an ISA may lack."""
    return frozenset(
        name
        for function in functions
        for block in function.blocks
        for inst in block.instructions
        if inst.opcode.format not in ALWAYS_LOWERED
        for name in _names_of(inst)
    )


def _names_of(inst: Inst) -> Iterator[InstructionName]:
    name, order = name_of(inst), inst.flags.endianness
    explicit = [in_order(name, each) for each in BYTE_ORDERS if each == order]
    yield from explicit or [name]


def _is_lowered(
    used: frozenset[InstructionName],
    isa: str,
    settings: Mapping[str, str],
    flags: Mapping[str, str],
) -> bool:
    """Return whether an ISA lowers instructions, and no known fault affects them."""
    return used <= supported_keys(isa, decisive_settings(settings), tuple(sorted(flags.items())))
