"""Listings against hand-decoded machine code."""

from types import SimpleNamespace

import pytest

from reports.disassembly import listing


def function(code: str, **rest: object) -> SimpleNamespace:
    given = {"name": "f", "code": bytes.fromhex(code), "traps": [], "relocations": []}
    return SimpleNamespace(**(given | rest))


def test_traps_and_relocations_stand_beside_their_instruction() -> None:
    code = function(
        "f7f6 e800000000 0f0b",
        traps=[(0, "int_divz"), (7, "user1")],
        relocations=[(3, "X86CallPCRel4", "%g", -4)],
    )
    assert list(listing("x86_64", code)) == [
        "%f on x86_64, 9 bytes",
        "  0x0000  div esi  ; trap int_divz",
        "  0x0002  call 7  ; X86CallPCRel4 %g-4",
        "  0x0007  ud2  ; trap user1",
    ]


def test_data_between_instructions_is_passed() -> None:
    lines = list(listing("aarch64", function("ffffffff c0035fd6")))
    assert lines[1].startswith("  0x0000  .byte")
    assert lines[2] == "  0x0004  ret"


def test_an_isa_without_disassembler() -> None:
    with pytest.raises(KeyError):
        list(listing("pdp11", function("")))
