"""Campaigns that are interrupted in any way and go on lose nothing and repeat nothing."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fuzz.campaign.case_source import CaseSource
from fuzz.campaign.database import CampaignDatabase, CampaignState
from fuzz.campaign.database_schema import DATABASE, VERSION, DatabaseError
from fuzz.campaign.fault_buckets import MinimizedFault
from fuzz.campaign.json_codec import decode, encode
from fuzz.campaign.plan import CampaignPlan, WorkerState
from fuzz.campaign.result import CampaignResult, CorpusCase, FindingSummary
from fuzz.campaign.resume import (
    ResumeError,
    check_build,
    remove_temporary_files,
    unrecorded_findings,
)
from fuzz.campaign.statistics import decode_statistics
from fuzz.campaign.supervisor import Supervisor
from fuzz.cases.build_identity import BuildIdentity, build_identity
from fuzz.cases.case_options import INGREDIENTS, CaseOptions
from fuzz.differential.base_answer import NO_BASE
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.finding_file import finding_text, write_finding
from fuzz.reporting.archive import read_archive
from tests.fuzz.command import Command

PLAIN = CaseOptions(inputs=2, instructions=10, without=frozenset(INGREDIENTS))
FLAGS = ("--inputs", 2, "--instructions", 10, "--without", ",".join(INGREDIENTS), "--seed", 3)
BUILD = BuildIdentity("0.2.0", "0.135.8", "0123456789abcdef")
EDGES = 1000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[CampaignDatabase]:
    with closing(CampaignDatabase(tmp_path)) as database:
        yield database


def rows(directory: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(directory / DATABASE)) as connection:
        return connection.execute(query).fetchall()


def some_result() -> CampaignResult:
    result = CampaignResult()
    statistics = result.statistics
    statistics.cases, statistics.wall_ns = 7, 2_500_000_000
    statistics.live_ratios[93] = 4
    statistics.note_opcode_types("aarch64", ["iadd.i32"])
    statistics.note_rejected("reason", 5)
    statistics.compile_ns["x86_64"] = 3_000_000_000
    result.findings = [
        FindingSummary("miscompile", "miscompile x86_64 result", "x86_64", "crash-1.clif", case=4),
        FindingSummary("miscompile", "miscompile x86_64 result", "x86_64", "crash-2.clif", case=6),
        FindingSummary("emulator-fault", "emulator-fault q", "aarch64", "crash-3.clif", True, 6),
        FindingSummary("hang", "hang", "", "", case=3),
    ]
    result.cover([0, 9, 9, 70])
    result.deaths = 2
    result.memory_mib = {0: 120.0, 1: 130.5}
    return result


# --- the database ---


def test_statistics_are_saved_without_loss() -> None:
    statistics = some_result().statistics
    saved = json.loads(json.dumps(encode(statistics)))
    assert decode_statistics(saved) == statistics
    saved["pairs"] = saved.pop("opcode_types")  # as schema 1 has it
    assert decode_statistics(saved) == statistics
    plan = CampaignPlan(
        replace(PLAIN, mutant_share=0.3), seed=1 << 80, cases=None, seconds=3.5, jobs=2
    )
    assert decode(CampaignPlan, json.loads(json.dumps(encode(plan)))) == plan


def test_what_is_saved_is_there_again(database: CampaignDatabase, tmp_path: Path) -> None:
    plan = CampaignPlan(PLAIN, seed=3, cases=100, jobs=2, out=str(tmp_path))
    database.begin(plan, BUILD, EDGES)
    result, states = some_result(), {0: WorkerState(8, {10}), 1: WorkerState(5)}
    database.save(result, states, [CorpusCase(4, 3)], sample=True)
    database.save(result, states, sample=False)  # adds nothing
    database.end(CampaignState.INTERRUPTED)
    assert database.latest() == (plan, BUILD)
    again, states_again = database.resume(plan)
    assert states_again == states
    assert again.statistics == result.statistics
    assert (again.covered, again.edges, again.corpus) == (result.covered, 3, 1)
    # The one that is in no file is found again.
    assert [(r.case, r.bucket, r.known) for r in again.findings] == [
        (r.case, r.bucket, r.known) for r in result.findings[:3]
    ]
    assert again.findings[0].file == str(tmp_path / "crash-1.clif")
    assert rows(tmp_path, "SELECT state, resumed, deaths FROM campaigns") == [("running", 1, 2)]
    assert rows(tmp_path, "SELECT bucket, findings, file FROM buckets ORDER BY 2 DESC") == [
        ("miscompile x86_64 result", 2, "crash-1.clif"),
        ("emulator-fault q", 1, "crash-3.clif"),
    ]
    assert rows(
        tmp_path,
        "SELECT cases, compile_seconds, rejected, findings, buckets, edges, memory_mib"
        " FROM samples",
    ) == [(7, 3.0, 1, 3, 2, 3, 130.5)]


def test_a_second_campaign_goes_into_the_same_database(
    database: CampaignDatabase, tmp_path: Path
) -> None:
    for seed in (1, 2):
        database.begin(CampaignPlan(PLAIN, seed=seed), BUILD, EDGES)
        database.save(some_result(), {0: WorkerState(seed)}, sample=True)
    assert database.latest()[0].seed == 2
    assert rows(tmp_path, "SELECT campaign, count(*) FROM findings GROUP BY 1") == [(1, 3), (2, 3)]


def test_one_supervisor_at_a_time(database: CampaignDatabase, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="another campaign is running here"):
        CampaignDatabase(tmp_path)


@pytest.mark.parametrize("content", [b"no database at all" * 100, b""])
def test_a_foreign_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / DATABASE).write_bytes(content)
    if not content:  # as a loss of power may leave it: made, and nothing in it
        CampaignDatabase(tmp_path).close()
        return
    with pytest.raises(DatabaseError, match="file is not a database"):
        CampaignDatabase(tmp_path)
    (tmp_path / DATABASE).unlink()
    CampaignDatabase(tmp_path).close()  # the folder was let go of


def test_a_full_disk_ends_the_campaign_with_what_was_saved(tmp_path: Path) -> None:
    plan = CampaignPlan(PLAIN, seed=3, cases=100_000, out=str(tmp_path))
    with closing(CampaignDatabase(tmp_path)) as database:
        database.begin(plan, BUILD, EDGES)
        (pages,) = database._connection.execute("PRAGMA page_count").fetchone()
        database._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        result = Supervisor(plan, database=database).run()
    assert "database or disk is full" in result.error
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]
    with closing(CampaignDatabase(tmp_path)) as database:
        saved, _ = database.latest()
        again, states = database.resume(replace(saved, cases=50))
    # What is in there is a campaign of so many cases, each of them counted.
    assert again.statistics.cases == (states[0].next_case if states else 0)


# --- going on ---


def facts(result: CampaignResult) -> dict[str, object]:
    """Return what a campaign amounts to, without times."""
    table = result.statistics.to_json()
    names = (
        "cases",
        "executions",
        "traps",
        "instructions",
        "opcodes",
        "opcode_types",
        "known_faults",
    )
    return {name: table[name] for name in names} | {
        "findings": sorted((r.case, r.bucket, Path(r.file).name) for r in result.findings)
    }


def test_in_several_parts_it_is_the_same_campaign(tmp_path: Path) -> None:
    whole = Supervisor(CampaignPlan(PLAIN, seed=3, cases=90, jobs=2, out=str(tmp_path))).run()
    with closing(CampaignDatabase(tmp_path)) as database:
        database.begin(
            CampaignPlan(PLAIN, seed=3, cases=30, jobs=2, out=str(tmp_path)), BUILD, EDGES
        )
        result = CampaignResult()
        states: dict[int, WorkerState] = {}
        for cases in (30, 60, 90):
            plan = CampaignPlan(PLAIN, seed=3, cases=cases, jobs=2, out=str(tmp_path))
            Supervisor(plan, database=database, result=result, states=states).run()
            result, states = database.resume(plan)
    assert facts(result) == facts(whole)
    # What a worker compiles when it starts, drivers among it, is covered again by its successors.
    assert abs(result.edges - whole.edges) < 0.02 * whole.edges
    corpus = rows(tmp_path, "SELECT count(*), sum(new_edges) FROM corpus")
    assert corpus == [(result.corpus, result.edges)]


def test_a_killed_supervisor_takes_its_workers_along_and_can_be_resumed(
    command: Command, tmp_path: Path
) -> None:
    arguments = [str(a) for a in ("run", *FLAGS, "--jobs", 2, "--cases", 4000, "--out", tmp_path)]
    process = subprocess.Popen([sys.executable, "-m", "fuzz", *arguments], stderr=subprocess.PIPE)
    while not (children := _children(process.pid)) or not _cases(tmp_path):
        time.sleep(0.1)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]
    ((furthest,),) = rows(tmp_path, "SELECT max(next_case) FROM workers")  # one may be far ahead
    cases = furthest + 100
    output = command("run", "--resume", tmp_path, "--cases", cases, "--json", "-")
    assert output.code == 0
    assert json.loads(output.out)["cases"] == cases
    whole = command("run", *FLAGS, "--cases", cases, "--out", tmp_path / "2", "--json", "-")
    for name in ("cases", "executions", "traps", "instructions", "opcode_types"):
        assert json.loads(output.out)[name] == json.loads(whole.out)[name]


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _cases(directory: Path) -> int:
    """Return how many cases the database has counted."""
    try:
        found = rows(directory, "SELECT json_extract(statistics, '$.cases') FROM campaigns")
    except sqlite3.Error:
        return 0
    return int(found[0][0]) if found else 0


def test_findings_that_were_written_and_not_entered(tmp_path: Path) -> None:
    source = CaseSource(PLAIN, 3)
    for index, known in ((8, False), (9, True), (1, False), (12, False)):
        finding = Finding(FindingKind.HANG, "x86_64", f"d{index}", known=known)
        write_finding(finding_text(finding, source.case(index), None, PLAIN.isas), tmp_path)
    (tmp_path / "crash-by-hand.clif").write_text("function %f() {\nblock0:\n  return\n}\n")
    (tmp_path / ".crash-x.tmp").touch()
    plan = CampaignPlan(PLAIN, seed=3, jobs=2)
    # Case 1 is counted, and so is 12, which a worker died of.
    states = {0: WorkerState(6, {12}), 1: WorkerState(5)}
    found = sorted(
        unrecorded_findings(tmp_path, plan, states, set()), key=lambda summary: summary.case
    )
    assert [(r.case, r.bucket, r.isa, r.known) for r in found] == [
        (8, "hang x86_64 d8", "x86_64", False),
        (9, "hang x86_64 d9", "x86_64", True),
    ]
    assert not list(unrecorded_findings(tmp_path, plan, states, {Path(r.file).name for r in found}))
    assert not list(unrecorded_findings(tmp_path, replace(plan, seed=4), states, set()))
    remove_temporary_files(tmp_path)
    assert not (tmp_path / ".crash-x.tmp").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seed", 4), "the campaign has --seed 3, not 4"),
        (("--isa", "aarch64"), "the campaign has --isa x86_64,aarch64, not aarch64"),
        (("--jobs", 2), "the campaign has --jobs 1, not 2"),
        (("--without", "rules"), "not rules"),
        (("--out", "elsewhere"), "--out does not go with it"),
    ],
)
def test_other_cases_are_refused(
    command: Command, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    with closing(CampaignDatabase(tmp_path)) as database:
        database.begin(CampaignPlan(PLAIN, seed=3, out=str(tmp_path)), build_identity(), EDGES)
    assert message in command.complaint("run", "--resume", tmp_path, *arguments)


def test_another_build_is_refused(command: Command, tmp_path: Path) -> None:
    with closing(CampaignDatabase(tmp_path)) as database:
        database.begin(CampaignPlan(PLAIN, seed=3, out=str(tmp_path)), BUILD, EDGES)
    message = command.complaint("run", "--resume", tmp_path)
    assert message == f"the campaign is of another build: {BUILD}, not {build_identity()}"


def test_what_a_build_is_called_does_not_matter() -> None:
    check_build(BUILD, replace(BUILD, clif_fuzz="0.3.0"))
    with pytest.raises(ResumeError, match="another build"):
        check_build(BUILD, replace(BUILD, digest="0"))


#: Makes of the table and the view what schema 3 has, and what schemas 1 and 2 have.
SCHEMA_3 = """
DROP VIEW buckets;
ALTER TABLE findings DROP COLUMN base;
ALTER TABLE findings DROP COLUMN base_note;
CREATE VIEW buckets AS SELECT campaign, bucket, count(*) AS findings FROM findings GROUP BY bucket;
"""
OLDER_FINDINGS = f"{SCHEMA_3} ALTER TABLE findings DROP COLUMN fault;"


def test_a_database_of_schema_1_is_upgraded(command: Command, tmp_path: Path) -> None:
    with closing(CampaignDatabase(tmp_path)) as database:
        database.begin(CampaignPlan(PLAIN, seed=3, out=str(tmp_path)), BUILD, EDGES)
        database.save(some_result(), {0: WorkerState(8)}, sample=True)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        connection.executescript(
            "ALTER TABLE workers RENAME TO jobs; ALTER TABLE campaigns DROP COLUMN build;"
            f" {OLDER_FINDINGS} PRAGMA user_version = 1"
        )
    # Which build it is of is not known any more.
    message = command.complaint("run", "--resume", tmp_path)
    assert "Cranelift 0.135.8, build unknown), not " in message
    assert rows(tmp_path, "PRAGMA user_version") == [(VERSION,)]
    assert rows(tmp_path, "SELECT number, next_case FROM workers") == [(0, 8)]
    assert command("run", *FLAGS, "--cases", 2, "--out", tmp_path, "--json", "-").code == 0
    assert rows(tmp_path, "SELECT build FROM campaigns") == [("",), (build_identity().digest,)]


@pytest.mark.parametrize(("schema", "downgrade"), [(2, OLDER_FINDINGS), (3, SCHEMA_3)])
def test_a_database_of_schema_2_or_3_is_upgraded(
    schema: int, downgrade: str, tmp_path: Path
) -> None:
    with closing(CampaignDatabase(tmp_path)) as database:
        database.begin(CampaignPlan(PLAIN, seed=3, out=str(tmp_path)), BUILD, EDGES)
        database.save(some_result(), {0: WorkerState(8)}, sample=True)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        connection.executescript(f"{downgrade} PRAGMA user_version = {schema}")
    before = rows(tmp_path, "SELECT bucket FROM findings ORDER BY id")
    assert before
    entries = read_archive(tmp_path).entries
    assert [(entry.bucket,) for entry in entries] == before
    assert {entry.base for entry in entries} == {NO_BASE}
    CampaignDatabase(tmp_path).close()
    assert rows(tmp_path, "PRAGMA user_version") == [(VERSION,)]
    assert rows(tmp_path, "SELECT fault FROM findings ORDER BY id") == before
    assert rows(tmp_path, "SELECT sum(findings), max(old) FROM buckets") == [(len(before), 0)]
    assert read_archive(tmp_path).entries == entries


def test_faults_are_saved_and_kept_when_a_campaign_goes_on(tmp_path: Path) -> None:
    plan = CampaignPlan(PLAIN, seed=3, out=str(tmp_path))
    files = [str(tmp_path / f"{n}.clif") for n in (1, 2, 3)]
    result = CampaignResult()
    result.findings = [
        FindingSummary("miscompile", bucket, "x86_64", file, case=n)
        for n, (bucket, file) in enumerate(zip(("one", "one", "two"), files, strict=True))
    ]
    query = "SELECT bucket, findings FROM buckets ORDER BY bucket"
    with closing(CampaignDatabase(tmp_path)) as database:
        database.begin(plan, BUILD, EDGES)
        database.save(result, {}, sample=False)
        assert rows(tmp_path, query) == [("one", 2), ("two", 1)]
        result.faults = {files[0]: MinimizedFault("fault", ("x86_64",))}
        database.save(result, {}, sample=False)
        assert rows(tmp_path, query) == [("fault", 2), ("two", 1)]
        result.faults[files[2]] = MinimizedFault("fault", ("x86_64",))
        database.save_classes(result)
        assert rows(tmp_path, query) == [("fault", 3)]
    with closing(CampaignDatabase(tmp_path)) as database:
        database.latest()
        again, _ = database.resume(plan)
        assert [summary.bucket for summary in again.findings] == ["one", "one", "two"]
        database.save(again, {}, sample=False)
        assert rows(tmp_path, query) == [("fault", 3)]


def test_a_database_of_a_later_schema_is_left_alone(tmp_path: Path) -> None:
    CampaignDatabase(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(DatabaseError, match=f"another version of clif-fuzz .schema {VERSION + 1}"):
        CampaignDatabase(tmp_path)


def test_there_must_be_something_to_go_on_with(command: Command, tmp_path: Path) -> None:
    assert "no campaign to go on with" in command.complaint("run", "--resume", tmp_path / "no")
    assert not (tmp_path / "no").exists()
    CampaignDatabase(tmp_path).close()
    assert "no campaign to go on with" in command.complaint("run", "--resume", tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_to(command: Command, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "cannot write findings" in command.complaint("run", "--out", tmp_path)
