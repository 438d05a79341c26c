"""The search for the release that began to fail, and how a release is tested."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.cranelift.compiler import CompilerPanic, ReadError, SettingsError, Target
from backend.cranelift.release_build import UnavailableError
from backend.cranelift.releases import Release, ReleaseCode, ReleaseCompiler, ReleaseTimeoutError
from fuzz.cases.casefile import read_case
from fuzz.triage.bisect.search import BisectResult, ReleaseResult, ReleaseStatus, bisect
from fuzz.triage.bisect.tester import CrossReleaseSignature, ReleaseTester, cranelift_failures
from tests.fuzz.command import Command
from tests.fuzz.triage.fake_release import compile_as_release
from tests.paths import CORPUS

CRANELIFT = CORPUS / "cranelift"
WRONG = CRANELIFT / "fmin-zero-f16.clif"

STATUS = {"b": ReleaseStatus.BAD, "g": ReleaseStatus.GOOD, "?": ReleaseStatus.UNCLEAR}


def searched(word: str) -> BisectResult[int]:
    """Bisect releases whose status the letters of a word give."""
    return bisect(range(len(word)), lambda n: ReleaseResult(n, STATUS[word[n]]))


def pair(found: BisectResult[int]) -> tuple[int, int] | None:
    if found.before is None or found.after is None:
        return None
    return found.before.release, found.after.release


# --- the search ---


@pytest.mark.parametrize("first_bad", range(1, 16))
def test_every_place_of_the_change_is_found_in_few_steps(first_bad: int) -> None:
    found = searched("g" * first_bad + "b" * (16 - first_bad))
    assert pair(found) == (first_bad - 1, first_bad)
    assert len(found.tested) <= 6


def test_the_first_good_one_is_found_as_well() -> None:
    found = searched("bbbbgg")
    assert pair(found) == (3, 4)
    assert found.after is not None
    assert found.after.status is ReleaseStatus.GOOD


@pytest.mark.parametrize("word", ["ggggbbbb", "g?gg?bb?b", "???ggbb??", "gg????bb", "?b", "gb"])
def test_none_is_asked_twice(word: str) -> None:
    releases = [tested.release for tested in searched(word).tested]
    assert len(releases) == len(set(releases))


def test_those_between_that_cannot_say_are_named() -> None:
    found = searched("gg???bb")
    assert pair(found) == (1, 5)
    assert [tested.release for tested in found.between] == [2, 3, 4]
    assert {tested.release for tested in found.unclear} == {2, 3, 4}


def test_a_single_one_that_cannot_say_is_gone_round() -> None:
    assert pair(searched("gggg?gbbb")) == (5, 6)


@pytest.mark.parametrize("unknown", [1, 5, 11])
def test_releases_too_old_to_say_are_passed_over_quickly(unknown: int) -> None:
    found = searched("?" * unknown + "g" * (13 - unknown) + "bbb")
    assert pair(found) == (12, 13)
    assert len(found.tested) <= 9


def test_newer_ones_that_cannot_say_are_passed_over_as_well() -> None:
    assert pair(searched("ggggbb??????")) == (3, 4)
    assert pair(searched("????ggbb????")) == (5, 6)


@pytest.mark.parametrize("word", ["bbbb", "gggg", "????", "??bb", "b", "?", ""])
def test_no_change(word: str) -> None:
    assert pair(searched(word)) is None


# --- testing a release ---


class Fake(ReleaseCompiler):
    """The linked Cranelift behind the face of a release, with the text changed before."""

    def __init__(self, version: str, change: Callable[[str], str]) -> None:
        super().__init__(Path("nowhere"), version)
        self.change = change

    def compile(
        self,
        text: str,
        target: Target,
        chaos: bytes = b"",
        inlining: bytes = b"",
        *,
        tables: bool = False,
        labels: bool = False,
    ) -> list[ReleaseCode]:
        return compile_as_release(self.change(text), target)


def same(text: str) -> str:
    return text


def mended(text: str) -> str:
    """What a release without the fault computes."""
    return text.replace("return v2", "return v1")


def raises(error: Exception) -> Callable[[str], str]:
    def change(text: str) -> str:
        raise error

    return change


def panic(message: str, location: str) -> CompilerPanic:
    error = CompilerPanic(message)
    error.message, error.location, error.function, error.phase = message, location, "main", "other"
    return error


def status_of(change: Callable[[str], str]) -> tuple[ReleaseStatus, str]:
    tester = ReleaseTester(read_case(WRONG.read_text()).case, ("x86_64",))
    (failure,) = cranelift_failures(tester.check(None))
    return tester.test(Fake("0.1.0", change), failure)


def test_the_same_failure_is_bad_and_agreement_good() -> None:
    assert status_of(same)[0] is ReleaseStatus.BAD
    assert status_of(mended) == (ReleaseStatus.GOOD, "")


def test_what_a_release_does_not_know_is_not_good() -> None:
    status, why = status_of(lambda text: text.replace("fmin", "fminimum"))
    assert status is ReleaseStatus.UNCLEAR
    assert "does not read the case" in why


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (SettingsError("no such setting: foo"), "has not these settings: no such setting: foo"),
        (ReleaseTimeoutError("took longer than 60 s"), "took longer"),
        (panic("boom", "cranelift-codegen/src/isa/aarch64/mod.rs:1:1"), "fails in another way"),
    ],
)
def test_other_trouble_cannot_say(error: Exception, why: str) -> None:
    status, reason = status_of(raises(error))
    assert status is ReleaseStatus.UNCLEAR
    assert why in reason


def test_a_wrong_result_elsewhere_is_bad_only_for_its_kind() -> None:
    status, _ = status_of(lambda text: text.replace("return v2", "trap user1"))
    assert status is ReleaseStatus.UNCLEAR


def test_panics_are_the_same_wherever_their_line_has_moved_to() -> None:
    tester = ReleaseTester(
        read_case((CRANELIFT / "isub-self-i8x8.clif").read_text()).case, ("aarch64",)
    )

    def failure(message: str, location: str) -> CrossReleaseSignature:
        compiler = Fake("0.1.0", raises(panic(message, location)))
        (found,) = cranelift_failures(tester.check(compiler))
        return found

    here = failure("no rule for v12", "cranelift-codegen/out/isle_opt.rs:100:5")
    assert failure("no rule for v7", "cranelift-codegen/out/isle_opt.rs:95:9") == here
    assert failure("another", "cranelift-codegen/out/isle_opt.rs:100:5") != here
    assert failure("no rule for v12", "cranelift-codegen/out/isle_x64.rs:100:5") != here


# --- releases ---


def test_releases_by_version_and_by_folder(tmp_path: Path) -> None:
    assert Release.of("0.121").order == (0, 121)
    assert Release.of("0.121.2").order == (0, 121)
    (tmp_path / "Cargo.toml").write_text('[package]\nname = "cranelift-codegen"\nversion = "0.9.1"')
    local = Release.of(str(tmp_path))
    assert (local.path, local.order) == (tmp_path, (0, 9))


@pytest.mark.parametrize("text", ["121", "0.x", "/nowhere/at/all"])
def test_what_is_no_release(text: str) -> None:
    with pytest.raises(ValueError, match="neither a version"):
        Release.of(text)


def test_a_folder_without_cranelift(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither a Wasmtime working tree"):
        Release.of(str(tmp_path))


# --- the command ---


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[str], str] | str]:
    """What each release does with a text, or why it cannot be had."""
    known: dict[str, Callable[[str], str] | str] = {}

    def build(release: Release, on_crate: object = None) -> ReleaseCompiler:
        change = known.get(release.version, "never published")
        if isinstance(change, str):
            raise UnavailableError(change)
        return Fake(f"{release.version}.7", change)

    monkeypatch.setattr(ReleaseCompiler, "build", staticmethod(build))
    return known


def test_the_first_bad_release_is_named(
    command: Command, releases: dict[str, Callable[[str], str] | str], tmp_path: Path
) -> None:
    for minor in range(100, 110):
        releases[f"0.{minor}"] = mended if minor < 106 else same
    releases["0.104"] = "does not build: error[E0308]"
    facts = tmp_path / "facts.json"
    output = command("bisect", WRONG, "--from", "0.100", "--to", "0.109", "--json", facts)
    assert output.code == 0
    assert "first bad release: 0.106.7 (good before: 0.105.7)" in output.out
    assert "1 of" in output.out
    assert "cannot say: 0.104" in output.out
    told = json.loads(facts.read_text())
    assert told["after"] == {
        "release": "0.106",
        "answer": "bad",
        "note": "0.106.7: miscompile x86_64 result: f16const fmin.f16",
    }
    assert told["cannot_say"] == 1


def test_no_release_can_be_named(
    command: Command, releases: dict[str, Callable[[str], str] | str]
) -> None:
    releases["0.100"] = releases["0.101"] = same
    output = command("bisect", WRONG, "--from", "0.100", "--to", "0.101")
    assert output.code == 2
    assert "every release that can say is bad" in output.err
    output = command("bisect", WRONG, "--from", "0.50", "--to", "0.51")
    assert output.code == 2
    assert "no release can say" in output.err
    assert "never published" in output.out


def test_bad_usage(command: Command) -> None:
    assert "later than" in command.complaint("bisect", WRONG, "--from", "0.130", "--to", "0.120")
    assert "neither" in command.complaint("bisect", WRONG, "--from", "yesterday")


def test_the_release_asks_what_it_is_to_ignore(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    def ask(self: ReleaseCompiler, request: dict[str, object]) -> object:
        seen.update(request)
        return {"error": {"kind": "read", "message": "no", "line": 3}}

    monkeypatch.setattr(ReleaseCompiler, "_ask", ask)
    target = Target.of(
        "x86_64",
        {"opt_level": "speed", "enable_pinned_reg": "false"},
        {"has_bmi1": "true", "has_bmi2": "false"},
    )
    with pytest.raises(ReadError) as error:
        ReleaseCompiler(Path("nowhere"), "0.1.0").compile("function", target, b"\x00\xff")
    assert error.value.line == 3
    assert seen["optional"] == {"enable_pinned_reg": True, "has_bmi2": True}
    assert seen["triple"] == "x86_64-unknown-linux-gnu"
    assert seen["chaos"] == "00ff"
