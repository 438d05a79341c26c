"""Which memory accesses an ISA compiles with a byte order of their own, learnt by compiling each.

Most ISAs have accesses in their own byte order alone. Flags of an ISA do not change that, but add
types. So one compilation for each typed instruction and byte order, with all flags, is enough.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from backend.cranelift import disk_cache, edge_counters, probes
from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    Functions,
    ReadError,
    Target,
    VerifierError,
    version,
)
from backend.cranelift.probes import Probe, all_probes, probe_text
from backend.cranelift.support_matrix import address_type
from clif.byte_order import BYTE_ORDERS, has_order, in_order
from clif.function import MemFlags
from clif.typed_instructions import InstructionName
from clif.types import Type

#: Some ISAs return no vectors in registers, or pass no i128.
_SETTINGS: Final = {
    "opt_level": "none",
    "enable_verifier": "true",
    "enable_llvm_abi_extensions": "true",
    "enable_multi_ret_implicit_sret": "true",
}


@cache
def explicit_orders(
    isa: str, flags: frozenset[str] = frozenset(), cache_folder: Path | None = None
) -> frozenset[InstructionName]:
    """Return the instructions that an ISA compiles with an explicit byte order.

    Args:
        flags: of the ISA, which are on.
        cache_folder: where the answer is kept; the user's cache folder by default.

    Returns:
        Their names, as ``clif.byte_order.in_order`` makes them.
    """
    digest = sha256(disk_cache.fingerprint(__file__, probes.__file__))
    digest.update(repr(sorted(flags)).encode())
    identity = digest.hexdigest()[:20]
    file = (cache_folder or disk_cache.folder()) / f"byte-orders-{isa}-{identity}.json"
    found = _load(file)
    if found is None:
        with edge_counters.uncounted():
            target = Target.of(isa, _SETTINGS, dict.fromkeys(sorted(flags), "true"))
            texts = _texts(address_type(target))
            found = frozenset(name for name, text in texts if _compiles(text, target))
        rows = [[*name[:2], list(name[2]), name[3]] for name in sorted(found)]
        disk_cache.save(file, json.dumps({"cranelift": version(), "names": rows}))
    return found


def _load(file: Path) -> frozenset[InstructionName] | None:
    """Return the names in a file; None if it is missing or damaged."""
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["names"]
        return frozenset((opcode, type_, tuple(rest), v) for opcode, type_, rest, v in rows)
    except (OSError, ValueError, TypeError, KeyError):
        return None


@cache
def _texts(address: Type) -> tuple[tuple[InstructionName, str], ...]:
    """Return a function for each instruction that may have a byte order, in either one."""
    return tuple(_with_orders(address))


def _with_orders(address: Type) -> Iterator[tuple[InstructionName, str]]:
    for probe in all_probes(address):
        if has_order(probe.opcode):
            for order in BYTE_ORDERS:
                flags = MemFlags(endianness=order)
                instruction = replace(probe.instruction, flags=flags)
                name = in_order(probe.name, order)
                yield name, probe_text(Probe(instruction, probe.variant, name))


def _compiles(text: str, target: Target) -> bool:
    try:
        target.compile(Functions(text))
    except (ReadError, VerifierError, CompileError, CompilerPanic):
        return False
    return True
