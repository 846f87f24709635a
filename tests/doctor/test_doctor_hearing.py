"""What heartbeats prove, in virtual time: who lives, what they say of themselves, whose clock is
wrong, and which beds nobody hears."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import msgspec
import pytest

from alerts import Database, Desk, Directory
from contract import topics, wire
from contract.clock import VirtualClock, now_us
from contract.ids import UuidSource
from contract.messages import (
    LAST_SEQUENCE,
    MESSAGE_SCHEMA,
    AbsenceKind,
    AlertState,
    Presence,
    Role,
    Status,
)
from contract.units import NS_PER_S
from messaging import LocalBroker, LocalBus
from wardlight.doctor import Context, Level, examine
from wardlight.doctor.table import CONNECTION, checks_of
from wardlight.roster import enrol

DEVICES = {f"wearable-{number}": -60.0 for number in range(1, 7)}


@dataclass
class Script:
    """A home whose heartbeats are written by hand."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    broker: LocalBroker = field(default_factory=LocalBroker)
    retained: list[Status] = field(default_factory=list)
    """Said before the doctor comes."""
    gateways: tuple[str, ...] = ("gateway-a", "gateway-b")
    """Those that show their presence each second."""
    hears: dict[str, float] = field(default_factory=lambda: dict(DEVICES))
    ahead_s: float = 0.0
    """Of gateway-a's clock."""
    alert_state: bool = True
    statuses: list[Status] = field(default_factory=list)
    """Said while the doctor listens, after 2 s."""
    raw: dict[str, bytes] = field(default_factory=dict)
    elapsed_s: float = 0.0

    def status(self, name: str, **values: object) -> Status:
        role = {"ingest": Role.INGEST, "alerts": Role.ALERTS}.get(name, Role.GATEWAY)
        return Status(
            **{
                "schema": MESSAGE_SCHEMA,
                "role": role,
                "name": name,
                "session": "now",
                "sequence": 1,
                "online": True,
                "at_us": now_us(self.clock),
                **values,
            }
        )

    def report(self, looking, *only: str):
        class Here(Context):
            def bus(context, purpose: str) -> LocalBus:  # noqa: N805 - self is the script
                return LocalBus(self.broker, purpose, self.clock)

        async def main():
            mouth = LocalBus(self.broker, "mouth", self.clock)
            running = asyncio.create_task(mouth.run((), ignore))
            await self.clock.sleep(1)
            for status in self.retained:
                await say(mouth, status)
            for topic, payload in self.raw.items():
                await mouth.publish(topic, payload, retain=True)
            speaking = asyncio.create_task(self._speak(mouth))
            began_ns = self.clock.monotonic_ns()
            context = Here(looking.settings(), self.clock, machine=self.clock)
            try:
                return await examine(context, heard_alone(context), only)
            finally:
                self.elapsed_s = (self.clock.monotonic_ns() - began_ns) / NS_PER_S
                for task in (running, speaking):
                    task.cancel()
                await asyncio.gather(running, speaking, return_exceptions=True)

        return self.clock.run(main())

    async def _speak(self, mouth: LocalBus) -> None:
        for second in range(60):
            await self.clock.sleep(1)
            for name in self.gateways:
                ahead_us = round(self.ahead_s * 1e6) if name == "gateway-a" else 0
                presence = Presence(
                    schema=MESSAGE_SCHEMA,
                    gateway=name,
                    session="now",
                    sequence=second,
                    at_us=now_us(self.clock) + ahead_us,
                    heard=self.hears,
                )
                topic = topics.build("demo", name, topics.PRESENCE)
                await mouth.publish(topic, wire.encode(presence))
            if self.alert_state:
                state = AlertState(
                    schema=MESSAGE_SCHEMA, session="now", sequence=second, at_us=now_us(self.clock)
                )
                topic = topics.build("demo", "gateway-a", topics.ALERT_STATE)
                await mouth.publish(topic, wire.encode(state))
            if second == 2:
                for status in self.statuses:
                    at_us = now_us(self.clock)
                    await say(mouth, msgspec.structs.replace(status, at_us=at_us))


def heard_alone(context: Context):
    """The checks that go by heartbeats, without the connection that they need in a home."""
    return [replace(c, needs=None) for c in checks_of(context) if c.needs == CONNECTION]


async def ignore(_: object) -> None:
    pass


async def say(bus: LocalBus, status: Status) -> None:
    await bus.publish(
        topics.build("demo", status.name, topics.STATUS), wire.encode(status), retain=True
    )


@pytest.fixture
def script() -> Script:
    made = Script()
    made.statuses.append(made.status("ingest"))
    return made


GROUPS = ("gateways", "services", "clock")


def test_a_home_that_speaks_is_in_order_and_soon_known(script, looking, found) -> None:
    report = script.report(looking, *GROUPS)
    assert report.level is Level.OK, report
    assert script.elapsed_s < 5, "nobody listens longer than needed"


def test_a_late_will_of_a_superseded_session_buries_nobody(script, looking, found) -> None:
    will = {"online": False, "sequence": LAST_SEQUENCE, "session": "before"}
    script.retained.append(script.status("gateway-a", **will))
    script.statuses.insert(0, script.status("gateway-b", **will))
    report = script.report(looking, "gateways")
    assert found(report, "gateways / gateway-a").level is Level.OK
    assert found(report, "gateways / gateway-b").level is Level.OK


def test_a_worker_that_dies_beside_another_takes_no_service_down(script, looking, found) -> None:
    script.retained.append(script.status("ingest"))
    script.statuses[:] = [
        script.status("ingest"),
        script.status("ingest", online=False, sequence=LAST_SEQUENCE, session="another"),
    ]
    assert found(script.report(looking, "services"), "services / ingest").level is Level.OK


def test_the_will_of_the_present_session_counts(script, looking, found) -> None:
    script.gateways = ("gateway-b",)
    script.retained.append(script.status("gateway-a"))
    script.statuses.append(script.status("gateway-a", online=False, sequence=LAST_SEQUENCE))
    entry = found(script.report(looking, "gateways"), "gateways / gateway-a")
    assert entry.level is Level.FAULT
    assert entry.found == "the broker lost it without a goodbye"


def test_a_status_that_stays_proves_nothing(script, looking, found) -> None:
    script.gateways = ()
    script.retained += [script.status("gateway-a"), script.status("gateway-b")]
    report = script.report(looking, "gateways")
    for name in ("gateway-a", "gateway-b"):
        entry = found(report, f"gateways / {name}")
        assert entry.level is Level.FAULT
        assert "silent for 16 s of listening" in entry.found
    assert found(report, "gateways / beds").figures["beds_without_cover"] == 6


@pytest.mark.parametrize(
    ("cause", "level", "advice"),
    [
        ("battery_low", Level.WARNING, "Charge"),
        ("outbox_unwritable", Level.FAULT, "disk"),
        ("something_new", Level.FAULT, "Update"),
    ],
)
def test_what_a_gateway_says_of_itself_stands(
    script, looking, found, *, cause: str, level: Level, advice: str
) -> None:
    script.retained.append(script.status("gateway-a", faults=["not_worn", cause]))
    entry = found(script.report(looking, "gateways"), "gateways / gateway-a")
    assert entry.level is level
    assert cause in entry.found
    assert level is Level.WARNING or advice in entry.advice


def test_an_event_that_waits_is_a_warning(script, looking, found) -> None:
    script.retained.append(script.status("gateway-a", counts={"outbox_oldest_s": 300.0}))
    entry = found(script.report(looking, "gateways"), "gateways / gateway-a")
    assert entry.level is Level.WARNING
    assert "5 min" in entry.found


def test_an_alert_service_without_alert_state_calls_nobody(script, looking, found) -> None:
    script.alert_state = False
    script.statuses.append(script.status("alerts"))
    entry = found(script.report(looking, "services"), "services / alerts")
    assert entry.level is Level.FAULT
    assert "no alert state" in entry.found


def test_beds_are_covered_by_what_is_heard_and_not_by_processes(script, looking, found) -> None:
    script.hears = {"wearable-1": -60.0, "wearable-2": -70.0}
    counts = {"heard_s_ago: wearable-3": 40.0, "heard_s_ago: wearable-4": 120.0}
    script.retained.append(script.status("gateway-a", counts=counts))
    entry = found(script.report(looking, "gateways"), "gateways / beds")
    assert entry.level is Level.FAULT
    assert entry.found == "3 of 6 beds without cover: 2/F 212-B, 2/F 213-A, 2/F 213-B"


def test_whose_each_wearable_is_now_the_records_say(script, looking, found) -> None:
    """Two were exchanged on the board, one was given to who had none, and one is bathing."""
    settings = looking.settings()
    clock = VirtualClock()
    database = Database(settings.alerts.database)
    database.upgrade()
    directory = Directory(database, settings.home.id, clock)
    enrol(settings, directory)
    directory.exchange("wearable-1", "wearable-6")
    directory.retire("wearable-2")
    directory.add_wearable("spare", address="C0:DE:5A:00:00:77", resident="resident-2")
    desk = Desk(database, clock, UuidSource(clock), settings.home.id)
    desk.absent("resident-3", AbsenceKind.BATHING, "mei")
    database.close()
    script.hears = dict.fromkeys(("wearable-1", "spare", "wearable-4", "wearable-5"), -60.0)
    script.retained.append(script.status("gateway-a"))
    entry = found(script.report(looking, "gateways"), "gateways / beds")
    assert entry.found == "1 of 5 beds without cover: 2/F 211-A", entry


@pytest.mark.parametrize(
    ("ahead_s", "level", "said"),
    [
        (0.5, Level.OK, ""),
        (5.0, Level.WARNING, "gateway-a 5 s ahead"),
        (-7_200.0, Level.FAULT, "gateway-a 2 h behind"),
    ],
)
def test_clocks_are_compared(
    script, looking, found, *, ahead_s: float, level: Level, said: str
) -> None:
    script.ahead_s = ahead_s
    entry = found(script.report(looking, "clock"), "clock / the others'")
    assert entry.level is level
    assert said in entry.found
    assert entry.figures["gateway-a_ahead_s"] == pytest.approx(ahead_s, abs=0.1)


def test_what_nobody_can_read_is_said(script, looking, found) -> None:
    topic = topics.build("demo", "gateway-z", topics.STATUS)
    script.raw[topic] = b'{"schema": 99}'
    entry = found(script.report(looking, "gateways"), "gateways / others")
    assert entry.level is Level.WARNING
    assert "version 99 is unknown" in entry.found
    assert f"mosquitto_pub -r -n -t '{topic}'" in entry.advice
