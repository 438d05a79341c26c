"""Saving campaigns in a database (``fuzz.campaign.database_schema``), and going on with them.

Everything that belongs together is saved in one transaction: how far each worker is, what its cases
were counted as, and what they found. So at any moment the database is the state of a campaign that
ran certain cases, each once, and no others.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from fuzz.campaign.database_schema import (
    DatabaseError,
    lock_directory,
    one_line_errors,
    open_database,
)
from fuzz.campaign.fault_buckets import fault_buckets
from fuzz.campaign.json_codec import decode, encode
from fuzz.campaign.plan import CampaignPlan, WorkerState
from fuzz.campaign.result import CampaignResult, CorpusCase, FindingSummary
from fuzz.campaign.statistics import Statistics, decode_statistics
from fuzz.cases.build_identity import BuildIdentity
from fuzz.differential.base_answer import NOT_ASKED, BaseAnswer, BaseStatus
from fuzz.differential.finding import KNOWN_FAULTS, OLD_FINDINGS


class CampaignState(Enum):
    """The state of a campaign as the database names it."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class CampaignDatabase:
    """The database of one directory, for the only supervisor that works there.

    Every method raises DatabaseError if the disk or the file is at fault.
    """

    def __init__(self, directory: Path) -> None:
        """Open the database, or make it if there is none, and lock the directory."""
        self.directory = directory
        self._campaign = 0
        self._written = 0
        #: The faults of findings as they are saved, where they differ from the findings' buckets.
        self._faults: dict[tuple[int, str], str] = {}
        #: What the base does with the findings' cases as it is saved, once it was asked.
        self._answers: dict[tuple[int, str], BaseAnswer] = {}
        self._lock = lock_directory(directory)
        try:
            self._connection = open_database(directory)
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Close the database, and unlock the directory."""
        self._connection.close()
        os.close(self._lock)

    # --- beginning ---

    def begin(self, plan: CampaignPlan, build: BuildIdentity, edges_total: int) -> None:
        """Add another campaign, which is the one that is saved from now on.

        Args:
            edges_total: how many edges of Cranelift the build can count.
        """
        now, state = time.time(), CampaignState.RUNNING.value
        versions = build.cranelift, build.clif_fuzz, edges_total
        statistics = json.dumps(encode(Statistics()))
        with self._transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO campaigns VALUES (NULL, ?, ?, ?, '', ?, ?, ?, ?, 0, 0, 0, ?, ?, ?)",
                (now, now, state, _plan_text(plan), *versions, statistics, b"", build.digest),
            )
        assert cursor.lastrowid is not None
        self._campaign, self._written = cursor.lastrowid, 0
        self._faults, self._answers = {}, {}

    def latest(self) -> tuple[CampaignPlan, BuildIdentity]:
        """Return the plan and the build of the latest campaign, which is saved from now on."""
        with one_line_errors(self.directory):
            row = self._connection.execute(
                "SELECT id, plan, clif_fuzz, cranelift, build FROM campaigns"
                " ORDER BY id DESC LIMIT 1"
            ).fetchone()
            if row is None:
                raise DatabaseError(f"{self.directory}: no campaign to go on with")
            self._campaign, plan, *build = row
            return decode(CampaignPlan, json.loads(plan)), BuildIdentity(*build)

    def resume(self, plan: CampaignPlan) -> tuple[CampaignResult, dict[int, WorkerState]]:
        """Go on with that campaign.

        Args:
            plan: the campaign's, perhaps with other limits.

        Returns:
            What the campaign amounts to so far, and how far each worker is.
        """
        key = (self._campaign,)
        with self._transaction() as connection:
            connection.execute(
                "UPDATE campaigns SET plan = ?, state = ?, error = '', resumed = resumed + 1"
                " WHERE id = ?",
                (_plan_text(plan), CampaignState.RUNNING.value, self._campaign),
            )
            deaths, statistics, edges = connection.execute(
                "SELECT deaths, statistics, edges FROM campaigns WHERE id = ?", key
            ).fetchone()
            corpus, grew_at = connection.execute(
                "SELECT count(*), ifnull(max(seconds), 0) FROM corpus WHERE campaign = ?", key
            ).fetchone()
            workers = connection.execute(
                "SELECT number, next_case, skip FROM workers WHERE campaign = ?", key
            ).fetchall()
            findings = connection.execute(
                "SELECT kind, bucket, isa, file, known, case_index, base, base_note FROM findings"
                " WHERE campaign = ? ORDER BY id",
                key,
            ).fetchall()
            faults = connection.execute(
                "SELECT case_index, bucket, fault FROM findings WHERE campaign = ?", key
            ).fetchall()
        result = CampaignResult(
            decode_statistics(json.loads(statistics)),
            [self._summary(*row) for row in findings],
            edges=sum(byte.bit_count() for byte in edges),
            covered=bytearray(edges),
            grew_at=grew_at,
            corpus=corpus,
            deaths=deaths,
        )
        self._written = len(findings)
        self._answers = {
            (summary.case, summary.bucket): summary.base
            for summary in result.findings
            if summary.base.given
        }
        self._faults = {(case, bucket): fault for case, bucket, fault in faults}
        states = {number: WorkerState(at, set(json.loads(skip))) for number, at, skip in workers}
        return result, states

    def _summary(
        self,
        kind: str,
        bucket: str,
        isa: str,
        file: str,
        known: int,
        case: int,
        base: str,
        note: str,
    ) -> FindingSummary:
        path, answer = str(self.directory / file), BaseAnswer(BaseStatus(base), note)
        return FindingSummary(kind, bucket, isa, path, bool(known), case, answer)

    def files(self) -> set[str]:
        """Return the file names of all findings of all campaigns."""
        with one_line_errors(self.directory):
            rows = self._connection.execute("SELECT file FROM findings").fetchall()
            return {file for (file,) in rows}

    # --- saving ---

    def save(
        self,
        result: CampaignResult,
        states: Mapping[int, WorkerState],
        corpus: Iterable[CorpusCase] = (),
        *,
        sample: bool,
    ) -> None:
        """Save everything or nothing; when this returns, it is on the disk.

        Args:
            result: its findings are those of the last call and perhaps more. A finding without a
                file is left out: ``--resume`` runs its case again.
            corpus: cases that are not in the database yet.
            sample: add a row to the statistics over time.
        """
        now, new = time.time(), result.findings[self._written :]
        with self._transaction() as connection:
            self._update(connection, result, states, now)
            connection.executemany(
                "INSERT OR IGNORE INTO findings VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
                (
                    (
                        self._campaign,
                        *self._finding_row(summary),
                        now,
                        result.seconds,
                        summary.bucket,
                        (NOT_ASKED if summary.base.given else summary.base).status.value,
                    )
                    for summary in new
                    if summary.file
                ),
            )
            self._update_answers(connection, result)
            self._update_faults(connection, result)
            connection.executemany(
                "INSERT OR IGNORE INTO corpus VALUES (?, ?, ?, ?)",
                ((self._campaign, case.index, case.new_edges, result.seconds) for case in corpus),
            )
            if sample:
                self._sample(connection, result, now)
        self._written = len(result.findings)

    def save_classes(self, result: CampaignResult) -> None:
        """Save what the base does with the findings' cases, and which faults they show.

        When this returns, it is on the disk.
        """
        with self._transaction() as connection:
            self._update_answers(connection, result)
            self._update_faults(connection, result)

    def _update_answers(self, connection: sqlite3.Connection, result: CampaignResult) -> None:
        """Save the new answers of the base, and where the files are then."""
        new = {
            (summary.case, summary.bucket): summary
            for summary in result.findings
            if summary.base.given
            if summary.base != self._answers.get((summary.case, summary.bucket))
        }
        connection.executemany(
            "UPDATE findings SET base = ?, base_note = ?, file = ?"
            " WHERE campaign = ? AND case_index = ? AND bucket = ?",
            (
                (s.base.status.value, s.base.note, self._name(s), self._campaign, *key)
                for key, s in new.items()
            ),
        )
        self._answers |= {key: summary.base for key, summary in new.items()}

    def _update_faults(self, connection: sqlite3.Connection, result: CampaignResult) -> None:
        if not result.faults:
            return  # nothing is minimised, or not yet after resuming
        findings = result.unexplained
        buckets = fault_buckets(findings, result.faults)
        now = {
            (summary.case, summary.bucket): bucket
            for summary, bucket in zip(findings, buckets, strict=True)
            if bucket != self._faults.get((summary.case, summary.bucket), summary.bucket)
        }
        connection.executemany(
            "UPDATE findings SET fault = ? WHERE campaign = ? AND case_index = ? AND bucket = ?",
            ((fault, self._campaign, *key) for key, fault in now.items()),
        )
        self._faults |= now

    def _finding_row(self, summary: FindingSummary) -> tuple[int, str, str, str, bool, str]:
        name = self._name(summary)
        return summary.case, summary.kind, summary.bucket, summary.isa, summary.known, name

    def _name(self, summary: FindingSummary) -> str:
        """Return the path of a finding's file in the directory."""
        file = Path(summary.file)
        if file.parent != self.directory and file.parent.name in (KNOWN_FAULTS, OLD_FINDINGS):
            return f"{file.parent.name}/{file.name}"
        return file.name

    def _update(
        self,
        connection: sqlite3.Connection,
        result: CampaignResult,
        states: Mapping[int, WorkerState],
        now: float,
    ) -> None:
        connection.execute(
            "UPDATE campaigns SET saved = ?, seconds = ?, deaths = ?, statistics = ?, edges = ?"
            " WHERE id = ?",
            (
                now,
                result.seconds,
                result.deaths,
                json.dumps(encode(result.statistics)),
                bytes(result.covered),
                self._campaign,
            ),
        )
        connection.executemany(
            "INSERT OR REPLACE INTO workers VALUES (?, ?, ?, ?)",
            (
                (self._campaign, number, state.next_case, json.dumps(sorted(state.skip)))
                for number, state in states.items()
            ),
        )

    def _sample(self, connection: sqlite3.Connection, result: CampaignResult, now: float) -> None:
        counts, unexplained = result.statistics, result.unexplained
        connection.execute(
            f"INSERT OR REPLACE INTO samples VALUES ({', '.join(14 * '?')})",
            (
                self._campaign,
                result.seconds,
                now,
                counts.cases,
                counts.executions,
                counts.total_ns / 1e9,
                sum(counts.compile_ns.values()) / 1e9,
                counts.rejected.total(),
                counts.hangs,
                len(unexplained),
                len(result.buckets),
                result.edges,
                result.deaths,
                max(result.memory_mib.values(), default=0.0),
            ),
        )

    def end(self, state: CampaignState, error: str = "") -> None:
        """Save how the campaign ended."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE campaigns SET state = ?, error = ? WHERE id = ?",
                (state.value, error, self._campaign),
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with one_line_errors(self.directory), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection


def _plan_text(plan: CampaignPlan) -> str:
    return json.dumps(encode(plan))
