"""The campaign database: ``campaign.sqlite`` in the folder of the findings.

A folder holds any number of campaigns, one after the other. Everything that belongs together is
saved in one transaction: how far each job is, what its cases amounted to, and what they found. So
the database is at any moment the state of a campaign that did certain cases, each once, and no
others. It is in WAL mode: others may read it while a campaign runs.

Schema, version 1 (``PRAGMA user_version``); times are seconds, ``seconds`` those that the campaign
ran by the clock until then, ``time``, ``began``, ``saved`` and ``found`` those since 1970:

``campaigns``
    ``id``, ``began``, ``saved`` (last), ``state`` (``running``, also of one whose supervisor was
    killed; ``finished``, ``interrupted``, ``failed``), ``error`` (why it failed), ``plan`` (JSON of
    ``fuzz.campaign.plan.Plan``: ``seed``, ``jobs``, ``options``...), ``cranelift`` and
    ``clif_fuzz`` (versions), ``edges_total`` (of that build), ``seconds``, ``resumed`` (how often),
    ``deaths`` (of workers), ``statistics`` (JSON of ``fuzz.campaign.statistics.Statistics``, field
    by field: Counters are objects, ``stage_ns`` is a list in the order of ``Stage``), ``edges`` (a
    bit set, as ``backend.cranelift.edge_counters.unpack`` takes it).
``jobs``
    ``campaign``, ``number``, ``next_case`` (all of the job's cases before it are counted), ``skip``
    (JSON: cases behind it that are counted too, since a worker died of them).
``findings``
    ``campaign``, ``case_index``, ``kind``, ``bucket``, ``isa``, ``known`` (0 or 1), ``file`` (its
    name in the folder), ``time``, ``seconds``. One per campaign, case and bucket.
``buckets`` (a view of it)
    ``campaign``, ``bucket``, ``kind``, ``isa``, ``known``, ``findings`` (how many), ``first_time``,
    ``last_time``, ``first_seconds``, ``file`` (of the first).
``corpus``
    Cases that were the first to cover some of Cranelift's edges: ``campaign``, ``case_index``,
    ``new_edges`` (how many), ``seconds``. A case is a function of seed, index and options;
    ``clif-fuzz fmt SEED:INDEX`` prints it.
``samples``
    Statistics over time, cumulative, about one every ten seconds: ``campaign``, ``seconds``,
    ``time``, ``cases``, ``executions``, ``cpu_seconds`` (of all workers), ``compile_seconds`` (the
    part of it that is Cranelift's), ``rejected``, ``hangs``, ``findings`` and ``buckets`` (without
    known faults), ``edges``, ``deaths``, ``memory_mib`` (resident, of the largest worker).
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from fuzz.campaign.json_codec import decode, encode
from fuzz.campaign.plan import CampaignPlan, WorkerState
from fuzz.campaign.result import CampaignResult, CorpusCase, FindingSummary
from fuzz.campaign.statistics import Statistics

DATABASE = "campaign.sqlite"
_LOCK = "campaign.lock"
_VERSION = 1
_SCHEMA = """
CREATE TABLE campaigns (
  id INTEGER PRIMARY KEY, began REAL NOT NULL, saved REAL NOT NULL, state TEXT NOT NULL,
  error TEXT NOT NULL, plan TEXT NOT NULL, cranelift TEXT NOT NULL, clif_fuzz TEXT NOT NULL,
  edges_total INTEGER NOT NULL, seconds REAL NOT NULL, resumed INTEGER NOT NULL,
  deaths INTEGER NOT NULL, statistics TEXT NOT NULL, edges BLOB NOT NULL
);
CREATE TABLE jobs (
  campaign INTEGER NOT NULL REFERENCES campaigns, number INTEGER NOT NULL,
  next_case INTEGER NOT NULL, skip TEXT NOT NULL, PRIMARY KEY (campaign, number)
) WITHOUT ROWID;
CREATE TABLE findings (
  id INTEGER PRIMARY KEY, campaign INTEGER NOT NULL REFERENCES campaigns,
  case_index INTEGER NOT NULL, kind TEXT NOT NULL, bucket TEXT NOT NULL, isa TEXT NOT NULL,
  known INTEGER NOT NULL, file TEXT NOT NULL, time REAL NOT NULL, seconds REAL NOT NULL,
  UNIQUE (campaign, case_index, bucket)
);
CREATE VIEW buckets AS
  SELECT campaign, bucket, kind, isa, known, number AS findings, time AS first_time, last_time,
    seconds AS first_seconds, file
  FROM findings JOIN (
    SELECT min(id) AS id, count(*) AS number, max(time) AS last_time
    FROM findings GROUP BY campaign, bucket
  ) USING (id);
CREATE TABLE corpus (
  campaign INTEGER NOT NULL REFERENCES campaigns, case_index INTEGER NOT NULL,
  new_edges INTEGER NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (campaign, case_index)
) WITHOUT ROWID;
CREATE TABLE samples (
  campaign INTEGER NOT NULL REFERENCES campaigns, seconds REAL NOT NULL, time REAL NOT NULL,
  cases INTEGER NOT NULL, executions INTEGER NOT NULL, cpu_seconds REAL NOT NULL,
  compile_seconds REAL NOT NULL, rejected INTEGER NOT NULL, hangs INTEGER NOT NULL,
  findings INTEGER NOT NULL, buckets INTEGER NOT NULL, edges INTEGER NOT NULL,
  deaths INTEGER NOT NULL, memory_mib REAL NOT NULL, PRIMARY KEY (campaign, seconds)
) WITHOUT ROWID;
"""


class DatabaseError(Exception):
    """Why the database cannot be used, in one line."""


@dataclass(frozen=True, slots=True)
class Build:
    """What cases are a function of, beside the plan: a campaign goes on with the same alone."""

    cranelift: str
    clif_fuzz: str
    edges_total: int


class CampaignState(Enum):
    """How it stands with a campaign."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class CampaignDatabase:
    """The database of one folder, for the only supervisor that works in it.

    Raises DatabaseError from every method, for whatever the disk or the file is to blame.
    """

    def __init__(self, directory: Path) -> None:
        """Makes the database if there is none. ``close`` lets go of the folder."""
        self.directory = directory
        self._campaign = 0
        self._written = 0
        self._lock = _lock(directory)
        try:
            with _explained(directory):
                self._connection = _connect(directory / DATABASE)
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        self._connection.close()
        os.close(self._lock)

    # --- beginning ---

    def begin(self, plan: CampaignPlan, build: Build) -> None:
        """Enters another campaign; what is saved from now on is its."""
        now, state = time.time(), CampaignState.RUNNING.value
        statistics = json.dumps(encode(Statistics()))
        with self._transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO campaigns VALUES (NULL, ?, ?, ?, '', ?, ?, ?, ?, 0, 0, 0, ?, ?)",
                (now, now, state, _plan_text(plan), *_build_row(build), statistics, b""),
            )
        assert cursor.lastrowid is not None
        self._campaign, self._written = cursor.lastrowid, 0

    def latest(self) -> tuple[CampaignPlan, Build]:
        """What the folder's latest campaign was asked to do; what is saved from now on is its."""
        with _explained(self.directory):
            row = self._connection.execute(
                "SELECT id, plan, cranelift, clif_fuzz, edges_total FROM campaigns"
                " ORDER BY id DESC LIMIT 1"
            ).fetchone()
            if row is None:
                raise DatabaseError(f"{self.directory}: no campaign to go on with")
            self._campaign, plan, *build = row
            return decode(CampaignPlan, json.loads(plan)), Build(*build)

    def resume(self, plan: CampaignPlan) -> tuple[CampaignResult, dict[int, WorkerState]]:
        """Goes on with that campaign, under a plan whose limits may be others."""
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
            jobs = connection.execute(
                "SELECT number, next_case, skip FROM jobs WHERE campaign = ?", key
            ).fetchall()
            findings = connection.execute(
                "SELECT kind, bucket, isa, file, known, case_index FROM findings"
                " WHERE campaign = ? ORDER BY id",
                key,
            ).fetchall()
        result = CampaignResult(
            decode(Statistics, json.loads(statistics)),
            [self._summary(*row) for row in findings],
            edges=sum(byte.bit_count() for byte in edges),
            covered=bytearray(edges),
            grew_at=grew_at,
            corpus=corpus,
            deaths=deaths,
        )
        self._written = len(findings)
        return result, {number: WorkerState(at, set(json.loads(skip))) for number, at, skip in jobs}

    def _summary(
        self, kind: str, bucket: str, isa: str, file: str, known: int, case: int
    ) -> FindingSummary:
        return FindingSummary(kind, bucket, isa, str(self.directory / file), bool(known), case)

    def files(self) -> set[str]:
        """The names of the files of all findings of all campaigns of the folder."""
        with _explained(self.directory):
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
        """Everything at once or nothing, and on the disk when it returns.

        Args:
            result: its findings are those of the last call, and more. One without a file is left
                out: its case is done again by whoever resumes.
            corpus: cases that are not in the database yet.
            sample: adds a row to the statistics over time.
        """
        now, new = time.time(), result.findings[self._written :]
        with self._transaction() as connection:
            self._update(connection, result, states, now)
            connection.executemany(
                "INSERT OR IGNORE INTO findings VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (self._campaign, *_finding_row(summary), now, result.seconds)
                    for summary in new
                    if summary.file
                ),
            )
            connection.executemany(
                "INSERT OR IGNORE INTO corpus VALUES (?, ?, ?, ?)",
                ((self._campaign, case.index, case.new_edges, result.seconds) for case in corpus),
            )
            if sample:
                self._sample(connection, result, now)
        self._written = len(result.findings)

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
            "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?)",
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
                len({summary.bucket for summary in unexplained}),
                result.edges,
                result.deaths,
                max(result.memory_mib.values(), default=0.0),
            ),
        )

    def end(self, state: CampaignState, error: str = "") -> None:
        """Notes how the campaign ended."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE campaigns SET state = ?, error = ? WHERE id = ?",
                (state.value, error, self._campaign),
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _explained(self.directory), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise DatabaseError(f"{path}: made by another version of clif-fuzz (schema {version})")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a commit survives a loss of power
        if version == 0:
            connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _lock(directory: Path) -> int:
    """A descriptor that holds the folder until it is closed, by the end of the process at last."""
    with _explained(directory):
        lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise DatabaseError(f"{directory}: another campaign is running here") from error
    return lock


@contextmanager
def _explained(where: Path) -> Iterator[None]:
    """Turns what the disk or a foreign file is to blame for into one line."""
    try:
        yield
    except OSError as error:
        raise DatabaseError(f"{where}: {error.strerror}") from error
    except sqlite3.Error as error:
        raise DatabaseError(f"{where / DATABASE}: {error}") from error
    except (ValueError, TypeError) as error:
        raise DatabaseError(f"{where / DATABASE}: not a campaign's database: {error}") from error


def _plan_text(plan: CampaignPlan) -> str:
    return json.dumps(encode(plan))


def _build_row(build: Build) -> tuple[str, str, int]:
    return build.cranelift, build.clif_fuzz, build.edges_total


def _finding_row(summary: FindingSummary) -> tuple[int, str, str, str, bool, str]:
    name = Path(summary.file).name
    return summary.case, summary.kind, summary.bucket, summary.isa, summary.known, name
