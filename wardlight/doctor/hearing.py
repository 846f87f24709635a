"""Listening to the home's heartbeats: who is there now, by what is said now.

A retained status alone proves nothing: it may be of a gateway that lost its power without a
word, or a superseded session's will that came late (DESIGN 4). So a sender lives if something
was heard of it while we listened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from contract import topics, wire
from contract.clock import Clock, now_us
from contract.ids import SERVICE_NAMES
from contract.messages import LAST_SEQUENCE, AlertState, Presence, Role, Status
from contract.protocols import Bus, Message
from contract.units import NS_PER_S, US_PER_S

LISTEN_S: Final = 16.0
"""At most so long, in the home's time: a gateway shows its presence each second, ingest a
status each 10 s, alerts a status each 15 s and alert state each 5 s."""

INGEST: Final = Role.INGEST.value
ALERTS: Final = Role.ALERTS.value

_HEARD_AGO: Final = "heard_s_ago: "
"""Begins the names of a gateway's counts that say when it heard a wearable."""

NOT_HEARD_S: Final = 90.0
"""As long as a gateway itself waits before a wearable counts as not heard
(`edge.wearable_health.NOT_HEARD_NS`)."""


@dataclass
class Sender:
    """What was heard of one gateway or service."""

    status: Status | None = None
    presence: Presence | None = None
    alive: bool = False
    """The last word that came while we listened was not a goodbye."""
    clock_error_s: float | None = None
    """How far its clock is ahead of ours; the transport makes it seem behind by milliseconds."""

    def wearables(self) -> set[str]:
        """Wearables that it hears, by device."""
        found = set(self.presence.heard) if self.presence is not None else set()
        counts = self.status.counts if self.status is not None else {}
        for name, age_s in counts.items():
            if name.startswith(_HEARD_AGO) and age_s < NOT_HEARD_S:
                found.add(name.removeprefix(_HEARD_AGO))
        return found

    def is_will(self) -> bool:
        """Whether the last status is the broker's word, not its own."""
        return self.status is not None and self.status.sequence == LAST_SEQUENCE


@dataclass
class Heard:
    """Everything that was heard."""

    senders: dict[str, Sender] = field(default_factory=dict)
    alert_state: AlertState | None = None
    """The latest that came while we listened, to whichever gateway."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Topic to the reason, of what was no message of ours."""
    listened_s: float = 0.0

    def sender(self, name: str) -> Sender:
        """What was heard of `name`, perhaps nothing."""
        return self.senders.get(name, Sender())

    def alive(self, names: Collection[str]) -> list[str]:
        """Those of `names` that live."""
        return [name for name in names if self.sender(name).alive]


async def listen(bus: Bus, home: str, gateways: Sequence[str], clock: Clock) -> Heard:
    """Listen until every gateway and service was heard, at most `LISTEN_S` of `clock`."""
    ear = _Ear(home, gateways, clock)
    running = asyncio.create_task(bus.run(ear.filters, ear.take))
    complete = asyncio.create_task(ear.complete.wait())
    limit = asyncio.create_task(clock.sleep(LISTEN_S))
    began_ns = clock.monotonic_ns()
    waiting: set[asyncio.Task[Any]] = {running, complete, limit}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    ear.heard.listened_s = (clock.monotonic_ns() - began_ns) / NS_PER_S
    return ear.heard


class _Ear:
    def __init__(self, home: str, gateways: Sequence[str], clock: Clock) -> None:
        self.heard = Heard()
        self.complete = asyncio.Event()
        self.filters = tuple(
            topics.build(home, topics.ANY, branch)
            for branch in (topics.STATUS, topics.PRESENCE, topics.ALERT_STATE)
        )
        self._expected = (*gateways, INGEST, ALERTS)
        self._clock = clock

    async def take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            try:
                self._read(message)
            except ValueError as error:
                self.heard.unreadable[message.topic] = str(error)
        if self.heard.alert_state is not None and all(
            self.heard.sender(name).alive for name in self._expected
        ):
            self.complete.set()

    def _read(self, message: Message) -> None:
        topic = topics.parse(message.topic)
        if not message.payload:
            return
        if topic.branch == topics.ALERT_STATE:
            # The topic is the gateway's that it is for; only alerts says it.
            state = wire.decode(message.payload, AlertState)
            if not message.retained:
                self.heard.alert_state = state
                alerts = self.heard.senders.setdefault(ALERTS, Sender())
                alerts.alive = True
                self._note_clock(alerts, state.at_us)
            return
        sender = self.heard.senders.setdefault(topic.sender, Sender())
        if topic.branch == topics.PRESENCE:
            sender.presence = wire.decode(message.payload, Presence)
            sender.alive = True
            if sender.status is not None and _is_late_will(sender.status, sender):
                sender.status = None
            self._note_clock(sender, sender.presence.at_us)
            return
        status = wire.decode(message.payload, Status)
        if status.name != topic.sender:
            raise ValueError(f"a status of {status.name!r}")
        if _is_late_will(status, sender):
            return
        sender.status = status
        if not message.retained:
            sender.alive = status.online
            if status.sequence != LAST_SEQUENCE:
                self._note_clock(sender, status.at_us)

    def _note_clock(self, sender: Sender, at_us: int) -> None:
        error_s = (at_us - now_us(self._clock)) / US_PER_S
        if sender.clock_error_s is None or abs(error_s) < abs(sender.clock_error_s):
            sender.clock_error_s = error_s


def _is_late_will(status: Status, sender: Sender) -> bool:
    """Whether it is the will of another session than the one that speaks (DESIGN 4)."""
    if status.sequence != LAST_SEQUENCE:
        return False
    if sender.presence is not None:
        return sender.presence.session != status.session
    known = sender.status
    return known is not None and known.online and known.session != status.session


def is_gateway(name: str, sender: Sender) -> bool:
    """Whether a sender is a gateway and not one of the services."""
    if name in SERVICE_NAMES:
        return False
    return sender.status is None or sender.status.role is Role.GATEWAY
