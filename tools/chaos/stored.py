"""What is in the store at the end, read past the product's own read side."""

from __future__ import annotations

import json
import sqlite3
import urllib.parse
import urllib.request
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from contract.units import NS_PER_MS

PointKey = tuple[str, str, int]
"""Gateway, device and moment (milliseconds since 1970, by the gateway's clock; influxd's rows
have no finer ones)."""

_BUSY_S: Final = 20.0
_QUERY_LIMIT_S: Final = 60.0


class Stored(NamedTuple):
    """The content of a store."""

    points: Counter[PointKey]
    events: Counter[tuple[str, str, str]]
    """By id, kind and resident."""


def read_ledger(path: Path) -> tuple[dict[tuple[str, str], int], set[tuple[str, str, int]]]:
    """Up to which sequence each gateway's session is settled, and which are beyond a hole."""
    with closing(_open(path)) as connection:
        up_to = {
            (gateway, session): int(sequence)
            for gateway, session, sequence in connection.execute(
                "SELECT gateway, session, up_to FROM session"
            )
        }
        ahead = set(
            connection.execute(
                "SELECT gateway, session, sequence FROM batch_ahead JOIN session ON id = session_id"
            )
        )
    return up_to, ahead


def read_letters(path: Path) -> list[str]:
    """Why messages were refused."""
    with closing(_open(path)) as connection:
        return [
            f"{topic}: {reason} ({times} times)"
            for topic, reason, times in connection.execute(
                "SELECT topic, reason, times FROM dead_letter"
            )
        ]


def read_sqlite(path: Path) -> Stored:
    """Everything in a file of `ingest.store.sqlite`."""
    with closing(_open(path)) as connection:
        points = connection.execute(
            "SELECT gateway, device, at_us / 1000 FROM point "
            "JOIN session ON session.id = session_id"
        )
        events = connection.execute("SELECT id, kind, ifnull(resident, '') FROM event")
        return Stored(Counter(points), Counter(events))


def read_influx(url: str, database: str) -> Stored:
    """Everything in an influxd 1.x."""
    points: Counter[PointKey] = Counter()
    for row in _query(url, database, "SELECT gateway, device FROM summary"):
        points[row["gateway"], row["device"], row["time"] // NS_PER_MS] += 1
    events: Counter[tuple[str, str, str]] = Counter()
    for row in _query(url, database, "SELECT id, resident, kind FROM event"):
        events[row["id"], row["kind"], row["resident"] or ""] += 1
    return Stored(points, events)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)


def _query(url: str, database: str, text: str) -> list[dict[str, Any]]:
    asked = urllib.parse.urlencode({"db": database, "q": text, "epoch": "ns"})
    with urllib.request.urlopen(f"{url}/query?{asked}", timeout=_QUERY_LIMIT_S) as answer:  # noqa: S310 - our own server
        results = json.load(answer)["results"]
    return [
        dict(zip(series["columns"], values, strict=True))
        for result in results
        for series in result.get("series", ())
        for values in series["values"]
    ]
