"""The user's own known faults: minimised findings, which count as long as they still fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.cranelift.reader import read_file
from clif.function import Function
from fuzz.differential.diagnosis import mark_known
from fuzz.differential.finding import Finding, FindingKind
from fuzz.known import user
from fuzz.known.reproduce import MENDED, PRESENT, FaultStatus, Observation, unclear
from fuzz.known.user import VARIABLE, KnownFolderError, UserFault, user_fault, user_faults
from tests.fuzz.command import Command

#: As `clif-fuzz triage --out` writes it, with a wrong expectation for a fault.
MINIMAL = """; finding: {kind}
; isa: x86_64
; bucket: miscompile x86_64 wrong value: iadd.i8 ishl.i8
test interpret
test run
target x86_64

function %main(i8, i8) -> i8 system_v {{
block0(v0: i8, v1: i8):
    v2 = iconst.i8 3
    v3 = ishl.i8 v0, v2
    v4 = iadd.i8 v3, v1
    return v4
}}
; run: %main(1, 0) == {expected}
"""
WRONG = MINIMAL.format(kind="miscompile", expected=9)
RIGHT = MINIMAL.format(kind="miscompile", expected=8)

LIKE = """function %main(i8, i64) -> i64 {
block0(v0: i8, v1: i64):
    v2 = ishl.i8 v0, v0
    v3 = imul.i64 v1, v1
    jump block1(v3)
block1(v4: i64):
    v5 = iadd.i8 v0, v2
    v6 = uextend.i64 v5
    return v6
}"""
#: The same instructions, of which none feeds another one.
APART = LIKE.replace("iadd.i8 v0, v2", "iadd.i8 v0, v0")
OTHER_TYPES = LIKE.replace("v2 = ishl.i8 v0, v0", "v2 = ishl.i8 v0, v1")


def functions(text: str) -> list[Function]:
    return [function for function, _ in read_file(text).functions]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that counts as the user's, with a fault that is there."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "known"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "known"
    folder.mkdir()
    (folder / "shifted.clif").write_text(WRONG)
    user_faults.cache_clear()
    user.user_statuses.cache_clear()
    return folder


def name_of(text: str, isa: str = "x86_64", kind: str = "miscompile") -> str | None:
    return user_fault(kind, isa, ["miscompile x86_64 wrong value"], functions(text))


def test_a_finding_that_contains_the_minimised_case_is_known(folder: Path) -> None:
    assert name_of(LIKE) == "shifted"
    assert name_of(APART) is None
    assert name_of(OTHER_TYPES) is None
    assert name_of(LIKE, isa="aarch64") is None
    assert name_of(LIKE, kind="compiler-panic") is None


def test_a_fault_that_does_not_fail_any_more_explains_nothing(folder: Path) -> None:
    (folder / "shifted.clif").write_text(RIGHT)
    assert name_of(LIKE) is None


def test_no_folder_means_no_faults(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    assert name_of(LIKE) is None


def test_a_panic_is_known_by_its_place_whatever_the_case_contains() -> None:
    fault = UserFault("panics", "", ("x86_64",), frozenset({"compiler-panic"}), frozenset())
    seen = Observation(FaultStatus.PRESENT, "src/isa/lower.rs:12:3")

    def explains(message: str, observation: Observation = seen) -> bool:
        return fault.explains(observation, "compiler-panic", [message], [])

    assert explains("compiler-panic x86_64 lower src/isa/lower.rs:12:3")
    assert explains("at src/isa/lower.rs:13:3 in %main")
    assert not explains("at src/isa/emit.rs:12:3 in %main")
    for nothing in (MENDED, unclear("of no matter")):
        assert not explains("src/isa/lower.rs:12:3", nothing)


def test_a_case_of_constants_alone_explains_nothing() -> None:
    fault = UserFault("empty", "", ("x86_64",), frozenset({"miscompile"}), frozenset())
    assert not fault.explains(PRESENT, "miscompile", [], functions(LIKE))


def test_a_miscompile_is_marked(folder: Path) -> None:
    finding = Finding(FindingKind.MISCOMPILE, "x86_64", "wrong value")
    marked = mark_known(finding, functions(LIKE))
    assert marked.known
    assert marked.bucket == "miscompile x86_64 wrong value: shifted"
    assert mark_known(finding, functions(APART)) == finding


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(KnownFolderError, match="no folder"):
        user_faults((tmp_path / "nowhere",))
    (tmp_path / "broken.clif").write_text("function %main(")
    with pytest.raises(KnownFolderError, match=r"broken\.clif"):
        user_faults((tmp_path,))


def test_the_command_lists_them(command: Command, folder: Path, tmp_path: Path) -> None:
    (folder / "mended.clif").write_text(RIGHT)
    said = command("known", "--known", folder)
    assert said.code == 0
    lines = said.out.splitlines()
    assert any("shifted" in l and "still there  (yours)" in l for l in lines)
    assert any("mended" in l and "x86_64" in l and "(yours)" in l for l in lines)
    assert lines[-1].startswith("Cranelift ")
    assert "no folder" in command.complaint("known", "--known", tmp_path / "nowhere")
