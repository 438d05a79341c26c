"""Cranelift's own tables: opcodes, types, trap codes, settings."""

from __future__ import annotations

import re

import pytest

from backend.cranelift import _cranelift
from backend.cranelift.compiler import (
    CompilerPanic,
    SettingsError,
    Target,
    UnsupportedError,
    VerifierError,
    compile_text,
)
from backend.cranelift.opcodes import OPCODES
from clif import types
from clif.builder import resolve
from clif.opcodes import Constraint, Format, Opcode


def constraint(text: str) -> Constraint:
    kind, *rest = text.split()
    return Constraint(kind, tuple(rest))


@pytest.mark.parametrize(
    ("name", "format_", "typevar", "args", "results"),
    [
        ("iadd", Format.BINARY, 0, ["Same", "Same"], ["Same"]),
        ("icmp", Format.INT_COMPARE, 0, ["Same", "Same"], ["AsTruthy"]),
        ("iconst", Format.UNARY_IMM, None, [], ["Same"]),
        ("iconcat", Format.BINARY, 0, ["Same", "Same"], ["DoubleWidth"]),
        ("isplit", Format.UNARY, 0, ["Same"], ["HalfWidth", "HalfWidth"]),
        ("uextend", Format.UNARY, None, ["Narrower"], ["Same"]),
        ("ireduce", Format.UNARY, None, ["Wider"], ["Same"]),
        ("fma", Format.TERNARY, 1, ["Same", "Same", "Same"], ["Same"]),
        ("snarrow", Format.BINARY, 0, ["Same", "Same"], ["SplitLanes"]),
        ("swiden_low", Format.UNARY, 0, ["Same"], ["MergeLanes"]),
        ("splat", Format.UNARY, None, ["LaneOf"], ["Same"]),
        ("extractlane", Format.BINARY_IMM8, 0, ["Same"], ["LaneOf"]),
        ("f64const", Format.UNARY_IEEE64, None, [], ["Concrete f64"]),
        ("store", Format.STORE, 0, ["Same", "Free i32 i64"], []),
        ("uadd_overflow", Format.BINARY, 0, ["Same", "Same"], ["Same", "Concrete i8"]),
        ("select", Format.TERNARY, 1, ["Free i8 i16 i32 i64 i128", "Same", "Same"], ["Same"]),
        ("atomic_cas", Format.ATOMIC_CAS, 2, ["Free i32 i64", "Same", "Same"], ["Same"]),
    ],
)
def test_known_opcodes(
    name: str, format_: Format, typevar: int | None, args: list[str], results: list[str]
) -> None:
    opcode = OPCODES[name]
    assert opcode.name == name
    assert opcode.format is format_
    assert opcode.typevar_operand == typevar
    assert opcode.args == tuple(map(constraint, args))
    assert opcode.results == tuple(map(constraint, results))


def test_flags() -> None:
    assert OPCODES["return"].flags == {"is_terminator", "is_return"}
    assert "is_call" in OPCODES["call"].flags
    assert "can_trap" in OPCODES["udiv"].flags
    assert "can_load" in OPCODES["load"].flags
    assert OPCODES["brif"].is_terminator
    assert not OPCODES["iadd"].flags


def test_every_opcode_is_there_and_every_type_known() -> None:
    assert len(OPCODES) == len(_cranelift.opcodes()) > 150
    known = {type_.name for type_ in types.ALL}
    assert known <= set(_cranelift.types())
    for opcode in OPCODES.values():
        assert set(opcode.ctrl_types) <= known
        for part in (*opcode.args, *opcode.results):
            assert set(part.types) <= known
        assert opcode.polymorphic or not opcode.ctrl_types


@pytest.mark.parametrize(
    "opcode",
    [
        opcode
        for opcode in OPCODES.values()
        if opcode.format in (Format.UNARY, Format.BINARY) and opcode.results
    ],
    ids=lambda opcode: str(opcode.name),
)
def test_constraints_agree_with_the_verifier(opcode: Opcode) -> None:
    """The constraints give the types that Cranelift derives: the text is read and verified.

    It may be refused for other reasons, as an opcode or type that an ISA lacks.
    """
    for name in opcode.ctrl_types:
        ctrl = types.by_name(name)
        if ctrl.bits > 128:
            continue
        try:
            args = [resolve(part, ctrl).name for part in opcode.args]
            results = [resolve(part, ctrl).name for part in opcode.results]
        except (ValueError, KeyError):
            continue
        params = ", ".join(f"v{n}: {arg}" for n, arg in enumerate(args))
        values = ", ".join(f"v{n}" for n in range(len(args)))
        defined = ", ".join(f"v{10 + n}" for n in range(len(results)))
        text = (
            f"function %f({', '.join(args)}) -> {', '.join(results)} system_v {{\n"
            f"block0({params}):\n"
            f"    {defined} = {opcode.name}.{name} {values}\n"
            f"    return {defined}\n}}"
        )
        try:
            compile_text(text, Target.of("aarch64"))
        except VerifierError as error:
            pytest.fail(f"{error}\n{text}")
        except (CompilerPanic, UnsupportedError):
            continue


def test_trap_codes() -> None:
    codes = set(_cranelift.trap_codes())
    assert {"int_divz", "int_ovf", "heap_oob", "bad_toint", "stk_ovf"} <= codes


def test_shared_settings() -> None:
    settings = {setting["name"]: setting for setting in _cranelift.settings()}
    level = settings["opt_level"]
    assert level["kind"] == "enum"
    assert level["values"] == ["none", "speed", "speed_and_size"]
    assert level["default"] == "none"
    assert settings["enable_verifier"]["default"] == "true"
    assert {setting["kind"] for setting in settings.values()} <= {"bool", "enum", "num", "preset"}


@pytest.mark.parametrize("isa", ["x86_64", "aarch64"])
def test_isa_settings_can_all_be_set(isa: str) -> None:
    for setting in _cranelift.settings(isa):
        if setting["kind"] == "bool":
            for value in ("true", "false"):
                _ = Target.of(isa, flags={setting["name"]: value}).handle


def test_settings_of_an_unknown_isa() -> None:
    with pytest.raises(SettingsError, match=re.escape("vax")):
        _cranelift.settings("vax")
