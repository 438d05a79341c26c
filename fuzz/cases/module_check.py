"""Runs a case as a linked program: as object files, or as what a JIT puts into memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final
from zlib import crc32

from backend.cranelift.compiler import Functions, Target
from backend.cranelift.modules import (
    AVAILABLE,
    ModuleData,
    ObjectFile,
    ObjectFormat,
    make_object,
    target_for,
)
from backend.emulator.cpu import CPU
from backend.emulator.image import Image, mapped
from backend.emulator.object_linker import ObjectLinker
from backend.emulator.object_relocation import OBJECT_FORMATS, LinkedFormat
from backend.engines.names import UNICORN
from backend.isa.executors import executor_for
from backend.isa.registry import ISAS
from clif.outcome import Outcomes
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.module_symbols import ModuleSource, SymbolForms, referred_names, with_symbols
from fuzz.cases.target import run_case, target_of

#: Only memory of an engine in this process can be mapped anywhere.
_ENGINE: Final = UNICORN
#: The functions and data of a case lie in so many files.
_FILES: Final = 2
#: What Cranelift calls for itself follows the convention that our stubs follow, on every system.
_SETTINGS: Final = {"libcall_call_conv": "system_v"}
_TLS_MODELS: Final = {
    ObjectFormat.ELF: "elf_gd",
    ObjectFormat.MACHO: "macho",
    ObjectFormat.COFF: "coff",
}


#: Changes files before they are linked.
ChangeObjects = Callable[[Sequence[ObjectFile]], Sequence[ObjectFile]]


def formats_of(isa: str) -> tuple[ObjectFormat, ...]:
    """Return the formats of object files that can be linked and run for an ISA."""
    known = OBJECT_FORMATS.of_any(ISAS[isa]) if can_map_images(isa) else None
    return () if known is None else tuple(known)


def can_map_images(isa: str) -> bool:
    """Return whether the memory of an ISA's emulated CPU can be mapped anywhere."""
    described = CPU.of_any(ISAS[isa]) if AVAILABLE and isa in ISAS else None
    return described is not None


def can_run_jit(isa: str) -> bool:
    """Return whether what a JIT makes for an ISA can be run: the JIT writes in the host's order."""
    return can_map_images(isa) and ISAS[isa].byte_order == sys.byteorder


def link_objects(
    case: Case, isa: str, format_: ObjectFormat, change: ChangeObjects | None = None
) -> Image:
    """Compile a case into object files, and link them.

    Args:
        isa: one that has the format.
        change: injects a fault.

    Raises:
        VerifierError, CompileError, CompilerPanic: Cranelift fails to make a file.
        ValueError: a file is malformed.
        LinkError: the files cannot be linked.
    """
    described = OBJECT_FORMATS.of(ISAS[isa])[format_]
    source = with_symbols(
        case.functions,
        SymbolForms(
            lambda *_: described.near_symbols,
            thread_local=described.thread_local,
            thread_zeros=described.thread_zeros,
        ),
    )
    functions = Functions(print_functions(source.functions))
    target = _target(case, isa, format_, described)
    files: Sequence[ObjectFile] = [
        make_object(
            functions,
            target,
            format_,
            defined=defined,
            local=_local(source, defined, case.main.name),
            data=source.data,
            sections=format_ is ObjectFormat.ELF,
            chaos=case.chaos,
        )
        for defined in _files(source, case.main.name)
    ]
    if change is not None:
        files = change(files)
    names = [function.name for function in case.functions]
    return ObjectLinker(ISAS[isa], _external_symbols(isa, source)).link(files, names)


def run_image(
    case: Case,
    isa: str,
    image: Image,
    *,
    predicted_traps: Sequence[int] = (),
    left_out: Sequence[int] = (),
) -> Outcomes:
    """Run a case's inputs on an image of its functions.

    Args:
        predicted_traps, left_out: inputs, as ``Executor.run`` takes them.

    Raises:
        Others: as ``Executor.run``.
    """
    executor = executor_for(isa, _ENGINE)
    with mapped(executor.cpu.memory, image, executor.isa.trap):
        return run_case(
            case, isa, image, executor, predicted_traps=predicted_traps, left_out=left_out
        )


def library_addresses(isa: str) -> dict[str, int]:
    """Return where the library calls are that code of an ISA may make, by the names of symbols."""
    return dict(executor_for(isa, _ENGINE).library.addresses)


def undefined_address(isa: str, name: str) -> int:
    """Return where a symbol is that nothing defines, the same as for code that is not linked."""
    return executor_for(isa, _ENGINE).library.address("symbol", f"%{name}")


def _external_symbols(isa: str, source: ModuleSource) -> Callable[[str], int | None]:
    """Return a function that finds what no file defines: library calls, and data of nobody."""
    known = library_addresses(isa)
    known |= {name: undefined_address(isa, name) for name in source.undefined}
    return known.get


def _target(case: Case, isa: str, format_: ObjectFormat, described: LinkedFormat) -> Target:
    target = target_of(case, isa)
    settings = dict(target.settings) | _SETTINGS | dict(described.settings)
    settings["tls_model"] = _TLS_MODELS[format_]
    changed = replace(target, settings=tuple(sorted(settings.items())))
    return target_for(changed, isa, format_)


# --- which file has what ---


def _files(source: ModuleSource, main: str) -> list[set[str]]:
    """Return the names of what each file defines."""
    files: list[set[str]] = [{main}, *(set[str]() for _ in range(1, _FILES))]
    names = [function.name for function in source.functions if function.name != main]
    for name in [*names, *(data.name for data in source.data)]:
        files[crc32(name.encode()) % _FILES].add(name)
    return [file for file in files if file]


def _local(source: ModuleSource, defined: set[str], main: str) -> set[str]:
    """Return the names of those that no other file refers to."""
    functions = [f for f in source.functions if f.name not in defined]
    referred = set(referred_names(functions)) | _in_data(
        data for data in source.data if data.name not in defined
    )
    return defined - referred - {main}


def _in_data(data: Iterable[ModuleData]) -> set[str]:
    return {name for each in data for _, name, _ in each.addresses}
