"""What becomes of accounts after their first login: since when, and names of before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ACCOUNTS = sa.table(
    "accounts",
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("since", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    """Add the columns and the table; an account is what it is since it was made."""
    with op.batch_alter_table("accounts") as table:
        table.add_column(sa.Column("since", sa.DateTime(timezone=True), nullable=True))
        table.add_column(
            sa.Column("next_name", sa.String(255), nullable=False, server_default="")
        )
    op.execute(sa.update(_ACCOUNTS).values(since=_ACCOUNTS.c.created_at))
    with op.batch_alter_table("accounts") as table:
        table.alter_column(
            "since", existing_type=sa.DateTime(timezone=True), nullable=False
        )
        table.alter_column(
            "next_name",
            existing_type=sa.String(255),
            existing_nullable=False,
            server_default=None,
        )
    op.create_table(
        "former_names",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("name_key", sa.String(255), nullable=False),
        sa.Column("slug", sa.String(63), nullable=False),
        sa.Column("uid", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_former_names"),
        sa.UniqueConstraint("name_key", name="uq_former_names_name_key"),
        sa.UniqueConstraint("slug", name="uq_former_names_slug"),
    )
    op.create_index("ix_former_names_uid", "former_names", ["uid"])
