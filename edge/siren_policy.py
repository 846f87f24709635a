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

OLD_ALARM_NS: Final = seconds_to_ns(1_800)
"""An alarm that is older than this when the gateway starts sounds no siren for being unreceipted:
half an hour later a round has been there, and a gateway that restarts again and again must not
ring with last night's fall each time (SAFETY: siren panic). It is still sent, and pages. The same
half hour as `alerts.policy.JOIN_WINDOW_S`; an alarm of unknown age is treated as now."""

SILENCE_HOLDS_NS: Final = seconds_to_ns(120)
"""How long an answer given here keeps the siren quiet against an alert service that lives and
says that nobody has answered: then the answer has not reached it, or was to an earlier alarm
(FIELD: acked and forgotten). As long as the arrival clock (DESIGN 6)."""

SIREN_KINDS: Final = frozenset(
    {
        EventKind.FALL_DETECTED,
        EventKind.LONG_LIE,
        EventKind.HELP_REQUESTED,
        EventKind.ELOPEMENT,
        EventKind.LEFT_SAFE_ZONE,
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


class Memory(NamedTuple):
    """What a siren must still know after a restart."""

    down_told: bool
    """That the alert service is silent has been sounded, and it has not been heard since."""
    silenced: tuple[str, ...]
    """Incidents and events that somebody answered here."""
    receipted: tuple[Event, ...]
    """Alarms that the alert service has, and of which nobody is known to have answered."""


NOTHING: Final = Memory(False, (), ())


def happening(event: Event) -> str:
    """What all events of one happening share: one answer is for all of them."""
    return event.fall_id or event.key or event.id


class SirenPolicy:
    """Decides whether the siren sounds. All times monotonic, in nanoseconds.

    Parameters
    ----------
    started_ns
        When this session began: the heartbeat counts as heard then.
    """

    def __init__(self, started_ns: int) -> None:
        self._started_ns = started_ns
        self._heartbeat_ns = started_ns
        self._back_since_ns = started_ns
        self._down_since_ns: int | None = None
        self._receipted: dict[str, Event] = {}
        self._rejected: dict[str, tuple[Event, str]] = {}
        self._unwritten: dict[str, tuple[Event, str]] = {}
        self._old: set[str] = set()
        self._silenced: dict[str, int] = {}
        self._items: dict[str, AlertStateItem] = {}
        self._incident_of: dict[str, str] = {}
        self._test_until_ns = started_ns
        self.heard = False
        """Whether the alert service has been heard in this session."""

    @property
    def heartbeat_ns(self) -> int:
        """When the alert service was last heard."""
        return self._heartbeat_ns

    @property
    def items(self) -> list[AlertStateItem]:
        """Incidents that are not resolved, as the alert service last said."""
        return list(self._items.values())

    def restore(self, memory: Memory) -> None:
        """Take up what an earlier session knew."""
        for name in memory.silenced:
            self._silenced[name] = self._started_ns
        for event in memory.receipted:
            self._receipted[event.id] = event
        if memory.down_told:
            self._down_since_ns = self._started_ns - SYSTEM_DOWN_SOUNDS_NS

    def memory(self, now_ns: int) -> Memory:
        """What a later session must know."""
        down_ns = self._down_since_ns
        return Memory(
            down_ns is not None and now_ns - down_ns >= SYSTEM_DOWN_SOUNDS_NS,
            tuple(self._silenced),
            tuple(self._receipted.values()),
        )

    def too_old(self, event_id: str) -> None:
        """An alarm waits from an earlier session, and for so long that it shall not sound."""
        self._old.add(event_id)

    def alert_state(self, state: AlertState, now_ns: int, *, live: bool) -> None:
        """The alert service has said where every incident stands.

        Parameters
        ----------
        live
            False for a retained message: it may be of any age and is no heartbeat.
        """
        if live:
            self.heard = True
            if now_ns - self._heartbeat_ns >= HEARTBEAT_MISSING_NS:
                self._back_since_ns = now_ns
            self._heartbeat_ns = now_ns
            self._down_since_ns = None
        self._items = {}
        self._incident_of = {}
        for item in state.alerts:
            for event_id in item.event_ids:
                self._incident_of[event_id] = item.incident
            if item.state is not IncidentState.RESOLVED:
                self._items[item.incident] = item
            if item.state in _ANSWERED:
                self._forget(item)
            elif live:
                self._hold_silence(item, now_ns)

    def _forget(self, item: AlertStateItem) -> None:
        """Somebody has answered: what is raised after this sounds anew."""
        self._silenced.pop(item.incident, None)
        for event_id in item.event_ids:
            for known in (self._receipted, self._rejected, self._unwritten, self._silenced):
                known.pop(event_id, None)

    def _hold_silence(self, item: AlertStateItem, now_ns: int) -> None:
        """An answer to one of its alarms is an answer to the incident, but not for ever."""
        names = (item.incident, *item.event_ids)
        given = [self._silenced[name] for name in names if name in self._silenced]
        if not given:
            return
        if now_ns - max(*given, self._back_since_ns) < SILENCE_HOLDS_NS:
            self._silenced.setdefault(item.incident, max(given))
            return
        for name in names:
            self._silenced.pop(name, None)

    def receipted(self, event: Event, by: Receiver) -> None:
        """An alarm is durable at a receiver."""
        if by is not Receiver.ALERTS:
            return
        self._unwritten.pop(event.id, None)
        if sounds(event):
            self._receipted[event.id] = event
            while len(self._receipted) > REMEMBERED:
                del self._receipted[next(iter(self._receipted))]

    def rejected(self, event: Event, reason: str) -> None:
        """An alarm will never be accepted: nobody will be called by it."""
        self._rejected[event.id] = event, f"{event.kind.value} rejected: {reason}"

    def unwritten(self, event: Event) -> None:
        """An alarm is in memory only: a power cut would lose it."""
        reason = f"{event.kind.value} could not be written to the card"
        self._unwritten[event.id] = event, reason

    def written(self) -> None:
        """Everything is on the disk again."""
        self._unwritten.clear()

    def silences(self, incident_or_event: str) -> bool:
        """Whether an answer that was given here still counts."""
        incident = self._incident_of.get(incident_or_event, incident_or_event)
        return incident in self._silenced or incident_or_event in self._silenced

    def acknowledge(
        self, incident_or_event: str, pending: Iterable[PendingEvent], now_ns: int
    ) -> str:
        """Somebody answers at the gateway; returns the incident, as far as it is known.

        Everything that is known by now of the same happening is answered with it; what is
        told of it later (a long lie) sounds anew.
        """
        incident = self._incident_of.get(incident_or_event, incident_or_event)
        answered = {incident, incident_or_event}
        answered |= {each for each, known in self._incident_of.items() if known == incident}
        events = [*self.alarms(pending), *self._receipted.values()]
        same = {happening(each) for each in events if each.id in answered}
        answered |= {each.id for each in events if happening(each) in same}
        for name in answered:
            self._silenced[name] = now_ns
        while len(self._silenced) > REMEMBERED:
            del self._silenced[next(iter(self._silenced))]
        self._down_heard()
        return incident

    def test(self, until_ns: int) -> None:
        """Sound the test tone until then."""
        self._test_until_ns = until_ns

    def alarms(self, pending: Iterable[PendingEvent]) -> list[Event]:
        """Alarms that sound, or would, and that the alert service is not known to have."""
        lost = [event for event, _ in (*self._rejected.values(), *self._unwritten.values())]
        waiting = [
            each.event for each in pending if sounds(each.event) and Receiver.ALERTS in each.waiting
        ]
        return list({event.id: event for event in (*lost, *waiting)}.values())

    def awaited(self, now_ns: int) -> list[Event]:
        """Alarms that the alert service has, while it is silent and nobody is known to come."""
        if now_ns - self._heartbeat_ns < HEARTBEAT_MISSING_NS:
            return []
        return list(self._receipted.values())

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
        for item in self._items.values():
            if item.sound and item.state not in _ANSWERED and item.incident not in self._silenced:
                return f"{item.kind} at {item.bed or 'an unknown bed'}: nobody has answered"
        for event, reason in (*self._rejected.values(), *self._unwritten.values()):
            if event.id not in self._silenced:
                return reason
        for entry in pending:
            if (
                sounds(entry.event)
                and Receiver.ALERTS in entry.waiting
                and now_ns - entry.since_ns >= RECEIPT_BUDGET_NS
                and entry.event.id not in self._silenced
                and entry.event.id not in self._old
            ):
                return f"{entry.event.kind.value} of {entry.event.device}: nobody has been called"
        for event in self.awaited(now_ns):
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


def sounds(event: Event) -> bool:
    """Whether an alarm is of those that sound: not while a carer is with her, who is told of it by
    phone; that she is alone is another event.
    """
    return event.kind in SIREN_KINDS and not event.excused


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
