"""The journal: what a store that may forget has acknowledged, until it has surely kept it.

victoria-metrics answered for 200 writes and kept none over a kill -9 (PLATFORM): it writes to
its disk every few seconds. For such a store each write is kept in the ledger, in the same
transaction that makes its receipts possible, and written again

- at the start, and after each time that the store could not be reached: it may have been
  killed;
- once more when it is as old as the *horizon*, since a store may be killed and be back between
  two writes without anybody noticing. Then it is dropped.

So what got a receipt is in the store at the latest one horizon after a kill. Writing again
changes nothing: equal series and time overwrite each other. The rows that newer ones are written
over (the latest point of a wearable, the time of the last write) are not kept: the next write
makes them.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from contract.protocols import StoreUnavailableError
from contract.units import US_PER_S
from ingest.store.influx_write import LineSink, write_lines
from ingest.store.ledger import Entry, Ledger

DEFAULT_HORIZON_S: Final = 300.0
"""victoria-metrics writes to disk within some 5 s, InfluxDB 3 within 1 s; a slow card and a busy
machine take longer. Five minutes of sixty residents are 18,000 points, 1 MB in the journal."""

COMPRESSION: Final = 1
"""zlib's fastest: eight times smaller."""

ROWS_AT_ONCE: Final = 50
"""Journal rows written again before ingest's own writes have their turn."""


_log = structlog.get_logger(__name__)


class Journal:
    """The journal of one store, in its ledger; used on the ledger's thread.

    Parameters
    ----------
    ledger
        Where it is kept.
    horizon_s
        After which time the store has surely written to its disk what it acknowledged.
    """

    def __init__(self, ledger: Ledger, horizon_s: float = DEFAULT_HORIZON_S) -> None:
        self._ledger = ledger
        self._horizon_us = round(horizon_s * US_PER_S)
        self._is_in_doubt = True
        self._doubted = range(0)
        """Numbers of the rows that are to be written again before their time."""

    def keep(self, entry: Entry, lines: Sequence[bytes], written_at_us: int) -> None:
        """Keep what was written, within the transaction that notes it as stored."""
        entry.connection.execute(
            "INSERT INTO journal (written_at_us, lines) VALUES (?, ?)",
            (written_at_us, zlib.compress(msgspec.msgpack.encode(lines), COMPRESSION)),
        )

    def doubt(self) -> None:
        """The store could not be reached: it may have forgotten what it acknowledged."""
        self._is_in_doubt = True

    def catch_up(self, sink: LineSink, sound: bytes, now_us: int) -> bool:
        """Write some rows again that are due; returns whether there were any.

        Raises
        ------
        StoreUnavailableError
            If the store cannot be written; nothing was dropped.
        """
        try:
            return self._again_doubted(sink, sound, now_us) or self._again_old(sink, sound, now_us)
        except StoreUnavailableError:
            self.doubt()
            raise

    def _again_doubted(self, sink: LineSink, sound: bytes, now_us: int) -> bool:
        if self._is_in_doubt:
            self._doubted = range(1, 1 + self._ledger.transaction(_greatest))
            self._is_in_doubt = False
        if not self._doubted:
            return False
        found = self._rows("id BETWEEN ? AND ?", self._doubted[0], self._doubted[-1])
        self._write(sink, sound, found)
        # What was written again is again as young as on its first day.
        numbers = [(now_us, number) for number, _ in found]
        self._change("UPDATE journal SET written_at_us = ? WHERE id = ?", numbers)
        self._doubted = range(found[-1][0] + 1, self._doubted.stop) if found else range(0)
        return bool(found)

    def _again_old(self, sink: LineSink, sound: bytes, now_us: int) -> bool:
        found = self._rows("written_at_us BETWEEN ? AND ?", 0, now_us - self._horizon_us)
        self._write(sink, sound, found)
        self._change("DELETE FROM journal WHERE id = ?", [(number,) for number, _ in found])
        return bool(found)

    def _rows(self, condition: str, first: int, last: int) -> list[tuple[int, bytes]]:
        question = (
            "SELECT id, lines FROM journal "  # noqa: S608 - one of two constants
            f"WHERE {condition} ORDER BY id LIMIT {ROWS_AT_ONCE}"
        )
        return self._ledger.transaction(
            lambda entry: entry.connection.execute(question, (first, last)).fetchall()
        )

    def _change(self, statement: str, rows: Sequence[tuple[int, ...]]) -> None:
        self._ledger.transaction(lambda entry: entry.connection.executemany(statement, rows))

    def _write(self, sink: LineSink, sound: bytes, found: Sequence[tuple[int, bytes]]) -> None:
        for _, kept in found:
            lines = msgspec.msgpack.decode(zlib.decompress(kept), type=list[bytes])
            for reason in write_lines(sink, lines, sound).values():
                _log.warning("line_refused_when_written_again", reason=reason)


def _greatest(entry: Entry) -> int:
    return int(entry.connection.execute("SELECT coalesce(max(id), 0) FROM journal").fetchone()[0])
