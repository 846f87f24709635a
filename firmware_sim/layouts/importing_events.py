"""Import of room events: a CASAS folder becomes one parquet file, one row an event."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import tzinfo
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from firmware_sim.layouts import casas
from firmware_sim.layouts.casas import HomeEvent
from firmware_sim.layouts.detection import EVENT_LAYOUT
from firmware_sim.layouts.protocol import LayoutError, Listing, UnknownLayoutError, Unreadable

EVENTS_FORMAT: Final = "wardlight-room-events-1"
"""Of the parquet layout; grows when a column changes its meaning."""

SCHEMA: Final = pa.schema(
    [
        ("at", pa.timestamp("us", tz="UTC")),
        *((name, pa.large_string()) for name in ("sensor", "place", "message", "activity")),
    ]
)

_ROW_GROUP: Final = 100_000
"""Events that are gathered before a row group is written, so that memory does not grow."""


class EventsReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import of events did; encodes to JSON as it is."""

    layout: str
    title: str
    out: str | None
    """The file; None if nothing could be read, and nothing was written."""
    events: int
    days: float
    """From the first event to the last."""
    by_message: dict[str, int]
    """Events by what they say; all readings (numbers) together as ``reading``."""
    unreadable: list[str]
    """Lines and files that were left out, each with its reason."""

    @property
    def exit_status(self) -> int:
        """For a shell: 0 all was read, 1 something was unreadable, 2 nothing was written."""
        if self.out is None:
            return 2
        return 1 if self.unreadable else 0


def import_events(folder: Path, out: Path, zone: tzinfo) -> EventsReport:
    """Read CASAS events as published, and write them in the order of the file.

    The file appears whole or not at all; an older one of that name is replaced at the end, and
    only if at least one event was read.

    Parameters
    ----------
    folder
        The set's folder, or one file.
    out
        The parquet file to write: columns ``at`` (UTC, microseconds), ``sensor``, ``place``,
        ``message``, ``activity`` (null where there is none).
    zone
        The home's time zone: the stamps are the clock on its wall.

    Raises
    ------
    UnknownLayoutError
        If there are no such events.
    LayoutError
        If the folder is missing, or `out` is one.
    OSError
        If the file cannot be written.
    """
    listing = Listing.of(folder)
    if not EVENT_LAYOUT.detect(listing).files:
        raise UnknownLayoutError(
            f"{folder}: no {EVENT_LAYOUT.title} events. Looked for {EVENT_LAYOUT.looked_for}."
        )
    if out.is_dir():
        raise LayoutError(f"{out} is a folder; name the parquet file to write")
    tally = _Tally()
    temporary = out.with_name(f".{out.name}.{os.getpid()}.partial")
    metadata = {"wardlight.format": EVENTS_FORMAT, "wardlight.layout": EVENT_LAYOUT.name}
    try:
        with pq.ParquetWriter(
            temporary, SCHEMA.with_metadata(metadata), compression="zstd"
        ) as writer:
            readable = tally.sift(casas.events(listing, zone))
            while group := list(islice(readable, _ROW_GROUP)):
                columns = [list(column) for column in zip(*group, strict=True)]
                writer.write_table(pa.table(columns, schema=SCHEMA))
        if tally.events:
            temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return EventsReport(
        layout=EVENT_LAYOUT.name,
        title=EVENT_LAYOUT.title,
        out=str(out) if tally.events else None,
        events=tally.events,
        days=tally.days,
        by_message=dict(tally.by_message.most_common()),
        unreadable=tally.unreadable,
    )


class _Tally:
    """Counts while events go by."""

    def __init__(self) -> None:
        self.by_message: Counter[str] = Counter()
        self.unreadable: list[str] = []
        self._first: HomeEvent | None = None
        self._last: HomeEvent | None = None

    @property
    def events(self) -> int:
        return self.by_message.total()

    @property
    def days(self) -> float:
        if self._first is None or self._last is None:
            return 0.0
        return (self._last.at - self._first.at).total_seconds() / 86_400

    def sift(self, found: Iterator[HomeEvent | Unreadable]) -> Iterator[HomeEvent]:
        for each in found:
            if isinstance(each, Unreadable):
                self.unreadable.append(f"{each.source}: {each.reason}")
                continue
            self._first = self._first or each
            self._last = each
            self.by_message[each.message if each.message in casas.MESSAGES else "reading"] += 1
            yield each
