"""Lanes: what makes a point unique where equal series and time overwrite each other.

InfluxDB keeps one row for each series and time. Ids as tags would make every row unique and
the index endless; so ids are fields, and two wearables' seconds would fall on one row. The
time has room below the millisecond, a million nanoseconds, and each *lane* is one of them.

A wearable heard by one run of one gateway has a lane of its own, numbered in the ledger before
the first line of it leaves; so the same point gets the same time whenever it is written, and
two points of different wearables, gateways or runs never share one. Within a lane time goes
forward. Where it does not (a gateway's wall clock was set back, and measures a second again),
the points from there on take a new lane, by their sequence: a batch that merely came out of
order stays where it belongs.

Numbers are taken modulo a million. Two lanes share a number after a million others, and then
only points of the same second and part of the home could meet.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

from contract.units import NS_PER_MS, US_PER_S

US_PER_MS: Final = US_PER_S // 1_000

LANES: Final = NS_PER_MS
"""Nanoseconds in a millisecond: lanes beside each other."""

MAX_CACHED_OWNERS: Final = 10_000
"""Wearables by gateway and run; 60 residents heard by five gateways are 300."""

Position = tuple[int, int]
"""Sequence of the batch, and the point's place in it."""


class _Turn:
    """One lane of an owner, and how far it is used."""

    __slots__ = ("first", "lane", "last", "last_ms")

    def __init__(self, lane: int, first: Position, last: Position, last_ms: int) -> None:
        self.lane = lane
        self.first = first
        self.last = last
        self.last_ms = last_ms


def time_ns(at_us: int, lane: int) -> int:
    """The time of a row: the millisecond of `at_us`, and the lane below it."""
    return at_us // US_PER_MS * NS_PER_MS + lane % LANES


class Lanes:
    """Gives out lanes; kept in the ledger, used on its thread."""

    def __init__(self) -> None:
        self._turns: dict[str, list[_Turn]] = {}
        self._moved: dict[int, _Turn] = {}

    def forget(self) -> None:
        """Drop what is in memory: the ledger was closed, and may not have kept it."""
        self._turns.clear()
        self._moved.clear()

    def of_point(
        self, connection: sqlite3.Connection, owner: str, position: Position, at_us: int
    ) -> int:
        """The lane of a point; where one is new, within an open transaction.

        Parameters
        ----------
        connection
            To the ledger.
        owner
            Names the wearable, the gateway and its run.
        position
            Orders the owner's points as they were made.
        at_us
            The point's time, microseconds since 1970.
        """
        at_ms = at_us // US_PER_MS
        turns = self._turns_of(connection, owner)
        turn = next((each for each in reversed(turns) if each.first <= position), None)
        if turn is None or (at_ms <= turn.last_ms and position > turn.last):
            turn = _Turn(_new_lane(connection, owner, position, at_ms), position, position, at_ms)
            turns.append(turn)
            turns.sort(key=lambda each: each.first)
        elif position > turn.last:
            turn.last = position
            turn.last_ms = max(turn.last_ms, at_ms)
            self._moved[turn.lane] = turn
        return turn.lane

    def of_latest(self, connection: sqlite3.Connection, owner: str, at_us: int) -> int | None:
        """The lane of a row that the newest point keeps; None if a newer one has it."""
        at_ms = at_us // US_PER_MS
        turns = self._turns_of(connection, owner)
        if not turns:
            turns.append(_Turn(_new_lane(connection, owner, (0, 0), at_ms), (0, 0), (0, 0), at_ms))
        turn = turns[0]
        if at_ms < turn.last_ms:
            return None
        turn.last_ms = at_ms
        self._moved[turn.lane] = turn
        return turn.lane

    def of_one(self, connection: sqlite3.Connection, owner: str) -> int:
        """The lane of something that is written at one time only, such as an event."""
        found = connection.execute("SELECT id FROM lane WHERE owner = ?", (owner,)).fetchone()
        return int(found[0]) if found is not None else _new_lane(connection, owner, (0, 0), 0)

    def save(self, connection: sqlite3.Connection) -> None:
        """Write how far lanes are used, within an open transaction."""
        connection.executemany(
            "UPDATE lane SET last_sequence = ?, last_place = ?, last_ms = ? WHERE id = ?",
            [(*turn.last, turn.last_ms, turn.lane) for turn in self._moved.values()],
        )
        self._moved.clear()
        if len(self._turns) > MAX_CACHED_OWNERS:
            self._turns.clear()

    def _turns_of(self, connection: sqlite3.Connection, owner: str) -> list[_Turn]:
        turns = self._turns.get(owner)
        if turns is None:
            turns = [
                _Turn(lane, (first, place), (last, last_place), last_ms)
                for lane, first, place, last, last_place, last_ms in connection.execute(
                    "SELECT id, first_sequence, first_place, last_sequence, last_place, last_ms "
                    "FROM lane WHERE owner = ? ORDER BY first_sequence, first_place",
                    (owner,),
                )
            ]
            self._turns[owner] = turns
        return turns


def drop_lanes(connection: sqlite3.Connection, owners: Iterable[str]) -> None:
    """Delete the lanes of what will never be written again."""
    connection.executemany("DELETE FROM lane WHERE owner = ?", [(owner,) for owner in owners])


def drop_old_lanes(connection: sqlite3.Connection, before_us: int) -> int:
    """Delete lanes that were used before `before_us` alone; returns how many."""
    return connection.execute(
        "DELETE FROM lane WHERE last_ms BETWEEN 1 AND ?", (before_us // US_PER_MS,)
    ).rowcount


def _new_lane(connection: sqlite3.Connection, owner: str, position: Position, at_ms: int) -> int:
    cursor = connection.execute(
        "INSERT INTO lane (owner, first_sequence, first_place, last_sequence, last_place, last_ms) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (owner, *position, *position, at_ms),
    )
    lane = cursor.lastrowid
    if lane is None:
        raise sqlite3.DatabaseError("no lane was made")
    return lane
