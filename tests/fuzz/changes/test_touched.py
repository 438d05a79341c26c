"""What a change touches: a git repository with Cranelift's rules, of which the base has others."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from backend.cranelift import isle
from backend.cranelift.isle import Rule
from fuzz.cases.touched_rules import ChangedCode, TouchedRules
from fuzz.changes.errors import ChangeError
from fuzz.changes.touched import touched_rules
from fuzz.changes.uses import users

SOURCES = isle.sources()
ISAS = ("x86_64", "aarch64")
ARITHMETIC = "src/opts/arithmetic.isle"
X64 = "src/isa/x64/lower.isle"
PRELUDE = "src/prelude_opt.isle"
RUST = "src/isa/x64/lower/isle.rs"
ALIASES = "src/alias_analysis.rs"
FILES = (ARITHMETIC, X64, PRELUDE, RUST, ALIASES, "src/isa/riscv64/lower.isle", "Cargo.toml")
#: x + 0 is x.
PLUS_ZERO = """(rule iadd_x_plus_zero (simplify (iadd ty
                      x
                      (iconst_u ty 0)))
      (subsume x))"""


class Tree:
    """A cranelift-codegen in a git repository."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.codegen = top / "cranelift" / "codegen"
        for name in (*FILES, "src/prelude.isle"):
            (self.codegen / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(SOURCES / name, self.codegen / name)

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
        command = ["git", "-C", str(self.top), *identity, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def commit(self) -> None:
        if not (self.top / ".git").exists():
            self.git("init", "-q", "-b", "trunk")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a state")

    def replace(self, name: str, old: str, new: str) -> None:
        file = self.codegen / name
        text = file.read_text()
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))

    def base(self, name: str, old: str, new: str) -> None:
        """Commit a base in which a text is another one, and go back to what was built."""
        self.replace(name, old, new)
        self.commit()
        shutil.copyfile(SOURCES / name, self.codegen / name)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    made = Tree(tmp_path / "wasmtime")
    monkeypatch.setattr(isle, "sources", lambda: made.codegen)
    return made


def touched(since: str = "HEAD") -> TouchedRules:
    return touched_rules(since, ISAS)


def the_rule(unit: str, text: str) -> Rule:
    """Return the one rule whose text contains another text."""
    (rule,) = (rule for rule in isle.unit(unit).rules if text in str(rule))
    return rule


def test_a_rule_that_differs_in_the_working_tree(tree: Tree) -> None:
    tree.base(ARITHMETIC, PLUS_ZERO, PLUS_ZERO.replace("(subsume x)", "(iconst_u ty 0)"))
    line = 1 + (SOURCES / ARITHMETIC).read_text().partition(PLUS_ZERO)[0].count("\n")
    found = touched()
    assert found.changed == (f"mid_end {ARITHMETIC}:{line}",)
    assert (found.users, found.undirected, found.since) == ((), (), "HEAD")
    assert touched("trunk") == found  # the same change under another name
    assert touched("trunk").digest == found.digest


def test_a_committed_change_and_one_that_is_not(tree: Tree) -> None:
    x64 = "(rule -1 (lower (ishl (fits_in_64 ty) src amt))"
    tree.base(ARITHMETIC, PLUS_ZERO, "")
    tree.replace(X64, x64, "(rule -1 (lower (ishl (fits_in_64 ty) src amt)) (if-let x x)")
    tree.commit()
    shutil.copyfile(SOURCES / X64, tree.codegen / X64)
    shift = the_rule("x64", "(lower (ishl (fits_in_64 ty) src amt))")
    both = touched("HEAD~1").changed
    assert [name.partition(" ")[0] for name in both] == ["mid_end"]  # x64 is as at HEAD~1 again
    assert f"x86_64 {X64}:{shift.line}" in touched("HEAD").changed


@pytest.mark.parametrize(
    "base",
    [
        PLUS_ZERO.replace("iadd_x_plus_zero", "another_name"),
        PLUS_ZERO.replace("\n", "\n ; why it is so\n"),
        f"(rule\n {PLUS_ZERO.removeprefix('(rule ')}",
        f"(attr rule x (tag spec))\n{PLUS_ZERO}",
    ],
)
def test_what_means_the_same_is_not_touched(tree: Tree, base: str) -> None:
    tree.base(ARITHMETIC, PLUS_ZERO, base)
    assert not touched()


def test_a_rule_that_was_moved_is_not_touched(tree: Tree) -> None:
    file = tree.codegen / ARITHMETIC
    file.write_text(f"{file.read_text().replace(PLUS_ZERO, '')}\n{PLUS_ZERO}\n")
    tree.commit()
    shutil.copyfile(SOURCES / ARITHMETIC, file)
    assert not touched()


def test_rules_that_call_a_changed_helper_are_touched(tree: Tree) -> None:
    tree.base(X64, "(insert_i8x16_lane_pshufd_imm 1) 0b01_01", "(insert_i8x16_lane_pshufd_imm 1) 0")
    helper = the_rule("x64", "(rule (insert_i8x16_lane_pshufd_imm 1)")
    user = the_rule("x64", "(x64_pshufd val (insert_i8x16_lane_pshufd_imm ")
    found = touched()
    assert found.changed == (f"x86_64 {X64}:{helper.line}",)
    assert found.users == (f"x86_64 {X64}:{user.line}",)


def test_users_are_followed_up_to_rules_for_instructions() -> None:
    unit = isle.unit("x64")
    found = users(unit, ["sse_insertps_lane_imm"], [])
    direct = [rule for rule in unit.rules if "(sse_insertps_lane_imm idx)" in str(rule.right)]
    helper = the_rule("x64", "(rule (f32x4_insertlane vec val idx) (if-let true (has_sse41))")
    assert helper in direct
    callers = [rule for rule in unit.rules if "(f32x4_insertlane " in str(rule.right)]
    assert any(rule.left.name == "lower" for rule in callers)
    assert not set(direct) & set(callers)
    assert set(direct) | set(callers) <= set(found)
    assert len(found) < len(unit.rules) / 50


def test_a_changed_extractor_touches_the_rules_with_it(tree: Tree) -> None:
    line = "(extractor (spaceship_s ty x y) (isub $I8 (sgt ty x y) (slt ty x y)))"
    tree.base(PRELUDE, line, line.replace("sgt", "sge"))
    expected = [r for r in isle.unit("opt").rules if "(spaceship_s " in str(r.right)]
    found = touched()
    assert found.changed == ()
    assert {f"mid_end {rule.place}" for rule in expected} <= set(found.users)


def test_a_changed_rust_function_touches_the_rules_that_call_it(tree: Tree) -> None:
    tree.base(RUST, "0b00_00_00_00 | lane << 4", "0b00_00_00_00 | lane << 5")
    expected = users(isle.unit("x64"), ["sse_insertps_lane_imm"], [])
    found = touched()
    assert found.users == tuple(f"x86_64 {rule.place}" for rule in expected)
    assert found.undirected == ()


def test_other_rust_code_is_named(tree: Tree) -> None:
    tree.commit()
    file = tree.codegen / ALIASES
    file.write_text(f"{file.read_text()}\nconst UNUSED: u32 = 1;\n")
    last = len(file.read_text().splitlines())
    assert touched().undirected == (ChangedCode(ALIASES, (last,)),)
    assert not touched()


def test_a_comment_in_rust_is_no_change(tree: Tree) -> None:
    tree.commit()
    file = tree.codegen / ALIASES
    file.write_text(f"{file.read_text()}\n// A comment.\n")
    assert touched() == TouchedRules()
    assert touched().undirected == ()


def test_rules_take_the_place_of_one_that_is_gone(tree: Tree) -> None:
    gone = "(rule 9 (lower (popcnt (ty_32_or_64 ty) src)) (x64_popcnt ty src))\n"
    line = "(rule 4 (lower (popcnt (ty_32_or_64 ty) src))"
    tree.base(X64, line, gone + line)
    rules = [r for r in isle.unit("x64").rules if str(r.left).startswith("(lower (popcnt ")]
    assert len(rules) > 3
    assert touched().changed == tuple(f"x86_64 {rule.place}" for rule in rules)


def test_other_isas_do_not_count(tree: Tree) -> None:
    tree.commit()
    file = tree.codegen / "src/isa/riscv64/lower.isle"
    file.write_text(f"{file.read_text()}\n(rule 99 (lower (nop)) (output_none))\n")
    assert touched() == TouchedRules()
    assert touched().undirected == ()


# --- what cannot be told ---


def message(since: str) -> str:
    with pytest.raises(ChangeError) as caught:
        touched(since)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_revision_that_there_is_not(tree: Tree) -> None:
    tree.commit()
    assert message("nowhere").startswith("no revision, version or folder 'nowhere' (looked in ")
    assert message("--help").startswith("no revision, version or folder '--help'")


def test_no_repository(tree: Tree) -> None:
    assert "is in no git repository: give a version" in message("HEAD")
    tree.top.joinpath("unrelated").touch()
    tree.git("init", "-q", "-b", "trunk")
    tree.git("add", "unrelated")
    tree.git("commit", "-q", "-m", "which does not track Cranelift")
    assert "is in no git repository" in message("HEAD")


def test_sources_that_are_gone(tree: Tree) -> None:
    shutil.rmtree(tree.top)
    assert message("HEAD").startswith("the sources of this Cranelift are gone: ")


def test_sources_that_were_changed_after_building(tree: Tree) -> None:
    tree.commit()
    tree.replace(ARITHMETIC, PLUS_ZERO, f"\n\n{PLUS_ZERO.replace('subsume', 'remat')}")
    assert message("HEAD") == (
        f"{ARITHMETIC} was changed after this Cranelift was built: build it again"
    )


def test_a_folder_and_a_release_can_be_the_base(tree: Tree, tmp_path: Path) -> None:
    other = Tree(tmp_path / "other")
    other.replace(ARITHMETIC, PLUS_ZERO, PLUS_ZERO.replace("(subsume x)", "(iconst_u ty 0)"))
    found = touched(str(other.top))
    assert [name.partition(":")[0] for name in found.changed] == [f"mid_end {ARITHMETIC}"]
    assert touched(str(other.codegen)) == found
    assert "is neither a Wasmtime tree" in message(str(tmp_path))
