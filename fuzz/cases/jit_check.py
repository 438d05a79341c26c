"""Runs a case as a JIT leaves it in memory, with functions and data at chosen distances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final
from zlib import crc32

from backend.cranelift.compiler import Functions, Target
from backend.cranelift.modules import JitCode, JitMemory, make_jit
from backend.emulator.image import IMAGES, READ, READ_EXEC, READ_WRITE, Image, Segment
from backend.emulator.linker import Placed
from backend.emulator.relocation import RELOCATIONS
from backend.isa.registry import ISAS
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.module_check import library_addresses, undefined_address
from fuzz.cases.module_symbols import DATA_NAMES, ModuleSource, SymbolForms, with_symbols
from fuzz.cases.target import target_of

#: Where functions and data may lie, seen from ``IMAGES``: near, beyond what a branch of AArch64
#: reaches (128 MiB), beyond what a distance of 32 bits reaches (2 GiB), and beyond 4 GiB, on either
#: side.
DISTANCES: Final = (0, 200 << 20, 3 << 30, 6 << 30, -5 << 30)
#: The memory at each distance: a third of it is for code.
_SIZE: Final = 3 * (4 << 20)
#: So far is what code may call near. AArch64 reaches farther, but a JIT of Cranelift does not.
_REACH: Final = (1 << 31) - (64 << 20)
_PROTECTION: Final = {
    JitMemory.CODE: READ_EXEC,
    JitMemory.READONLY: READ,
    JitMemory.DATA: READ_WRITE,
}
#: What a JIT needs: its memory may be anywhere.
_SETTINGS: Final = {"is_pic": "false", "use_colocated_libcalls": "false"}

#: The kind of relocation of which the JIT of Cranelift drops the addend: docs/findings.md,
#: jit-symbol-offset.
_LOSES_OFFSETS: Final = "RiscvPCRelLo12I"

#: Changes what a JIT has made.
ChangeJit = Callable[[JitCode], JitCode]


def link_jit(case: Case, isa: str, change: ChangeJit | None = None) -> Image:
    """Have a JIT compile a case, and return what is in its memory.

    Args:
        change: injects a fault.

    Raises:
        VerifierError, CompileError, CompilerPanic: Cranelift fails.
        MemoryError: there is not enough memory at the chosen distances.
        LinkError: something is referred to that is nowhere.
    """
    near_offsets = _LOSES_OFFSETS not in RELOCATIONS.of(ISAS[isa])
    forms = SymbolForms(_NearSymbols(case), near_offsets)
    source = with_symbols(case.functions, forms)
    code = make_jit(
        Functions(print_functions(source.functions)),
        _target(case, isa),
        data=source.data,
        areas=[(IMAGES + distance, _SIZE) for distance in DISTANCES],
        places={name: _area(name) for name in _names(source)},
        symbols=library_addresses(isa) | {n: undefined_address(isa, n) for n in source.undefined},
        chaos=case.chaos,
    )
    return _image(code if change is None else change(code))


def _target(case: Case, isa: str) -> Target:
    target = target_of(case, isa)
    settings = dict(target.settings) | _SETTINGS
    if settings.get("probestack_strategy", "outline") == "outline":
        # They are called as if they were near, whatever the settings say: docs/findings.md.
        settings["enable_probestack"] = "false"
    return replace(target, settings=tuple(sorted(settings.items())))


def _names(source: ModuleSource) -> list[str]:
    return [f.name for f in source.functions] + [data.name for data in source.data]


def _area(name: str) -> int:
    return crc32(name.encode()) % len(DISTANCES)


def _distance(name: str) -> int:
    return DISTANCES[_area(name)]


class _NearSymbols:
    """Says whether a function of a case reaches a symbol, wherever the JIT puts the two.

    What no module defines lies near the beginning of the images.
    """

    def __init__(self, case: Case) -> None:
        self.defined = DATA_NAMES | {function.name for function in case.functions}

    def __call__(self, function: str, symbol: str) -> bool:
        there = _distance(symbol) if symbol in self.defined else 0
        return abs(_distance(function) - there) < _REACH


def _image(code: JitCode) -> Image:
    functions = [
        Placed(each.compiled, each.address, len(each.compiled.code)) for each in code.functions
    ]
    segments = [
        Segment(each.address, each.contents, _PROTECTION[each.memory]) for each in code.segments
    ]
    return Image(functions, segments)
