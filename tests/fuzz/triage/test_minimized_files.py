"""Files of minimised findings, and what triage makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuzz.cases.casefile import read_case
from fuzz.differential.failure_signature import FailureSignature
from fuzz.differential.finding import FindingKind
from fuzz.reporting.archive import FindingEntry
from fuzz.reporting.finding_groups import group_findings
from fuzz.triage.minimized import MinimizedCase
from fuzz.triage.minimized_files import (
    leave_out_own,
    load_minimized,
    minimized_path,
    save_minimized,
)
from tests.fuzz.command import Command

ADD = """function %main(i32) -> i32 {
block0(v0: i32):
    v1 = iadd v0, v0
    return v1
}
; run: %main(1) == 2
"""
MUL = ADD.replace("iadd", "imul").replace("== 2", "== 1")
WRONG = FailureSignature(FindingKind.MISCOMPILE, ("aarch64",), "wrong value")


def keep(file: Path, case: str, failure: FailureSignature = WRONG) -> Path:
    """Write a minimised case beside a finding's file as if it had been minimised."""
    path = minimized_path(file)
    minimized = MinimizedCase(read_case(case).case, failure)
    save_minimized(minimized, failure.isas, file, file.read_text(), path)
    return path


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "crash-1.clif"
    file.write_text(ADD)
    assert load_minimized(minimized_path(file), ADD) is None
    path = keep(file, MUL)
    assert path == tmp_path / "minimized" / "crash-1.clif"
    saved = load_minimized(path, ADD)
    assert saved is not None
    assert saved.minimal.failure == WRONG
    assert [inst.opcode.name for inst in saved.minimal.case.main.instructions()] == [
        "imul",
        "return",
    ]
    assert "; bucket: miscompile aarch64 wrong value: imul.i32" in path.read_text()


def test_another_text_or_another_build_is_minimised_again(tmp_path: Path) -> None:
    file = tmp_path / "crash-1.clif"
    file.write_text(ADD)
    path = keep(file, MUL)
    assert load_minimized(path, MUL) is None
    path.write_text(path.read_text().replace(", build ", ", build f"))
    assert load_minimized(path, ADD) is None


def test_names_of_functions_are_no_paths(tmp_path: Path) -> None:
    assert minimized_path(tmp_path / "a.clif", "u0:../1").name == "a.u0_.._1.clif"


def test_known_faults_and_minimised_ones_are_no_findings(tmp_path: Path) -> None:
    names = ["a.clif", "known-faults/b.clif", "known-faults/minimized/b.clif", "minimized/a.clif"]
    kept, known = leave_out_own([tmp_path / name for name in names], tmp_path)
    assert (kept, known) == ([tmp_path / "a.clif"], 1)
    # The folder itself may be named so: who gives it wants what is in it.
    inside = tmp_path / "known-faults"
    assert leave_out_own([inside / "b.clif"], inside) == ([inside / "b.clif"], 0)


def test_findings_of_one_fault_are_one_group(tmp_path: Path) -> None:
    """Two faults in one bucket, one fault in two; what is not minimised goes with its bucket."""
    entries = []
    for n, (bucket, case) in enumerate(
        [("both", ADD), ("both", MUL), ("both", ""), ("sums", ADD), ("sums", ""), ("alone", "")]
    ):
        file = tmp_path / f"crash-{n}.clif"
        file.write_text(ADD)
        if case:
            keep(file, case)
        entries.append(FindingEntry("miscompile", bucket, "aarch64", False, str(file)))
    entries.append(FindingEntry("emulator-fault", "known", "x86_64", True, "k.clif"))
    groups = {group.bucket: group for group in group_findings(entries)}
    add, mul = (f"miscompile aarch64 wrong value: {op}.i32" for op in ("iadd", "imul"))
    assert {bucket: group.number for bucket, group in groups.items()} == {
        add: 3,  # crash-0, crash-3, and crash-4, which was only in a bucket of this fault
        mul: 1,
        "both": 1,  # crash-2 may be either
        "alone": 1,
        "known": 1,
    }
    assert len(groups[add].minimized) == 2
    assert list(groups)[-1] == "known"


def test_triage_takes_what_is_minimised(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("crash-1.clif", "crash-2.clif"):
        (tmp_path / name).write_text(ADD)
        keep(tmp_path / name, MUL)
    (tmp_path / "known-faults").mkdir()
    (tmp_path / "known-faults" / "crash-3.clif").write_text(ADD)

    def nothing_to_do(*_: object) -> None:
        raise AssertionError("minimised again")

    monkeypatch.setattr("fuzz.triage.deduplicate.minimize", nothing_to_do)
    output = command("triage", "--no-attribution", tmp_path)
    assert output.code == 1
    bucket = "miscompile aarch64 wrong value: imul.i32"
    assert output.out.startswith(f"   2 x {bucket}\n       {tmp_path / 'crash-1.clif'}\n")
    assert f"1 of 2: {tmp_path / 'crash-1.clif'}: {bucket}\n" in output.err
    assert "leaves out 1 findings of known faults" in output.err


def test_ctrl_c_keeps_what_is_done(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in (1, 2, 3):
        (tmp_path / f"crash-{n}.clif").write_text(ADD)
    answers = iter([(read_case(MUL).case, WRONG)])

    def minimize(*_: object) -> object:
        try:
            return next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr("fuzz.triage.deduplicate.minimize", minimize)
    output = command("triage", tmp_path)
    assert output.code == 130
    assert "1 findings in 1 buckets, 0 healthy, 2 not looked at" in output.out
    assert [path.name for path in (tmp_path / "minimized").iterdir()] == ["crash-1.clif"]
    answers = iter([(read_case(MUL).case, WRONG)] * 2)
    output = command("triage", "--no-attribution", tmp_path, "--json", "-")
    (fault,) = json.loads(output.out)["buckets"]
    assert len(fault["files"]) == 3


def test_the_list_of_findings(command: Command, tmp_path: Path) -> None:
    head = "; finding: {}\n; isa: aarch64\n; bucket: {}\n"
    (tmp_path / "known-faults").mkdir()
    for name, kind, note in [
        ("crash-1.clif", "miscompile", ""),
        ("crash-2.clif", "miscompile", ""),
        ("known-faults/crash-3.clif", "emulator-fault", "; known\n"),
    ]:
        (tmp_path / name).write_text(head.format(kind, f"{kind} aarch64") + note + ADD)
    minimized = keep(tmp_path / "crash-2.clif", MUL)
    facts = json.loads(command("findings", tmp_path, "--json", "-").out)
    buckets = facts.pop("buckets")
    assert facts == {"findings": 3, "unique": 2, "new": 1, "known": 1, "old": 0, "minimized": 1}
    assert buckets[0]["minimized"] == [str(minimized)]
    assert [len(bucket["files"]) for bucket in buckets] == [2, 1]
    shown = command("findings", tmp_path)
    assert shown.code == 0
    assert "3 findings in 2 buckets (1 new, 1 known, 0 old), 1 minimised" in shown.out
    assert "known  emulator-fault aarch64" in shown.out
    assert "emulator-fault" not in command("findings", "--new", tmp_path).out
    assert "no such folder" in command.complaint("findings", tmp_path / "none")
