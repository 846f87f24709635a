"""From the broker to the time-series store: read, check, de-duplicate, write, and give a
receipt for what is durable, or a reason for what never will be. `StoreReader` is the read
side for dashboards.
"""

from ingest.health import Health
from ingest.letters import DeadLetter
from ingest.read import LatestPoint, ReadSide, Series, StoredEvent, StoredLetter
from ingest.replaying import Replayed, replay_dead
from ingest.service import IngestService
from ingest.sharing import GROUP, can_share
from ingest.store import IngestStore, SqliteStore, StoreReader

__all__ = [
    "GROUP",
    "DeadLetter",
    "Health",
    "IngestService",
    "IngestStore",
    "LatestPoint",
    "ReadSide",
    "Replayed",
    "Series",
    "SqliteStore",
    "StoreReader",
    "StoredEvent",
    "StoredLetter",
    "can_share",
    "replay_dead",
]
