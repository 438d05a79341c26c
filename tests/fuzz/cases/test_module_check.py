"""Programs that are linked of a case, of object files or by a JIT, run and do the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from backend.cranelift import _cranelift
from backend.cranelift.compiler import CompileError, CompilerPanic, Functions, Target
from backend.cranelift.modules import (
    JitCode,
    ModuleData,
    ObjectFormat,
    make_jit,
    make_object,
    target_for,
)
from backend.emulator.guest_memory import THREAD
from backend.emulator.image import IMAGES, READ_EXEC, Image
from backend.emulator.object_linker import (
    DuplicateSymbolError,
    ObjectLinker,
    UndefinedSymbolError,
)
from backend.emulator.object_relocation import OBJECT_FORMATS
from backend.isa.registry import ISAS
from clif.outcome import ints_from_words
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.cases.jit_check import DISTANCES, link_jit
from fuzz.cases.module_check import formats_of, link_objects, run_image

LINKED = ("x86_64", "aarch64", "riscv64")
FORMATS = [(isa, format_) for isa in LINKED for format_ in formats_of(isa)]
CASE = """
test run
set opt_level=speed
{settings}
target x86_64
target aarch64
target riscv64

function %main(i64) -> i64, i64 system_v {{
    sig0 = (i64) -> i64 system_v
    fn0 = {near} %twice(i64) -> i64 system_v
    fn1 = {near} %thrice(i64) -> i64 system_v
    gv0 = symbol {near} %elsewhere+24
    gv1 = symbol %elsewhere+8
block0(v0: i64):
    v1 = call fn0(v0)
    v2 = func_addr.i64 fn1
    v3 = call_indirect sig0, v2(v1)
    v4 = iconst.i64 0x1234_5678_9abc_def0
    v5 = iadd v3, v4
    v6 = f64const 0x1.8p1
    v7 = symbol_value.i64 gv0
    v8 = symbol_value.i64 gv1
    v9 = isub v7, v8
    v10 = bitcast.i64 v6
    v11 = iadd v10, v9
    return v5, v11
}}
; run: %main(5) == [1311768467463790469, 0x4008_0000_0000_0010]

function %twice(i64) -> i64 system_v {{
block0(v0: i64):
    v1 = iconst.i64 2
    v2 = imul v0, v1
    return v2
}}

function %thrice(i64) -> i64 system_v {{
    fn0 = %twice(i64) -> i64 system_v
block0(v0: i64):
    v1 = call fn0(v0)
    v2 = iadd v1, v0
    v3 = iconst.i64 0x77
    v4 = iadd v2, v3
    return v4
}}
"""
RESULTS = [0x1234_5678_9ABC_DEF0 + 3 * 10 + 0x77, 0x4008_0000_0000_0010]


def case(settings: str = "", near: str = "") -> Case:
    return read_case(CASE.format(settings=settings, near=near)).case


def results(case: Case, isa: str, image: Image) -> list[int]:
    outcomes = run_image(case, isa, image)
    assert not np.any(outcomes.status), outcomes.details
    return [ints_from_words(words)[0] for words in outcomes.results]


SETTINGS = pytest.mark.parametrize(
    ("settings", "near"),
    [("", ""), ("", "colocated"), ("set is_pic=true", ""), ("set is_pic=true", "colocated")],
)


@SETTINGS
@pytest.mark.parametrize(("isa", "format_"), FORMATS)
def test_objects_are_linked_and_run(
    isa: str, format_: ObjectFormat, settings: str, near: str
) -> None:
    linked = link_objects(case(settings, near), isa, format_)
    assert results(case(), isa, linked) == RESULTS


# On riscv64 a near symbol's offset is lost: corpus/cranelift/jit-symbol-offset.clif.
@pytest.mark.parametrize(
    ("isa", "near"),
    [("x86_64", ""), ("x86_64", "colocated"), ("aarch64", ""), ("aarch64", "colocated")]
    + [("riscv64", "")],
)
def test_a_jit_s_memory_runs_at_the_same_addresses(isa: str, near: str) -> None:
    image = link_jit(case(near=near), isa)
    assert results(case(), isa, image) == RESULTS
    starts = [placed.address for placed in image.functions]
    areas = [IMAGES + distance for distance in DISTANCES]
    assert all(any(area <= start < area + (4 << 20) for area in areas) for start in starts)
    assert len({start >> 27 for start in starts}) > 1  # not all of them in one area


# --- what is wrong is said ---


@pytest.mark.parametrize(("isa", "format_"), FORMATS)
def test_an_undefined_symbol_is_named(isa: str, format_: ObjectFormat) -> None:
    functions = Functions(
        "function %main() system_v {\n fn0 = %nobody() system_v\nblock0:\n call fn0()\n return\n}"
    )
    target = target_for(Target.of(isa), isa, format_)
    file = make_object(functions, target, format_, defined={"main"})
    with pytest.raises(UndefinedSymbolError, match="undefined symbol nobody"):
        ObjectLinker(ISAS[isa], lambda name: None).link([file], ["main"])


@pytest.mark.parametrize(("isa", "format_"), FORMATS)
def test_a_symbol_that_two_files_define_is_named(isa: str, format_: ObjectFormat) -> None:
    functions = Functions("function %main() system_v {\nblock0:\n return\n}")
    target = target_for(Target.of(isa), isa, format_)
    file = make_object(functions, target, format_, defined={"main"})
    linker = ObjectLinker(ISAS[isa], lambda name: None)
    with pytest.raises(DuplicateSymbolError, match="duplicate symbol main"):
        linker.link([file, file], ["main"])


TWO = "function %f() system_v {\nblock0:\n return\n}\n" * 2


def jit(text: str, data: Sequence[ModuleData] = ()) -> JitCode:
    return make_jit(
        Functions(text),
        Target.of("x86_64"),
        data=data,
        areas=[(IMAGES, 3 << 16)],
        places={},
        symbols={},
    )


def test_a_definition_that_is_there_twice_is_refused() -> None:
    target = Target.of("x86_64")
    with pytest.raises(CompileError, match="Duplicate definition of identifier: f"):
        make_object(Functions(TWO), target, ObjectFormat.ELF, defined={"f"})
    with pytest.raises(CompileError, match="Duplicate definition of identifier: f"):
        jit(TWO)


def test_what_a_jit_cannot_find_is_named() -> None:
    text = "function %f() system_v {\n fn0 = %nobody() system_v\nblock0:\n call fn0()\n return\n}"
    with pytest.raises(CompilerPanic, match="can't resolve symbol nobody"):
        jit(text)


def test_a_name_that_is_a_function_s_and_data_s_is_refused() -> None:
    text = "function %f() system_v {\nblock0:\n return\n}"
    with pytest.raises(CompileError, match="Incompatible declaration of identifier: f"):
        jit(text, [ModuleData("f", b"1234")])


def test_memory_that_is_too_small_is_said() -> None:
    with pytest.raises(MemoryError, match="no room in the chosen memory"):
        jit("function %f() system_v {\nblock0:\n return\n}", [ModuleData("d", b"1" * (1 << 17))])


def test_memory_that_is_in_use_is_not_taken() -> None:
    taken = np.zeros(1 << 20, np.uint8)
    page = -(-taken.ctypes.data // 4096) * 4096
    with pytest.raises(MemoryError, match="the chosen memory is in use"):
        make_jit(
            Functions("function %f() system_v {\nblock0:\n return\n}"),
            Target.of("x86_64"),
            data=(),
            areas=[(page, 3 << 12)],
            places={},
            symbols={},
        )


@pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift")
def test_coff_has_no_thread_local_zeros() -> None:
    """docs/findings.md: a fault of Cranelift; the other formats write such data."""
    functions = Functions("function %main() system_v {\nblock0:\n return\n}")
    for format_ in formats_of("x86_64"):
        data = ModuleData("zeros", bytes(8), thread_local=True)
        target = target_for(Target.of("x86_64"), "x86_64", format_)
        names = {"main", "zeros"}
        if format_ is ObjectFormat.COFF:
            with pytest.raises(CompileError, match="unimplemented section"):
                make_object(functions, target, format_, defined=names, data=[data])
        else:
            file = make_object(functions, target, format_, defined=names, data=[data])
            assert "zeros" in {symbol.name for symbol in file.symbols}


@pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift")
@pytest.mark.parametrize("far", [1 << 30, 3 << 30])
def test_outlined_probes_have_to_be_near(far: int) -> None:
    """docs/findings.md: a fault of Cranelift. A library call may be anywhere."""
    text = (
        "function %f() system_v {\n ss0 = explicit_slot 9000\nblock0:\n"
        " v0 = stack_addr.i64 ss0\n store v0, v0\n return\n}"
    )
    settings = {
        "enable_probestack": "true",
        "probestack_strategy": "outline",
        "use_colocated_libcalls": "false",
    }

    def make() -> JitCode:
        return make_jit(
            Functions(text),
            Target.of("x86_64", settings),
            data=(),
            areas=[(IMAGES, 3 << 16)],
            places={},
            symbols={"LibCall:Probestack": IMAGES + far},
        )

    if far < 1 << 31:
        assert make().functions
    else:
        with pytest.raises(CompilerPanic, match="TryFromIntError"):
            make()


# --- a JIT's code, as bytes ---

FAR = "function %f() system_v {\n fn0 = colocated %g() system_v\nblock0:\n call fn0()\n return\n}"


def branch(distance: int) -> bytes:
    """The code of a function of AArch64 that calls another one so far away."""
    made = make_jit(
        Functions(FAR),
        Target.of("aarch64"),
        data=(),
        areas=[(IMAGES, 3 << 12)],
        places={},
        symbols={"g": IMAGES + distance},
    )
    (segment,) = made.segments
    return segment.contents[len(made.functions[0].compiled.code) :]


def test_a_veneer_is_there_for_what_a_branch_does_not_reach() -> None:
    assert branch(64 << 20) == bytes(24)
    # ldr x16, 8; br x16; and the address.
    veneer = branch(200 << 20)
    assert veneer[:8].hex() == "50000058" + "00021fd6"
    assert int.from_bytes(veneer[8:16], "little") == IMAGES + (200 << 20)


def test_an_image_s_functions_are_where_code_is() -> None:
    image = link_jit(case(), "x86_64")
    code = [s for s in image.segments if s.protection == READ_EXEC]
    assert {p.address for p in image.functions} == {s.address for s in code}


# --- thread-local data ---

SUM = """
test run
target x86_64
target aarch64
target riscv64

function %main(i64) -> i64 system_v {{
block0(v0: i64):
{lines}
    return v{last}
}}
"""


def many_constants(count: int) -> Case:
    """A function that adds constants of its own to its argument, one input 5."""
    lines, last = [], 0
    for number in range(count):
        lines.append(f"    v{2 * number + 1} = iconst.i64 {number << 33 | number}")
        lines.append(f"    v{2 * number + 2} = iadd v{last}, v{2 * number + 1}")
        last = 2 * number + 2
    total = 5 + sum(number << 33 | number for number in range(count))
    text = SUM.format(lines="\n".join(lines), last=last) + f"; run: %main(5) == {total}\n"
    return read_case(text).case


@pytest.mark.parametrize(("isa", "format_"), FORMATS)
def test_thread_local_data_is_found(isa: str, format_: ObjectFormat) -> None:
    case = many_constants(40)
    image = link_objects(case, isa, format_)
    total = 5 + sum(number << 33 | number for number in range(40))
    assert results(case, isa, image) == [total]
    there = any(segment.address == THREAD for segment in image.segments)
    assert there == OBJECT_FORMATS.of(ISAS[isa])[format_].thread_local
