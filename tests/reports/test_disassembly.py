"""Listings against hand-decoded machine code."""

from types import SimpleNamespace

import pytest

from reports.disassembly import listing


def function(code: str, **rest: object) -> SimpleNamespace:
    given = {
        "name": "f",
        "code": bytes.fromhex(code),
        "traps": [],
        "relocations": [],
        "block_starts": [],
    }
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


def test_data_between_instructions_is_shown_as_data() -> None:
    code = function("20001fd6 ffffffff 08000000 00000000 c0035fd6", block_starts=[0, 16])
    assert list(listing("aarch64", code))[1:] == [
        "  0x0000  br x1",
        "  0x0004  .byte ff ff ff ff 08 00 00 00 00 00 00 00",
        "  0x0010  ret",
    ]


def test_long_data_and_padding_are_passed_over() -> None:
    code = function("c3" + "00" * 40 + "c3" + "01" * 300, block_starts=[0, 41])
    assert list(listing("x86_64", code))[1:] == [
        "  0x0000  ret",
        "  0x0001  .skip 40",
        "  0x0029  ret",
        "  0x002a  .skip 300",
    ]


def test_an_isa_without_disassembler() -> None:
    with pytest.raises(KeyError):
        list(listing("pdp11", function("")))
