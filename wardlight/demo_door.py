"""The demo's second story: somebody who may not leave alone walks to the door and out of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from contract import topics, wire
from contract.clock import Clock, within
from contract.events import Event, EventKind
from contract.protocols import Message
from contract.whereabouts import Whereabouts

_log = structlog.get_logger(__name__)

LEAVES_AFTER_S: Final = 40.0
"""The fall is on the board by then, and rooms are known: the filter wants some seconds of her."""

LIMIT_S: Final = 180.0
"""She rises and walks 20 m at 0.6 m/s; only with --until-alert is being later a failure."""


class NotMissedError(RuntimeError):
    """Nobody noticed who left."""

    def __init__(self) -> None:
        super().__init__(f"nobody noticed within {LIMIT_S:.0f} s who left by the door")


OnMessages = Callable[[Sequence[Message]], Awaitable[None]]


def both(one: OnMessages, other: OnMessages) -> OnMessages:
    """Two who look at what passes on one connection."""

    async def look(messages: Sequence[Message]) -> None:
        await one(messages)
        await other(messages)

    return look


class DoorWatch:
    """Follows one resident from room to room, by what the lead says, until she is told as gone.

    Parameters
    ----------
    called
        What she is called in those lines.
    say
        Takes one line for each room that she is told to be in, and one for the alarm.
    """

    def __init__(
        self, home: str, resident: str, called: str, clock: Clock, say: Callable[[str], None]
    ) -> None:
        self.filters: Final = (
            topics.event_topic(home, topics.ANY, EventKind.ELOPEMENT),
            topics.build(home, topics.ANY, topics.WHEREABOUTS),
        )
        self._resident = resident
        self._called = called
        self._clock = clock
        self._say = say
        self._zone: str | None = None
        self._told = asyncio.Event()

    async def on_messages(self, messages: Sequence[Message]) -> None:
        """Look at what passes on the broker; give it to `Bus.run`."""
        for message in messages:
            try:
                branch = topics.parse(message.topic).branch
                if branch == topics.WHEREABOUTS:
                    self._see_place(wire.decode(message.payload, Whereabouts))
                elif branch == topics.EVENT:
                    self._see_event(wire.decode(message.payload, Event))
            except ValueError as error:
                _log.warning("message_unreadable", topic=message.topic, reason=str(error))

    async def told(self) -> bool:
        """Wait for the alarm; whether it came in `LIMIT_S`."""
        try:
            await within(self._clock, LIMIT_S, self._told.wait())
        except TimeoutError:
            return False
        return True

    def _see_place(self, said: Whereabouts) -> None:
        place = said.places.get(self._resident)
        if place is None or place.zone is None or self._told.is_set():
            return
        if self._zone is not None and place.zone != self._zone:
            self._say(f"  {place.zone:<13}{self._called} is there now ({place.probability:.0%})")
        self._zone = place.zone

    def _see_event(self, event: Event) -> None:
        if event.kind is not EventKind.ELOPEMENT or event.resident != self._resident:
            return
        if not self._told.is_set():
            self._told.set()
            self._say(f"  {event.kind.value:<13}{self._called}: {event.detail}")
