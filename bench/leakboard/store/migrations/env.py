"""Alembic's entry: runs the migrations on the connection that the store hands over.

A new revision is made against an up-to-date store with ``alembic.command.revision(migration_config(connection),
"what changed", autogenerate=True, rev_id="0002")``.
"""

from alembic import context

from leakboard.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
