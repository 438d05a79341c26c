"""What a case may be made of: every supported (opcode, types) as a ``Form``, found by tables.

Built once per run from the opcode table and a support predicate. Producers look forms up by what
they need; none of them lists opcodes that the constraints already describe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from clif.builder import resolve
from clif.function import DEFAULT_FLAGS, MemFlags
from clif.opcodes import Constraint, Format, Opcode
from clif.types import I8, I64, Type, by_name
from fuzz.generate.payload import Payload, payload_of

#: ``supported(opcode, (controlling type, *open operands), condition)``; without the controlling
#: type where the opcode is not polymorphic. Open is what the controlling type does not determine: a
#: conversion's source, a shift's amount, a select's condition. Addresses do not count. The last
#: argument is the condition code of a comparison, otherwise empty.
Supported = Callable[[str, tuple[Type, ...], str], bool]

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
_CONDITIONS = {Format.INT_COMPARE: INT_CONDITIONS, Format.FLOAT_COMPARE: FLOAT_CONDITIONS}

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


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """An opcode at fixed types: everything about an instruction but values and immediates.

    ``floats`` says whether a result is a float, whose NaN payload may be open; ``conditions`` are
    the condition codes of a comparison that are supported.
    """

    opcode: Opcode
    type: Type | None
    operands: tuple[Type, ...]
    results: tuple[Type, ...]
    payload: Payload
    floats: bool
    flags: MemFlags = DEFAULT_FLAGS
    conditions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.opcode.name


Key = tuple[str, Type | None, tuple[Type, ...]]


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


def _meaningless(opcode: Opcode, ctrl: Type | None, operands: tuple[Type, ...]) -> bool:
    """Accepted by the verifier without having a meaning: conversions that change the lanes."""
    return (
        opcode.name.startswith(("fcvt_", "x86_cvt"))
        and ctrl is not None
        and any(operand.lanes != ctrl.lanes for operand in operands)
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
            if not _meaningless(opcode, ctrl, operands):
                yield _form(opcode, ctrl, operands, results)


def _form(
    opcode: Opcode, ctrl: Type | None, operands: tuple[Type, ...], results: tuple[Type, ...]
) -> Form:
    flags = DEFAULT_FLAGS
    if opcode.name == "bitcast" and results[0].lanes != operands[0].lanes:
        flags = MemFlags(endianness="little")  # the verifier wants it said
    floats = any(result.is_float for result in results)
    return Form(opcode, ctrl, operands, results, payload_of(opcode, operands), floats, flags)


class Repertoire:
    """The supported forms, indexed.

    Attributes:
        types: all types that values may have.
        forms: by (opcode, controlling type, operand types).
        pure: by opcode, the forms without effects or traps, in a fixed order.
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
        self.pure: dict[str, tuple[Form, ...]] = {}
        for name in opcodes:
            self._enter(opcodes[name], supported, types, only)
        self.types = tuple(t for t in types if self._makeable(t))
        self.conversions = {t: self._conversions(t) for t in self.types}
        self.pure_opcodes = tuple(self.pure)
        self._bit = {type_: 1 << n for n, type_ in enumerate(types)}
        self._needs = {
            name: [(self.type_bits(form.operands + form.results), form) for form in forms]
            for name, forms in self.pure.items()
        }
        self._over: dict[tuple[str, int], tuple[Form, ...]] = {}

    def _enter(
        self,
        opcode: Opcode,
        supported: Supported,
        types: Sequence[Type],
        only: frozenset[str] | None,
    ) -> None:
        candidates = (_narrowed(form, supported) for form in _forms_of(opcode, types))
        forms = [form for form in candidates if form is not None]
        for form in forms:
            self.forms[opcode.name, form.type, form.operands] = form
        wanted = forms and (only is None or opcode.name in only)
        if wanted and opcode.format in _PURE_FORMATS and not opcode.flags and opcode.results:
            self.pure[opcode.name] = tuple(forms)

    def _makeable(self, type_: Type) -> bool:
        """Whether a value of the type can be loaded; without that there is no use for it."""
        return ("load", type_, (I64,)) in self.forms

    def _conversions(self, type_: Type) -> tuple[Form, ...]:
        return tuple(
            form
            for name in _CONVERSIONS
            for form in self.forms.values()
            if form.name == name and form.results == (type_,) and form.operands[0] is not type_
        )

    def type_bits(self, types: Sequence[Type]) -> int:
        """A set of types as an integer. i8 never counts: comparisons make it everywhere."""
        bits = 0
        for type_ in types:
            if type_ is not I8:
                bits |= self._bit[type_]
        return bits

    def pure_over(self, name: str, active: int) -> tuple[Form, ...]:
        """The pure forms of an opcode whose types are all in the set ``active``."""
        key = name, active
        found = self._over.get(key)
        if found is None:
            found = tuple(form for bits, form in self._needs[name] if not bits & ~active)
            self._over[key] = found
        return found

    def form(self, name: str, ctrl: Type | None, *operands: Type) -> Form | None:
        """The form, or None where not every target lowers it."""
        return self.forms.get((name, ctrl, operands))

    def has(self, name: str, ctrl: Type | None, *operands: Type) -> bool:
        return (name, ctrl, operands) in self.forms


def _narrowed(form: Form, supported: Supported) -> Form | None:
    """The form with the conditions that are supported; None if nothing of it is."""
    types = _types(form)
    conditions = _CONDITIONS.get(form.opcode.format)
    if conditions is None:
        return form if supported(form.name, types, "") else None
    usable = tuple(code for code in conditions if supported(form.name, types, code))
    return replace(form, conditions=usable) if usable else None


_OPEN = ("Free", "Narrower", "Wider")


def _types(form: Form) -> tuple[Type, ...]:
    """What the support predicate is asked about."""
    opcode = form.opcode
    memory = opcode.flags & {"can_load", "can_store"}
    constraints = zip(opcode.args, form.operands, strict=True)
    operands = tuple(t for c, t in constraints if c.kind in _OPEN and not memory)
    return operands if form.type is None else (form.type, *operands)
