"""The tables of the one database; ``migrations`` makes them, a test compares the two."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# Names of constraints are fixed, so that a later migration can alter them on
# every database.
_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
# SQLite counts rows for us only in a column of exactly this type.
_RowNumber = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Hold the metadata of all tables."""

    metadata = MetaData(naming_convention=_NAMING)


class AccountRow(Base):
    """A person: ``(issuer, subject)`` bound to one name and one uid for ever.

    ``name_key`` is the name without case and Unicode spelling: no second account can
    look like the first. ``slug`` is what directories, labels and claims are called: two
    names share one only if 32 bits of their hashes agree, and the second is refused.

    ``since`` is when the state began. ``next_name`` is the name that a person is being
    given: an act that was cut off is found here and completed.
    """

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[int] = mapped_column(_RowNumber, primary_key=True)
    issuer: Mapped[str] = mapped_column(String(1024))
    subject: Mapped[str] = mapped_column(String(1024))
    name: Mapped[str] = mapped_column(String(255), unique=True)
    name_key: Mapped[str] = mapped_column(String(255), unique=True)
    slug: Mapped[str] = mapped_column(String(63), unique=True)
    uid: Mapped[int] = mapped_column(BigInteger, unique=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    state: Mapped[str] = mapped_column(String(16))
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    next_name: Mapped[str] = mapped_column(String(255))


class FormerNameRow(Base):
    """A name that a person had before: nobody else ever gets it, nor its directory."""

    __tablename__ = "former_names"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    name_key: Mapped[str] = mapped_column(String(255), unique=True)
    slug: Mapped[str] = mapped_column(String(63), unique=True)
    uid: Mapped[int] = mapped_column(BigInteger, index=True)


class GroupRow(Base):
    """A group: its full path, and the gid its files have for ever."""

    __tablename__ = "groups"

    id: Mapped[int] = mapped_column(_RowNumber, primary_key=True)
    path: Mapped[str] = mapped_column(String(512), unique=True)
    gid: Mapped[int] = mapped_column(BigInteger, unique=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class NumberRow(Base):
    """The last number given of a kind (``uid``, ``gid``).

    It outlives the rows that carry the numbers: a number is never given again.
    """

    __tablename__ = "numbers"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)


class PlanRow(Base):
    """The plan of the last start of a server of a person."""

    __tablename__ = "plans"

    user: Mapped[str] = mapped_column(String(255), primary_key=True)
    server_name: Mapped[str] = mapped_column(String(255), primary_key=True)
    start_id: Mapped[str] = mapped_column(String(255), unique=True)
    plan: Mapped[str] = mapped_column(Text)
    facility_digest: Mapped[str] = mapped_column(String(64))
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class EndingRow(Base):
    """A running server that has to end, because its person lost access.

    It belongs to one start: a later start of the same name has nothing to do with it.
    ``since`` and ``ends_at`` are in seconds since 1970 (UTC). ``is_told`` and
    ``is_stopped`` say which lines of the audit are written.
    """

    __tablename__ = "endings"

    user: Mapped[str] = mapped_column(String(255), primary_key=True)
    server_name: Mapped[str] = mapped_column(String(255), primary_key=True)
    start_id: Mapped[str] = mapped_column(String(255))
    rule: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    since: Mapped[float] = mapped_column(Float(53))
    ends_at: Mapped[float] = mapped_column(Float(53))
    is_told: Mapped[bool] = mapped_column(Boolean)
    is_stopped: Mapped[bool] = mapped_column(Boolean)


class TokenRow(Base):
    """A token of a server that runs, as its SHA-256 sum: the hub keeps no more either."""

    __tablename__ = "server_tokens"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user: Mapped[str] = mapped_column(String(255))
    server_name: Mapped[str] = mapped_column(String(255))


class CheckRow(Base):
    """When the IAM last confirmed the groups of a person who has something running."""

    __tablename__ = "checks"

    user: Mapped[str] = mapped_column(String(255), primary_key=True)
    checked_at: Mapped[float] = mapped_column(Float(53))


class EventRow(Base):
    """Who did what, by which rule, with which result.

    ``person`` is whose the target is, where it is a server or a cluster of somebody's, or
    a group's folder (``person_of``). ``telling`` is the SHA-256 sum of what the line is
    told by, where it may be told again: by who got no answer, or by two who did it.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index(None, "time"),
        Index(None, "actor"),
        Index(None, "person"),
        Index(None, "telling", unique=True),
    )

    id: Mapped[int] = mapped_column(_RowNumber, primary_key=True)
    time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    actor: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(String(255))
    rule: Mapped[str] = mapped_column(String(64))
    result: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str] = mapped_column(String(500))
    person: Mapped[str] = mapped_column(String(255))
    telling: Mapped[str | None] = mapped_column(String(64))
