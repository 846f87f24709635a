"""From the broker to the time-series store: read, check, de-duplicate, write, and give a
receipt for what is durable, or a reason for what never will be. `StoreReader` is the read
side for dashboards.
"""

from ingest.health import Health
from ingest.letters import DeadLetter
from ingest.read import LatestPoint, ReadSide, Series, StoredEvent, StoredLetter
from ingest.service import IngestService
from ingest.store import IngestStore, SqliteStore, StoreReader

__all__ = [
    "DeadLetter",
    "Health",
    "IngestService",
    "IngestStore",
    "LatestPoint",
    "ReadSide",
    "Series",
    "SqliteStore",
    "StoreReader",
    "StoredEvent",
    "StoredLetter",
]
