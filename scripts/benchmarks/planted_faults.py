"""Faults that show for few inputs: one value, one lane, a carry, one shift amount.

Each changes what Cranelift made of a function: the optimised CLIF, or an instruction of the machine
code. ``proof_detection`` measures how soon proofs and campaigns see them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from clif.builder import FunctionBuilder
from clif.function import Function, Inst, Value
from clif.types import I64, by_name
from clif.uses import Place
from fuzz.prove.proof import MID_END
from fuzz.selfcheck.editing import insert_before, places, replace_uses

#: Changes a function in place, and returns whether it has such an instruction.
Edit = Callable[[Function], bool]
#: Changes an instruction's bytes; None if it is another one.
Patch = Callable[[bytes], bytes | None]


@dataclass(frozen=True, slots=True)
class PlantedFault:
    """One fault.

    Attributes:
        subject: the mid-end or an ISA.
        function: the text of a small function that it makes wrong.
        edit: of the mid-end.
        patch: of an ISA.
    """

    name: str
    subject: str
    function: str
    edit: Edit | None = None
    patch: Patch | None = None


def binary(opcode: str, type_: str, results: str = "") -> str:
    """Return a function of one instruction on two values."""
    results = results or type_
    return (
        f"function %main({type_}, {type_}) -> {results} system_v {{\n"
        f"block0(v0: {type_}, v1: {type_}):\n    v2 = {opcode} v0, v1\n    return v2\n}}\n"
    )


def unary(opcode: str, from_: str, to: str) -> str:
    """Return a function of one instruction on one value."""
    return (
        f"function %main({from_}) -> {to} system_v {{\n"
        f"block0(v0: {from_}):\n    v1 = {opcode} v0\n    return v1\n}}\n"
    )


def _wrong_where(opcode: str, type_: str, operand: int, value: int) -> Edit:
    """Return an edit: the lowest bit of the result is wrong where an operand has a value."""
    return _edit(opcode, type_, lambda b, inst: _is(b, inst.args[operand], value))


def _wrong_if_equal(opcode: str, type_: str) -> Edit:
    """Return an edit: the lowest bit of the result is wrong where both operands are equal."""
    return _edit(opcode, type_, lambda b, inst: b.value("icmp", *inst.args, cond="eq"))


def _wrong_where_halves(opcode: str, high: int, low: int) -> Edit:
    """Return an edit of an i128: the result is wrong where the first operand has two halves."""

    def found(b: FunctionBuilder, inst: Inst) -> Value:
        wide = b.value("iconcat", b.iconst(I64, low), b.iconst(I64, high))
        return b.value("icmp", inst.args[0], wide, cond="eq")

    return _edit(opcode, "i128", found)


def _wrong_lane(opcode: str, type_: str, lane: int, value: int) -> Edit:
    """Return an edit: the first lane of the result is that of an operand where another lane of the
    first operand has a value."""

    def change(b: FunctionBuilder, inst: Inst) -> Value:
        result, operand = inst.result, inst.args[0]
        here = _is(b, b.value("extractlane", operand, imm=lane), value)
        old = b.value("extractlane", result, imm=0)
        wrong = b.value("select", here, b.value("bnot", old), old)
        return b.value("insertlane", result, wrong, imm=0)

    return _changed(opcode, type_, change)


def _is(b: FunctionBuilder, x: Value, value: int) -> Value:
    return b.value("icmp", x, b.iconst(x.type, value), cond="eq")


def _edit(opcode: str, type_: str, test: Callable[[FunctionBuilder, Inst], Value]) -> Edit:
    def change(b: FunctionBuilder, inst: Inst) -> Value:
        result, where = inst.result, test(b, inst)
        return b.value("select", where, b.value("bnot", result), result)

    return _changed(opcode, type_, change)


def _changed(opcode: str, type_: str, change: Callable[[FunctionBuilder, Inst], Value]) -> Edit:
    """Return an edit that replaces the results of instructions by others."""
    wanted_type = by_name(type_)

    def wanted(inst: Inst) -> bool:
        return inst.opcode.name == opcode and inst.results[0].type is wanted_type

    def edit(function: Function) -> bool:
        found = places([function], wanted)
        for place in reversed(found):
            inst, block = place.inst, place.block
            before = list(block.instructions)
            with insert_before(Place(function, block, place.index + 1)) as b:
                wrong = change(b, inst)
            made = [each for each in block.instructions if each not in before]
            replace_uses(function, inst.result, wrong, but=made)
        return bool(found)

    return edit


# --- patches of instructions ---


def _prefixed(code: bytes) -> int:
    """Return how many bytes of prefixes an instruction of x86-64 has."""
    found = (at for at, byte in enumerate(code) if byte not in b"\x66\xf2\xf3" and byte >> 4 != 4)
    return next(found, len(code))


def _opcode(old: bytes, new: bytes, register: int | None = None) -> Patch:
    """Return a patch of an opcode of x86-64, maybe only with a number in its ModRM byte."""

    def patch(code: bytes) -> bytes | None:
        at = _prefixed(code)
        if not code.startswith(old, at):
            return None
        end = at + len(old)
        if register is None:
            return code[:at] + new + code[end:]
        modrm = code[end]
        if modrm >> 3 & 7 != register:
            return None
        return code[:end] + bytes([modrm & 0xC7 | new[0] << 3]) + code[end + 1 :]

    return patch


def _word(mask: int, old: int, new: int) -> Patch:
    """Return a patch of an instruction of AArch64: some bits are replaced."""

    def patch(code: bytes) -> bytes | None:
        word = int.from_bytes(code, "little")
        if word & mask != old:
            return None
        return (word & ~mask | new).to_bytes(4, "little")

    return patch


_SELECT_ULT: Final = """function %main(i64, i64, i64, i64) -> i64 system_v {
block0(v0: i64, v1: i64, v2: i64, v3: i64):
    v4 = icmp ult v0, v1
    v5 = select v4, v2, v3
    return v5
}
"""
_RARE: Final = 0x5DB3_17E2_9C40_A66F


def _mid_end(name: str, function: str, edit: Edit) -> PlantedFault:
    return PlantedFault(f"mid-end-{name}", MID_END, function, edit=edit)


def _x86(name: str, function: str, patch: Patch) -> PlantedFault:
    return PlantedFault(f"x86-64-{name}", "x86_64", function, patch=patch)


def _arm(name: str, function: str, patch: Patch) -> PlantedFault:
    return PlantedFault(f"aarch64-{name}", "aarch64", function, patch=patch)


FAULTS: Final[tuple[PlantedFault, ...]] = (
    _mid_end("iadd-of-minimum", binary("iadd", "i32"), _wrong_where("iadd", "i32", 0, 1 << 31)),
    _mid_end("isub-of-equals", binary("isub", "i64"), _wrong_if_equal("isub", "i64")),
    _mid_end("imul-of-maximum", binary("imul", "i16"), _wrong_where("imul", "i16", 0, 0x7FFF)),
    _mid_end("ishl-by-31", binary("ishl", "i32"), _wrong_where("ishl", "i32", 1, 31)),
    _mid_end("sshr-by-63", binary("sshr", "i64"), _wrong_where("sshr", "i64", 1, 63)),
    _mid_end("iadd-of-one-lane", binary("iadd", "i64x2"), _wrong_lane("iadd", "i64x2", 1, -1)),
    _mid_end("band-of-a-sign", binary("band", "i128"), _wrong_where_halves("band", 1 << 63, 0)),
    _mid_end("smax-of-minimum", binary("smax", "i8"), _wrong_where("smax", "i8", 0, 0x80)),
    _mid_end("iadd-of-one-number", binary("iadd", "i64"), _wrong_where("iadd", "i64", 0, _RARE)),
    _mid_end(
        "uextend-of-ones",
        unary("uextend.i64", "i32", "i64"),
        _wrong_where("uextend", "i64", 0, 0xFFFF_FFFF),
    ),
    _x86("no-carry", binary("iadd", "i128"), _opcode(b"\x13", b"\x03")),
    _x86("less-or-equal", binary("icmp slt", "i64", "i8"), _opcode(b"\x0f\x9c", b"\x0f\x9e")),
    _x86("select-if-equal", _SELECT_ULT, _opcode(b"\x0f\x42", b"\x0f\x46")),
    _x86("no-saturation", binary("uadd_sat", "i8x16"), _opcode(b"\x0f\xdc", b"\x0f\xfc")),
    _x86("narrow-comparison", binary("icmp sgt", "i32x4"), _opcode(b"\x0f\x66", b"\x0f\x65")),
    _x86("logical-shift", binary("sshr", "i64"), _opcode(b"\xd3", b"\x05", 7)),
    _x86("odd-zero", unary("ctz", "i32", "i32"), _opcode(b"\x0f\x44", b"\x0f\x45")),
    _arm("no-carry", binary("iadd", "i128"), _word(0xFFE0_FC00, 0x9A00_0000, 0x8B00_0000)),
    _arm("less-or-equal", binary("icmp slt", "i64", "i8"), _word(0xF000, 0xA000, 0xC000)),
    _arm("select-if-equal", _SELECT_ULT, _word(0xFFE0_FC00, 0x9A80_3000, 0x9A80_9000)),
    _arm(
        "no-saturation", binary("sadd_sat", "i32x4"), _word(0xFFE0_FC00, 0x4EA0_0C00, 0x4EA0_8400)
    ),
    _arm("logical-shift", binary("sshr", "i64"), _word(0xFFE0_FC00, 0x9AC0_2800, 0x9AC0_2400)),
    _arm(
        "unsigned-high-half", binary("smulhi", "i64"), _word(0xFFE0_FC00, 0x9B40_7C00, 0x9BC0_7C00)
    ),
)
