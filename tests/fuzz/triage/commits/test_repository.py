"""What cannot be bisected is said in one line; what lies in a worktree, and what stays of it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fuzz.triage.bisect.commits import builds, git
from fuzz.triage.bisect.commits.builds import CommitBuilds
from fuzz.triage.bisect.commits.crates import contents, source_paths
from fuzz.triage.bisect.commits.repository import Repository, RepositoryError
from fuzz.triage.bisect.commits.worktree import Worktree, worktree
from tests.fuzz.command import Command
from tests.fuzz.triage.commits.little_repository import LIBRARY, FakeBuilder, LittleRepository
from tests.paths import CORPUS

WRONG = CORPUS / "cranelift" / "fmin-zero-f16.clif"
PATHS = (
    "Cargo.lock",
    "Cargo.toml",
    "cranelift/codegen",
    "cranelift/isle/isle",
    "cranelift/reader",
    "crates/core",
)

Complain = Callable[..., str]


@pytest.fixture
def complaint(command: Command) -> Complain:
    def call(folder: Path, first: str = "main~1", last: str = "main") -> str:
        return command.complaint("bisect", WRONG, "--repo", folder, "--from", first, "--to", last)

    return call


# --- what cannot be bisected ---


def test_folders_that_are_no_repository(complaint: Complain, tmp_path: Path) -> None:
    assert complaint(tmp_path / "nowhere") == f"{tmp_path / 'nowhere'}: no such folder"
    (tmp_path / "empty").mkdir()
    assert "not a git repository" in complaint(tmp_path / "empty")


def test_a_repository_without_cranelift(complaint: Complain, tmp_path: Path) -> None:
    other = LittleRepository.create(tmp_path / "other", {"Cargo.toml": "[package]\nname = 'x'\n"})
    other.commits("g")
    assert "neither a Wasmtime tree (no cranelift/codegen) nor" in complaint(other.path)


@pytest.mark.parametrize("revision", ["v99", "--all", "main~99", "", "HEAD:manual"])
def test_revisions_that_do_not_exist(
    complaint: Complain, repository: LittleRepository, revision: str
) -> None:
    repository.commits("gb")
    assert complaint(repository.path, revision).startswith(f"no commit '{revision}' in ")


def test_ends_in_the_wrong_order(complaint: Complain, repository: LittleRepository) -> None:
    repository.commits("gb")
    assert "is later than --to" in complaint(repository.path, "main", "main~1")
    assert "are the same commit" in complaint(repository.path, "main", "HEAD")


def test_histories_with_nothing_in_common(
    complaint: Complain, repository: LittleRepository
) -> None:
    repository.git("checkout", "--quiet", "--orphan", "other")
    repository.commit("bad")
    assert "have no history in common" in complaint(repository.path, "main", "other")


def test_no_commit_of_interest(complaint: Complain, repository: LittleRepository) -> None:
    repository.unrelated()
    assert "changes what Cranelift is built from" in complaint(repository.path)


def test_a_shallow_clone(
    command: Command, complaint: Complain, repository: LittleRepository, builder: FakeBuilder
) -> None:
    commits = repository.commits("gggbb")
    clone = repository.path.with_name("shallow")
    source = f"file://{repository.path}"
    subprocess.run(["git", "clone", "--quiet", "--depth=3", source, clone], check=True)
    assert "which is a shallow clone" in complaint(clone, commits[0])
    output = command("bisect", WRONG, "--repo", clone, "--from", "main~2")
    assert f"began to fail with {commits[3]}" in output.out


def test_a_shallow_clone_whose_ends_are_not_connected(
    complaint: Complain, repository: LittleRepository
) -> None:
    first, *_ = repository.commits("gggbb")
    clone = repository.path.with_name("shallow")
    source = f"file://{repository.path}"
    subprocess.run(["git", "clone", "--quiet", "--depth=2", source, clone], check=True)
    subprocess.run(["git", "fetch", "--quiet", "--depth=1", source, first], check=True, cwd=clone)
    assert "is a shallow clone without all that lies between" in complaint(clone, first)


def partial_clone(repository: LittleRepository) -> Path:
    """Clone without any file's contents."""
    repository.git("config", "uploadpack.allowFilter", "true")
    clone = repository.path.with_name("partial")
    source = f"file://{repository.path}"
    options = ["--quiet", "--filter=blob:none", "--no-checkout"]
    subprocess.run(["git", "clone", *options, source, clone], check=True)
    return clone


def test_a_partial_clone(
    command: Command, repository: LittleRepository, builder: FakeBuilder
) -> None:
    commits = repository.commits("ggbb")
    clone = partial_clone(repository)
    output = command("bisect", WRONG, "--repo", clone, "--from", commits[0])
    assert f"began to fail with {commits[2]}" in output.out, output.err


def test_a_partial_clone_that_cannot_fetch(
    command: Command, repository: LittleRepository, builder: FakeBuilder
) -> None:
    commits = repository.commits("ggbb")
    clone = partial_clone(repository)
    for commit in (commits[0], commits[-1]):  # the manifests, but no sources
        source_paths(Repository(clone), Repository(clone).commit(commit))
    repository.path.rename(repository.path.with_name("moved"))
    output = command("bisect", WRONG, "--repo", clone, "--from", commits[0])
    assert output.code == 2
    line = output.err.splitlines()[-1]
    assert str(repository.path) in line
    assert "does not appear to be a git repository" in line


def test_a_partial_clone_that_cannot_fetch_manifests(
    complaint: Complain, repository: LittleRepository
) -> None:
    commits = repository.commits("ggbb")
    clone = partial_clone(repository)
    repository.path.rename(repository.path.with_name("moved"))
    assert "cannot read cranelift/codegen/Cargo.toml of" in complaint(clone, commits[0])


def test_a_bare_repository(
    command: Command, repository: LittleRepository, builder: FakeBuilder
) -> None:
    commits = repository.commits("ggbb")
    bare = repository.path.with_name("bare.git")
    subprocess.run(["git", "clone", "--quiet", "--bare", repository.path, bare], check=True)
    output = command("bisect", WRONG, "--repo", bare, "--from", commits[0])
    assert f"began to fail with {commits[2]}" in output.out, output.err


@pytest.mark.parametrize("below", ["cranelift", "cranelift/codegen"])
def test_a_folder_below_the_root(
    command: Command, repository: LittleRepository, builder: FakeBuilder, below: str
) -> None:
    commits = repository.commits("ggbb")
    output = command("bisect", WRONG, "--repo", repository.path / below, "--from", commits[0])
    assert f"began to fail with {commits[2]}" in output.out, output.err


def test_without_git(complaint: Complain, repository: LittleRepository, monkeypatch) -> None:
    repository.commits("gb")
    monkeypatch.setattr(git, "_PROGRAM", "git-is-not-here")
    assert "git cannot be run" in complaint(repository.path)


def test_a_cache_folder_that_cannot_be_used(
    complaint: Complain, repository: LittleRepository, cache: Path
) -> None:
    repository.commits("gb")
    cache.parent.mkdir()
    cache.write_text("a file in its place")
    assert "cannot work in the cache folder: " in complaint(repository.path)


# --- what the program is built from ---


def test_the_crates_are_followed(repository: LittleRepository) -> None:
    found = Repository(repository.path)
    assert source_paths(found, found.commit("main")) == PATHS


def test_crates_of_one_platform_and_new_ones(repository: LittleRepository) -> None:
    manifest = (repository.path / "cranelift/reader/Cargo.toml").read_text()
    table = "[target.'cfg(unix)'.build-dependencies]\nnew = { path = '../new', optional = true }\n"
    repository.commit("good", {"cranelift/reader/Cargo.toml": manifest + table})
    found = Repository(repository.path)
    assert set(source_paths(found, found.commit("main"))) == {*PATHS, "cranelift/new"}


def test_contents_are_those_of_the_paths(repository: LittleRepository) -> None:
    found = Repository(repository.path)

    def now() -> str:
        return contents(found, found.commit("main"), PATHS)

    start = now()
    repository.unrelated()
    assert now() == start
    repository.commits("g")
    assert now() != start


def test_a_commit_that_lacks_cranelift(repository: LittleRepository) -> None:
    found = Repository(repository.path)
    repository.git("rm", "--quiet", "-r", "cranelift/codegen")
    repository.git("commit", "--quiet", "--message", "Remove Cranelift")
    with pytest.raises(RepositoryError, match="neither a Wasmtime tree"):
        source_paths(found, found.commit("main"))


# --- the worktree ---


def test_only_what_is_built_from_is_checked_out(repository: LittleRepository, cache: Path) -> None:
    found = Repository(repository.path)
    commit = found.commit("main")
    with worktree(found, commit) as tree:
        tree.check_out(commit, PATHS)
        assert (tree.path / LIBRARY).exists()
        assert not (tree.path / "manual").exists()
        assert cache in tree.path.parents
        shown = repository.git("worktree", "list")
        assert "clif-fuzz-bisect" in shown
    assert not tree.path.exists()
    assert "clif-fuzz-bisect" not in repository.git("worktree", "list")


def times(tree: Worktree) -> dict[str, int]:
    return {name: (tree.path / name).stat().st_mtime_ns for name in (LIBRARY, "Cargo.toml")}


def test_files_that_are_the_same_keep_their_times(repository: LittleRepository) -> None:
    """So cargo recompiles only what differs, in the next worktree as well."""
    found = Repository(repository.path)
    one, other = repository.commits("gb")
    seen = []
    for revision in (one, other, one):
        with worktree(found, found.commit("main")) as tree:
            tree.check_out(found.commit(revision), PATHS)
            seen.append(times(tree))
    assert len({entry["Cargo.toml"] for entry in seen}) == 1
    assert seen[0][LIBRARY] < seen[1][LIBRARY] < seen[2][LIBRARY]


def test_within_a_worktree_only_what_differs_is_written(repository: LittleRepository) -> None:
    found = Repository(repository.path)
    one, other = (found.commit(hash_) for hash_ in repository.commits("gb"))
    with worktree(found, one) as tree:
        tree.check_out(one, PATHS)
        before = times(tree)
        tree.check_out(other, PATHS)
        after = times(tree)
        assert (tree.path / LIBRARY).read_text().startswith("bad")
    assert before["Cargo.toml"] == after["Cargo.toml"]
    assert before[LIBRARY] < after[LIBRARY]


def test_what_a_killed_process_left_is_removed(repository: LittleRepository) -> None:
    found = Repository(repository.path)
    commit = found.commit("main")
    with worktree(found, commit) as tree:
        path = tree.path
    repository.git("worktree", "add", "--quiet", "--detach", str(path))
    (path / "left").write_text("over")
    with worktree(found, commit) as tree:
        assert tree.path == path
        assert not (path / "left").exists()
    assert "clif-fuzz-bisect" not in repository.git("worktree", "list")


def test_a_deleted_cache_folder_can_be_pruned(repository: LittleRepository) -> None:
    found = Repository(repository.path)
    with worktree(found, found.commit("main")) as tree:
        tree.path.rename(tree.path.with_name("gone"))
        repository.git("worktree", "prune")
        assert "clif-fuzz-bisect" not in repository.git("worktree", "list")


def test_two_at_once_have_a_folder_each(repository: LittleRepository, builder: FakeBuilder) -> None:
    found = Repository(repository.path)
    one, other = (found.commit(hash_) for hash_ in repository.commits("gb"))
    with worktree(found, one) as first, worktree(found, other) as second:
        assert first.build != second.build
        assert CommitBuilds(found, first).build(one).compiler is not None
        assert CommitBuilds(found, second).build(other).compiler is not None
        assert repository.git("worktree", "list").count("clif-fuzz-bisect") == 2
    with worktree(found, one) as again:
        assert again.build == first.build


def test_what_is_kept_does_not_grow_for_ever(
    repository: LittleRepository, builder: FakeBuilder, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setattr(builds, "_KEPT", 2)
    monkeypatch.setattr(builds, "_LARGEST", 100)
    found = Repository(repository.path)
    commits = [found.commit(hash_) for hash_ in repository.commits("gbgb")]
    with worktree(found, commits[0]) as tree:
        target = tree.build / "target"
        target.mkdir()
        (target / "small").write_text("x" * 100)
        made = CommitBuilds(found, tree)
        made.build(commits[0])
        assert (target / "small").exists()
        (target / "large").write_text("x")
        for commit in commits[1:]:
            made.build(commit)
        assert not target.exists()
        assert len(list(cache.rglob("programs/*/program"))) == 2
        assert made.build(commits[-1]).seconds is None
        assert made.build(commits[0]).seconds is not None


def test_many_at_once(repository: LittleRepository) -> None:
    found = Repository(repository.path)
    commit = found.commit("main")
    failures = []

    def add() -> None:
        try:
            with worktree(found, commit) as tree:
                tree.check_out(commit, PATHS)
                assert (tree.path / LIBRARY).exists()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=add) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert "clif-fuzz-bisect" not in repository.git("worktree", "list")
