"""The schema of the campaign database, ``campaign.sqlite`` in the directory of the findings.

A directory holds any number of campaigns, one after the other. The database is in WAL mode, so
others may read it while a campaign runs. This is version 4 of the schema (``PRAGMA user_version``).
Times are seconds: ``seconds`` counts those that the campaign has run by the clock, ``began``,
``saved`` and ``time`` those since 1970.

``campaigns``
    ``id``, ``began``, ``saved`` (last), ``state`` (``running``, also if the supervisor was killed;
    ``finished``, ``interrupted``, ``failed``), ``error`` (why it failed), ``plan`` (JSON of
    ``fuzz.campaign.plan.CampaignPlan``: ``seed``, ``jobs``, ``options``...), ``cranelift`` and
    ``clif_fuzz`` (versions), ``edges_total`` (edges of that build), ``seconds``, ``resumed`` (how
    often), ``deaths`` (of worker processes), ``statistics`` (JSON of
    ``fuzz.campaign.statistics.Statistics``, field by field: counters are objects, ``stage_ns`` is a
    list in the order of ``Stage``), ``edges`` (a bit set, as
    ``backend.cranelift.edge_counters.unpack`` takes it), ``build`` (the digest of
    ``fuzz.cases.build_identity``; empty for a campaign of version 1).
``workers``
    ``campaign``, ``number``, ``next_case`` (all cases of the worker before it are counted),
    ``skip`` (JSON: later cases that are counted too, since a worker process crashed on them). In
    version 1 this table is named ``jobs``.
``findings``
    ``campaign``, ``case_index``, ``kind``, ``bucket``, ``isa``, ``known`` (0 or 1), ``file`` (its
    path in the directory; of a known fault it is in ``known-faults``, of one that the base has too
    in ``old-findings``), ``time``, ``seconds``, ``fault`` (the bucket of the fault that minimising
    leads to, as far as it is known yet; else ``bucket`` again), ``base`` (what the campaign's base
    does with the case: ``right``, ``fails too``, ``fails in another way``, ``cannot say``, ``not
    asked``; empty for known faults, and without a base), ``base_note`` (why that is said). One for
    each campaign, case and bucket.
``buckets`` (a view of ``findings``, by ``fault``)
    ``campaign``, ``bucket`` (the ``fault``), ``kind``, ``isa``, ``known``, ``old`` (whether the
    base fails too; old findings have buckets of their own), ``findings`` (how many),
    ``first_time``, ``last_time``, ``first_seconds``, ``file`` (of the first).
``corpus``
    Cases that were the first to cover some of Cranelift's edges: ``campaign``, ``case_index``,
    ``new_edges`` (how many), ``seconds``. ``clif-fuzz fmt SEED:INDEX`` prints such a case.
``samples``
    Statistics over time, cumulative, about one every ten seconds: ``campaign``, ``seconds``,
    ``time``, ``cases``, ``executions``, ``cpu_seconds`` (of all workers), ``compile_seconds`` (the
    part of it that is Cranelift's), ``rejected``, ``hangs``, ``findings`` and ``buckets`` (new
    ones), ``edges``, ``deaths``, ``memory_mib`` (resident, of the largest worker).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

DATABASE: Final = "campaign.sqlite"
VERSION: Final = 4
#: The versions that can be read without being changed.
READABLE_VERSIONS: Final = (1, 2, 3, VERSION)
_LOCK: Final = "campaign.lock"
_BUSY_SECONDS: Final = 30.0

_BUCKETS: Final = """
CREATE VIEW buckets AS
  SELECT campaign, fault AS bucket, kind, isa, known, base = 'fails too' AS old,
    number AS findings, time AS first_time, last_time, seconds AS first_seconds, file
  FROM findings JOIN (
    SELECT min(id) AS id, count(*) AS number, max(time) AS last_time
    FROM findings GROUP BY campaign, fault, base = 'fails too'
  ) USING (id);
"""
_CREATE: Final = """
CREATE TABLE campaigns (
  id INTEGER PRIMARY KEY, began REAL NOT NULL, saved REAL NOT NULL, state TEXT NOT NULL,
  error TEXT NOT NULL, plan TEXT NOT NULL, cranelift TEXT NOT NULL, clif_fuzz TEXT NOT NULL,
  edges_total INTEGER NOT NULL, seconds REAL NOT NULL, resumed INTEGER NOT NULL,
  deaths INTEGER NOT NULL, statistics TEXT NOT NULL, edges BLOB NOT NULL,
  build TEXT NOT NULL DEFAULT ''
);
CREATE TABLE workers (
  campaign INTEGER NOT NULL REFERENCES campaigns, number INTEGER NOT NULL,
  next_case INTEGER NOT NULL, skip TEXT NOT NULL, PRIMARY KEY (campaign, number)
) WITHOUT ROWID;
CREATE TABLE findings (
  id INTEGER PRIMARY KEY, campaign INTEGER NOT NULL REFERENCES campaigns,
  case_index INTEGER NOT NULL, kind TEXT NOT NULL, bucket TEXT NOT NULL, isa TEXT NOT NULL,
  known INTEGER NOT NULL, file TEXT NOT NULL, time REAL NOT NULL, seconds REAL NOT NULL,
  fault TEXT NOT NULL DEFAULT '', base TEXT NOT NULL DEFAULT '',
  base_note TEXT NOT NULL DEFAULT '',
  UNIQUE (campaign, case_index, bucket)
);
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
_BUILDS: Final = """
ALTER TABLE campaigns ADD COLUMN build TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs RENAME TO workers;
"""
_FAULTS: Final = """
ALTER TABLE findings ADD COLUMN fault TEXT NOT NULL DEFAULT '';
UPDATE findings SET fault = bucket;
"""
_ANSWERS: Final = f"""
DROP VIEW buckets;
ALTER TABLE findings ADD COLUMN base TEXT NOT NULL DEFAULT '';
ALTER TABLE findings ADD COLUMN base_note TEXT NOT NULL DEFAULT '';
{_BUCKETS}"""
#: What makes the present schema of each older one; of an empty file it has version 0.
_UPGRADES: Final = {
    0: f"{_CREATE}{_BUCKETS}",
    1: f"{_BUILDS}{_FAULTS}{_ANSWERS}",
    2: f"{_FAULTS}{_ANSWERS}",
    3: _ANSWERS,
}


class DatabaseError(Exception):
    """Why the database cannot be used, in one line."""


def open_database(directory: Path) -> sqlite3.Connection:
    """Open the database of a directory; make it if there is none, and upgrade an older one.

    Raises:
        DatabaseError: the file cannot be opened, is no database, or is of a later version.
    """
    path = directory / DATABASE
    with one_line_errors(directory):
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != VERSION and version not in _UPGRADES:
                made_by = f"made by another version of clif-fuzz (schema {version})"
                raise DatabaseError(f"{path}: {made_by}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # a commit survives a loss of power
            if version != VERSION:
                upgrade = _UPGRADES[version]
                pragma = f"PRAGMA user_version = {VERSION}"
                connection.executescript(f"BEGIN; {upgrade} {pragma}; COMMIT")
        except BaseException:
            connection.close()
            raise
    return connection


def lock_directory(directory: Path) -> int:
    """Lock a directory for one supervisor.

    Returns:
        A file descriptor. The lock holds until it is closed, at the latest by the end of the
        process.

    Raises:
        DatabaseError: another process holds the lock, or there can be no lock file.
    """
    with one_line_errors(directory):
        lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise DatabaseError(f"{directory}: another campaign is running here") from error
    return lock


def is_locked(directory: Path) -> bool:
    """Return whether a supervisor is working in a directory."""
    try:
        lock = os.open(directory / _LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        # A shared lock for a moment: other processes that only look do not see each other.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


@contextmanager
def one_line_errors(directory: Path) -> Iterator[None]:
    """Turn the errors that the disk or a foreign file causes into a ``DatabaseError``."""
    try:
        yield
    except OSError as error:
        raise DatabaseError(f"{directory}: {error.strerror}") from error
    except sqlite3.Error as error:
        raise DatabaseError(f"{directory / DATABASE}: {error}") from error
    except (ValueError, TypeError) as error:
        message = f"{directory / DATABASE}: not a campaign's database: {error}"
        raise DatabaseError(message) from error
