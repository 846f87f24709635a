"""What a gateway says of itself: presence each second, status each ten, and a last will; and where
everybody is, if it leads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from contract import topics, wire
from contract.clock import Clock, now_us
from contract.messages import LAST_SEQUENCE, MESSAGE_SCHEMA, Role, Status
from contract.protocols import Bus, LastWill, NotConnectedError, PublishRefusedError
from contract.units import seconds_to_ns
from edge.counters import Counts
from edge.faults import DISTRUST, FaultBook
from edge.health import Health
from edge.places import Places
from edge.presence import Neighbours
from edge.reporter import SYNCED, UNSYNCED, Sender
from edge.wearables import Roster

PRESENCE_S: Final = 1.0
"""Five of them missed, and somebody else leads (`edge.lead.LIVE_NS`)."""

STATUS_NS: Final = seconds_to_ns(10)
"""Three may be lost before anyone counts this gateway as silent."""


class Heartbeat:
    """Says that this gateway lives, and how.

    Parameters
    ----------
    on_refused
        Told the topic and the reason when the broker refuses a heartbeat.
    """

    def __init__(
        self,
        *,
        sender: Sender,
        clock: Clock,
        bus: Bus,
        roster: Roster,
        neighbours: Neighbours,
        places: Places,
        health: Health,
        faults: FaultBook,
        counts: Counts,
        on_refused: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._sender = sender
        self._clock = clock
        self._bus = bus
        self._roster = roster
        self._neighbours = neighbours
        self._places = places
        self._health = health
        self._faults = faults
        self._counts = counts
        self._on_refused = on_refused
        self._topic = topics.build(sender.home, sender.gateway, topics.STATUS)
        self._sequence = 0
        self._said_ns = clock.monotonic_ns()
        self._started_at_us = max(now_us(clock), 0)

    async def run(self) -> None:
        """Presence and status until cancelled."""
        saying: asyncio.Task[None] | None = None
        try:
            while True:
                await self._clock.sleep(PRESENCE_S)
                presence = self._neighbours.message(
                    self._faults.devices(DISTRUST), self._health.wearables.low_batteries()
                )
                if saying is not None and not saying.done():
                    # The broker sits on the last one; nothing but heartbeats waits for it.
                    self._counts["heartbeats_unsaid"] += 1
                elif self._bus.connected:
                    saying = asyncio.create_task(self._say_what_is_due(presence))
        finally:
            if saying is not None:
                saying.cancel()
                await asyncio.gather(saying, return_exceptions=True)

    async def _say_what_is_due(self, presence: bytes) -> None:
        await self._say(self._neighbours.topic, presence, retain=False)
        whereabouts = self._places.message()
        if whereabouts is not None:
            await self._say(self._places.topic, whereabouts, retain=False)
        if self._clock.monotonic_ns() - self._said_ns >= STATUS_NS:
            await self.say_status(online=True)

    async def say_status(self, *, online: bool) -> None:
        """Publish the status, retained."""
        self._said_ns = self._clock.monotonic_ns()
        self._sequence += 1
        counts = self._health.status_counts(self._said_ns)
        status = self._status(self._sequence, online=online, counts=counts)
        await self._say(self._topic, wire.encode(status), retain=True)

    def will(self) -> LastWill:
        """What the broker says when this gateway is gone."""
        status = self._status(LAST_SEQUENCE, online=False, counts={})
        return LastWill(self._topic, wire.encode(status))

    def _status(self, sequence: int, *, online: bool, counts: dict[str, float]) -> Status:
        return Status(
            schema=MESSAGE_SCHEMA,
            role=Role.GATEWAY,
            name=self._sender.gateway,
            session=self._sender.session,
            sequence=sequence,
            online=online,
            at_us=max(now_us(self._clock), 0),
            boot=self._sender.boot,
            clock=SYNCED if self._clock.synced() else UNSYNCED,
            started_at_us=self._started_at_us,
            beds=sorted({each.config.bed for each in self._roster if each.config.bed}),
            counts=counts,
            faults=self._faults.causes(),
        )

    async def _say(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish what needs no receipt."""
        try:
            await self._bus.publish(topic, payload, retain=retain)
        except NotConnectedError:
            self._counts["heartbeats_unsaid"] += 1
        except PublishRefusedError as error:
            await self._on_refused(topic, str(error))
