"""Functions with references to symbols do what they did: constants are loaded."""

from __future__ import annotations

from backend.cranelift.reader import read_functions
from clif.function import GlobalValue, Inst
from clif.printer import print_functions
from fuzz.cases.module_symbols import DATA_NAMES, ModuleSource, SymbolForms, with_symbols

TEXT = """
function %main(i64) -> i64 system_v {
    fn0 = colocated %callee(i64) -> i64 system_v
    gv0 = symbol colocated %elsewhere+8
block0(v0: i64):
    v1 = call fn0(v0)
    v2 = iconst.i64 0x1234_5678_9abc
    v3 = iconst.i8 -3
    v4 = f64const 0x1.8p1
    v5 = vconst.i32x4 [1 2 3 4]
    v6 = symbol_value.i64 gv0
    v7 = iadd v1, v2
    return v7
}

function %callee(i64) -> i64 system_v {
block0(v0: i64):
    v1 = iconst.i64 1
    v2 = iconst.i64 2
    v3 = iadd v0, v1
    v4 = iadd v3, v2
    return v4
}
"""


def source(text: str = TEXT, *, near: bool = True) -> ModuleSource:
    return with_symbols(read_functions(text), SymbolForms(lambda *_: near))


def loaded(found: ModuleSource, load: Inst, before: list[Inst]) -> bytes:
    """What a load of a constant gets, by a linker of its own that knows one address a symbol."""
    data = {each.name: each for each in found.data}
    (address,) = load.args
    made = next(inst for inst in before if address in inst.results)
    offset = load.offset
    if made.opcode.name == "load":  # an address that lies in data
        (pointer,) = made.args
        made = next(inst for inst in before if pointer in inst.results)
        table = made.ref
        assert isinstance(table, GlobalValue)
        at = table.offset + made.offset
        (entry,) = (a for a in data[table.symbol or ""].addresses if a[0] == at)
        name, offset = entry[1], offset + entry[2]
    else:
        symbol = made.ref
        assert isinstance(symbol, GlobalValue)
        name, offset = symbol.symbol or "", offset + symbol.offset
    size = load.results[0].type.bytes
    return data[name].contents[offset : offset + size]


def test_what_is_loaded_is_the_constant():
    before = read_functions(TEXT)
    found = source()
    checked = 0
    for old, new in zip(before, found.functions, strict=True):
        constants = {
            inst.results[0].number: inst
            for inst in old.instructions()
            if inst.opcode.name in ("iconst", "f64const", "vconst")
        }
        instructions = list(new.instructions())
        for at, inst in enumerate(instructions):
            constant = inst.results and constants.get(inst.results[0].number)
            if constant and inst.opcode.name == "load":
                size = inst.results[0].type.bytes
                bits = constant.imm & ((1 << 8 * size) - 1)
                assert loaded(found, inst, instructions[:at]) == bits.to_bytes(size, "little")
                checked += 1
    assert checked >= 3


def test_what_is_printed_is_read_again():
    text = print_functions(source().functions)
    assert print_functions(read_functions(text)) == text


def test_choices_do_not_depend_on_places():
    """What is left of a case stays as it is when something is taken out."""
    shorter = TEXT.replace("    v3 = iconst.i8 -3\n", "")
    assert shorter != TEXT
    one, other = source().data, source(shorter).data
    assert {each.name for each in other} <= {each.name for each in one} <= DATA_NAMES


def test_far_symbols_are_never_near():
    text = print_functions(source(near=False).functions)
    assert "colocated" not in text
    assert "colocated" in print_functions(source().functions)


def test_names_that_nothing_defines_are_known():
    assert source().undefined == {"elsewhere"}


def test_the_functions_themselves_stay_as_they_were():
    functions = read_functions(TEXT)
    with_symbols(functions, SymbolForms(lambda *_: False))
    assert print_functions(functions) == print_functions(read_functions(TEXT))
