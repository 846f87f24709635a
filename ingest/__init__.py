"""From the broker to the time-series store: read, check, de-duplicate, write, and give a
receipt for what is durable, or a reason for what never will be. `StoreReader` is the read
side for dashboards.
"""

from ingest.health import Health
from ingest.letters import DeadLetter
from ingest.read import LatestPoint, Series, StoredEvent, StoredLetter, StoreReader
from ingest.service import IngestService, IngestStore
from ingest.store import SqliteStore

__all__ = [
    "DeadLetter",
    "Health",
    "IngestService",
    "IngestStore",
    "LatestPoint",
    "Series",
    "SqliteStore",
    "StoreReader",
    "StoredEvent",
    "StoredLetter",
]
