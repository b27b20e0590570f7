"""The schema, step by step; alembic runs it."""
