"""Whose server an event is about, of its own: people read the lines about themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_EVENTS = sa.table(
    "events", sa.column("target", sa.String), sa.column("person", sa.String)
)


def upgrade() -> None:
    """Add the column, and fill it with what stands before the target's slash."""
    column = sa.Column("person", sa.String(255), nullable=False, server_default="")
    op.add_column("events", column)
    _fill()
    with op.batch_alter_table("events") as table:
        table.alter_column(
            "person", existing_type=sa.String(255), server_default=None, nullable=False
        )
    op.create_index("ix_events_person", "events", ["person"])


def _fill() -> None:
    """Fill it target by target: servers are few where their events are many."""
    connection = op.get_bind()
    named = sa.select(_EVENTS.c.target).where(_EVENTS.c.target.like("%/%")).distinct()
    targets = connection.execute(named).scalars().all()
    for target in targets:
        person = target.partition("/")[0]
        event = sa.update(_EVENTS).where(_EVENTS.c.target == target)
        connection.execute(event.values(person=person))
