"""The database: how it is reached, brought up to date and written to.

Every write is one transaction that holds the writers' lock from its first statement:
on SQLite ``BEGIN IMMEDIATE``, on PostgreSQL the lock of a counter's row (taken by
``register``). Work runs in a small pool of threads, never in the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import alembic.command
import alembic.config
import alembic.util
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from .refusal import StartError

Result = TypeVar("Result")
THREADS = 4
BUSY_SECONDS = 5
# what no statement of ours takes, but in an upgrade
STATEMENT_SECONDS = 30
# How long libpq waits for a server, and for one behind a network that is dead; and a
# statement for somebody else's lock.
_POSTGRESQL = {
    "connect_timeout": BUSY_SECONDS,
    "tcp_user_timeout": 2 * BUSY_SECONDS * 1000,
    "keepalives_idle": 2 * BUSY_SECONDS,
    "keepalives_interval": BUSY_SECONDS,
    "keepalives_count": 2,
    "options": f"-c lock_timeout={BUSY_SECONDS}s "
    f"-c statement_timeout={STATEMENT_SECONDS}s",
}
_READ = "af_read"


class Store:
    """One database, by URL: SQLite in a file, or PostgreSQL."""

    def __init__(self, url: str, *, password: str = "") -> None:
        self.url = _read_url(url, password)
        self.engine = _make_engine(self.url)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="af-store")

    def upgrade(self) -> None:
        """Bring the tables up to date: all steps in one transaction, or none."""
        try:
            with self.engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SET LOCAL statement_timeout = 0"))
                config = alembic.config.Config(attributes={"connection": connection})
                config.set_main_option(
                    "script_location", "jupyterhub_af.service:migrations"
                )
                config.set_main_option("path_separator", "os")
                alembic.command.upgrade(config, "head")
        except alembic.util.CommandError as error:
            msg = (
                f"The database {self.shown_url} was written by another version of "
                f"jupyterhub-af: {error}. Install that version, or a newer one."
            )
            raise StartError(msg) from error
        except DBAPIError as error:
            msg = f"The database {self.shown_url} cannot be used: {error.orig}."
            raise StartError(msg) from error

    @property
    def shown_url(self) -> str:
        """Return the URL as logs may show it."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a transaction that is written when the block ends well."""
        with Session(self.engine) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a transaction that reads, and waits for no writer."""
        engine = self.engine.execution_options(**{_READ: True})
        with Session(engine) as session, session.begin():
            yield session

    async def run(self, work: Callable[..., Result], *args: Any) -> Result:
        """Run blocking work in the pool."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, work, *args)

    def ping(self) -> None:
        """Ask the database for an answer."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    async def is_reachable(self, *, within_seconds: float = 2) -> bool:
        """Tell whether the database answers in time."""
        try:
            await asyncio.wait_for(self.run(self.ping), within_seconds)
        except (TimeoutError, SQLAlchemyError):
            return False
        return True

    def close(self) -> None:
        """Let the threads go; what runs is not waited for, its transaction is undone."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.engine.dispose()


def _read_url(text: str, password: str) -> URL:
    """Return a usable URL, or refuse it with words."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        msg = f"database_url is not a database URL: {error}."
        raise StartError(msg) from error
    if url.password:
        msg = (
            "database_url holds a password, and command lines are public: "
            "put it in a file and name the file in database_password_file."
        )
        raise StartError(msg)
    kind = url.get_backend_name()
    if kind == "sqlite" and url.database in (None, "", ":memory:"):
        msg = "database_url names no file: write sqlite:////var/lib/af/af.sqlite."
        raise StartError(msg)
    if kind == "postgresql":
        # the driver that this project installs, however the URL is spelt
        return url.set(drivername="postgresql+psycopg", password=password or None)
    if kind != "sqlite":
        msg = f"database_url names {kind!r}: sqlite and postgresql are supported."
        raise StartError(msg)
    return url


def _make_engine(url: URL) -> Engine:
    """Return an engine whose errors never show values that were bound."""
    if url.get_backend_name() != "sqlite":
        return create_engine(
            url, hide_parameters=True, pool_pre_ping=True, connect_args=_POSTGRESQL
        )
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Set what SQLite keeps per connection, and take BEGIN into our own hands."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    # WAL with FULL: a number that was answered survives a power cut
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    """Begin: a reader at no cost to writers, a writer as the only one."""
    is_read = connection.get_execution_options().get(_READ, False)
    connection.exec_driver_sql("BEGIN" if is_read else "BEGIN IMMEDIATE")
