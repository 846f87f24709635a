"""What a gateway made, from its own outbox: a trigger copies each batch of telemetry that
becomes durable there into a table beside it, in the same transaction. Unlike the outbox it
forgets nothing when a receipt comes, and unlike a count it says what was in each batch.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from contract import wire
from contract.clock import Clock
from contract.telemetry import TelemetryBatch
from edge.telemetry_outbox import TELEMETRY_FILE

_BUSY_S: Final = 20.0
_TRIES: Final = 600
_PAUSE_S: Final = 1.0

_TRIGGER: Final = """
CREATE TABLE IF NOT EXISTS witness (
    session TEXT NOT NULL, sequence INTEGER NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (session, sequence)
) STRICT;
CREATE TRIGGER IF NOT EXISTS batch_is_witnessed AFTER INSERT ON batches BEGIN
    INSERT OR IGNORE INTO witness VALUES (new.session, new.sequence, new.payload);
END;
"""


class Made(NamedTuple):
    """A batch that a gateway made."""

    gateway: str
    session: str
    sequence: int
    payload: bytes

    def batch(self) -> TelemetryBatch:
        """What was in it."""
        return wire.decode(self.payload, TelemetryBatch)


async def install(folder: Path, clock: Clock) -> None:
    """Begin to witness, once the gateway of this folder has made its outbox.

    Raises
    ------
    TimeoutError
        If it does not.
    """
    for _ in range(_TRIES):
        try:
            address = f"{(folder / TELEMETRY_FILE).as_uri()}?mode=rw"
            with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_S)) as connection:
                connection.executescript(_TRIGGER)
        except sqlite3.OperationalError:
            await clock.sleep(_PAUSE_S)  # it is not there, or not ready yet
        else:
            return
    raise TimeoutError(f"{folder.name} has made no outbox")


def forget_waiting(folder: Path) -> None:
    """Delete what waits to be sent: sabotage, to see that the ledger shows it."""
    address = f"{(folder / TELEMETRY_FILE).as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_S)) as connection, connection:
        connection.execute("DELETE FROM batches")


def read(folder: Path) -> list[Made]:
    """Every batch that was durable in this gateway's outbox."""
    address = f"{(folder / TELEMETRY_FILE).as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_S)) as connection:
        rows = connection.execute("SELECT session, sequence, payload FROM witness").fetchall()
    return [Made(folder.name, *row) for row in rows]
