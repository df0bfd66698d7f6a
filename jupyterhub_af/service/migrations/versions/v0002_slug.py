"""A slug for each account, of its own: directories, labels and claims hang on it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from jupyterhub_af.policy.names import make_slug
from jupyterhub_af.service.refusal import StartError

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ACCOUNTS = sa.table(
    "accounts",
    sa.column("id", sa.BigInteger),
    sa.column("name", sa.String),
    sa.column("slug", sa.String),
)


def upgrade() -> None:
    """Add the column, fill it for who is there, and let nobody share one."""
    with op.batch_alter_table("accounts") as table:
        table.add_column(sa.Column("slug", sa.String(63), nullable=True))
    _fill()
    with op.batch_alter_table("accounts") as table:
        table.alter_column("slug", existing_type=sa.String(63), nullable=False)
        table.create_unique_constraint("uq_accounts_slug", ["slug"])


def _fill() -> None:
    """Give each account its slug, or refuse two that have had one directory."""
    connection = op.get_bind()
    names: dict[str, str] = {}
    rows = connection.execute(sa.select(_ACCOUNTS.c.id, _ACCOUNTS.c.name)).all()
    for number, name in rows:
        slug = make_slug(name)
        if slug in names:
            msg = (
                f"The accounts {names[slug]!r} and {name!r} share the directory "
                f"{slug!r}: separate their files, remove one of the two from the "
                "table accounts, and start again."
            )
            raise StartError(msg)
        names[slug] = name
        connection.execute(
            sa.update(_ACCOUNTS).where(_ACCOUNTS.c.id == number).values(slug=slug)
        )
