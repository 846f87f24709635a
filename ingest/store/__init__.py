"""Where events and telemetry are kept: one SQLite file for one home. Other stores implement
the same `contract.protocols.Store`.
"""

from ingest.store.sqlite import SqliteStore

__all__ = ["SqliteStore"]
