"""What stands behind a scene: a broker that one can listen in on, phones that keep what they
are sent, sirens that remember, and a watcher of the board.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from alerts import Board, ChannelError, Desk, FaultView, IncidentView, Notice
from alerts.policy import LogKind
from contract import topics, wire
from contract.clock import Clock
from contract.events import Event
from contract.gatt import VibratePattern
from contract.messages import IncidentState
from contract.units import NS_PER_S
from edge import Tone
from firmware_sim import SimulatedHome
from messaging import LocalBroker
from wardlight.scenes.cast import CONTACT, Cast
from wardlight.scenes.record import Record, What
from wardlight.scenes.words import QUIET

LOOK_EVERY_S: Final = 0.5
"""Between two looks at the board. The times of what is found there are those of the records;
only the end of a fault is taken down as of the look."""

_EVENTS: Final = f"/{topics.EVENT}/"

_STATES: Final = {
    LogKind.PAGED: IncidentState.OPEN,
    LogKind.DEADLINE_PASSED: IncidentState.OPEN,
    LogKind.SOFTENED: IncidentState.OPEN,
    LogKind.RAISED_AGAIN: IncidentState.OPEN,
    LogKind.PRIORITY_RAISED: IncidentState.OPEN,
    LogKind.NO_ARRIVAL: IncidentState.OPEN,
    LogKind.ACKNOWLEDGED: IncidentState.ACKNOWLEDGED,
    LogKind.ARRIVED: IncidentState.ARRIVED,
    LogKind.RESOLVED: IncidentState.RESOLVED,
}
"""The state that a line of an incident's log brings it to."""


class TappedBroker(LocalBroker):
    """A broker that hands everything that is published to a bystander, who needs no connection
    and so misses nothing in an outage.
    """

    def __init__(self, tap: Callable[[str, bytes], None]) -> None:
        super().__init__()
        self._tap = tap

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, client_id: str = ""
    ) -> None:
        super().publish(topic, payload, retain=retain, client_id=client_id)
        self._tap(topic, payload)


class EventTap:
    """Takes down each event once, however often it is resent."""

    def __init__(self, record: Record, cast: Cast) -> None:
        self._record = record
        self._cast = cast
        self._seen: set[str] = set()

    def __call__(self, topic: str, payload: bytes) -> None:
        if _EVENTS not in topic:
            return
        event = wire.decode(payload, Event)
        if event.id in self._seen:
            return
        self._seen.add(event.id)
        self._record.note(
            What.EVENT,
            value=event.kind,
            resident=self._cast.friendly(event.resident),
            gateway=event.gateway,
            detail=event.detail,
        )


class MemoryChannel:
    """Brings pages to memory; implements `alerts.Channel` for contacts ``memory://…``."""

    name = "memory"

    def __init__(self, record: Record) -> None:
        self._record = record
        self.off: set[str] = set()
        """Identifiers of those whose phone is off."""

    def accepts(self, contact: str) -> bool:
        return contact.startswith(CONTACT)

    async def send(self, notice: Notice) -> None:
        reached = notice.recipient not in self.off
        self._record.note(
            What.PAGE if reached else What.UNDELIVERED,
            value=notice.kind,
            person=notice.recipient,
            incident=notice.incident,
            detail=notice.step,
        )
        if not reached:
            raise ChannelError("the phone is off")


class RememberingSiren:
    """Takes down when it begins, changes and stops; implements `edge.Siren`."""

    troubles: tuple[str, ...] = ()

    def __init__(self, record: Record, gateway: str) -> None:
        self._record = record
        self._gateway = gateway
        self._said: tuple[Tone, str] | None = None

    async def sound(self, tone: Tone, reason: str, volume_percent: int) -> None:
        if self._said != (tone, reason):
            self._said = (tone, reason)
            self._record.note(What.SIREN, value=tone, gateway=self._gateway, detail=reason)

    async def quiet(self) -> None:
        if self._said is not None:
            self._said = None
            self._record.note(What.SIREN, value=QUIET, gateway=self._gateway)


class Watcher:
    """Compares the board, and the simulated home, with what they were at the last look."""

    def __init__(
        self, record: Record, cast: Cast, clock: Clock, desk: Desk, simulation: SimulatedHome
    ) -> None:
        self._record = record
        self._cast = cast
        self._clock = clock
        self._desk = desk
        self._simulation = simulation
        self._revision = -1
        self._read: dict[str, tuple[int, str]] = {}
        """Of each incident: how many lines of its log were read, and its kind as paged."""
        self._faults: dict[int, FaultView] = {}
        self._truths = 0
        self._felt = dict.fromkeys(cast.residents.values(), 0)
        self._worn = {resident: simulation.wearable(resident) for resident in self._felt}
        self._is_board_new = True

    def board_changed(self, _home: str) -> None:
        """The records were changed: without that there is no need to ask them."""
        self._is_board_new = True

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Take down what is new."""
        self._look_at_home()
        if self._is_board_new:
            self._is_board_new = False
            revision = self._desk.revision()
            if revision != self._revision:
                self._revision = revision
                self._look_at_board(self._desk.board())
        self._record.looked()

    def _look_at_board(self, board: Board) -> None:
        for incident in (*board.incidents, *board.watching, *board.recent):
            self._look_at_incident(incident)
        standing = {fault.id: fault for fault in board.faults}
        for identifier, fault in standing.items():
            if identifier not in self._faults:
                self._note_fault(What.FAULT, fault, self._record.moment_ns(fault.since_us))
        for identifier, fault in self._faults.items():
            if identifier not in standing:
                self._note_fault(What.FAULT_CLEARED, fault, None)
        self._faults = standing

    def _note_fault(self, what: What, fault: FaultView, at_ns: int | None) -> None:
        resident = self._cast.friendly(self._cast.wearer(fault.device)) or fault.resident_name
        self._record.note(
            what,
            at_ns=at_ns,
            value=fault.cause,
            resident=resident,
            gateway=fault.gateway,
            detail=fault.detail,
        )

    def _look_at_incident(self, incident: IncidentView) -> None:
        read, kind = self._read.get(incident.id, (0, ""))
        if read == 0 and incident.log and incident.paged_at_us != incident.opened_at_us:
            self._note_incident(What.STATE, incident, IncidentState.UNPAGED, incident.opened_at_us)
        renamed_us = incident.opened_at_us
        for line in incident.log[read:]:
            if line.what == LogKind.EVENT_JOINED and line.detail == incident.kind:
                renamed_us = line.at_us
            state = _STATES.get(LogKind(line.what))
            if state is not None:
                self._note_incident(What.STATE, incident, state, line.at_us, by=line.by)
        if incident.paged_at_us is not None and incident.kind != kind:
            at_us = max(renamed_us, incident.paged_at_us)
            self._note_incident(What.ALERT, incident, incident.kind, at_us)
            kind = incident.kind
        self._read[incident.id] = (len(incident.log), kind)

    def _note_incident(
        self, what: What, incident: IncidentView, value: str, at_us: int, by: str | None = None
    ) -> None:
        self._record.note(
            what,
            at_ns=self._record.moment_ns(at_us),
            value=value,
            resident=self._cast.friendly(incident.resident_id),
            incident=incident.id,
            detail=f"by {by}" if by is not None and what is What.STATE else None,
        )

    def _look_at_home(self) -> None:
        truth = self._simulation.truth
        now_ns = self._clock.monotonic_ns()
        for entry in truth[self._truths :]:
            # Some of it is decided for a moment within the coming second.
            at_ns = entry.at_us * 1_000 - (self._clock.now_ns() - now_ns)
            self._record.note(
                What.TRUTH,
                at_ns=at_ns if abs(at_ns - now_ns) <= 2 * NS_PER_S else now_ns,
                value=entry.what,
                resident=self._cast.friendly(entry.resident),
                detail=entry.detail or None,
            )
        self._truths = len(truth)
        for resident, wearable in self._worn.items():
            if len(wearable.vibrations) == self._felt[resident]:
                continue
            for felt in wearable.vibrations[self._felt[resident] :]:
                self._record.note(
                    What.FEELS,
                    at_ns=felt.at_ns,
                    value=VibratePattern(felt.pattern).name.lower(),
                    resident=self._cast.friendly(resident),
                )
            self._felt[resident] = len(wearable.vibrations)
