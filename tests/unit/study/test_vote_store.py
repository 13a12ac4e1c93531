"""The database of votes: a retry counts once, another answer is refused, and what is not kept is not acknowledged."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.study_raters import make_study

from nicegan.errors import StudyError
from nicegan.study.definition import OpenStudy, read_study
from nicegan.study.store import CannotKeepError, Vote, VoteConflict, VoteStore

KEY = "0123456789abcdef" * 2


@pytest.fixture
def study(tmp_path: Path) -> OpenStudy:
    return make_study(tmp_path)


@pytest.fixture
def store(study: OpenStudy) -> VoteStore:
    return VoteStore(study)


def vote(trial: int, answer: str = "0", identity: str | None = None, rater: int = 1) -> Vote:
    return Vote(identity or f"id-{trial}", rater, trial, 2, answer, "alpha", "alpha\tbeta", 1000, 5)


def test_a_retry_counts_once(store: VoteStore) -> None:
    assert store.add_rater(KEY, 3) == store.add_rater(KEY, 4), "a key joins once"
    for _ in range(3):
        store.add_vote(vote(0))
    store.add_vote(vote(0)._replace(milliseconds=9, voted_at=9))
    assert store.votes(1) == [vote(0)], "the first one stands"
    assert store.num_votes(1) == 1


@pytest.mark.parametrize(
    "other",
    [vote(0, "1"), vote(0, identity="another"), vote(2), vote(1, identity="id-0"), vote(0, rater=2, identity="id-0")],
)
def test_another_vote_of_a_trial_or_out_of_turn_is_refused(store: VoteStore, other: Vote) -> None:
    store.add_rater(KEY, 0)
    store.add_rater(KEY[::-1], 1)
    store.add_vote(vote(0))
    with pytest.raises(VoteConflict):
        store.add_vote(other)
    assert store.votes() == [vote(0)]
    store.add_vote(vote(1))
    assert store.num_votes(1) == 2


def test_every_vote_waits_for_the_disk(store: VoteStore) -> None:
    assert store.connection.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
    assert store.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_votes_are_unique_for_sqlite_too(store: VoteStore) -> None:
    store.add_rater(KEY, 0)
    store.add_vote(vote(0))
    for row in (vote(1, identity="id-0"), vote(0, identity="other")):
        with pytest.raises(sqlite3.IntegrityError):
            store.connection.execute("INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    with pytest.raises(sqlite3.IntegrityError):
        store.connection.execute("INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", vote(0, rater=9, identity="x"))


def test_a_changed_study_is_refused(study: OpenStudy) -> None:
    file = study.folder / "study.json"
    file.write_text(file.read_text().replace("best translation", "worst translation"))
    with pytest.raises(StudyError, match="has been changed since the study was made"):
        VoteStore(read_study(study.folder))


def test_a_missing_or_damaged_database_is_refused(study: OpenStudy) -> None:
    whole = study.votes.read_bytes()
    study.votes.write_bytes(b"no database at all, but some text" * 100)
    with pytest.raises(StudyError, match="the database is damaged.*put a copy of it back"):
        VoteStore(study)
    study.votes.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(StudyError, match="damaged"):
        VoteStore(study)
    study.votes.write_bytes(b"")
    with pytest.raises(StudyError, match="damaged"):
        VoteStore(study)
    study.votes.unlink()
    with pytest.raises(StudyError, match="is missing"):
        VoteStore(study)
    assert not study.votes.exists(), "no empty one is made"


def test_another_version_is_refused(study: OpenStudy) -> None:
    with sqlite3.connect(study.votes) as connection:
        connection.execute("UPDATE facts SET value = '9' WHERE name = 'format_version'")
    connection.close()
    with pytest.raises(StudyError, match="is of format 9, and this nicegan reads format 1"):
        VoteStore(study)


def test_a_database_with_the_older_name_of_a_column_goes_on(study: OpenStudy) -> None:
    with sqlite3.connect(study.votes) as connection:
        connection.execute("ALTER TABLE raters RENAME COLUMN assignment TO place")
        connection.execute("INSERT INTO raters (key, place, joined_at) VALUES (?, 3, 5)", (KEY,))
    connection.close()
    store = VoteStore(study)
    assert store.raters() == [(1, KEY, 3, 5)]
    assert store.add_rater(KEY, 7).assignment == 3
    assert store.add_rater(KEY[::-1], 7)[:3] == (2, KEY[::-1], 7)
    store.add_vote(vote(0))
    assert store.progress()[1] == (1, 5)
    store.close()


def test_a_full_disk_takes_no_vote_and_loses_none(store: VoteStore) -> None:
    store.add_rater(KEY, 0)
    store.add_vote(vote(0))
    [pages] = store.connection.execute("PRAGMA page_count").fetchone()
    store.connection.execute(f"PRAGMA max_page_count = {pages}")
    kept = 1
    with pytest.raises(CannotKeepError, match="the disk is full: make room"):
        for number in range(1, 500):
            store.add_vote(vote(number))
            kept += 1
    assert store.num_votes(1) == kept
    store.connection.execute("PRAGMA max_page_count = 10000")
    store.add_vote(vote(kept))
    assert store.num_votes(1) == kept + 1


@contextmanager
def without_rights() -> Iterator[None]:
    """Root, who writes everywhere, is somebody else within."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.skipif(os.name != "posix", reason="rights of files are another matter there")
def test_a_read_only_folder_is_refused_for_serving_and_can_be_reported() -> None:
    with tempfile.TemporaryDirectory() as root:
        study = make_study(Path(root))
        store = VoteStore(study)
        store.add_rater(KEY, 0)
        store.close()
        study.votes.chmod(0o444)
        for folder in (study.folder, Path(root)):
            folder.chmod(0o555)
        with without_rights():
            with pytest.raises(StudyError, match="the folder or the file is read-only: make it writable"):
                VoteStore(study)
            reader = VoteStore(study, read_only=True)
            assert reader.raters()[0].key == KEY
            reader.close()
        for folder in (Path(root), study.folder):
            folder.chmod(0o755)


def test_a_database_is_read_while_it_is_written(study: OpenStudy, store: VoteStore) -> None:
    store.add_rater(KEY, 0)
    store.add_vote(vote(0))
    reader = VoteStore(study, read_only=True)
    assert reader.votes() == [vote(0)]
    store.add_vote(vote(1))
    assert len(reader.votes()) == 2
    with pytest.raises(CannotKeepError, match="read-only"):
        reader.add_rater(KEY[::-1], 1)
    reader.close()
