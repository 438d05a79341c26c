"""What a case may be made of: every supported (opcode, types) as a ``Form``, found by tables.

Built from the opcode table and a support predicate, once for each set of instructions that the ISAs
and settings of a case come down to. Producers look forms up by what they need; none of them lists
opcodes that the constraints already describe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import product

from clif.builder import resolve
from clif.function import DEFAULT_FLAGS, MemFlags
from clif.memory_access import accessed_bytes
from clif.nan_payload import Payload, payload_of
from clif.opcodes import Constraint, Format, Opcode
from clif.types import I8, I32, I64, Type, by_name
from fuzz.generate.options import PLAIN_TYPES

#: Keys as those of ``backend.cranelift.support_matrix``: opcode; controlling type, empty where
#: there is none; the open operands, which the controlling type does not determine (a conversion's
#: source, a shift's amount, a select's condition; addresses do not count); the condition code of a
#: comparison, the operation of an ``atomic_rmw``, or ``first`` and ``last`` for lanes, otherwise
#: empty.
Supported = Set[tuple[str, str, tuple[str, ...], str]]

INT_CONDITIONS = ("eq", "ne", "slt", "sge", "sgt", "sle", "ult", "uge", "ugt", "ule")
FLOAT_CONDITIONS = (
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "ord",
    "uno",
    "one",
    "ueq",
    "ult",
    "ule",
    "ugt",
    "uge",
)
RMW_OPERATIONS = (
    "add",
    "sub",
    "and",
    "nand",
    "or",
    "xor",
    "xchg",
    "umin",
    "umax",
    "smin",
    "smax",
)
LAST_LANE = "last"
#: Whose immediate is a lane.
LANE_FORMATS = frozenset({Format.BINARY_IMM8, Format.TERNARY_IMM8})
_LANES = ("first", LAST_LANE)
_CONDITIONS = {
    Format.INT_COMPARE: INT_CONDITIONS,
    Format.FLOAT_COMPARE: FLOAT_CONDITIONS,
    Format.ATOMIC_RMW: RMW_OPERATIONS,
    Format.BINARY_IMM8: _LANES,
    Format.TERNARY_IMM8: _LANES,
}

_PURE_FORMATS = frozenset(
    {
        Format.UNARY,
        Format.BINARY,
        Format.TERNARY,
        Format.BINARY_IMM8,
        Format.TERNARY_IMM8,
        Format.INT_COMPARE,
        Format.FLOAT_COMPARE,
        Format.LOAD_NO_OFFSET,
        Format.SHUFFLE,
    }
)
#: Opcodes that lead from one type to another, in the order of preference of an empty pool.
_CONVERSIONS = (
    "uextend",
    "sextend",
    "ireduce",
    "fcvt_from_sint",
    "fcvt_from_uint",
    "bitcast",
    "fpromote",
    "fdemote",
    "fcvt_to_sint_sat",
    "fcvt_to_uint_sat",
    "splat",
    "extractlane",
)


#: Sets of types that are remembered for an opcode: those of the plain types fit in, others come
#: and go.
_MOST_KEPT = 16


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """An opcode at fixed types: everything about an instruction but values and immediates.

    ``floats`` says whether a result is a float, whose NaN payload may be open; ``conditions`` are
    what is supported of a comparison's condition codes, of the operations of ``atomic_rmw``, or of
    ``first`` and ``last`` lane. ``signature`` are the types of operands and results.
    """

    opcode: Opcode
    type: Type | None
    operands: tuple[Type, ...]
    results: tuple[Type, ...]
    payload: Payload
    floats: bool
    flags: MemFlags = DEFAULT_FLAGS
    conditions: tuple[str, ...] = ()
    signature: tuple[Type, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "signature", self.operands + self.results)

    @property
    def name(self) -> str:
        return self.opcode.name

    @property
    def accessed_bytes(self) -> int:
        """How many bytes of memory a load, a store or an atomic operation touches."""
        return accessed_bytes(self.opcode, (self.results or self.operands)[0])

    def allows(self, imm: int, variant: str) -> bool:
        """Whether a lane, or a condition code or operation of ``atomic_rmw``, is supported."""
        if self.opcode.format in LANE_FORMATS:
            return imm == 0 or LAST_LANE in self.conditions
        return not variant or variant in self.conditions


Key = tuple[str, Type | None, tuple[Type, ...]]
#: An opcode and its controlling type, None where it has none.
Pair = tuple[str, Type | None]


_ACCESSES = frozenset({"can_load", "can_store"})


def _operand_types(
    constraint: Constraint, ctrl: Type | None, types: Sequence[Type]
) -> tuple[Type, ...]:
    if constraint.kind == "Free":
        return tuple(t for t in types if t.name in constraint.types)
    if constraint.kind in ("Narrower", "Wider"):
        assert ctrl is not None
        wider = constraint.kind == "Wider"
        return tuple(
            t
            for t in types
            if (t.is_int, t.lanes) == (ctrl.is_int, ctrl.lanes)
            and (t.lane_bits > ctrl.lane_bits if wider else t.lane_bits < ctrl.lane_bits)
        )
    found = resolve(constraint, ctrl)
    return (found,) if found in types else ()


def _free(opcode: Opcode, operands: tuple[Type, ...]) -> list[Type]:
    """The operands that the controlling type leaves open: of memory accesses, the address."""
    return [t for c, t in zip(opcode.args, operands, strict=True) if c.kind == "Free"]


def _meaningless(opcode: Opcode, ctrl: Type | None, operands: tuple[Type, ...]) -> bool:
    """Accepted by the verifier without having a settled meaning: conversions that change the lanes,
    in number or, from integers to floats, in width (docs/findings.md). Or without being accepted:
    bitcasts that change the size."""
    if opcode.name == "bitcast" and ctrl is not None:
        return operands[0].bits != ctrl.bits
    if ctrl is None or not opcode.name.startswith(("fcvt_", "x86_cvt")):
        return False
    widths = ctrl.is_vector and opcode.name.startswith("fcvt_from_")
    return any(
        operand.lanes != ctrl.lanes or (widths and operand.lane_bits != ctrl.lane_bits)
        for operand in operands
    )


def _forms_of(opcode: Opcode, types: Sequence[Type]) -> Iterator[Form]:
    """Every form of an opcode over ``types``, supported or not."""
    named = (by_name(name) for name in opcode.ctrl_types)
    controls: list[Type | None] = [t for t in named if t in types] if opcode.polymorphic else [None]
    for ctrl in controls:
        try:
            results = tuple(resolve(constraint, ctrl) for constraint in opcode.results)
            choices = [_operand_types(constraint, ctrl, types) for constraint in opcode.args]
        except KeyError:  # no such type in CLIF: half of an i8
            continue
        if not all(result in types for result in results):
            continue
        for operands in product(*choices):
            narrow = opcode.flags & _ACCESSES and I32 in _free(opcode, operands)
            if not narrow and not _meaningless(opcode, ctrl, operands):
                yield _form(opcode, ctrl, operands, results)


def _form(
    opcode: Opcode, ctrl: Type | None, operands: tuple[Type, ...], results: tuple[Type, ...]
) -> Form:
    flags = DEFAULT_FLAGS
    if opcode.name == "bitcast" and results[0].lanes != operands[0].lanes:
        flags = MemFlags(endianness="little")  # the verifier wants it said
    floats = any(result.is_float for result in results)
    return Form(opcode, ctrl, operands, results, payload_of(opcode, operands), floats, flags)


def _is_pure(opcode: Opcode) -> bool:
    return opcode.format in _PURE_FORMATS and not opcode.flags and bool(opcode.results)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A form that may be supported, by its keys; the conditions that the keys stand for."""

    form: Form
    keys: tuple[tuple[str, str, tuple[str, ...], str], ...]
    conditions: tuple[str, ...]

    def narrowed(self, supported: Supported) -> Form | None:
        """The form with the conditions that are supported; None if nothing of it is."""
        if not self.conditions:
            return self.form if self.keys[0] in supported else None
        usable = tuple(key[3] for key in self.keys if key in supported)
        return replace(self.form, conditions=usable) if usable else None


_OPEN = ("Free", "Narrower", "Wider")


def _candidate(form: Form, conditions: tuple[str, ...]) -> _Candidate:
    opcode = form.opcode
    memory = opcode.flags & _ACCESSES
    constraints = zip(opcode.args, form.operands, strict=True)
    operands = tuple(t.name for c, t in constraints if c.kind in _OPEN and not memory)
    ctrl = form.type.name if form.type is not None else ""
    keys = tuple((opcode.name, ctrl, operands, code) for code in conditions or ("",))
    return _Candidate(form, keys, conditions)


@lru_cache(maxsize=8)
def _candidates(opcodes: tuple[Opcode, ...], types: tuple[Type, ...]) -> tuple[_Candidate, ...]:
    """Every form of every opcode over ``types``: the same for all repertoires of a run."""
    return tuple(
        _candidate(form, _CONDITIONS.get(opcode.format, ()))
        for opcode in opcodes
        for form in _forms_of(opcode, types)
    )


def all_keys(
    opcodes: Mapping[str, Opcode], types: Sequence[Type]
) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """The keys of every form over ``types``, supported or not."""
    for candidate in _candidates(tuple(opcodes.values()), tuple(types)):
        yield from candidate.keys


def _bits(types: Sequence[Type], bit: Mapping[Type, int]) -> int:
    bits = 0
    for type_ in types:
        if type_ is not I8:
            bits |= bit[type_]
    return bits


def _bit_of(types: Sequence[Type]) -> dict[Type, int]:
    return {type_: 1 << n for n, type_ in enumerate(types)}


class _Choice:
    """The forms of one opcode, to choose from by the types that are about."""

    def __init__(self, forms: Sequence[Form], types: Sequence[Type]) -> None:
        bit = _bit_of(types)
        self._needs = [(_bits(form.signature, bit), form) for form in forms]
        self._concerned = 0
        for bits, _ in self._needs:
            self._concerned |= bits
        self._over: dict[int, tuple[Form, ...]] = {}

    def over(self, active: int) -> tuple[Form, ...]:
        """Those whose types are all in a set."""
        active &= self._concerned
        found = self._over.get(active)
        if found is None:
            if len(self._over) >= _MOST_KEPT:
                self._over.clear()
            found = tuple(form for bits, form in self._needs if not bits & ~active)
            self._over[active] = found
        return found


@lru_cache(maxsize=4096)
def _choice(forms: tuple[Form, ...], types: tuple[Type, ...]) -> _Choice:
    """One for all repertoires that have the same forms of an opcode, as most have."""
    return _Choice(forms, types)


class Repertoire:
    """The supported forms, indexed.

    Attributes:
        types: all types that values may have.
        forms: by (opcode, controlling type, operand types).
        by_name: by opcode, all of its forms.
        pure: by opcode, the forms without effects or traps, in a fixed order.
        pairs: every opcode with each of its controlling types, in a fixed order.
        pure_opcodes, plain_opcodes: the names of those, and of what there is for plain types.
        conversions: by result type, the unary forms that make one from another type.
        opcodes: the whole opcode table, for control flow, calls and constants.
    """

    def __init__(
        self,
        supported: Supported,
        opcodes: Mapping[str, Opcode],
        types: Sequence[Type],
        only: frozenset[str] | None = None,
    ) -> None:
        self.opcodes = opcodes
        self.forms: dict[Key, Form] = {}
        by_name: dict[str, list[Form]] = {}
        for candidate in _candidates(tuple(opcodes.values()), tuple(types)):
            form = candidate.narrowed(supported)
            if form is None:
                continue
            self.forms[form.name, form.type, form.operands] = form
            by_name.setdefault(form.name, []).append(form)
        self._settle_unclosable(by_name)
        self.by_name = {name: tuple(forms) for name, forms in by_name.items()}
        self.pure = {
            name: forms
            for name, forms in self.by_name.items()
            if _is_pure(opcodes[name]) and (only is None or name in only)
        }
        self.pairs: tuple[Pair, ...] = tuple(dict.fromkeys((f[0], f[1]) for f in self.forms))
        self.types = tuple(t for t in types if self._makeable(t))
        self.conversions = self._conversions()
        self.pure_opcodes = tuple(self.pure)
        self._bit = _bit_of(types)
        self._choices = {name: _choice(forms, tuple(types)) for name, forms in self.pure.items()}
        plain = self.type_bits([t for t in types if t in PLAIN_TYPES])
        self.plain_opcodes = tuple(
            name for name, choice in self._choices.items() if choice.over(plain)
        )

    def _settle_unclosable(self, by_name: dict[str, list[Form]]) -> None:
        """What cannot be compared cannot be closed: nothing open may get into it."""
        for forms in by_name.values():
            for at, form in enumerate(forms):
                if form.payload is Payload.PASS and not all(map(self._closable, form.results)):
                    forms[at] = exposing = replace(form, payload=Payload.EXPOSE)
                    self.forms[form.name, form.type, form.operands] = exposing

    def _closable(self, type_: Type) -> bool:
        return not type_.is_float or ("fcmp", type_, (type_, type_)) in self.forms

    def _makeable(self, type_: Type) -> bool:
        """Whether a value of the type can be loaded; without that there is no use for it."""
        return ("load", type_, (I64,)) in self.forms

    def _conversions(self) -> dict[Type, tuple[Form, ...]]:
        found: dict[Type, list[Form]] = {type_: [] for type_ in self.types}
        for name in _CONVERSIONS:
            for form in self.by_name.get(name, ()):
                (result,) = form.results
                if form.operands[0] is not result and result in found:
                    found[result].append(form)
        return {type_: tuple(forms) for type_, forms in found.items()}

    def type_bits(self, types: Sequence[Type]) -> int:
        """A set of types as an integer. i8 never counts: comparisons make it everywhere."""
        return _bits(types, self._bit)

    def pure_over(self, name: str, active: int) -> tuple[Form, ...]:
        """The pure forms of an opcode whose types are all in the set ``active``."""
        return self._choices[name].over(active)

    def form(self, name: str, ctrl: Type | None, *operands: Type) -> Form | None:
        """The form, or None where not every target lowers it."""
        return self.forms.get((name, ctrl, operands))

    def has(self, name: str, ctrl: Type | None, *operands: Type) -> bool:
        return (name, ctrl, operands) in self.forms
