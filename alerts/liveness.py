"""Who is heard: gateways and services by their heartbeats, wearables by the gateways' presence.

A heartbeat's age decides, on the monotonic clock. A last will counts only for the session
that it names; within a session the highest sequence wins (DESIGN 4). Changes are written at
once, with the fault that names the beds; ages only now and then, because a commit for every
heartbeat would wear out a gateway's card for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import structlog
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from alerts import absences, cover, faults
from alerts.policy import SILENT_AFTER_S
from alerts.records.database import Database
from alerts.records.models import Absence, Gateway, Resident, Service, Wearable
from contract.clock import Clock, now_us
from contract.events import FaultCause
from contract.messages import LAST_SEQUENCE, AbsenceKind, Presence, Role, Status
from contract.units import NS_PER_S

OLD_SESSIONS: Final = 32
"""How many ended sessions of one sender are remembered, to know their late wills."""

log = structlog.get_logger(__name__)

Row = tuple[Role, bool, str, int | None, list[str]]
"""Of a sender: role, online, session, when it was heard, its beds."""


_SERVICE_AGES: Final = (
    update(Service)
    .where(Service.home == bindparam("of_home"), Service.name == bindparam("of_name"))
    .values(heard_at_us=bindparam("heard_us"))
)
_RESIDENT_AGES: Final = (
    update(Resident)
    .where(
        Resident.home == bindparam("of_home"),
        Resident.id.in_(
            select(Wearable.resident).where(
                Wearable.home == bindparam("of_home"), Wearable.device == bindparam("of_name")
            )
        ),
    )
    .values(last_heard_us=bindparam("heard_us"))
)


class _Heard:
    """What is known of one gateway or service."""

    __slots__ = (
        "beds",
        "buried",
        "ended",
        "heard_ns",
        "heard_us",
        "online",
        "role",
        "sequence",
        "session",
        "workers",
    )

    def __init__(self, role: Role, heard_ns: int) -> None:
        self.role = role
        self.session = ""
        self.sequence = -1
        self.online = True
        self.heard_ns = heard_ns
        self.heard_us: int | None = None
        self.beds: list[str] = []
        self.ended: list[str] = []
        self.buried: dict[str, int] = {}
        """Of the same: the last word that was heard of those that are said to be gone."""
        self.workers: dict[str, tuple[int, int]] = {}
        """Of a service that several processes share: sequence and when it was heard, by the
        session of each that lives."""


class Liveness:
    """Judges who is there. Only from the event loop, except what writes."""

    def __init__(self, home: str, clock: Clock, database: Database) -> None:
        self._home = home
        self._clock = clock
        self._database = database
        self._known: dict[str, _Heard] = {}
        self._changed: set[str] = set()
        self._devices: dict[str, int] = {}

    def load(self) -> None:
        """Begin with everyone who was entered or heard before: whoever stays silent from now
        on is missed.
        """
        heard_ns = self._clock.monotonic_ns()
        with self._database.session() as session:
            for name in session.scalars(select(Gateway.name).where(Gateway.home == self._home)):
                self._known[name] = _Heard(Role.GATEWAY, heard_ns)
            for row in session.scalars(select(Service).where(Service.home == self._home)):
                if row.role == Role.ALERTS:
                    continue
                heard = self._known[row.name] = _Heard(Role(row.role), heard_ns)
                heard.session, heard.online = row.session, row.online
                heard.heard_us, heard.beds = row.heard_at_us, list(row.beds)

    def enter(self, gateways: Iterable[str]) -> None:
        """Expect these gateways too, from now on."""
        for name in gateways:
            if name not in self._known:
                self._known[name] = _Heard(Role.GATEWAY, self._clock.monotonic_ns())

    @property
    def gateways(self) -> list[str]:
        """Every gateway known, heard or not."""
        return [name for name, heard in self._known.items() if heard.role is Role.GATEWAY]

    @property
    def changed(self) -> bool:
        """Whether there is something for `write`."""
        return bool(self._changed)

    def hear(self, status: Status, *, retained: bool) -> bool:
        """Take in a heartbeat or a will.

        Parameters
        ----------
        status
            As it came.
        retained
            Whether the broker kept it: then nobody knows how old it is, and it gives the
            sender the usual time to speak for itself.

        Returns
        -------
        bool
            Whether this sender was unknown before.
        """
        heard = self._known.get(status.name)
        is_new = heard is None
        if heard is None:
            heard = self._known[status.name] = _Heard(status.role, self._clock.monotonic_ns())
            self._changed.add(status.name)
        if status.role is Role.INGEST:
            self._hear_worker(heard, status, retained=retained)
            return is_new
        # The broker's word for a connection that it lost. Whoever speaks after it lives: the
        # connection alone was gone, so it does not count as this session's last.
        is_will = not status.online and status.sequence == LAST_SEQUENCE
        if not self._is_news(heard, status, is_will=is_will):
            return is_new
        if not is_will:
            heard.sequence = status.sequence
        if (heard.online, heard.role, heard.beds) != (status.online, status.role, status.beds):
            self._changed.add(status.name)
        heard.role, heard.online, heard.beds = status.role, status.online, list(status.beds)
        if status.online:
            heard.heard_ns = self._clock.monotonic_ns()
            if not retained:
                heard.heard_us = now_us(self._clock)
        return is_new

    @staticmethod
    def _is_news(heard: _Heard, status: Status, *, is_will: bool) -> bool:
        """Whether this counts; a new session is the sender's from then on."""
        if status.session == heard.session:
            return is_will or status.sequence > heard.sequence
        if status.session in heard.ended:
            log.info("late_word_of_an_ended_session", sender=status.name, online=status.online)
            return False
        if heard.sequence >= 0 and not status.online:
            # A will of a session that we never heard cannot end the one that we do hear.
            return False
        heard.ended = [*heard.ended[1 - OLD_SESSIONS :], heard.session]
        heard.session, heard.sequence = status.session, -1
        return True

    def _hear_worker(self, heard: _Heard, status: Status, *, retained: bool) -> None:
        """One of the processes that do one service's work: it is gone when all of them are."""
        last = heard.buried.get(status.session, -1)
        last, _ = heard.workers.get(status.session, (last, 0))
        if status.sequence <= last:
            return
        now_ns = self._clock.monotonic_ns()
        if status.online:
            # A will is the broker's word for a connection that it lost. Whoever speaks after it
            # lives: the connection alone was gone.
            heard.buried.pop(status.session, None)
            heard.workers[status.session] = (status.sequence, now_ns)
            heard.session, heard.heard_ns = status.session, now_ns
            if not retained:
                heard.heard_us = now_us(self._clock)
        elif status.session in heard.workers or not heard.workers:
            heard.workers.pop(status.session, None)
            if status.sequence != LAST_SEQUENCE:
                last = status.sequence  # a goodbye of its own: nothing older revives it
            heard.buried[status.session] = last
            while len(heard.buried) > OLD_SESSIONS:
                del heard.buried[next(iter(heard.buried))]
        self._settle_workers(status.name, heard)

    def _settle_workers(self, name: str, heard: _Heard) -> None:
        is_online = bool(heard.workers)
        if (heard.online, heard.role) != (is_online, Role.INGEST):
            self._changed.add(name)
        heard.online, heard.role = is_online, Role.INGEST

    def hear_devices(self, presence: Presence) -> None:
        """Take in which wearables a gateway hears."""
        moment_us = now_us(self._clock)
        for device in presence.heard:
            self._devices[device] = moment_us

    def judge(self) -> None:
        """Find who has been silent for too long."""
        oldest_ns = self._clock.monotonic_ns() - SILENT_AFTER_S * NS_PER_S
        for name, heard in self._known.items():
            silent = [each for each, (_, at_ns) in heard.workers.items() if at_ns < oldest_ns]
            for session in silent:
                del heard.workers[session]
            if silent:
                self._settle_workers(name, heard)
            elif heard.online and heard.heard_ns < oldest_ns:
                heard.online = False
                self._changed.add(name)

    def take_changes(self) -> dict[str, Row]:
        """What `write` is to write; asked for in the event loop."""
        changes = {name: self._row(self._known[name]) for name in self._changed}
        self._changed = set()
        return changes

    def retell(self) -> None:
        """Write everything that is known, as after another worker wrote in our place."""
        self._changed.update(
            name for name, heard in self._known.items() if heard.session or not heard.online
        )

    def put_back(self, changes: Iterable[str]) -> None:
        """`write` failed: write these again, as they stand then."""
        self._changed.update(changes)

    def take_ages(self) -> tuple[dict[str, int], dict[str, int]]:
        """What `write_ages` is to write: times of services and of devices."""
        services = {
            name: heard.heard_us
            for name, heard in self._known.items()
            if heard.heard_us is not None and heard.online
        }
        devices, self._devices = self._devices, {}
        return services, devices

    @staticmethod
    def _row(heard: _Heard) -> Row:
        return heard.role, heard.online, heard.session, heard.heard_us, list(heard.beds)

    def write(self, changes: dict[str, Row]) -> None:
        """Write who came and went, with the faults."""
        moment_us = now_us(self._clock)
        with self._database.transaction(self._home) as session:
            for name, change in sorted(changes.items()):
                role, online, run, heard_us, beds = change
                row = session.get(Service, (self._home, name))
                if row is None:
                    row = Service(home=self._home, name=name)
                    session.add(row)
                row.role, row.online, row.session = role, online, run
                row.heard_at_us, row.beds = heard_us, beds
                log.info("service_heard" if online else "service_silent", name=name, role=role)
            session.flush()
            out = cover.uncovered(session, self._home)
            for name, change in sorted(changes.items()):
                self._write_fault(session, name, change, out, moment_us)

    def write_own(self, name: str, run: str, *, online: bool) -> None:
        """Write that the alert service itself comes or goes."""
        with self._database.transaction(self._home) as session:
            row = session.get(Service, (self._home, name))
            if row is None:
                row = Service(home=self._home, name=name, role=Role.ALERTS, beds=[])
                session.add(row)
            row.session, row.online, row.heard_at_us = run, online, now_us(self._clock)

    def end_leaves(self, ages: tuple[dict[str, int], dict[str, int]]) -> None:
        """End the leave of whoever is heard again; before `write_ages`, whose times are compared.

        Parameters
        ----------
        ages
            From `take_ages`.
        """
        _, devices = ages
        with self._database.session() as session:
            on_leave = session.scalars(
                select(Absence.id)
                .where(
                    Absence.home == self._home,
                    Absence.kind == AbsenceKind.LEAVE,
                    Absence.ended_at_us.is_(None),
                )
                .limit(1)
            ).first()
        if on_leave is not None and devices:
            with self._database.transaction(self._home) as session:
                absences.end_heard(session, self._home, devices)

    def write_ages(self, own: str, ages: tuple[dict[str, int], dict[str, int]]) -> None:
        """Write when everyone was heard last, and that we are alive: statements prepared once,
        because this goes on day and night.

        Parameters
        ----------
        own
            Our own name.
        ages
            From `take_ages`.
        """
        services, devices = ages
        heard = services | {own: now_us(self._clock)}
        with self._database.transaction(self._home, visible=False) as session:
            connection = session.connection()
            for statement, found in ((_SERVICE_AGES, heard), (_RESIDENT_AGES, devices)):
                if found:
                    connection.execute(
                        statement,
                        [
                            {"of_home": self._home, "of_name": name, "heard_us": heard_us}
                            for name, heard_us in sorted(found.items())
                        ],
                    )

    def _write_fault(
        self, session: Session, name: str, row: Row, out: Mapping[str, str], moment_us: int
    ) -> None:
        role, online, *_ = row
        is_gateway = role is Role.GATEWAY
        cause = FaultCause.GATEWAY_SILENT if is_gateway else FaultCause.SERVICE_SILENT
        about = faults.About(
            f"{'gateway' if is_gateway else 'service'}:{name}", gateway=name if is_gateway else None
        )
        if online:
            faults.clear(session, self._home, cause, about, now_us=moment_us)
            return
        if is_gateway:
            beds = ", ".join(cover.beds_of(out, name))
            detail = (
                f"{name} is silent. Not watched: {beds}. Look in on them, and check its power and "
                "network."
                if beds
                else f"{name} is silent; other gateways hear its beds. Check its power and network."
            )
        else:
            detail = f"The {name} service is silent. Check that it runs."
        faults.report(session, self._home, cause, about, detail=detail, now_us=moment_us)
