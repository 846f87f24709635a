"""Alembic's environment and the revisions, packaged so that a wheel can upgrade itself."""
