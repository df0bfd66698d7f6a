"""What is told twice is one line of the audit, also where the service restarts between."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; lines of before have none, and nobody tells them again."""
    op.add_column("events", sa.Column("telling", sa.String(64), nullable=True))
    op.create_index("ix_events_telling", "events", ["telling"], unique=True)
