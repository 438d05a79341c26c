"""``bisect --repo``: the commit is found, whatever the history looks like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.cranelift.release_build import InconclusiveBuildError
from tests.fuzz.command import Command, Output
from tests.fuzz.triage.commits.little_repository import FakeBuilder, LittleRepository
from tests.paths import CORPUS

WRONG = CORPUS / "cranelift" / "fmin-zero-f16.clif"


class Bisect:
    """Calls the command, and checks that it leaves the repository as it was."""

    def __init__(self, command: Command, repository: LittleRepository) -> None:
        self.command = command
        self.repository = repository

    def __call__(self, first: str, last: str, *more: object) -> Output:
        before = self.repository.state()
        output = self.command(
            "bisect", WRONG, "--repo", self.repository.path, "--from", first, "--to", last, *more
        )
        assert self.repository.state() == before
        return output


@pytest.fixture
def bisect(command: Command, repository: LittleRepository, builder: FakeBuilder) -> Bisect:
    return Bisect(command, repository)


@pytest.mark.parametrize("first_bad", [1, 2, 5, 9])
def test_the_commit_that_began_to_fail(
    bisect: Bisect, repository: LittleRepository, builder: FakeBuilder, first_bad: int
) -> None:
    commits = repository.commits("g" * first_bad + "b" * (10 - first_bad))
    output = bisect(commits[0], commits[-1])
    assert output.code == 0, output.err
    wanted = commits[first_bad]
    assert f"began to fail with {wanted} (2023-11-1" in output.out
    assert f"Change {first_bad + 1} is bad" in output.out.splitlines()[-1]
    assert len(builder.built) <= 6
    assert "1 of about 6" in output.out
    first, last, *_ = output.err.splitlines()
    assert f"1 of about 6: building {commits[0][:12]} (Change 1 is good)" in first
    assert f"2 of about 6: building {commits[-1][:12]} (Change 10 is bad)" in last


def test_the_commit_that_stopped_failing(bisect: Bisect, repository: LittleRepository) -> None:
    commits = repository.commits("bbbbbgg")
    assert f"stopped failing with {commits[5]}" in bisect(commits[0], "HEAD").out


def test_what_does_not_build_is_skipped(
    bisect: Bisect, repository: LittleRepository, tmp_path: Path
) -> None:
    commits = repository.commits("ggggxgbbb")
    facts = tmp_path / "facts.json"
    output = bisect(commits[0], commits[-1], "--json", facts)
    assert f"began to fail with {commits[6]}" in output.out
    assert "skipped" in output.out
    assert "does not build: error[E0308]: mismatched types" in output.out
    assert "1 of 6 was skipped" in output.out
    told = json.loads(facts.read_text())
    assert told["commit"] == told["candidates"][0]
    assert told["commit"]["id"] == commits[6]
    assert told["commit"]["subject"] == "Change 7 is bad"
    assert (told["change"], told["skipped"], told["commits"]) == ("began to fail", 1, 8)
    assert [t["answer"] for t in told["tested"]].count("skipped") == 1
    assert told["from"]["id"] == commits[0]


def test_a_range_if_skipped_ones_cannot_be_told_from_the_first_bad_one(
    bisect: Bisect, repository: LittleRepository, tmp_path: Path
) -> None:
    commits = repository.commits("gggxxbb")
    facts = tmp_path / "facts.json"
    output = bisect(commits[0], commits[-1], "--json", facts)
    assert output.code == 0
    assert "began to fail with one of 3 commits" in output.out
    for commit in commits[3:6]:
        assert f"  {commit} (2023" in output.out
    told = json.loads(facts.read_text())
    assert told["commit"] is None
    assert {commit["id"] for commit in told["candidates"]} == set(commits[3:6])


def test_what_nothing_is_built_from_is_passed_over(
    bisect: Bisect, repository: LittleRepository, builder: FakeBuilder
) -> None:
    (start,) = repository.commits("g")
    for _ in range(5):
        repository.unrelated()
    (bad,) = repository.commits("b")
    *_, last = [repository.unrelated() for _ in range(5)]
    output = bisect(start, last)
    assert f"began to fail with {bad}" in output.out
    assert "1 commit changes what Cranelift is built from" in output.out
    assert builder.built == ["good 1", "bad 7"]


def test_a_change_on_a_merged_branch(bisect: Bisect, repository: LittleRepository) -> None:
    start, *_ = repository.commits("ggg")
    repository.git("checkout", "--quiet", "-b", "side", start)
    _, guilty, _ = (
        repository.commit(word, {"crates/core/side.rs": f"{word} {n}"})
        for n, word in enumerate(["good", "bad", "bad"])
    )
    repository.git("checkout", "--quiet", "main")
    repository.commits("gg")
    repository.git("merge", "--quiet", "--no-commit", "--strategy=ours", "side")
    merge = repository.commit("bad")
    repository.commits("bb")
    output = bisect(start, "main")
    assert f"began to fail with {guilty}" in output.out
    assert merge not in output.out.splitlines()[-1]


def test_a_merge_that_began_it(bisect: Bisect, repository: LittleRepository) -> None:
    start, *_ = repository.commits("gg")
    repository.git("checkout", "--quiet", "-b", "side", start)
    repository.commits("gg")
    repository.git("checkout", "--quiet", "main")
    repository.commits("g")
    repository.git("merge", "--quiet", "--no-commit", "--strategy=ours", "side")
    merge = repository.commit("bad")
    assert f"began to fail with {merge}" in bisect(start, "main").out


def test_release_branches(bisect: Bisect, repository: LittleRepository) -> None:
    """The earlier end is no ancestor of the later one: git asks for the merge base."""
    repository.commits("gg")
    repository.git("checkout", "--quiet", "-b", "release-1")
    (old,) = repository.commits("g")
    repository.git("checkout", "--quiet", "main")
    commits = repository.commits("ggbb")
    assert f"began to fail with {commits[2]}" in bisect(old, "main").out


def test_a_change_on_the_branch_of_the_earlier_release(
    bisect: Bisect, repository: LittleRepository
) -> None:
    """It fails where the two part already: the earlier release has the mending."""
    repository.commits("gbb")
    repository.git("checkout", "--quiet", "-b", "release-1")
    repaired = repository.commits("bgg")
    repository.git("checkout", "--quiet", "main")
    repository.commits("bbb")
    output = bisect(repaired[-1], "main")
    assert f"stopped failing with {repaired[1]}" in output.out


def test_the_ends_are_checked(bisect: Bisect, repository: LittleRepository) -> None:
    commits = repository.commits("ggxbb")
    both = bisect(commits[3], commits[4])
    assert both.code == 2
    assert "both ends fail by the same miscompile" in both.err
    assert "neither end fails" in bisect(commits[0], commits[1]).err
    assert f"--to {commits[2][:12]} cannot say: does not build" in bisect("main~4", "main~2").err


def test_a_second_call_goes_on_with_what_is_known(
    bisect: Bisect, repository: LittleRepository, builder: FakeBuilder
) -> None:
    commits = repository.commits("ggggggxgbbbb")

    def interrupt(tree: Path) -> None:
        if len(builder.built) == 3:
            raise KeyboardInterrupt

    builder.before = interrupt
    assert bisect(commits[0], commits[-1]).code == 130
    first = list(builder.built)
    builder.before = lambda tree: None
    output = bisect(commits[0], commits[-1])
    assert f"began to fail with {commits[8]}" in output.out
    assert not set(first) & set(builder.built[3:])
    built = len(builder.built)
    assert f"began to fail with {commits[8]}" in bisect(commits[0], commits[-1]).out
    assert len(builder.built) == built


def test_another_case_uses_the_programs_that_are_there(
    bisect: Bisect, repository: LittleRepository, builder: FakeBuilder, tmp_path: Path
) -> None:
    commits = repository.commits("ggbb")
    bisect(commits[0], commits[-1])
    built = len(builder.built)
    other = tmp_path / "other.clif"
    other.write_text(WRONG.read_text().replace("%main", "%other"))
    repo = repository.path
    output = bisect.command("bisect", other, "--repo", repo, "--from", commits[0])
    assert f"began to fail with {commits[2]}" in output.out
    assert len(builder.built) == built


def test_changes_that_are_in_no_commit(
    command: Command, repository: LittleRepository, builder: FakeBuilder
) -> None:
    commits = repository.commits("gbb")
    (repository.path / "cranelift/codegen/src/lib.rs").write_text("broken")
    output = command("bisect", WRONG, "--repo", repository.path, "--from", commits[0])
    assert "that are in no commit are left out" in output.err
    assert f"began to fail with {commits[1]}" in output.out
    assert not any(text.startswith("broken") for text in builder.built)


def test_the_users_own_bisection_goes_on(bisect: Bisect, repository: LittleRepository) -> None:
    commits = repository.commits("ggggbbbb")
    repository.git("bisect", "start", commits[-1], commits[0])
    log = repository.git("bisect", "log")
    assert f"began to fail with {commits[4]}" in bisect(commits[0], commits[-1]).out
    assert repository.git("bisect", "log") == log


def test_hooks_do_not_run(bisect: Bisect, repository: LittleRepository) -> None:
    commits = repository.commits("gbb")
    hook = repository.path / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch ran\n")
    hook.chmod(0o755)
    assert f"began to fail with {commits[1]}" in bisect(commits[0], commits[-1]).out


def test_a_repository_of_codegen_alone(
    command: Command, tmp_path: Path, builder: FakeBuilder
) -> None:
    manifest = {"Cargo.toml": '[package]\nname = "cranelift-codegen"\nversion = "0.135.8"\n'}
    alone = LittleRepository.create(tmp_path / "alone", manifest)
    commits = [
        alone.commit(word, {"src/lib.rs": f"{word} {n}"})
        for n, word in enumerate(["good", "good", "bad", "bad"])
    ]
    output = command("bisect", WRONG, "--repo", alone.path, "--from", commits[0])
    assert f"began to fail with {commits[2]}" in output.out, output.err


def test_a_file_with_several_cases(
    command: Command, repository: LittleRepository, builder: FakeBuilder, tmp_path: Path
) -> None:
    """Each is bisected; one that never fails is named."""
    commits = repository.commits("gbb")
    fine = (
        "function %fine(i32) -> i32 {\nblock0(v0: i32):\n    return v0\n}\n; run: %fine(1) == 1\n"
    )
    file, facts = tmp_path / "several.clif", tmp_path / "facts.json"
    file.write_text(f"{WRONG.read_text()}\n{fine}")
    repo = repository.path
    output = command("bisect", file, "--repo", repo, "--from", commits[0], "--json", facts)
    assert output.code == 0, output.err
    assert f"began to fail with {commits[1]}" in output.out
    assert f"{file} %fine: neither end fails" in output.err
    told = json.loads(facts.read_text())["cases"]
    assert told[0]["commit"]["id"] == commits[1]
    assert told[1]["error"].startswith("neither end fails")


def test_json_alone(command: Command, repository: LittleRepository, builder: FakeBuilder) -> None:
    commits = repository.commits("gbb")
    output = command(
        "bisect", WRONG, "--repo", repository.path, "--from", commits[0], "--json", "-"
    )
    assert json.loads(output.out)["commit"]["id"] == commits[1]


def test_trouble_of_the_machine_is_no_reason_to_skip_a_commit(
    bisect: Bisect, repository: LittleRepository, builder: FakeBuilder
) -> None:
    commits = repository.commits("ggbb")

    def fill(tree: Path) -> None:
        if len(builder.built) == 2:
            raise InconclusiveBuildError("cannot build: No space left on device")

    builder.before = fill
    output = bisect(commits[0], commits[-1])
    assert output.code == 2
    assert output.err.splitlines()[-1] == "clif-fuzz: cannot build: No space left on device"
    builder.before = lambda tree: None
    assert f"began to fail with {commits[2]}" in bisect(commits[0], commits[-1]).out


def test_a_commit_before_cranelift_is_skipped(bisect: Bisect, repository: LittleRepository) -> None:
    """A manifest that cannot be read is one that cargo could not read either."""
    commits = repository.commits("gg")
    manifest = repository.path / "cranelift" / "codegen" / "Cargo.toml"
    good = manifest.read_text()
    torn = repository.commit("good", {"cranelift/codegen/Cargo.toml": "<<<<<<< HEAD\n"})
    commits += [repository.commit("good", {"cranelift/codegen/Cargo.toml": good})]
    commits += repository.commits("b")
    output = bisect(commits[0], commits[-1])
    assert f"began to fail with {commits[-1]}" in output.out
    assert f"{torn[:12]}  skipped" in output.out
