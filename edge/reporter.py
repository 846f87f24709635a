"""Makes events: id, sequence, times, clock; puts them into the outbox and sends them off."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

import structlog

from contract.clock import Clock
from contract.events import EVENT_SCHEMA, Event, EventClass, EventKind, Evidence, FaultCause
from contract.ids import IdSource
from edge.outbox import EventOutbox
from edge.outbox_rows import Counter, KeptRow, Standing
from edge.timebase import SessionTime
from edge.wearables import Wearable

_log = structlog.get_logger(__name__)

SYNCED: Final = "synced"
UNSYNCED: Final = "unsynced"


FOLLOWED: Final = frozenset(
    {
        EventKind.FALL_SUSPECTED,
        EventKind.FALL_DETECTED,
        EventKind.MAY_HAVE_GOT_UP,
        EventKind.LONG_LIE,
    }
)
"""Events that change what is still to come of a fall: both are written together."""


class Sender(NamedTuple):
    """Who this gateway is, in this session."""

    home: str
    gateway: str
    session: str
    boot: str


class About(NamedTuple):
    """What an event is about; what does not apply is None."""

    wearable: Wearable | None = None
    key: str | None = None
    fall_id: str | None = None
    incident: str | None = None
    by: str | None = None
    cause: FaultCause | None = None
    detail: str | None = None
    evidence: Evidence | None = None
    device: str | None = None
    resident: str | None = None
    """Where there is no wearable: whose bed or chair the device is at."""
    zone: str | None = None
    """Where the device is; none where the gateway's own zone is the nearest to it."""
    is_excused: bool = False
    """As in `Event.excused`."""


class Reporter:
    """Turns what happened into durable, published events.

    Parameters
    ----------
    wake
        Called with the event's class once it is in the outbox.
    on_unwritable
        Called with the event and the reason if it is in memory only.
    lying
        Says what is open of a wearer, to be written with an event of `FOLLOWED`.
    """

    def __init__(
        self,
        *,
        sender: Sender,
        clock: Clock,
        time: SessionTime,
        ids: IdSource,
        outbox: EventOutbox,
        wake: Callable[[EventClass], None],
        on_unwritable: Callable[[Event, str], Awaitable[None]],
        lying: Callable[[Wearable], KeptRow],
    ) -> None:
        self.sender = sender
        self.receiver_zones: Mapping[str, str] = {}
        """Where the receivers stand that hear for this gateway, by name."""
        self.zone: str | None = None
        """Where this gateway stands: where the wearables that it hears are."""
        self.place: Callable[[Wearable], str | None] = lambda _: None
        """Where the wearer of one is held to be, as far as anybody can tell."""
        self._clock = clock
        self._time = time
        self._ids = ids
        self._outbox = outbox
        self._wake = wake
        self._on_unwritable = on_unwritable
        self._lying = lying

    async def emit(
        self,
        kind: EventKind,
        about: About,
        *,
        at_monotonic_ns: int | None = None,
        result: Counter | None = None,
        standing: Standing | None = None,
    ) -> Event:
        """Make an event and hand it to outbox and uplink.

        Parameters
        ----------
        at_monotonic_ns
            When it happened; default now.
        result, standing
            See `EventOutbox.put`.
        """
        now_ns = self._clock.monotonic_ns()
        at_ns = now_ns if at_monotonic_ns is None else at_monotonic_ns
        event = self._make(kind, about, at_ns, now_ns)
        wearer = about.wearable if kind in FOLLOWED else None
        reason = await self._outbox.put(
            event,
            at_monotonic_ns=at_ns,
            now_monotonic_ns=now_ns,
            result=result,
            standing=standing,
            lying=self._lying(wearer) if wearer is not None else None,
        )
        self._wake(event.event_class)
        _log.info(
            "event",
            kind=event.kind.value,
            id=event.id,
            device=event.device,
            cause=event.cause and event.cause.value,
            detail=event.detail,
        )
        if reason is not None:
            await self._on_unwritable(event, reason)
        return event

    def _zone(self, kind: EventKind, wearable: Wearable | None) -> str | None:
        """Where its wearer is held to be, else where it was heard. Of who wears a carer's tag
        nothing is told but where help is called for.
        """
        if wearable is None:
            return self.zone
        if wearable.config.is_carer and kind is not EventKind.HELP_REQUESTED:
            return None
        return self.place(wearable) or self.receiver_zones.get(wearable.receiver, self.zone)

    async def forget(self, standing: str) -> None:
        """A fault that stood is somebody else's to end: no later session shall know it again."""
        await self._outbox.forget_standing(standing)

    def _make(self, kind: EventKind, about: About, at_ns: int, now_ns: int) -> Event:
        wearable = about.wearable
        return Event(
            schema=EVENT_SCHEMA,
            id=self._ids.new(),
            kind=kind,
            home=self.sender.home,
            gateway=self.sender.gateway,
            session=self.sender.session,
            sequence=self._outbox.next_sequence(self.sender.session),
            boot=self.sender.boot,
            clock=SYNCED if self._clock.synced() else UNSYNCED,
            at_us=self._time.wall_us(at_ns),
            emitted_at_us=self._time.wall_us(now_ns),
            key=about.key,
            resident=wearable.config.resident if wearable is not None else about.resident,
            device=wearable.device if wearable is not None else about.device,
            zone=about.zone or self._zone(kind, wearable),
            fall_id=about.fall_id,
            incident=about.incident,
            by=about.by,
            cause=about.cause,
            detail=about.detail,
            excused=about.is_excused,
            evidence=about.evidence,
        )
