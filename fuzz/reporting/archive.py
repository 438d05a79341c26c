"""What a campaign's folder holds: its database, or the files of findings alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.campaign.database import DATABASE
from fuzz.campaign.json_codec import decode
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.statistics import Statistics
from fuzz.differential.finding import KNOWN
from reports.model import Sample

#: The schema that is understood (``fuzz.campaign.database``).
_SCHEMA = 1


class ArchiveError(Exception):
    """A folder that no report can be made of, in one line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A finding as the folder lists it. ``seconds`` is None where that is not known."""

    kind: str
    bucket: str
    isa: str
    known: bool
    file: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign of the database.

    Attributes:
        state, error: how it ended.
        began: seconds since 1970.
        seconds: that it ran.
        covered: the bit set of edges.
    """

    number: int
    state: str
    error: str
    began: float
    seconds: float
    resumed: int
    deaths: int
    cranelift: str
    clif_fuzz: str
    edges_total: int
    covered: bytes
    plan: CampaignPlan
    statistics: Statistics
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Archive:
    """A folder. ``campaign`` is None where there is no database."""

    folder: Path
    entries: tuple[Entry, ...] = ()
    campaign: Campaign | None = None
    others: int = field(default=0)


def read_archive(folder: Path, number: int | None = None) -> Archive:
    """The folder's latest campaign, or the one of that number; without a database the files.

    Raises ArchiveError.
    """
    if not folder.is_dir():
        raise ArchiveError(f"{folder}: no such folder")
    database = folder / DATABASE
    if database.exists():
        return _read_database(folder, database, number)
    if number is not None:
        raise ArchiveError(f"{folder}: no campaign database ({DATABASE})")
    entries = tuple(_read_headers(sorted(folder.glob("*.clif"))))
    if not entries:
        raise ArchiveError(f"{folder}: neither a campaign database ({DATABASE}) nor .clif files")
    return Archive(folder, entries)


# --- the database ---

_CAMPAIGN = """
SELECT id, state, error, began, seconds, resumed, deaths, cranelift, clif_fuzz, edges_total, edges,
  plan, statistics FROM campaigns WHERE id = ?
"""
_ENTRIES = """
SELECT kind, bucket, isa, known, file, seconds FROM findings WHERE campaign = ? ORDER BY id
"""
_SAMPLES = """
SELECT seconds, cases, executions, cpu_seconds, findings, edges FROM samples
WHERE campaign = ? ORDER BY seconds
"""


def _read_database(folder: Path, database: Path, number: int | None) -> Archive:
    try:
        uri = f"{database.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return _read_campaign(folder, connection, number)
    except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
        raise ArchiveError(f"{database}: cannot be read: {error}") from error


def _read_campaign(folder: Path, connection: sqlite3.Connection, number: int | None) -> Archive:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != _SCHEMA:
        raise ArchiveError(f"{folder}: the campaign database has version {version}, not {_SCHEMA}")
    numbers = [row[0] for row in connection.execute("SELECT id FROM campaigns ORDER BY id")]
    if not numbers:
        raise ArchiveError(f"{folder}: the database holds no campaign")
    if number is not None and number not in numbers:
        there = ", ".join(map(str, numbers))
        raise ArchiveError(f"{folder}: no campaign {number}; there are {there}")
    chosen = numbers[-1] if number is None else number
    facts = connection.execute(_CAMPAIGN, (chosen,)).fetchone()
    samples = tuple(Sample(*row) for row in connection.execute(_SAMPLES, (chosen,)))
    plan = decode(CampaignPlan, json.loads(facts[-2]))
    statistics = decode(Statistics, json.loads(facts[-1]))
    fields: list[Any] = [*facts[:-2], plan, statistics, samples]
    campaign = Campaign(*fields)
    rows: Iterable[Any] = connection.execute(_ENTRIES, (chosen,))
    entries = tuple(
        Entry(kind, bucket, isa, bool(known), file, seconds)
        for kind, bucket, isa, known, file, seconds in rows
    )
    return Archive(folder, entries, campaign, len(numbers) - 1)


# --- files alone ---


def _read_headers(paths: Iterable[Path]) -> Iterator[Entry]:
    for path in paths:
        try:
            yield read_header(path)
        except (OSError, UnicodeDecodeError) as error:
            raise ArchiveError(f"{path}: {error}") from error


def read_header(path: Path) -> Entry:
    """What the comments at a finding's top say; a case without them is a bucket of its own."""
    words: dict[str, str] = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.startswith(";"):
                break
            name, _, value = line.lstrip("; ").partition(":")
            words.setdefault(name.strip(), value.strip())
    kind = words.get("finding", "").partition(" ")[0] or "case"
    bucket = words.get("bucket") or path.stem
    return Entry(kind, bucket, words.get("isa", ""), KNOWN in words, path.name)
