"""What a gateway must still know of its room sensors after a restart.

Written at most each `SAVE_NS`, all that has changed in one commit, and at the end of a session. A
killed gateway has forgotten at most the counters of so long: whoever recorded those very adverts
could have them believed once more. A press is not among them: it is written with its alarm.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from contract.devices import Quantity
from contract.units import seconds_to_ns
from edge.storage import StorageFile

_log = structlog.get_logger(__name__)

SENSORS_FILE: Final = "sensors.sqlite"

SAVE_NS: Final = seconds_to_ns(30)
"""A third of the commits that telemetry makes anyway."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sensors (device TEXT PRIMARY KEY, payload BLOB NOT NULL) STRICT;
"""


class KeptSensor(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of one sensor."""

    decoder: bytes = b""
    """As its decoder's `memory` gave it."""
    usual_ns: int = 0
    watched_ns: int = 0
    said: list[str] = []
    """Quantities."""

    @property
    def quantities(self) -> set[Quantity]:
        """What it has ever said, as far as this version knows it."""
        return {each for each in Quantity if each.value in self.said}


class SensorMemory:
    """The file of it.

    Parameters
    ----------
    folder
        Where the file lies.
    """

    def __init__(self, folder: Path) -> None:
        self._file = StorageFile(folder / SENSORS_FILE, _SCHEMA)
        self._written: dict[str, bytes] = {}
        self._saved_ns: int | None = None

    async def load(self) -> dict[str, KeptSensor]:
        """What an earlier session left, by device.

        Raises
        ------
        UnwritableError
            If there is no usable file.
        """
        rows = await self._file.do(
            lambda connection: connection.execute("SELECT device, payload FROM sensors").fetchall()
        )
        self._written = dict(rows)
        kept = {}
        for device, payload in rows:
            try:
                kept[device] = msgspec.json.decode(payload, type=KeptSensor)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                _log.error("kept_sensor_unreadable", device=device, reason=str(error))
        return kept

    def is_due(self, now_ns: int) -> bool:
        """Whether it is time to save."""
        return self._saved_ns is None or now_ns - self._saved_ns >= SAVE_NS

    async def save(self, kept: Mapping[str, KeptSensor], now_ns: int) -> None:
        """Write what has changed, and forget whoever is not in `kept`.

        Raises
        ------
        UnwritableError
            If it cannot be written.
        """
        self._saved_ns = now_ns
        encoded = {device: msgspec.json.encode(each) for device, each in kept.items()}
        changed = [
            (device, payload)
            for device, payload in encoded.items()
            if self._written.get(device) != payload
        ]
        gone = self._written.keys() - encoded.keys()
        if changed or gone:
            await self._file.do(lambda connection: _write(connection, changed, gone))
            self._written = encoded

    async def close(self) -> None:
        """Let go of the file."""
        await self._file.close()


def _write(
    connection: sqlite3.Connection, changed: list[tuple[str, bytes]], gone: Collection[str]
) -> None:
    connection.executemany("INSERT OR REPLACE INTO sensors VALUES (?, ?)", changed)
    connection.executemany("DELETE FROM sensors WHERE device = ?", [(each,) for each in gone])
