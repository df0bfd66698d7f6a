"""The first tables: accounts, groups, numbers, plans, events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A step never imports `tables`: it says what the database was like on its day.
_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    _make_accounts()
    _make_groups_and_numbers()
    _make_plans()
    _make_events()


def _make_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", _ROW_NUMBER, nullable=False),
        sa.Column("issuer", sa.String(1024), nullable=False),
        sa.Column("subject", sa.String(1024), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("name_key", sa.String(255), nullable=False),
        sa.Column("uid", sa.BigInteger, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("issuer", "subject", name="uq_accounts_issuer_subject"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
        sa.UniqueConstraint("name_key", name="uq_accounts_name_key"),
        sa.UniqueConstraint("uid", name="uq_accounts_uid"),
    )


def _make_groups_and_numbers() -> None:
    op.create_table(
        "groups",
        sa.Column("id", _ROW_NUMBER, nullable=False),
        sa.Column("path", sa.String(512), nullable=False),
        sa.Column("gid", sa.BigInteger, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_groups"),
        sa.UniqueConstraint("path", name="uq_groups_path"),
        sa.UniqueConstraint("gid", name="uq_groups_gid"),
    )
    op.create_table(
        "numbers",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("kind", name="pk_numbers"),
    )


def _make_plans() -> None:
    op.create_table(
        "plans",
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("server_name", sa.String(255), nullable=False),
        sa.Column("start_id", sa.String(255), nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("facility_digest", sa.String(64), nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("user", "server_name", name="pk_plans"),
        sa.UniqueConstraint("start_id", name="uq_plans_start_id"),
    )


def _make_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", _ROW_NUMBER, nullable=False),
        sa.Column("time", _TIME, nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.String(255), nullable=False),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("detail", sa.String(500), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_time", "events", ["time"])
    op.create_index("ix_events_actor", "events", ["actor"])
