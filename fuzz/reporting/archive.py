"""Reading a campaign's folder: its database, or the files of findings if there is none."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fuzz.campaign.database_schema import DATABASE, READABLE_VERSIONS
from fuzz.campaign.json_codec import decode
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.statistics import Statistics, decode_statistics
from fuzz.differential.base_answer import (
    BASE,
    NO_BASE,
    BaseAnswer,
    BaseStatus,
    Novelty,
    parse_answer,
)
from fuzz.differential.finding import KNOWN, MINIMIZED
from reports.model import Sample
from reports.text import printable


class ArchiveError(Exception):
    """A folder cannot be read; the message is one line."""


@dataclass(frozen=True, slots=True)
class FindingEntry:
    """A finding, as the database or the head of its file describes it.

    Attributes:
        seconds: from the campaign's start to the finding; None if unknown.
        base: what the campaign's base does with the case.
    """

    kind: str
    bucket: str
    isa: str
    known: bool
    file: str
    seconds: float | None = None
    base: BaseAnswer = NO_BASE

    @property
    def novelty(self) -> Novelty:
        """Its class."""
        return Novelty.of(known=self.known, base=self.base.status)


@dataclass(frozen=True, slots=True)
class ArchivedCampaign:
    """One campaign of the database.

    Attributes:
        state, error: how it ended.
        began: in seconds since 1970.
        seconds: how long it ran.
        resumed: how often it was resumed.
        deaths: how many workers died.
        covered: the edges that it covered, as a bit set.
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
    """A campaign's folder.

    Attributes:
        campaign: the chosen one; None if there is no database.
        others: how many more campaigns the database has.
    """

    folder: Path
    entries: tuple[FindingEntry, ...] = ()
    campaign: ArchivedCampaign | None = None
    others: int = field(default=0)

    @property
    def located(self) -> list[FindingEntry]:
        """The findings with paths that can be opened; empty for those without a file."""
        return [
            replace(entry, file=str(self.folder / entry.file) if entry.file else "")
            for entry in self.entries
        ]


def read_archive(folder: Path, number: int | None = None) -> Archive:
    """Read a folder: its latest campaign or the one of that number; without a database the files.

    Raises:
        ArchiveError: there is no such folder or campaign, or it cannot be read.
    """
    if not folder.is_dir():
        raise ArchiveError(f"{folder}: no such folder")
    database = folder / DATABASE
    if database.exists():
        return _read_database(folder, database, number)
    if number is not None:
        raise ArchiveError(f"{folder}: no campaign database ({DATABASE})")
    own = (path for path in folder.rglob("*.clif") if path.parent.name != MINIMIZED)
    entries = tuple(_read_headers(folder, sorted(own)))
    if not entries:
        raise ArchiveError(f"{folder}: neither a campaign database ({DATABASE}) nor .clif files")
    return Archive(folder, entries)


# --- the database ---

_CAMPAIGN = """
SELECT id, state, error, began, seconds, resumed, deaths, cranelift, clif_fuzz, edges_total, edges,
  plan, statistics FROM campaigns WHERE id = ?
"""
_ENTRIES = """
SELECT kind, bucket, isa, known, file, seconds, {answer} FROM findings
WHERE campaign = ? ORDER BY id
"""
#: The columns of the base's answer, and what stands for them in older versions.
_ANSWER = "base, base_note"
_ANSWER_BEFORE = "'', ''"
_FIRST_WITH_ANSWER = 4
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
    if version not in READABLE_VERSIONS:
        known = " or ".join(map(str, READABLE_VERSIONS))
        raise ArchiveError(f"{folder}: the campaign database has version {version}, not {known}")
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
    statistics = decode_statistics(json.loads(facts[-1]))
    fields: list[Any] = [*facts[:-2], plan, statistics, samples]
    campaign = ArchivedCampaign(*fields)
    answer = _ANSWER if version >= _FIRST_WITH_ANSWER else _ANSWER_BEFORE
    rows: Iterable[Any] = connection.execute(_ENTRIES.format(answer=answer), (chosen,))
    entries = tuple(
        FindingEntry(
            kind, bucket, isa, bool(known), file, seconds, BaseAnswer(BaseStatus(base), note)
        )
        for kind, bucket, isa, known, file, seconds, base, note in rows
    )
    return Archive(folder, entries, campaign, len(numbers) - 1)


# --- files alone ---


def _read_headers(folder: Path, paths: Iterable[Path]) -> Iterator[FindingEntry]:
    for path in paths:
        try:
            entry = read_header(path)
            yield replace(entry, file=str(path.relative_to(folder)))
        except (OSError, UnicodeDecodeError) as error:
            raise ArchiveError(f"{path}: {error}") from error


def read_header(path: Path) -> FindingEntry:
    """Read the comments at the head of a finding's file; without them, the file is its own bucket.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: it is not a text.
    """
    words: dict[str, str] = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.startswith(";"):
                break
            name, _, value = line.lstrip("; ").partition(":")
            words.setdefault(name.strip(), printable(value.strip()))
    kind = words.get("finding", "").partition(" ")[0] or "case"
    bucket = words.get("bucket") or printable(path.stem)
    base = parse_answer(words.get(BASE, ""))
    return FindingEntry(kind, bucket, words.get("isa", ""), KNOWN in words, path.name, base=base)
