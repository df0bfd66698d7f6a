"""Copies in another place: with the real restic, and databases that are written to."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from tree_world import make_one_of_everything

from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.storage.beneath import choose_opener
from jupyterhub_af.storage.databases import (
    KEPT,
    copy_facility,
    list_copies,
    put_back_facility,
)
from jupyterhub_af.storage.manifest import Walk, read_manifest
from jupyterhub_af.storage.offsite import OffsiteError, Repository, restore, save
from jupyterhub_af.storage.verify import find_differences

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs real uids")
OLD, NEW = "2026-11-20T10-00-00Z", "2026-11-21T10-00-00Z"


@pytest.fixture
def data(tmp_path) -> Path:
    """A data folder with databases, keys and a volume."""
    data = tmp_path / "data"
    for name in ("service", "hub", "gateway", "agent"):
        (data / name).mkdir(parents=True)
    (data / "hub/crypt-key").write_text("00" * 32)
    (data / "admin-secret").write_text("secret")
    os.chown(data / "service", 990001, 990001)
    for path in ("service/af.sqlite", "hub/jupyterhub.sqlite"):
        with closing(sqlite3.connect(data / path)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE rows (one, two)")
            database.execute("INSERT INTO rows VALUES (0, 0)")
            database.commit()
    os.chown(data / "service/af.sqlite", 990001, 990001)
    areas = data / "areas"
    make_one_of_everything(areas / "private/anna")
    make_one_of_everything(areas / f"backups/private/anna/{OLD}")
    make_one_of_everything(areas / f"backups/private/anna/{NEW}")
    (areas / "backups").chmod(0o711)
    (areas / "shared/class").mkdir(parents=True)
    return data


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Repository:
    # restic keeps a cache of what it copied
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "password"
    file.write_text("a password of restic's own")
    file.chmod(0o600)
    return Repository(str(tmp_path / "elsewhere"), file)


def verify(manifest: Path, volume: Path) -> list[str]:
    root_fd = os.open(volume, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with manifest.open("rb") as file:
            heading, wanted = read_manifest(file)
            found = Walk(root_fd, choose_opener()).entries(heading.roots)
            return [str(d) for d in find_differences(wanted, found)]
    finally:
        os.close(root_fd)


def test_what_was_copied_elsewhere_comes_back_equal(tmp_path, data, repository):
    repository.make()
    listed = save(repository, data, data / "areas")
    shutil.rmtree(data / "areas")
    manifest = restore(repository, data / "areas")
    assert verify(manifest, data / "areas") == []
    with manifest.open("rb") as file:
        heading, entries = read_manifest(file)
        assert len(list(entries)) == listed
    assert heading.roots == ("private", "shared", f"backups/private/anna/{NEW}")
    # of each tree the newest generation only
    assert not (data / f"areas/backups/private/anna/{OLD}").exists()
    copied = manifest.parent
    assert oct(copied.stat().st_mode & 0o777) == "0o700"
    # a whole machine is lost: another folder gets the databases and keys
    put_back_facility(tmp_path / "new", copied)
    found = tmp_path / "new/service/af.sqlite"
    assert (found.stat().st_uid, oct(found.stat().st_mode & 0o777)) == (990001, "0o600")
    with closing(sqlite3.connect(found)) as database:
        assert database.execute("SELECT * FROM rows").fetchall() == [(0, 0)]
    assert (tmp_path / "new/hub/crypt-key").read_text() == "00" * 32


def test_a_second_copy_brings_back_the_newest(data, repository):
    repository.make()
    save(repository, data, data / "areas")
    (data / "areas/private/anna/later").write_text("later")
    # copies have their second for a name
    shutil.rmtree(data / "areas/backups/.facility")
    save(repository, data, data / "areas")
    shutil.rmtree(data / "areas")
    assert verify(restore(repository, data / "areas"), data / "areas") == []
    assert (data / "areas/private/anna/later").read_text() == "later"


def test_a_damaged_copy_is_found(data, repository):
    repository.make()
    save(repository, data, data / "areas")
    shutil.rmtree(data / "areas")
    manifest = restore(repository, data / "areas")
    with (data / "areas/private/anna/program").open("a") as file:
        file.write("#")
    os.chown(data / "areas/private", 1_000_005, 1_000_005)
    found = verify(manifest, data / "areas")
    assert [line.partition(" ")[0] for line in found] == [
        "private:",
        "private/anna/program:",
        "private/anna/program:",
        "private/anna/the",
        "private/anna/the",
    ]


def test_nothing_is_restored_over_something(data, repository):
    repository.make()
    save(repository, data, data / "areas")
    with pytest.raises(OffsiteError, match="is not empty, and nothing was restored"):
        restore(repository, data / "areas")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.password_file.unlink(), "cannot be read"),
        (lambda r: r.password_file.chmod(0o644), "chmod 600"),
        (lambda r: None, "no repository that this password opens"),
        (
            lambda r: (r.make(), r.password_file.write_text("another")),
            "no repository that this password opens",
        ),
    ],
    ids=["no password", "an open password", "no repository", "a wrong password"],
)
def test_what_is_wrong_with_a_repository_is_said(data, repository, change, words):
    change(repository)
    with pytest.raises(OffsiteError, match=words):
        save(repository, data, data / "areas")
    assert not (data / "areas/backups/.facility").exists()


def test_a_copy_of_a_database_is_whole_while_it_is_written_to(data):
    stop = threading.Event()
    path = data / "service/af.sqlite"

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=30)) as database:
            count = 0
            while not stop.is_set():
                count += 1
                # both rows or none
                rows = [(count, 1), (count, 2)]
                database.executemany("INSERT INTO rows VALUES (?, ?)", rows)
                database.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = [
            copy_facility(data, data / "areas", at=1_700_000_000 + n) for n in range(10)
        ]
    finally:
        stop.set()
        writer.join()
    for folder in found:
        copy = data / "areas" / folder / "service/af.sqlite"
        with closing(sqlite3.connect(copy)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            odd = "SELECT one FROM rows WHERE one > 0 GROUP BY one HAVING count(*) != 2"
            assert database.execute(odd).fetchall() == []


def test_the_oldest_copies_of_databases_go(data):
    for n in range(KEPT + 3):
        copy_facility(data, data / "areas", at=1_700_000_000 + n)
    copies = list_copies(data / "areas")
    assert len(copies) == KEPT
    assert copies[0] == "2023-11-14T22-14-10Z"


def test_a_database_that_cannot_be_copied_leaves_nothing(data):
    (data / "service/af.sqlite").write_text("no database" * 1000)
    with pytest.raises(AFError, match="were not copied"):
        copy_facility(data, data / "areas", at=1.0)
    assert list((data / "areas/backups/.facility").iterdir()) == []


def test_databases_are_put_back_only_where_there_are_none(tmp_path, data):
    folder = data / "areas" / copy_facility(data, data / "areas", at=1.0)
    with pytest.raises(AFError, match=r"has service/af.sqlite.* already"):
        put_back_facility(data, folder)
