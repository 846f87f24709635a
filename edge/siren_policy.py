"""When the siren sounds: a pure state machine over receipts, alert state and heartbeats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from contract.events import Event, EventKind, Receiver
from contract.messages import AlertState, AlertStateItem, IncidentState, Tone, VolumeHours
from contract.units import seconds_to_ns
from edge.outbox_rows import PendingEvent

RECEIPT_BUDGET_NS: Final = seconds_to_ns(15)
"""An alarm without alerts' receipt for so long has reached nobody (DESIGN 4)."""

HEARTBEAT_MISSING_NS: Final = seconds_to_ns(30)
"""Alert state comes at least every ten seconds; three missed, and an alarm that was receipted
may have nobody behind it any more. Half of `SYSTEM_DOWN_NS`: somebody may be lying there."""

SYSTEM_DOWN_NS: Final = seconds_to_ns(60)
"""Without alert state for so long, people must know that nothing will call them (DESIGN 4)."""

SYSTEM_DOWN_SOUNDS_NS: Final = seconds_to_ns(20)
"""How long the system-down tone sounds, once for each outage: it is heard at the staff point,
and an outage of hours must not become noise that is switched off."""

REMEMBERED: Final = 256
"""Receipted alarms kept in mind; the oldest are forgotten."""

SIREN_KINDS: Final = frozenset(
    {
        EventKind.FALL_DETECTED,
        EventKind.LONG_LIE,
        EventKind.HELP_REQUESTED,
        EventKind.ELOPEMENT,
    }
)
"""High priority only (DESIGN 4, SAFETY: siren panic at night). A suspected fall is unpaged by
design: what comes of it follows within a minute and sounds in its own right."""

_ANSWERED: Final = frozenset(
    {IncidentState.ACKNOWLEDGED, IncidentState.ARRIVED, IncidentState.RESOLVED}
)

DEFAULT_VOLUME_PERCENT: Final = 100
"""Where nobody has said otherwise: an alarm that is too loud is a complaint, one that is too
soft is a person on the floor."""


class Order(NamedTuple):
    """What the siren shall do now."""

    tone: Tone
    reason: str


class SirenPolicy:
    """Decides whether the siren sounds. All times monotonic, in nanoseconds.

    Parameters
    ----------
    started_ns
        When this session began: the heartbeat counts as heard then.
    """

    def __init__(self, started_ns: int) -> None:
        self._heartbeat_ns = started_ns
        self._down_since_ns: int | None = None
        self._receipted: dict[str, Event] = {}
        self._rejected: dict[str, str] = {}
        self._unwritten: dict[str, str] = {}
        self._silenced: set[str] = set()
        self._asked: dict[str, AlertStateItem] = {}
        self._incident_of: dict[str, str] = {}
        self._test_until_ns = started_ns

    @property
    def heartbeat_ns(self) -> int:
        """When the alert service was last heard."""
        return self._heartbeat_ns

    def alert_state(self, state: AlertState, now_ns: int, *, live: bool) -> None:
        """The alert service has said where every incident stands.

        Parameters
        ----------
        live
            False for a retained message: it may be of any age and is no heartbeat.
        """
        if live:
            self._heartbeat_ns = now_ns
            self._down_since_ns = None
        self._asked = {}
        self._incident_of = {}
        for item in state.alerts:
            for event_id in item.event_ids:
                self._incident_of[event_id] = item.incident
            if item.state in _ANSWERED:
                for event_id in item.event_ids:
                    self._forget(event_id)
                self._silenced.discard(item.incident)
            elif item.sound:
                self._asked[item.incident] = item

    def receipted(self, event: Event, by: Receiver) -> None:
        """An alarm is durable at a receiver."""
        if by is not Receiver.ALERTS:
            return
        self._unwritten.pop(event.id, None)
        if event.kind in SIREN_KINDS:
            self._receipted[event.id] = event
            while len(self._receipted) > REMEMBERED:
                del self._receipted[next(iter(self._receipted))]

    def rejected(self, event: Event, reason: str) -> None:
        """An alarm will never be accepted: nobody will be called by it."""
        self._rejected[event.id] = f"{event.kind.value} rejected: {reason}"

    def unwritten(self, event: Event) -> None:
        """An alarm is in memory only: a power cut would lose it."""
        self._unwritten[event.id] = f"{event.kind.value} could not be written to the card"

    def written(self) -> None:
        """Everything is on the disk again."""
        self._unwritten.clear()

    def acknowledge(self, incident_or_event: str) -> str:
        """Somebody answers at the gateway; returns the incident, as far as it is known."""
        incident = self._incident_of.get(incident_or_event, incident_or_event)
        self._silenced |= {incident, incident_or_event}
        for event_id, known in self._incident_of.items():
            if known == incident:
                self._silenced.add(event_id)
        self._down_heard()
        return incident

    def test(self, until_ns: int) -> None:
        """Sound the test tone until then."""
        self._test_until_ns = until_ns

    def order(self, pending: Iterable[PendingEvent], now_ns: int) -> Order | None:
        """What shall be heard now; None for silence."""
        reason = self._alarm(pending, now_ns)
        if reason is not None:
            return Order(Tone.ALARM, reason)
        if self._is_down(now_ns):
            return Order(Tone.SYSTEM_DOWN, "the alert service is silent: look after the beds")
        if now_ns < self._test_until_ns:
            return Order(Tone.TEST, "a test of the siren")
        return None

    def _alarm(self, pending: Iterable[PendingEvent], now_ns: int) -> str | None:
        """Why the alarm tone sounds; the first reason of one kind, so that it stays the same."""
        for item in self._asked.values():
            if item.incident not in self._silenced:
                return f"{item.kind} at {item.bed or 'an unknown bed'}: nobody has answered"
        for event_id, reason in (*self._rejected.items(), *self._unwritten.items()):
            if event_id not in self._silenced:
                return reason
        for entry in pending:
            if (
                entry.event.kind in SIREN_KINDS
                and Receiver.ALERTS in entry.waiting
                and now_ns - entry.since_ns >= RECEIPT_BUDGET_NS
                and entry.event.id not in self._silenced
            ):
                return f"{entry.event.kind.value} of {entry.event.device}: nobody has been called"
        if now_ns - self._heartbeat_ns >= HEARTBEAT_MISSING_NS:
            for event in self._receipted.values():
                if event.id not in self._silenced:
                    return f"{event.kind.value} of {event.device}: nobody is known to come"
        return None

    def _is_down(self, now_ns: int) -> bool:
        if now_ns - self._heartbeat_ns < SYSTEM_DOWN_NS:
            return False
        if self._down_since_ns is None:
            self._down_since_ns = now_ns
        return now_ns - self._down_since_ns < SYSTEM_DOWN_SOUNDS_NS

    def _down_heard(self) -> None:
        """Whoever answers has heard the tone as well."""
        if self._down_since_ns is not None:
            self._down_since_ns -= SYSTEM_DOWN_SOUNDS_NS

    def _forget(self, event_id: str) -> None:
        self._receipted.pop(event_id, None)
        self._rejected.pop(event_id, None)
        self._unwritten.pop(event_id, None)
        self._silenced.discard(event_id)


def volume_percent(volumes: Sequence[VolumeHours], hour: int) -> int:
    """The volume at an hour of the day (home's local time).

    The entry with the latest `from_hour` that has come today counts; before the first one of
    the day, yesterday's last.
    """
    if not volumes:
        return DEFAULT_VOLUME_PERCENT
    ordered = sorted(volumes, key=lambda each: each.from_hour)
    begun = [each for each in ordered if each.from_hour <= hour]
    chosen = begun[-1] if begun else ordered[-1]
    return min(max(chosen.volume_percent, 0), 100)
