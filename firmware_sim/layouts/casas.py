"""CASAS: events of room sensors and doors in real homes, one a line, with the activity.

``2011-06-15 01:03:39.14962 Bedroom Bedroom ON Sleep``: date, time, sensor, place, message,
activity. Homes differ: spaces, tabs or commas; with or without the place, the activity, a header,
fractions of a second, gzip. The message is known by its value, what stands between it and the
sensor is the place, what follows is the activity.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final, NamedTuple

from firmware_sim.layouts.protocol import Evidence, Listing, Unreadable

MESSAGES: Final = frozenset(
    {"ON", "OFF", "OPEN", "CLOSE", "CLOSED", "OPENED", "PRESENT", "ABSENT", "START", "END", "STOP"}
)
"""Messages of CASAS sensors, apart from readings (numbers)."""

MAX_LINE_CHARACTERS: Final = 1_000
"""A line has about 60; a longer one is another file, and must not fill the memory."""

HEAD_LINES: Final = 20
"""Lines that are read to recognise a file: one may be a header or damaged."""
MAX_PEEKED_FILES: Final = 200
"""A set has one file a home; files that are peeked at before giving up."""

OUT_OF_ORDER: Final = timedelta(minutes=5)
"""Events of one home may be stored a little out of order; a step back that is longer, in the hour
that comes twice, is the clock being put back."""

_CHUNK_BYTES: Final = 65_536

_NUMBER = re.compile(r"^-?\d+(\.\d+)?$")
_DATE = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
_TIME = re.compile(r"^[0-9]{2}:[0-9]{2}:[0-9]{2}$")
_SUFFIXES: Final = frozenset({"", ".txt", ".csv", ".tsv", ".dat", ".data", ".log", ".gz"})


class HomeEvent(NamedTuple):
    """One message of one sensor."""

    at: datetime
    """Aware, in UTC; ``at.astimezone(zone)`` is the clock on the wall of the home."""
    sensor: str
    place: str
    """The sensor's own name where the layout gives no place."""
    message: str
    """Upper case, such as ``ON``; a reading stays as it is."""
    activity: str | None
    """The label as published, None if there is none."""


class MalformedLineError(ValueError):
    """A line that is no event; the message says why."""


@dataclass(frozen=True)
class Casas:
    """What recognises CASAS; it holds events, and `events` reads them."""

    name: str = "casas"
    title: str = "CASAS"
    version: int = 1
    looked_for: str = (
        "a text file (gzip or not) of lines like "
        "'2011-06-15 01:03:39.14962 Bedroom Bedroom ON Sleep'"
    )

    def detect(self, listing: Listing) -> Evidence:
        candidates = [path for path in listing.files if path.suffix.lower() in _SUFFIXES]
        found = [path for path in candidates[:MAX_PEEKED_FILES] if is_events(path)]
        example = listing.name(found[0]) if found else ""
        return Evidence(self.name, len(found), example, 0)


def is_events(path: Path) -> bool:
    """Whether at least half of a file's first lines, apart from a header, are events."""
    good = lines = 0
    try:
        for number, text in _lines(path):
            if number == 1 and _is_header(text):
                continue
            try:
                parse_line(text)
            except MalformedLineError:
                pass
            else:
                good += 1
            lines += 1
            if lines == HEAD_LINES:
                break
    except (OSError, EOFError, zlib.error):
        pass  # what could be read decides; `events` reports it
    return good > 0 and good >= lines / 2


def events(listing: Listing, zone: tzinfo) -> Iterator[HomeEvent | Unreadable]:
    """All events, file by file, in the order of the file.

    Parameters
    ----------
    listing
        A folder, or one file.
    zone
        The home's time zone: the stamps are the clock on its wall. In the hour that comes twice
        in autumn, a stamp that would run backwards belongs to the second time.

    Yields
    ------
    HomeEvent or Unreadable
        A line that is no event is named with its number, and the rest goes on. The order is
        not corrected: some homes have events a few seconds out of order.
    """
    yield from listing.problems
    for path in listing.files:
        if path.suffix.lower() in _SUFFIXES and (listing.root == path or is_events(path)):
            yield from _file_events(path, listing.name(path), zone)


def _file_events(path: Path, source: str, zone: tzinfo) -> Iterator[HomeEvent | Unreadable]:
    in_utc = _WallClock(zone)
    number = 0
    try:
        for number, text in _lines(path):
            try:
                event = parse_line(text)
            except MalformedLineError as error:
                if not (number == 1 and _is_header(text)):
                    yield Unreadable(f"{source}:{number}", str(error))
                continue
            try:
                at = in_utc(event.at)
            except OverflowError:
                yield Unreadable(f"{source}:{number}", f"{event.at}: outside the years 1 to 9999")
                continue
            yield event._replace(at=at)
    except (OSError, EOFError, zlib.error) as error:
        yield Unreadable(source, f"after line {number}: {error}")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank, without their ends; a very long one is shortened."""
    with _open(path) as file:
        number = 0
        while raw := file.readline(MAX_LINE_CHARACTERS + 1):
            number += 1
            rest = raw
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(_CHUNK_BYTES)
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8", "replace").strip()
            if text:
                yield number, text


def _open(path: Path) -> io.BufferedIOBase:
    return gzip.open(path, "rb") if _is_gzip(path) else path.open("rb")


def _is_gzip(path: Path) -> bool:
    """By content: users rename, and browsers unpack without renaming."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _is_header(text: str) -> bool:
    return text.lower().startswith("date")


def parse_line(text: str) -> HomeEvent:
    """One line, with its time still without a zone.

    Raises
    ------
    MalformedLineError
        With the reason.
    """
    if len(text) >= MAX_LINE_CHARACTERS:
        raise MalformedLineError(f"longer than {MAX_LINE_CHARACTERS} characters")
    fields = [f.strip() for f in text.split(",")] if "," in text else text.split()
    if fields and " " in fields[0]:
        fields[:1] = fields[0].split()
    if len(fields) < 4:
        raise MalformedLineError(f"{len(fields)} fields, expected date, time, sensor and message")
    at = _parse_time(fields[0], fields[1])
    message = _find_message(fields)
    if message is None:
        raise MalformedLineError("no message such as ON, OFF, OPEN, CLOSE or a number")
    sensor, *place = fields[2:message]
    return HomeEvent(
        at=at,
        sensor=sensor,
        place=" ".join(place) or sensor,
        message=fields[message].upper(),
        activity=" ".join(fields[message + 1 :]).strip() or None,
    )


def _find_message(fields: list[str]) -> int | None:
    """The first known word after the sensor; else the first number."""
    after = range(3, len(fields))
    words = (i for i in after if fields[i].upper() in MESSAGES)
    numbers = (i for i in after if _NUMBER.match(fields[i]))
    return next(words, None) or next(numbers, None)


def _parse_time(date: str, time: str) -> datetime:
    # Fractions have one to seven digits; fromisoformat takes three or six.
    whole, _, fraction = time.partition(".")
    if not (_DATE.match(date) and _TIME.match(whole)) or (fraction and not fraction.isdecimal()):
        raise MalformedLineError(f"{date} {time}: no date and time")
    try:
        moment = datetime.fromisoformat(f"{date} {whole}")
    except ValueError:
        raise MalformedLineError(f"{date} {time}: no date and time") from None
    return moment + timedelta(microseconds=int((fraction + "000000")[:6]))


class _WallClock:
    """Turns the wall clock of a home into UTC, in the order of a file."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._latest: datetime | None = None

    def __call__(self, naive: datetime) -> datetime:
        first = naive.replace(tzinfo=self._zone).astimezone(UTC)
        second = naive.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
        step_back = self._latest - first if self._latest else timedelta(0)
        at = second if second > first and step_back > OUT_OF_ORDER else first
        self._latest = max(self._latest, at) if self._latest else at
        return at
