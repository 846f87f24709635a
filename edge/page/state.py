"""What the page shows, gathered from the parts of a running gateway."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from contract.clock import now_datetime, now_us
from contract.events import Event, FaultCause
from contract.messages import AlertStateItem, IncidentState
from contract.units import NS_PER_S, US_PER_S
from edge.battery import LOW_PERCENT
from edge.gateway import Gateway
from edge.siren_policy import HEARTBEAT_MISSING_NS, Order, happening
from edge.wearable_health import NOT_HEARD_NS
from edge.wearables import NEVER, Wearable

OLDEST_BELIEVED_S: Final = 86_400 * 30
"""A longer age is a clock that was wrong, and is not shown."""


class Stand(StrEnum):
    """How far an alarm has come."""

    UNCALLED = "uncalled"
    """The alert service does not have it: nobody has been called."""
    UNANSWERED = "unanswered"
    """It has been handed on, and nobody is known to have answered."""
    ANSWERED_HERE = "answered_here"
    """Somebody pressed the button; the alert service does not know it yet."""
    ANSWERED = "answered"
    ARRIVED = "arrived"


UNCOVERED: Final = frozenset({Stand.UNCALLED, Stand.UNANSWERED})
"""The button is for these."""


class Concern(NamedTuple):
    """One happening that needs, or needed, somebody."""

    name: str
    """What to acknowledge: an incident's id or an alarm's."""
    kind: str
    bed: str
    """A label, or the device where no bed is known."""
    since_s: float | None
    stand: Stand


class BedLine(NamedTuple):
    """One wearable, under its bed."""

    bed: str
    device: str
    heard_s: float | None
    """Seconds since any gateway of the home heard it."""
    causes: tuple[str, ...]
    """Why it cannot be counted on: values of `FaultCause`; empty while it is monitored."""
    battery_percent: int | None
    battery_low: bool


class FaultLine(NamedTuple):
    """A fault of the gateway itself."""

    cause: str


class PageState(NamedTuple):
    """Everything that one look at the page shows."""

    home: str
    gateway: str
    zone: str | None
    time: str
    """Clock time in the home."""
    synced: bool
    order: Order | None
    concerns: list[Concern]
    beds: list[BedLine]
    faults: list[FaultLine]
    broker: bool
    alerts_s: float
    """Seconds since the alert service was heard, or since the start."""
    alerts_heard: bool
    """Whether it was heard in this session."""
    alerts_missing: bool
    waiting: int
    oldest_s: float
    telemetry_waiting: int
    receipt_s: float | None


_STANDS: Final = {
    IncidentState.OPEN: Stand.UNANSWERED,
    IncidentState.ACKNOWLEDGED: Stand.ANSWERED,
    IncidentState.ARRIVED: Stand.ARRIVED,
}
"""Of an incident; an unpaged one is nothing to go for yet."""

_DISTRUST: Final = (FaultCause.NOT_WORN, FaultCause.WEAR_UNKNOWN, FaultCause.SENSOR_FAULT)


def look(gateway: Gateway) -> PageState:
    """Gather the state of this moment."""
    clock, config = gateway.clock, gateway.configs.current
    now_ns = clock.monotonic_ns()
    pending = gateway.outbox.pending.values()
    policy = gateway.siren.policy
    receipt_ns = gateway.downlink.receipt_ns
    return PageState(
        home=gateway.sender.home,
        gateway=gateway.sender.gateway,
        zone=None if config is None else config.zone,
        time=f"{now_datetime(clock).astimezone(gateway.siren.zone):%Y-%m-%d %H:%M:%S}",
        synced=clock.synced(),
        order=gateway.siren.order,
        concerns=concerns(gateway),
        beds=sorted(
            _bed_line(gateway, each, now_ns) for each in gateway.roster if not each.config.is_carer
        ),
        faults=[
            FaultLine(key.cause.value)
            for key in gateway.faults.standing
            if key.subject == gateway.sender.gateway
        ],
        broker=gateway.connected,
        alerts_s=(now_ns - policy.heartbeat_ns) / NS_PER_S,
        alerts_heard=policy.heard,
        alerts_missing=now_ns - policy.heartbeat_ns >= HEARTBEAT_MISSING_NS,
        waiting=len(gateway.outbox.pending),
        oldest_s=max(((now_ns - each.since_ns) / NS_PER_S for each in pending), default=0.0),
        telemetry_waiting=len(gateway.telemetry_outbox.pending),
        receipt_s=None if receipt_ns is None else (now_ns - receipt_ns) / NS_PER_S,
    )


def concerns(gateway: Gateway) -> list[Concern]:
    """What needs somebody, those for whom nobody goes first."""
    policy, now_ns = gateway.siren.policy, gateway.clock.monotonic_ns()
    items = [item for item in policy.items if item.state in _STANDS]
    told = {event_id for item in policy.items for event_id in item.event_ids}
    found = [_of_item(gateway, item) for item in items]
    lost = policy.alarms(gateway.outbox.pending.values())
    for stand, events in (
        (Stand.UNCALLED, lost),
        (Stand.UNANSWERED, policy.awaited(now_ns)),
    ):
        found += _of_events(gateway, (each for each in events if each.id not in told), stand)
    return sorted(found, key=lambda each: (list(Stand).index(each.stand), -(each.since_s or 0)))


def _of_item(gateway: Gateway, item: AlertStateItem) -> Concern:
    stand = _STANDS[item.state]
    if stand is Stand.UNANSWERED and gateway.siren.policy.silences(item.incident):
        stand = Stand.ANSWERED_HERE
    bed = item.bed or item.device or "?"
    return Concern(item.incident, item.kind, bed, _age_s(gateway, item.opened_at_us), stand)


def _of_events(gateway: Gateway, events: Iterable[Event], stand: Stand) -> list[Concern]:
    """One for each happening: the latest alarm names it, the first says since when."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(happening(event), []).append(event)
    found = []
    for group in groups.values():
        open_ = [each for each in group if not gateway.siren.policy.silences(each.id)]
        named = (open_ or group)[-1]
        wearable = gateway.roster.by_device.get(named.device or "")
        bed = (wearable and wearable.config.bed) or named.device or "?"
        since_s = _age_s(gateway, min(each.at_us for each in group))
        found.append(
            Concern(
                named.id, named.kind.value, bed, since_s, stand if open_ else Stand.ANSWERED_HERE
            )
        )
    return found


def _age_s(gateway: Gateway, at_us: int) -> float | None:
    age_s = (now_us(gateway.clock) - at_us) / US_PER_S
    return age_s if 0 <= age_s <= OLDEST_BELIEVED_S else None


def _bed_line(gateway: Gateway, wearable: Wearable, now_ns: int) -> BedLine:
    heard_ns = gateway.neighbours.heard_anywhere_ns(wearable)
    advert = wearable.advert
    causes = [each.value for each in _DISTRUST if gateway.faults.stands(each, wearable.device)]
    if advert is not None and advert.worn is False and FaultCause.NOT_WORN.value not in causes:
        causes.insert(0, FaultCause.NOT_WORN.value)
    if now_ns - heard_ns >= NOT_HEARD_NS:
        causes = [FaultCause.WEARABLE_NOT_HEARD.value]
    battery = None if advert is None else advert.battery_percent
    return BedLine(
        wearable.config.bed or wearable.device,
        wearable.device,
        None if heard_ns == NEVER else (now_ns - heard_ns) / NS_PER_S,
        tuple(causes),
        battery,
        battery is not None and battery <= LOW_PERCENT,
    )
