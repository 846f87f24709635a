"""Run by Alembic; the connection comes from `alerts.records.migrate`."""

from __future__ import annotations

from alembic import context

from alerts.records.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
