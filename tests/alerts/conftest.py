"""A ward for timelines: what happens goes in with its second, what people saw comes out."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from alerts import (
    AlertService,
    ChannelError,
    Database,
    Desk,
    Directory,
    IncidentView,
    Notice,
    StaffRole,
)
from contract import topics
from contract.clock import VirtualClock, now_us
from contract.events import EVENT_SCHEMA, Event, EventKind
from contract.flood import Allowance
from contract.ids import seeded_ids
from contract.messages import (
    LAST_SEQUENCE,
    MESSAGE_SCHEMA,
    AlertState,
    GatewayConfig,
    Outcome,
    Receipt,
    Role,
    Status,
)
from contract.protocols import Message
from contract.units import MS_PER_S, US_PER_S
from contract.wire import decode, encode
from messaging import LocalBroker, LocalBus

HOME = "demo"
TOLERANCE_S = 0.3
"""The pulse looks every quarter of a second."""


class PagerChannel:
    """Pagers of a home, with the real interface: rings, or is out of order."""

    name = "pager"

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.rung: list[tuple[float, str, Notice]] = []
        self.broken: set[str] = set()
        self.hanging: set[str] = set()
        self.delay_s = 0.0
        self.origin_ns = clock.monotonic_ns()

    def accepts(self, contact: str) -> bool:
        return contact.startswith("pager:")

    async def send(self, notice: Notice) -> None:
        if notice.recipient in self.hanging:
            await self.clock.sleep(9)
            raise ChannelError("no answer")
        if self.delay_s:
            await self.clock.sleep(self.delay_s)
        if notice.recipient in self.broken:
            raise ChannelError("out of order")
        at_s = (self.clock.monotonic_ns() - self.origin_ns) / 1e9
        self.rung.append((at_s, notice.recipient, notice))


class Ward:
    """One home in virtual time. Seconds count from `begin`."""

    def __init__(self, folder: Path, url: str) -> None:
        self.clock = VirtualClock()
        self.ids = seeded_ids(self.clock, "ward")
        self.folder = folder
        self.url = url
        self.database = self.open_database()
        self.broker = LocalBroker()
        self.pagers = PagerChannel(self.clock)
        self.sequence = itertools.count(1)
        self.runs = itertools.count(1)
        self.receipts: list[Receipt] = []
        self.states: list[AlertState] = []
        self.configs: list[GatewayConfig] = []
        self.service: asyncio.Task[None] | None = None
        self.service_bus: LocalBus | None = None
        self.tasks: list[asyncio.Task[None]] = []
        self.wall_jumped_us = 0
        self.allowance: Allowance | None = None
        self.directory = Directory(self.database, HOME, self.clock)
        self.desk = Desk(self.database, self.clock, self.ids, HOME)

    def open_database(self) -> Database:
        """One more door to the same records, as another process has it."""
        return Database(self.url)

    # --- running ---------------------------------------------------------------------------

    async def begin(self) -> None:
        self.gateway_bus = LocalBus(self.broker, "gateway-a", self.clock)
        filters = [
            topics.build(HOME, "gateway-a", branch)
            for branch in (topics.RECEIPT, topics.ALERT_STATE, topics.CONFIG)
        ]
        self.tasks.append(asyncio.create_task(self.gateway_bus.run(filters, self._on_messages)))
        await self.start_service()
        self.origin_ns = self.pagers.origin_ns = self.clock.monotonic_ns()
        self.origin_us = now_us(self.clock)

    async def start_service(self) -> None:
        run = next(self.runs)
        self.service_bus = LocalBus(self.broker, "alerts", self.clock)
        service = AlertService(
            HOME,
            self.clock,
            self.ids,
            self.service_bus,
            self.database,
            [self.pagers],
            f"alerts-run-{run}",
            allowance=self.allowance,
        )
        self.service = asyncio.create_task(service.run())
        while not self.service_bus.connected:
            await self.clock.sleep(0)
        await self.clock.sleep(0.01)

    async def stop_service(self, *, kill: bool = False) -> None:
        assert self.service is not None
        assert self.service_bus is not None
        if kill:
            self.service_bus.kill()
        self.service.cancel()
        await asyncio.gather(self.service, return_exceptions=True)

    async def end(self) -> None:
        if self.service is not None:
            if self.service.done() and not self.service.cancelled():
                self.service.result()
            await self.stop_service()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()

    def play(self, *timeline: tuple[float, Callable[[], object]], until: float) -> None:
        """Do each thing at its second, in virtual time, and stop at `until`."""

        async def main() -> None:
            await self.begin()
            try:
                for at_s, action in sorted(timeline, key=lambda entry: entry[0]):
                    await self.reach(at_s)
                    result = action()
                    if asyncio.iscoroutine(result):
                        await result
                await self.reach(until)
                self.last_board = self.desk.board()
            finally:
                await self.end()

        self.clock.run(main())

    async def reach(self, at_s: float) -> None:
        ahead_s = at_s - (self.clock.monotonic_ns() - self.origin_ns) / 1e9
        if ahead_s > 0:
            await self.clock.sleep(ahead_s)

    def jump(self, seconds: float) -> Callable[[], None]:
        """For a timeline: the wall clock is set."""
        return lambda: self.clock.jump_wall(seconds)

    async def _on_messages(self, messages: list[Message]) -> None:
        for message in messages:
            branch = topics.parse(message.topic).branch
            if branch == topics.RECEIPT:
                self.receipts.append(decode(message.payload, Receipt))
            elif branch == topics.ALERT_STATE:
                self.states.append(decode(message.payload, AlertState))
            else:
                self.configs.append(decode(message.payload, GatewayConfig))

    # --- what goes in ----------------------------------------------------------------------

    def event(self, kind: EventKind, *, ago_s: float | None = 0.0, took_s: float = 0.0, **fields):
        """An event that happened `ago_s` before it is sent, and took `took_s` to be made."""
        at_us = now_us(self.clock) - round((ago_s or 0.0) * US_PER_S)
        values = {
            "schema": EVENT_SCHEMA,
            "id": self.ids.new(),
            "kind": kind,
            "home": HOME,
            "gateway": "gateway-a",
            "session": "gateway-run-1",
            "sequence": next(self.sequence),
            "boot": "boot-1",
            "clock": "synced",
            "at_us": at_us,
            "emitted_at_us": at_us + round(took_s * US_PER_S),
            "age_ms": None if ago_s is None else round(ago_s * MS_PER_S),
        }
        if "device" not in fields and "resident" not in fields:
            values |= {"resident": "r1", "device": "w1", "zone": "room-1"}
        return Event(**(values | fields))

    def send(self, event: Event, *, topic: str | None = None) -> None:
        """Publish as a gateway does."""
        where = topic or topics.event_topic(event.home, event.gateway, event.kind)
        self.broker.publish(where, encode(event))

    def say(self, kind: EventKind, **fields) -> Callable[[], None]:
        """For a timeline: an event made at that moment."""
        return lambda: self.send(self.event(kind, **fields))

    def heartbeat(
        self,
        name: str = "gateway-a",
        *,
        session: str = "gateway-run-1",
        sequence: int | None = None,
        online: bool = True,
        beds: tuple[str, ...] = ("2/F 211", "2/F 212"),
        role: Role = Role.GATEWAY,
    ) -> Callable[[], None]:
        def publish() -> None:
            number = next(self.sequence) if sequence is None else sequence
            status = Status(
                schema=MESSAGE_SCHEMA,
                role=role,
                name=name,
                session=session,
                sequence=number if online else LAST_SEQUENCE,
                online=online,
                at_us=now_us(self.clock),
                beds=list(beds),
            )
            topic = topics.build(HOME, name, topics.STATUS)
            self.broker.publish(topic, encode(status), retain=True)

        return publish

    def acknowledge(self, staff: str = "mei") -> Callable[[], None]:
        return lambda: self.desk.acknowledge(self.only().id, staff)

    def arrive(self, staff: str = "mei") -> Callable[[], None]:
        return lambda: self.desk.arrive(self.only().id, staff)

    def resolve(self, outcome: str, staff: str = "mei") -> Callable[[], None]:
        return lambda: self.desk.resolve(self.only().id, staff, outcome)

    # --- what comes out --------------------------------------------------------------------

    def incidents(self) -> list[IncidentView]:
        board = self.desk.board()
        return [*board.incidents, *board.watching, *board.recent]

    def only(self) -> IncidentView:
        (incident,) = self.incidents()
        return incident

    def rings(self) -> list[tuple[float, str]]:
        """Who was called when, in seconds."""
        return [(at_s, who) for at_s, who, _ in self.pagers.rung]

    def want_rings(self, *wanted: tuple[float, str], tolerance: float = TOLERANCE_S) -> None:
        """Exactly these calls; several people of one step are joined by a space."""
        expected = sorted((at_s, who) for at_s, names in wanted for who in names.split())
        seen = sorted(self.rings())
        assert [who for _, who in seen] == [who for _, who in expected], (seen, expected)
        for (seen_s, _), (wanted_s, _) in zip(seen, expected, strict=True):
            assert wanted_s - 0.01 <= seen_s <= wanted_s + tolerance, (seen, expected)

    def outcomes(self, event_id: str) -> list[Outcome]:
        return [each.outcome for each in self.receipts if event_id in each.ids]

    def seconds(self, moment_us: int | None) -> float:
        assert moment_us is not None
        return (moment_us - self.origin_us) / US_PER_S


def enter_people(directory: Directory) -> None:
    """Three residents on two floors, a gateway, three carers and a manager."""
    for number, floor in ((1, "2/F"), (2, "2/F"), (3, "3/F")):
        resident = f"r{number}"
        directory.add_resident(
            resident,
            name=f"Resident {number}",
            bed=f"{floor} 21{number}",
            floor=floor,
            zone=f"room-{number}",
        )
        directory.add_wearable(
            f"w{number}",
            address=f"aa:00:00:00:00:0{number}",
            identity=number,
            resident=resident,
        )
    directory.add_gateway("gateway-a", zone="room-1")
    for staff, floor, role in (
        ("mei", "2/F", StaffRole.CARE_WORKER),
        ("wai", "2/F", StaffRole.HEALTH_WORKER),
        ("ka", "3/F", StaffRole.CARE_WORKER),
        ("boss", None, StaffRole.MANAGER),
    ):
        directory.add_staff(
            staff,
            name=staff.title(),
            role=role,
            floor=floor,
            contact=f"pager:{staff}",
            on_duty=role is not StaffRole.MANAGER,
        )
    directory.assign("mei", "r1")


@pytest.fixture
def people():
    """For tests that enter everybody again."""
    return enter_people


@pytest.fixture(scope="session", autouse=True)
def plain_logs():
    """No drawn tracebacks: they take longer than the tests."""
    structlog.configure(
        processors=[
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture
def database_kind():
    """On what the records are; a module that is to run on both parametrizes this."""
    return "sqlite"


@pytest.fixture(scope="session")
def staffed_file(tmp_path_factory):
    """Upgraded and filled once, copied for each ward."""
    path = tmp_path_factory.mktemp("records") / "staffed.sqlite"
    _fill(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def staffed_template(postgresql):
    """The same on PostgreSQL."""
    _fill(postgresql.make_database("staffed"))
    return "staffed"


def _fill(url: str) -> None:
    database = Database(url)
    database.upgrade()
    enter_people(Directory(database, HOME, VirtualClock()))
    database.close()


@pytest.fixture
def staffed_url(request, database_kind):
    """Makes copies of records with people in them, each in a folder of its own."""
    made: list[str] = []

    def make(folder: Path) -> str:
        if database_kind == "sqlite":
            copy = folder / "alerts.sqlite"
            shutil.copy(request.getfixturevalue("staffed_file"), copy)
            return f"sqlite:///{copy}"
        template = request.getfixturevalue("staffed_template")
        made.append(f"ward_{next(_NUMBERS)}")
        return request.getfixturevalue("postgresql").make_database(made[-1], template)

    yield make
    for name in made:
        request.getfixturevalue("postgresql").drop_database(name)


_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def quick_folder(tmp_path_factory):
    """In memory where that is to be had: every commit waits for its disk (synchronous=FULL),
    and hundreds of wards on one disk wait for each other."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("wards")
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def ward_folder(quick_folder):
    return Path(tempfile.mkdtemp(dir=quick_folder))


@pytest.fixture
def ward(ward_folder, staffed_url):
    made = Ward(ward_folder, staffed_url(ward_folder))
    yield made
    made.database.close()


@pytest.fixture
def make_ward(quick_folder, staffed_url):
    """For property tests: a fresh ward for each example."""
    made: list[Ward] = []

    def make() -> Ward:
        for old in made:
            old.database.close()
        made.clear()
        folder = Path(tempfile.mkdtemp(dir=quick_folder))
        made.append(Ward(folder, staffed_url(folder)))
        return made[0]

    yield make
    for old in made:
        old.database.close()
