"""Where each resident was last, as the lead of the home says.

What is heard stays in memory; the records hold one row for a resident, each word in the place of
the one before, because the board is another process. No row says where anybody was earlier, and one
that is older than a shift is deleted.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import BindParameter, Insert, Update, bindparam, delete, insert, select, update

from alerts.records.database import DATABASE_ERRORS, Database
from alerts.records.models import LastPlace, Resident
from contract.clock import Clock, now_us
from contract.units import NS_PER_S, US_PER_S
from contract.whereabouts import WHEREABOUTS_S, Whereabouts

WRITTEN_S: Final = 2.0
"""Changes are written at most so often: a board is read again each five seconds."""

AGES_WRITTEN_S: Final = 30.0
"""How often it is written that somebody is still there; a commit for every word would wear out a
gateway's card."""

LEAD_LOST_S: Final = 1.5 * WHEREABOUTS_S
"""Of two who say so, the first is believed until it has been silent for so long: two leads that
differ would otherwise move people to and fro."""

KEPT_S: Final = 12 * 3_600
"""A shift with its hand-over: beyond it a place says nothing of where to look."""

SWEPT_EACH_S: Final = 3600.0
"""How often older ones are deleted, whether any lead still speaks or not."""


class Known(NamedTuple):
    """Where somebody is."""

    zone: str
    probability: float
    since_us: int


class LastPlaces:
    """Takes in what leads say. Only from the event loop, except `write`."""

    def __init__(self, home: str, clock: Clock, database: Database) -> None:
        self._home = home
        self._clock = clock
        self._database = database
        self._lead: tuple[str, str] | None = None
        """Gateway and session of whom is believed."""
        self._sequence = -1
        self._heard_ns = 0
        self._places: dict[str, Known] = {}
        self._changed: dict[str, Known] = {}
        self._written_ns: int | None = None
        self._aged_ns: int | None = None
        self._swept_ns: int | None = None

    def hear(self, message: Whereabouts) -> None:
        """Take in one word of a lead."""
        moment_ns = self._clock.monotonic_ns()
        speaker = (message.gateway, message.session)
        if speaker == self._lead:
            if message.sequence <= self._sequence:
                return
        elif (
            self._lead is not None
            and self._lead[0] != message.gateway
            and moment_ns - self._heard_ns < LEAD_LOST_S * NS_PER_S
        ):
            return
        self._lead, self._sequence, self._heard_ns = speaker, message.sequence, moment_ns
        moment_us = now_us(self._clock)
        places = {}
        for resident, place in message.places.items():
            if place.zone is None:
                continue
            before = self._places.get(resident)
            stays = before is not None and before.zone == place.zone
            # By the lead's own clock; how long ago is the same by ours.
            ago_us = min(max(message.at_us - place.since_us, 0), KEPT_S * US_PER_S)
            since_us = before.since_us if before is not None and stays else moment_us - ago_us
            known = places[resident] = Known(place.zone, place.probability, since_us)
            if not stays:
                self._changed[resident] = known
        self._places = places

    def take(self) -> tuple[dict[str, Known], dict[str, Known]] | None:
        """What is to be written now: what has changed, and, now and then, who is still where they
        were; None if it is not time, or there is nothing.
        """
        moment_ns = self._clock.monotonic_ns()
        if self._written_ns is not None and moment_ns - self._written_ns < WRITTEN_S * NS_PER_S:
            return None
        is_live = moment_ns - self._heard_ns < LEAD_LOST_S * NS_PER_S
        ages_due = is_live and (
            self._aged_ns is None or moment_ns - self._aged_ns >= AGES_WRITTEN_S * NS_PER_S
        )
        if self._lead is None or not (self._changed or ages_due):
            return None
        self._written_ns = moment_ns
        changed, self._changed = self._changed, {}
        if not ages_due:
            return changed, {}
        self._aged_ns = moment_ns
        return changed, {who: each for who, each in self._places.items() if who not in changed}

    async def keep_up(self, *, writes: bool) -> None:
        """Write what is to be written now, and delete what is too old.

        Parameters
        ----------
        writes
            Whether it is ours to write: another worker hears the same.

        Raises
        ------
        DATABASE_ERRORS
            If it could not be written; it is at the next call.
        """
        taken = self.take()
        if not writes:
            return
        if taken is not None:
            try:
                await self._database.run(self.write, *taken)
            except DATABASE_ERRORS:
                self.put_back(taken[0])
                raise
        moment_ns = self._clock.monotonic_ns()
        if self._swept_ns is None or moment_ns - self._swept_ns >= SWEPT_EACH_S * NS_PER_S:
            await self._database.run(self.sweep)
            self._swept_ns = moment_ns

    def put_back(self, changed: dict[str, Known]) -> None:
        """`write` failed: what has not changed again meanwhile is to be written."""
        self._changed = changed | self._changed

    def write(self, changed: dict[str, Known], stay: dict[str, Known]) -> None:
        """Write what `take` gave; whom the records do not know is passed over."""
        moment_us = now_us(self._clock)
        with self._database.transaction(self._home, visible=False) as session:
            connection = session.connection()
            ours = set(session.scalars(select(Resident.id).where(Resident.home == self._home)))
            there = set(
                session.scalars(select(LastPlace.resident).where(LastPlace.home == self._home))
            )
            for known, is_new in ((changed, False), (stay, False), (changed | stay, True)):
                rows = [
                    {"of_resident": who, **each._asdict()}
                    for who, each in sorted(known.items())
                    if who in ours and (who not in there) is is_new
                ]
                if rows:
                    connection.execute(self._statement(moment_us, is_new=is_new), rows)

    def sweep(self) -> None:
        """Delete where somebody was before a shift."""
        oldest_us = now_us(self._clock) - KEPT_S * US_PER_S
        with self._database.transaction(self._home, visible=False) as session:
            session.execute(
                delete(LastPlace).where(
                    LastPlace.home == self._home, LastPlace.seen_at_us < oldest_us
                )
            )

    def _statement(self, moment_us: int, *, is_new: bool) -> Insert | Update:
        values: dict[str, object] = {name: bindparam(name) for name in Known._fields}
        values["seen_at_us"] = moment_us
        of_whom: BindParameter[str] = bindparam("of_resident")
        if is_new:
            return insert(LastPlace).values(home=self._home, resident=of_whom, **values)
        return (
            update(LastPlace)
            .where(LastPlace.home == self._home, LastPlace.resident == of_whom)
            .values(**values)
        )
