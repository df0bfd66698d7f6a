"""Alembic's entry: runs the steps on the connection that ``store`` hands over."""

from __future__ import annotations

from alembic import context

from jupyterhub_af.service.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite alters a table by making it anew
    render_as_batch=True,
    # the caller's transaction holds all steps: all of them, or none
    transactional_ddl=True,
)
context.run_migrations()
