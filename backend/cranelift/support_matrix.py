"""The support matrix: which typed instructions an ISA compiles, learnt by compiling each.

Compiling them takes about a second. Which flags change what is lowered is learnt in the same way,
so that hundreds of combinations of flags share a handful of matrices. For the pinned release the
results ship with the sources; for any other build they are kept in the user's cache folder, under
a name that stands for the extension's build, the probes and the settings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import clif.typed_instructions
from backend.cranelift import _cranelift, disk_cache, edge_counters, probes
from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    Functions,
    ReadError,
    Target,
    VerifierError,
    version,
)
from backend.cranelift.opcodes import OPCODES
from backend.cranelift.probes import Probe, all_probes, probe_text
from backend.cranelift.shipped import key_of, read_shipped
from clif.typed_instructions import InstructionName, variants_of
from clif.types import I32, I64, Type


class Support(Enum):
    """The result of compiling a probe."""

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"  # Cranelift reports an error
    PANICS = "panics"
    INVALID = "invalid"  # no such instruction: the verifier or the parser refuses it


# Settings that do not change what is lowered: one matrix serves all of their values.
_IRRELEVANT: Final = (
    "opt_level",
    "regalloc_algorithm",
    "regalloc_checker",
    "regalloc_verbose_logs",
    "enable_verifier",
    "enable_alias_analysis",
    "enable_nan_canonicalization",
    "log2_min_function_alignment",
    "bb_padding_log2_minus_one",
    "machine_code_cfg_info",
    "unwind_info",
    "enable_probestack",
    "probestack_strategy",
    "probestack_size_log2",
    "use_colocated_libcalls",
    "libcall_call_conv",
    "enable_heap_access_spectre_mitigation",
    "enable_table_access_spectre_mitigation",
    "enable_compact_unwind_abi",
)


class SupportMatrix:
    """Which typed instructions an ISA compiles under given settings.

    Attributes:
        entries: by name, the result of compiling it; those that are invalid are left out.
    """

    def __init__(self, isa: str, entries: Mapping[InstructionName, Support]) -> None:
        self.isa = isa
        self.entries = entries

    def status(
        self, opcode: str, type_: Type | None = None, *operands: Type, variant: str = ""
    ) -> Support:
        """Return the result of compiling an instruction.

        Args:
            type_: the controlling type.
            operands: the types of open operands (``TypedInstruction.open_operands``).
            variant: the condition code, operation or lane. Without it, an opcode that has variants
                is supported only if all variants are.

        Returns:
            INVALID if no probe has such an instruction.
        """
        name = type_.name if type_ is not None else ""
        key = opcode, name, tuple(operand.name for operand in operands), variant
        found = self.entries.get(key)
        if found is not None:
            return found
        return Support.INVALID if variant else self._of_variants(key[:3])

    def _of_variants(self, instruction: tuple[str, str, tuple[str, ...]]) -> Support:
        opcode = OPCODES.get(instruction[0])
        variants = variants_of(opcode) if opcode is not None else ()
        found = [self.entries.get((*instruction, v), Support.INVALID) for v in variants]
        failing = (s for s in found if s is not Support.SUPPORTED)
        return next(failing, Support.SUPPORTED) if found else Support.INVALID

    def names(self) -> Iterator[InstructionName]:
        """Return the names of the instructions that compile."""
        return (key for key, status in self.entries.items() if status is Support.SUPPORTED)

    def count(self, status: Support) -> int:
        """Return how many probes had a result."""
        return sum(entry is status for entry in self.entries.values())


def probe(
    isa: str,
    settings: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    *,
    switches: frozenset[str] = frozenset(),
    cache: Path | None = None,
) -> SupportMatrix:
    """Return the matrix of an ISA under shared settings and ISA flags, from the cache if possible.

    Args:
        switches: see ``probed_target``.
        cache: the folder of the cached matrices, the user's cache folder by default.

    Raises:
        SettingsError: an unknown ISA or setting.
    """
    target = probed_target(isa, settings, flags, switches=switches, cache=cache)
    target.handle  # noqa: B018 - an unknown setting is an error even where the cache knows it
    return _matrix(target, cache or disk_cache.folder())


def matrix_of(target: Target, *, with_invalid: bool = False) -> SupportMatrix:
    """Return the matrix of a probed target (``probed_target``).

    Args:
        with_invalid: keep the entries of instructions that do not exist.
    """
    if with_invalid:
        return SupportMatrix(target.isa, _entries(target, disk_cache.folder()))
    return _matrix(target, disk_cache.folder())


@lru_cache(maxsize=256)
def _matrix(target: Target, folder: Path) -> SupportMatrix:
    entries = _entries(target, folder)
    supported = {k: s for k, s in entries.items() if s is not Support.INVALID}
    return SupportMatrix(target.isa, supported)


def _entries(target: Target, folder: Path) -> dict[InstructionName, Support]:
    shipped = shipped_matrices().entries(target)
    if shipped is not None:
        return shipped
    file = folder / f"support-{target.isa}-{_fingerprint(target)}.json"
    entries = _load(file)
    if entries is None:
        entries = _compile_varying(target, folder)
        _save(file, entries)
    return entries


def _compile_varying(target: Target, folder: Path) -> dict[InstructionName, Support]:
    """Return the results for a target of which only those are compiled that its flags can change.

    More flags lower more. So what is the same without flags and with all of them is so with any.
    """
    every = every_flag(target)
    if not target.flags or target.flags == every.flags or not _are_on(target):
        return compile_probes(target)
    nothing = _entries(Target(target.isa, target.settings, ()), folder)
    everything = _entries(every, folder)
    varying = frozenset(name for name in nothing if nothing[name] is not everything[name])
    return nothing | compile_probes(target, varying)


def every_flag(target: Target) -> Target:
    """Return a target with all flags of its ISA that are on or off."""
    flags = tuple((flag, "true") for flag in sorted(_boolean_flags(target.isa)))
    return Target(target.isa, target.settings, flags)


def _are_on(target: Target) -> bool:
    known = _boolean_flags(target.isa)
    return all(flag in known and value == "true" for flag, value in target.flags)


def probed_target(
    isa: str,
    settings: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    *,
    switches: frozenset[str] = frozenset(),
    cache: Path | None = None,
) -> Target:
    """Return the target that is probed for these: equal for all that share a matrix.

    Args:
        switches: flags of the ISA that will be switched on and off often. It is learnt which of
            them change what is lowered, and combinations that differ only in the others share a
            matrix. Learning takes some seconds, once.
        cache: the folder of the cached matrices, the user's cache folder by default.
    """
    relevant = {n: value for n, value in (settings or {}).items() if n not in _IRRELEVANT}
    # The verifier distinguishes invalid instructions from those that the ISA lacks.
    relevant |= {"enable_verifier": "true", "opt_level": "none"}
    # A probe returns all results, for which there need not be registers.
    relevant |= {"enable_multi_ret_implicit_sret": "true"}
    plain = Target.of(isa, relevant)
    if not flags:
        return plain
    known = switchable(isa, switches)
    if not flags.keys() <= known or not _VALUES.issuperset(flags.values()):
        return Target.of(isa, relevant, flags)  # a preset, a mistake, a flag that is not learnt
    counting = counting_flags(plain, known, cache=cache)
    return Target.of(
        isa, relevant, {f: v for f, v in flags.items() if v == "true" and f in counting}
    )


def compile_probes(
    target: Target, names: frozenset[InstructionName] | None = None
) -> dict[InstructionName, Support]:
    """Compile every probe for a target, or those of some names, and return the results by name."""
    with edge_counters.uncounted():
        return {
            name: _try(program, target)
            for name, program in _programs(address_type(target))
            if names is None or name in names
        }


def address_type(target: Target) -> Type:
    """Return the type of a target's addresses."""
    return I32 if target.handle.pointer_bits == I32.bits else I64


@lru_cache(maxsize=2)
def _programs(address: Type) -> tuple[tuple[InstructionName, Functions | None], ...]:
    """Return every probe's function, read once for all targets with addresses of a type."""
    return tuple((probe_.name, _parsed(probe_)) for probe_ in all_probes(address))


def _parsed(probe_: Probe) -> Functions | None:
    """Return the function of a probe; None if Cranelift does not read it."""
    try:
        return Functions(probe_text(probe_))
    except ReadError:
        return None


def _try(program: Functions | None, target: Target) -> Support:
    if program is None:
        return Support.INVALID
    try:
        target.compile(program)
    except CompileError:
        return Support.UNSUPPORTED
    except CompilerPanic:
        return Support.PANICS
    except VerifierError:
        return Support.INVALID
    return Support.SUPPORTED


# --- which flags count ---

_VALUES: Final = frozenset(["true", "false"])


def switchable(isa: str, flags: frozenset[str]) -> frozenset[str]:
    """Return those of some flags and presets of an ISA that are flags which are on or off."""
    return _boolean_flags(isa) & flags


@lru_cache(maxsize=8)
def _boolean_flags(isa: str) -> frozenset[str]:
    """Return the flags of an ISA that are on or off; none for an ISA that is not in this build."""
    if isa not in _cranelift.isas():
        return frozenset()
    return frozenset(row["name"] for row in _cranelift.settings(isa) if row["kind"] == "bool")


def counting_flags(
    plain: Target, known: frozenset[str], *, cache: Path | None = None
) -> frozenset[str]:
    """Return those of some flags of an ISA that change what is lowered.

    Args:
        plain: the target without any flags.
        known: flags that are on or off (``switchable``).
        cache: the folder of the cached results, the user's cache folder by default.
    """
    return _counting_flags(plain, known, cache or disk_cache.folder())


@lru_cache(maxsize=64)
def _counting_flags(plain: Target, known: frozenset[str], folder: Path) -> frozenset[str]:
    """Return those of the known flags that change what is lowered, from the cache if possible.

    ``plain`` is the target without any flags.
    """
    shipped = shipped_matrices().flags(plain, known)
    if shipped is not None:
        return shipped
    file = folder / f"flags-{plain.isa}-{_fingerprint(plain, sorted(known))}.json"
    found = _read_json(file)
    if isinstance(found, dict) and isinstance(found.get("flags"), list):
        flags = frozenset(found["flags"])
        if flags <= known:
            return flags
    flags = learn_flags(plain, known, folder)
    disk_cache.save(file, json.dumps({"cranelift": version(), "flags": sorted(flags)}))
    return flags


def learn_flags(plain: Target, known: frozenset[str], folder: Path) -> frozenset[str]:
    """Return those of the known flags that change what is lowered, alone or with all others.

    A flag that only makes a difference together with some of the others is not found.

    Args:
        plain: the target without any flags.
        folder: that of the cached matrices.
    """

    def statuses(flags: Iterable[str]) -> dict[InstructionName, Support]:
        flag_values = tuple((flag, "true") for flag in sorted(flags))
        return _compile_varying(Target(plain.isa, plain.settings, flag_values), folder)

    nothing, everything = statuses(()), statuses(known)
    return frozenset(
        flag
        for flag in sorted(known)
        if statuses((flag,)) != nothing or statuses(known - {flag}) != everything
    )


# --- what ships ---

SHIPPED: Final = Path(__file__).with_name("support_matrices.json.z")
_LETTERS: Final = {support.name[0]: support for support in Support}


class ShippedMatrices:
    """Matrices and flags that were computed for the pinned release.

    Args:
        contents: None if there are none for this build.
    """

    def __init__(self, contents: Any | None) -> None:
        empty: dict[str, Any] = {"names": [], "matrices": {}, "flags": {}}
        found = empty if contents is None else contents
        self.names = [(opcode, type_, tuple(rest), v) for opcode, type_, rest, v in found["names"]]
        self._matrices: dict[str, str] = found["matrices"]
        self._flags: dict[str, list[str]] = found["flags"]

    def entries(self, target: Target) -> dict[InstructionName, Support] | None:
        """Return the results of all probes for a target; None if they do not ship."""
        letters = self._matrices.get(_description(target))
        if letters is None:
            return None
        return {n: _LETTERS[letter] for n, letter in zip(self.names, letters, strict=True)}

    def flags(self, plain: Target, known: frozenset[str]) -> frozenset[str] | None:
        """Return those of the known flags that change what is lowered; None if unknown."""
        flags = self._flags.get(_description(plain, known))
        return None if flags is None else frozenset(flags)


def shipped_key() -> str:
    """Return the key of the shipped matrices for this build."""
    sources = ("backend/cranelift/probes.py", "clif/typed_instructions.py", "clif/types.py")
    return key_of((*sources, "backend/cranelift/support_matrix.py"))


def ships() -> bool:
    """Return whether matrices ship for this build."""
    return bool(shipped_matrices().names)


@lru_cache(maxsize=1)
def shipped_matrices() -> ShippedMatrices:
    """Return the matrices that ship for this build."""
    return ShippedMatrices(read_shipped(SHIPPED, shipped_key()))


def to_ship(
    matrices: Iterable[tuple[Target, Mapping[InstructionName, Support]]],
    flags: Iterable[tuple[Target, frozenset[str], frozenset[str]]],
) -> dict[str, Any]:
    """Return the contents of the shipped file.

    Args:
        matrices: targets with the results of all probes.
        flags: targets without flags, the known flags, and those of them that count.
    """
    matrices = list(matrices)
    return {
        "names": list(matrices[0][1]),
        "matrices": {
            _description(target): "".join(status.name[0] for status in entries.values())
            for target, entries in matrices
        },
        "flags": {_description(plain, known): sorted(found) for plain, known, found in flags},
    }


def _description(target: Target, known: Iterable[str] = ()) -> str:
    return repr((target.isa, target.settings, target.flags, sorted(known)))


# --- the cache ---


@lru_cache(maxsize=1)
def _build() -> bytes:
    """Return a digest of the extension and the probes."""
    return disk_cache.fingerprint(probes.__file__, clif.typed_instructions.__file__, __file__)


def _fingerprint(target: Target, known: Iterable[str] = ()) -> str:
    digest = hashlib.sha256(_build())
    digest.update(repr((target.settings, target.flags, tuple(known))).encode())
    return digest.hexdigest()[:20]


def _load(file: Path) -> dict[InstructionName, Support] | None:
    """Return the entries in a file; None if it is missing, unreadable or damaged."""
    try:
        return {
            (opcode, type_, tuple(operands), variant): Support(status)
            for opcode, type_, operands, variant, status in _read_json(file)["entries"]
        }
    except (ValueError, TypeError, KeyError):
        return None


def _save(file: Path, entries: Mapping[InstructionName, Support]) -> None:
    rows = [[*key[:2], list(key[2]), key[3], status.value] for key, status in entries.items()]
    disk_cache.save(file, json.dumps({"cranelift": version(), "entries": rows}))


def _read_json(file: Path) -> Any:
    """Return the JSON in a file; None if it is missing or no JSON."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
