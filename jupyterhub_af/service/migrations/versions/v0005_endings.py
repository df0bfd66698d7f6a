"""Servers that have to end for access that was lost, and when memberships were checked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; at the first start after this nobody ends and all are asked."""
    op.create_table(
        "endings",
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("server_name", sa.String(255), nullable=False),
        sa.Column("start_id", sa.String(255), nullable=False),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", sa.Float(53), nullable=False),
        sa.Column("ends_at", sa.Float(53), nullable=False),
        sa.Column("tokens", sa.Text, nullable=False),
        sa.Column("is_told", sa.Boolean, nullable=False),
        sa.Column("is_stopped", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("user", "server_name", name="pk_endings"),
    )
    op.create_table(
        "checks",
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("checked_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("user", name="pk_checks"),
    )
