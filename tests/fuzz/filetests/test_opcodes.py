"""The filetests of `corpus/opcodes`: all pass, and every opcode with a meaning occurs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import interp
from backend.cranelift import _cranelift
from backend.cranelift.opcodes import OPCODES
from backend.cranelift.reader import read_functions
from backend.isa.executors import left_out
from clif.types import by_name
from fuzz.filetests.check import check_text
from fuzz.filetests.report import FileReport
from fuzz.filetests.results import CommandStatus
from tests.paths import CORPUS

FOLDER = CORPUS / "opcodes"
FILES = sorted(FOLDER.rglob("*.clif"))
TOPICS = sorted(path.name for path in FOLDER.iterdir())
COMPILED = (
    "x86_64",
    "aarch64",
    "s390x",
    "pulley64",
    "pulley64be",
    "pulley32",
    "pulley32be",
)
EXECUTORS = ("interp", *(isa for isa in COMPILED if not left_out(isa)))

pytestmark = pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift")


@cache
def reports(topic: str) -> list[FileReport]:
    files = (path for path in FILES if path.parent.name == topic)
    return [check_text(path.name, path.read_text(), EXECUTORS) for path in files]


@pytest.mark.parametrize("topic", TOPICS)
def test_everything_passes(topic: str) -> None:
    for report in reports(topic):
        assert report.problems == []
        failures = [
            (report.path, command.text, executor, result.reason)
            for command, row in report.results
            for executor, result in row.items()
            if result.status is CommandStatus.FAILED
        ]
        assert failures == []
        assert report.count(CommandStatus.PASSED, "interp") == report.commands > 0


def test_the_opposite_fails() -> None:
    text = (FOLDER / "integer" / "iadd.clif").read_text()
    report = check_text("", text.replace(" == ", " != "), EXECUTORS)
    expected = len(EXECUTORS) * report.commands
    assert (report.count(CommandStatus.PASSED), report.failed) == (0, expected)


@pytest.mark.parametrize("topic", TOPICS)
def test_nothing_is_skipped_but_for_its_header(topic: str) -> None:
    found: Counter[str] = Counter()
    for report in reports(topic):
        found.update(reason for _, reason in report.skips.elements())
        assert not report.left_out
    isa = "|".join((*COMPILED, "riscv64"))  # that has files of its own only
    header = re.compile(f"no 'test run' line|only for (?:{isa})(?:, (?:{isa}))*")
    assert all(map(header.fullmatch, found)), found


def test_every_opcode_with_a_meaning_has_its_file() -> None:
    stated = {name for path in FILES for name in _opcodes(path) if path.stem.startswith(name)}
    assert stated == set(interp.MEANINGS)
    assert len(stated) == 158


def _opcodes(path: Path) -> set[str]:
    functions = read_functions(path.read_text())
    return {inst.opcode.name for function in functions for inst in function.instructions()}


def test_every_type_occurs() -> None:
    seen = {(name, type_) for path in FILES for name, type_ in _instructions(path)}
    missing = {
        (opcode, type_)
        for opcode in set(interp.MEANINGS) - _ADDRESSES
        for type_ in OPCODES[opcode].ctrl_types
        if by_name(type_).bits <= 128 and (opcode, type_) not in seen
    }
    assert missing == {(opcode, t) for opcode, types in IMPOSSIBLE.items() for t in types.split()}


def _instructions(path: Path) -> Iterator[tuple[str, str]]:
    for function in read_functions(path.read_text()):
        for inst in function.instructions():
            if inst.type is not None:
                yield inst.opcode.name, inst.type.name


#: Their controlling type is that of an address or a pointer-sized register: i64 on these ISAs.
_ADDRESSES = frozenset(
    ["stack_addr", "func_addr", "symbol_value", "get_exception_handler_address"]
    + ["get_frame_pointer", "get_stack_pointer", "get_return_address"]
    + ["get_pinned_reg", "set_pinned_reg"]
    + ["call_indirect", "try_call_indirect", "return_call_indirect"]
    + [f"{sign}load{form}" for sign in "us" for form in ("32", "8x8", "16x4", "32x2")]
)

#: Types for which there is no operand: none is narrower, or wider, or has lanes of that width.
IMPOSSIBLE = {
    "ireduce": "i128",
    "uextend": "i8",
    "sextend": "i8",
    "fpromote": "f16",
    "fdemote": "f128",
    "fcvt_to_uint_sat": "i8x2 i8x4 i8x8 i8x16",
    "fcvt_to_sint_sat": "i8x2 i8x4 i8x8 i8x16",
    "x86_cvtt2dq": "i8 i8x2 i8x4 i8x8 i8x16",
}
