"""The database: made by the migrations, refused with words, reached from threads."""

from __future__ import annotations

import asyncio
import sqlite3
import time

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError

from jupyterhub_af.service.refusal import StartError
from jupyterhub_af.service.store import BUSY_SECONDS, Store
from jupyterhub_af.service.tables import Base


def test_the_migrations_make_exactly_the_tables(store):
    with store.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": True},
        )
        assert compare_metadata(context, Base.metadata) == []


def test_every_constraint_of_the_tables_is_there(store):
    found = inspect(store.engine)
    for table in Base.metadata.sorted_tables:
        names = {c["name"] for c in found.get_unique_constraints(table.name)}
        wanted = {c.name for c in table.constraints if c.name.startswith("uq_")}
        assert names == wanted
        assert found.get_pk_constraint(table.name)["name"] == f"pk_{table.name}"


def test_a_second_start_changes_nothing(store):
    store.upgrade()
    with store.read() as session:
        rows = session.execute(text("SELECT version_num FROM alembic_version"))
        assert rows.scalars().all() == ["0006"]


def test_no_statement_holds_a_thread_for_long(store):
    is_file = store.engine.dialect.name == "sqlite"
    setting = "PRAGMA busy_timeout" if is_file else "SHOW statement_timeout"
    with store.read() as session:
        assert session.scalar(text(setting)) == (5000 if is_file else "30s")


def test_a_database_of_a_newer_version_refuses_the_start(store):
    with store.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StartError, match="another version of jupyterhub-af"):
        store.upgrade()


def test_a_transaction_that_fails_leaves_nothing(store):
    def fail() -> None:
        with store.write() as session:
            session.execute(text("INSERT INTO numbers (kind, last) VALUES ('x', 1)"))
            msg = "the plug was pulled"
            raise OSError(msg)

    with pytest.raises(OSError, match="pulled"):
        fail()
    with store.read() as session:
        count = text("SELECT count(*) FROM numbers")
        assert session.execute(count).scalar() == 0


def test_a_file_that_is_no_database_refuses_the_start(tmp_path):
    path = tmp_path / "af.sqlite"
    path.write_text("not a database" * 100)
    store = Store(f"sqlite:///{path}")
    with pytest.raises(StartError, match="cannot be used: file is not a database"):
        store.upgrade()
    store.close()


def test_a_folder_that_is_not_there_refuses_the_start(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/none/af.sqlite")
    with pytest.raises(StartError, match="cannot be used: unable to open"):
        store.upgrade()
    store.close()


def test_a_wrong_password_refuses_the_start_and_is_not_shown(postgresql):
    store = Store(postgresql.empty_database(), password="wrong-password")
    with pytest.raises(StartError, match="cannot be used") as caught:
        store.upgrade()
    assert "wrong-password" not in f"{caught.value}{store.shown_url}{store.url!r}"
    store.close()


REFUSED_URLS = {
    "no URL": ("af.sqlite", "is not a database URL"),
    "SQLite in memory": ("sqlite://", "names no file"),
    "SQLite in memory by name": ("sqlite:///:memory:", "names no file"),
    "a password": ("postgresql://af:secret@db/af", "database_password_file"),
    "another database": ("mysql://db/af", "sqlite and postgresql are supported"),
}


@pytest.mark.parametrize(
    ("url", "words"), REFUSED_URLS.values(), ids=REFUSED_URLS.keys()
)
def test_a_url_that_cannot_serve_is_refused(url, words):
    with pytest.raises(StartError, match=words) as caught:
        Store(url)
    assert ":secret@" not in str(caught.value)


def test_sqlite_keeps_a_log_and_foreign_keys(lite_store):
    with lite_store.read() as session:
        pragmas = {
            name: session.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "synchronous": 2,
    }


def test_readers_do_not_wait_for_a_writer(lite_store):
    with lite_store.write() as session:
        session.execute(text("INSERT INTO numbers (kind, last) VALUES ('x', 1)"))
        begun = time.monotonic()
        lite_store.ping()
        assert time.monotonic() - begun < BUSY_SECONDS


async def test_work_that_waits_for_a_lock_does_not_stop_the_loop(tmp_path, lite_store):
    other = sqlite3.connect(tmp_path / "af.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def write() -> None:
        with lite_store.write() as session:
            session.execute(text("DELETE FROM numbers"))

    waiting = asyncio.ensure_future(lite_store.run(write))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    other.execute("ROLLBACK")
    other.close()
    await waiting


async def test_a_database_that_is_gone_is_not_reachable(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/none/af.sqlite")
    assert not await store.is_reachable()
    with pytest.raises(OperationalError):
        await store.run(store.ping)
    store.close()


async def test_a_database_that_answers_is_reachable(store):
    assert await store.is_reachable()
