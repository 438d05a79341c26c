"""What cases may be made of, by ISAs, settings and flags.

That is what all ISAs of a case lower, the interpreter supports, and no known fault affects. The
backend probes and caches the support matrices. Most settings lead to the same instruction set,
which they share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import cache, lru_cache

from backend.cranelift.byte_order_support import explicit_orders
from backend.cranelift.opcodes import OPCODES
from backend.cranelift.support_matrix import counting_flags, probe, probed_target, switchable
from backend.isa.registry import ISAS
from clif.byte_order import BYTE_ORDERS, in_order
from clif.memory_access import ADDRESS_TYPES
from clif.typed_instructions import InstructionName, OpcodeType
from clif.types import I32, I64, Type, by_name
from fuzz.cases.case import default_settings
from fuzz.generate.conversions import I64X2
from fuzz.generate.instruction_set import InstructionSet, all_names
from fuzz.generate.options import EVERY_TYPE, Options
from fuzz.generate.writer import SCALAR_OF_BITS
from fuzz.known import faults as known_faults
from interp import MEANINGS

#: Shared settings that change which instructions an ISA lowers, and those on which known faults of
#: Cranelift depend.
LOWERING_SETTINGS = ("preserve_frame_pointers", "enable_pinned_reg")
_DECISIVE = (*LOWERING_SETTINGS, "opt_level", "enable_nan_canonicalization")
_Settings = tuple[tuple[str, str], ...]


def decisive_settings(settings: Mapping[str, str]) -> _Settings:
    """Return the settings that decide what is supported, as ``supported_keys`` takes them."""
    return tuple((name, settings[name]) for name in _DECISIVE if name in settings)


class InstructionSets:
    """The instruction sets of a run, each made when it is first asked for."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._known: dict[tuple[int, ...], InstructionSet] = {}
        self._by_keys: dict[tuple[frozenset[InstructionName], Type], InstructionSet] = {}
        self._own: dict[int, tuple[OpcodeType, ...]] = {}
        self._common: frozenset[OpcodeType] | None = None

    def of(
        self,
        isas: Sequence[str],
        settings: Mapping[str, str],
        flags: Mapping[str, Mapping[str, str]],
    ) -> InstructionSet:
        """Return what every one of ``isas`` lowers.

        Raises:
            SettingsError: an ISA or setting is unknown.
        """
        decisive = decisive_settings(settings)
        sets = [
            supported_keys(isa, decisive, tuple(sorted(flags.get(isa, {}).items()))) for isa in isas
        ]
        address = address_type(isas)
        key = (address.bits, *map(id, sets))  # equal sets are the same object, and are never freed
        instruction_set = self._known.get(key)
        if instruction_set is None:
            instruction_set = self._known[key] = self._make(sets, address)
        return instruction_set

    def widest(self, opt_level: str) -> InstructionSet:
        """Return what at least one of the ISAs lowers, with all flags that its emulated CPU has."""
        settings = (("opt_level", opt_level),)
        flags = {isa: tuple(sorted(emulated_flags(isa).items())) for isa in self.options.isas}
        sets = [supported_keys(isa, settings, flags[isa]) for isa in self.options.isas]
        return self._make([frozenset.union(*sets)], address_type(self.options.isas))

    def _make(self, sets: Sequence[frozenset[InstructionName]], address: Type) -> InstructionSet:
        # Many combinations of what each ISA lowers have the same in common.
        keys = convertible(frozenset.intersection(*sets))
        found = self._by_keys.get((keys, address))
        if found is None:
            options = self.options
            found = InstructionSet(
                keys,
                OPCODES,
                options.types,
                options.opcodes,
                any_order=options.any_order,
                address=address,
            )
            self._by_keys[keys, address] = found
        return found

    def own(self, instruction_set: InstructionSet) -> tuple[OpcodeType, ...]:
        """Return the (opcode, type) pairs of an instruction set that no case for all ISAs has."""
        found = self._own.get(id(instruction_set))
        if found is None:
            common = self._common_opcode_types()
            found = tuple(
                opcode_type
                for opcode_type in instruction_set.opcode_types
                if opcode_type not in common
            )
            self._own[id(instruction_set)] = found
        return found

    def _common_opcode_types(self) -> frozenset[OpcodeType]:
        if self._common is None:
            isas = self.options.isas
            flags = {isa: emulated_flags(isa) for isa in isas}
            self._common = frozenset(self.of(isas, {"opt_level": "none"}, flags).opcode_types)
        return self._common


def address_type(isas: Sequence[str]) -> Type:
    """Return the type of addresses in cases for some ISAs, which have one pointer width.

    If they have several, it is that of the widest.
    """
    widths = {ISAS[isa].pointer_bytes for isa in isas if isa in ISAS}
    return I32 if widths == {4} else I64


@cache
def convertible(keys: frozenset[InstructionName]) -> frozenset[InstructionName]:
    """Return instructions without those of vectors that nothing converts from or to, or loads.

    Some ISAs lower a few instructions of narrow vectors, which they do not support otherwise.
    """
    there = {key[:3] for key in keys}
    named = {name for key in keys for name in (key[1], *key[2]) if "x" in name}
    lost = {name for name in named if not _is_convertible(by_name(name), there)}
    if not lost:
        return keys
    return frozenset(key for key in keys if lost.isdisjoint((key[1], *key[2])))


def _is_convertible(vector: Type, there: Set[tuple[str, str, tuple[str, ...]]]) -> bool:
    """Whether there is what ``fuzz.generate.conversions`` and the drivers need for a vector."""
    name, bits = vector.name, SCALAR_OF_BITS[vector.bits].name
    if not {("load", name, ()), ("store", name, ())} <= there:
        return False
    if {("bitcast", name, (bits,)), ("bitcast", bits, (name,))} <= there:
        return True
    halves = {("bitcast", name, (I64X2.name,)), ("bitcast", I64X2.name, (name,))}
    return vector is I64X2 or (vector.bits == I64X2.bits and halves <= there)


@cache
def _meant() -> frozenset[InstructionName]:
    return frozenset(
        name for address in ADDRESS_TYPES for name in all_names(OPCODES, EVERY_TYPE, address)
    )


def is_meant(key: InstructionName) -> bool:
    """Return whether an instruction has a meaning according to the generator."""
    return key in _meant()


def emulated_flags(isa: str) -> dict[str, str]:
    """Return all flags of an ISA that its emulated CPU has, switched on."""
    if isa not in ISAS:
        return {}
    return {flag: "true" for flag in sorted(ISAS[isa].flags.has) if flag.startswith("has_")}


def switches(isa: str) -> frozenset[str]:
    """Return the flags and presets of an ISA that its emulated CPU has."""
    return ISAS[isa].flags.has if isa in ISAS else frozenset()


_KEPT: dict[frozenset[InstructionName], frozenset[InstructionName]] = {}


def supported_keys(isa: str, settings: _Settings, flags: _Settings) -> frozenset[InstructionName]:
    """Return what an ISA lowers, the interpreter supports and no known fault affects.

    Equal sets are the same object.

    Raises:
        SettingsError: the ISA or a setting is unknown.
    """
    # Flags are drawn freely, so nearly every combination of all of them occurs once. Those that
    # change nothing are left out before anything is looked up.
    idle = _idle_flags(isa, tuple(pair for pair in settings if pair[0] in LOWERING_SETTINGS))
    return _keys(isa, settings, tuple([flag for flag in flags if flag not in idle]))


@cache
def _idle_flags(isa: str, settings: _Settings) -> frozenset[tuple[str, str]]:
    """Return the flags that change neither what an ISA lowers nor which known faults apply."""
    known = switchable(isa, switches(isa))
    plain = probed_target(isa, default_settings(isa) | dict(settings))
    deciding = counting_flags(plain, known) | {fault.unless_flag for fault in known_faults.FAULTS}
    return frozenset((flag, "true") for flag in known - deciding)


@lru_cache(maxsize=8192)
def _keys(isa: str, settings: _Settings, flags: _Settings) -> frozenset[InstructionName]:
    shared, own = default_settings(isa) | dict(settings), dict(flags)
    faults = tuple(known_faults.applying(isa, shared, own))
    lowering = default_settings(isa) | {
        name: v for name, v in settings if name in LOWERING_SETTINGS
    }
    target = probed_target(isa, lowering, own, switches=switches(isa))
    return _sound_keys(isa, target.settings, target.flags, faults)


@cache
def _sound_keys(
    isa: str, settings: _Settings, flags: _Settings, faults: tuple[known_faults.KnownFault, ...]
) -> frozenset[InstructionName]:
    orders = explicit_orders(isa, frozenset(emulated_flags(isa)))
    suspects = {name for fault in faults for name in fault.instructions.opcodes}
    keys = frozenset(
        key
        for name in probe(isa, dict(settings), dict(flags)).names()
        for key in (name, *orders.intersection(in_order(name, order) for order in BYTE_ORDERS))
        if key[0] in MEANINGS
        and not (key[0] in suspects and any(f.instructions.matches(*key) for f in faults))
    )
    return _KEPT.setdefault(keys, keys)
