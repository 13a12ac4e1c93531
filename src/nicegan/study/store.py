"""The database of votes: one transaction a vote, on the disk before it is acknowledged."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from nicegan.errors import StudyError
from nicegan.study.definition import FORMAT_VERSION, OpenStudy

TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE raters (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, assignment INTEGER NOT NULL, joined_at INTEGER NOT NULL
) STRICT;
CREATE TABLE votes (
    id TEXT PRIMARY KEY, rater INTEGER NOT NULL REFERENCES raters (number), trial INTEGER NOT NULL,
    subject INTEGER NOT NULL, answer TEXT NOT NULL, chosen TEXT NOT NULL, shown TEXT NOT NULL,
    milliseconds INTEGER, voted_at INTEGER NOT NULL, UNIQUE (rater, trial)
) STRICT;
"""
SECONDS_TO_WAIT = 30  # for another process that writes


class Rater(NamedTuple):
    """Somebody who answers: `key` is in the link, `assignment` gives the questions; times are in seconds since 1970."""

    number: int
    key: str
    assignment: int
    joined_at: int


class Vote(NamedTuple):
    """One answer: `subject` is the image's index, `chosen` the label, `shown` all labels, joined by tabs.

    `milliseconds` is the time that it took; None from a browser without JavaScript, which does not tell.
    """

    id: str
    rater: int
    trial: int
    subject: int
    answer: str
    chosen: str
    shown: str
    milliseconds: int | None
    voted_at: int


class VoteConflict(Exception):  # noqa: N818
    """Another vote of this trial or of this id was there first."""


class CannotKeepError(StudyError):
    """The database takes nothing: its disk is full, its folder is read-only, or it is damaged."""


def create_store(path: Path, digest: str) -> None:
    """Make the empty database of the study whose definition has this SHA-256."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(TABLES)
        facts = {"format_version": str(FORMAT_VERSION), "definition": digest}
        connection.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
        connection.commit()


class VoteStore:
    """Reads and writes the votes of a study, from several threads.

    Raises:
        StudyError: there is no database, it is damaged or read-only, or belongs to another definition.
    """

    def __init__(self, study: OpenStudy, *, read_only: bool = False) -> None:
        self.path, self.lock = study.votes, Lock()
        if not self.path.is_file():
            raise StudyError(f"{self.path} is missing: put a copy of it back, or make the study anew")
        with self._reasons():
            self.connection = _connect(self.path, read_only=read_only)
            try:
                self._refuse_other_study(study)
                if not read_only:
                    self._refuse_read_only()
            except BaseException:
                self.connection.close()
                raise

    def _refuse_other_study(self, study: OpenStudy) -> None:
        facts = dict(self.connection.execute("SELECT name, value FROM facts").fetchall())
        if (found := facts.get("format_version")) != str(FORMAT_VERSION):
            raise StudyError(f"{self.path} is of format {found}, and this nicegan reads format {FORMAT_VERSION}")
        if facts.get("definition") != study.digest:
            raise StudyError(
                f"{study.folder / 'study.json'} has been changed since the study was made, so its votes would mean "
                "something else: put back the file as it was, or make a new study"
            )
        [(state,)] = self.connection.execute("PRAGMA quick_check(1)").fetchall()
        if state != "ok":
            raise sqlite3.DatabaseError(state)

    def _refuse_read_only(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute("INSERT OR REPLACE INTO facts VALUES ('opened_at', ?)", (str(int(time.time())),))
        self.connection.commit()

    @contextmanager
    def _reasons(self) -> Iterator[None]:
        """Within: what SQLite raises becomes a CannotKeepError of one line."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as problem:
            raise CannotKeepError(f"{self.path}: {_in_words(problem)}") from None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Within: one transaction, alone; it is on the disk when the context ends, or has not happened."""
        with self.lock, self._reasons():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.commit()
            except BaseException:
                self.connection.rollback()
                raise

    def raters(self) -> list[Rater]:
        """Return all raters, by number."""
        return [Rater(*row) for row in self._read("SELECT * FROM raters ORDER BY number")]

    def rater(self, key: str) -> Rater | None:
        """Return the rater of a link."""
        return next((Rater(*row) for row in self._read("SELECT * FROM raters WHERE key = ?", key)), None)

    def votes(self, rater: int | None = None) -> list[Vote]:
        """Return the votes of one rater, or of all, in the order of their trials."""
        where, values = ("", ()) if rater is None else ("WHERE rater = ?", (rater,))
        rows = self._read(f"SELECT * FROM votes {where} ORDER BY rater, trial", *values)
        return [Vote(*row) for row in rows]

    def num_votes(self, rater: int) -> int:
        """Return how many trials a rater has answered, which is the index of the next one."""
        [(number,)] = self._read("SELECT COUNT(*) FROM votes WHERE rater = ?", rater)
        return number

    def progress(self) -> dict[int, tuple[int, int]]:
        """Return of each rater how many votes there are, and when the last one came (or the rater), since 1970."""
        rows = self._read(
            "SELECT number, COUNT(id), COALESCE(MAX(voted_at), joined_at) FROM raters LEFT JOIN votes "
            "ON rater = number GROUP BY number"
        )
        return {number: (votes, last) for number, votes, last in rows}

    def add_rater(self, key: str, assignment: int) -> Rater:
        """Return the rater of a key, new with this assignment unless the key is known already."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO raters VALUES (NULL, ?, ?, ?) ON CONFLICT (key) DO NOTHING",  # older files name the third
                (key, assignment, int(time.time())),  # column "place"
            )
            row = connection.execute("SELECT * FROM raters WHERE key = ?", (key,)).fetchone()
        return Rater(*row)

    def add_vote(self, vote: Vote) -> None:
        """Keep a vote: it is on the disk when this returns. The same vote again changes nothing.

        Raises:
            VoteConflict: another vote of this trial is there, or it is not the trial's turn.
            CannotKeepError: the disk does not take it.
        """
        with self._transaction() as connection:
            same = connection.execute(
                "SELECT * FROM votes WHERE id = ? OR (rater = ? AND trial = ?)", (vote.id, vote.rater, vote.trial)
            ).fetchall()
            if same:
                if [Vote(*row)[:5] for row in same] != [vote[:5]]:
                    raise VoteConflict
                return
            [number] = connection.execute("SELECT COUNT(*) FROM votes WHERE rater = ?", (vote.rater,)).fetchone()
            if number != vote.trial:
                raise VoteConflict
            connection.execute("INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", vote)

    def fact(self, name: str) -> str | None:
        """Return a fact about the study, if it is there."""
        return next((value for (value,) in self._read("SELECT value FROM facts WHERE name = ?", name)), None)

    def set_fact(self, name: str, value: str) -> None:
        """Keep a fact about the study."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _read(self, query: str, *values: object) -> list[tuple]:
        with self.lock, self._reasons():
            return self.connection.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the database, which tidies its journal into it."""
        with self.lock:
            self.connection.close()


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    if read_only:
        return _connect_for_reading(path)
    connection = sqlite3.connect(path, timeout=SECONDS_TO_WAIT, isolation_level=None, check_same_thread=False)
    try:
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _connect_for_reading(path: Path) -> sqlite3.Connection:
    """Return a connection that writes nothing; in a folder that nothing can be written to, SQLite needs to be told."""
    name = path.absolute().as_uri()
    connection = sqlite3.connect(f"{name}?mode=ro", uri=True, timeout=SECONDS_TO_WAIT, isolation_level=None)
    try:
        connection.execute("SELECT COUNT(*) FROM facts")
        return connection
    except sqlite3.Error as problem:
        connection.close()
        wal = path.with_name(f"{path.name}-wal")
        if not isinstance(problem, sqlite3.OperationalError) or (wal.exists() and wal.stat().st_size):
            raise
    return sqlite3.connect(f"{name}?immutable=1", uri=True, isolation_level=None)


def _in_words(problem: sqlite3.Error) -> str:
    said = str(problem)
    if "readonly" in said or "unable to open" in said:
        return "the folder or the file is read-only: make it writable"
    if "full" in said:
        return "the disk is full: make room; every vote that was acknowledged is kept"
    if "locked" in said:
        return "another program holds the database: end it"
    return f"the database is damaged ({said}): put a copy of it back"
