"""What a gateway must still know of everybody's habits and walks after a restart.

Two weeks of learning are in it. A damaged file is kept aside and learning begins anew; nothing here
keeps a gateway from starting.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from contract.units import seconds_to_ns
from edge.storage import StorageFile

_log = structlog.get_logger(__name__)

WANDERERS_FILE: Final = "wanderers.sqlite"

SAVE_NS: Final = seconds_to_ns(600)
"""Of habits so much may be lost; what has been told is kept with its event."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, payload BLOB NOT NULL) STRICT;
"""

_CURRENT: Final = "current"
_DAMAGED: Final = "damaged"

Values = NDArray[np.float64]


class KeptArray(msgspec.Struct, frozen=True):
    """An array of float64."""

    shape: list[int]
    data: bytes


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept."""

    residents: list[str]
    """Of each row."""
    zones: list[str]
    told: list[tuple[str, int]]
    """Marks of what was told and when (`edge.episodes`)."""
    events: dict[str, str] = {}
    """Of these, by mark, the ids of their events."""
    last_days: dict[str, dict[str, float]] = {}
    """By resident the figures of her last whole day, by name."""
    arrays: dict[str, KeptArray]

    def values(self) -> dict[str, Values]:
        """The arrays.

        Raises
        ------
        ValueError
            If one has not as many bytes as its shape asks for.
        """
        return {
            name: np.frombuffer(each.data, np.float64).reshape(each.shape).copy()
            for name, each in self.arrays.items()
        }


def pack(arrays: Mapping[str, Values]) -> dict[str, KeptArray]:
    """Arrays as they are kept."""
    return {
        name: KeptArray(list(each.shape), np.ascontiguousarray(each, np.float64).tobytes())
        for name, each in arrays.items()
    }


class WandererMemory:
    """The file of it.

    Parameters
    ----------
    folder
        Where the file lies.
    """

    def __init__(self, folder: Path) -> None:
        self._file = StorageFile(folder / WANDERERS_FILE, _SCHEMA)

    async def load(self) -> Kept | None:
        """What an earlier session left; None if it left nothing, or nothing that can be read.

        Raises
        ------
        UnwritableError
            If there is no usable file.
        """
        rows = await self._file.do(
            lambda connection: connection.execute(
                "SELECT payload FROM kept WHERE name = ?", (_CURRENT,)
            ).fetchall()
        )
        for (payload,) in rows:
            try:
                return msgspec.msgpack.decode(zlib.decompress(payload), type=Kept)
            except (zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
                await self.set_aside(str(error))
        return None

    async def set_aside(self, reason: str) -> None:
        """What was kept cannot be used: keep it for whoever can read it, out of the way.

        Raises
        ------
        UnwritableError
            If it cannot be written.
        """
        _log.error("habits_damaged", file=WANDERERS_FILE, kept_as=_DAMAGED, reason=reason)
        await self._file.do(
            lambda connection: connection.execute(
                "UPDATE OR REPLACE kept SET name = ? WHERE name = ?", (_DAMAGED, _CURRENT)
            )
        )

    async def save(self, kept: Kept) -> None:
        """Write it in the place of what was there.

        Raises
        ------
        UnwritableError
            If it cannot be written.
        """
        payload = zlib.compress(msgspec.msgpack.encode(kept), level=1)
        await self._file.do(lambda connection: _write(connection, payload))

    async def close(self) -> None:
        """Let go of the file."""
        await self._file.close()


def _write(connection: sqlite3.Connection, payload: bytes) -> None:
    connection.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (_CURRENT, payload))
