"""Where events and telemetry are kept: one SQLite file for one home, or InfluxDB. Each implements
`ingest.store.protocol.IngestStore`.
"""

from ingest.store.protocol import IngestStore
from ingest.store.sqlite import SqliteStore
from ingest.store.sqlite_reader import StoreReader

__all__ = ["IngestStore", "SqliteStore", "StoreReader"]
