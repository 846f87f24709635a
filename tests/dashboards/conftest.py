"""A real home behind the web pages: records on SQLite, the alert service on a broker in
memory, and the application on a real socket."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import update

from alerts import AlertService, Database, Desk, Directory, StaffRole
from alerts.records.models import Resident, Service
from contract import topics
from contract.clock import Clock, SystemClock, now_us
from contract.events import EVENT_SCHEMA, Event, EventKind
from contract.ids import UuidSource
from contract.messages import MESSAGE_SCHEMA, Role, Status
from contract.wire import encode
from dashboards.web import RunningServer, create_app, serve
from messaging import LocalBroker, LocalBus

HOME = "sunshine"
GATEWAY = "gateway-a"
NASTY_NAME = 'O\'Neil <b>&"Bo"</b><script>alert(1)</script>'
LIMIT_S = 8.0
"""Generous: nothing here takes a tenth of it on a machine at rest."""


async def _eventually(condition: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    """Wait until `condition` holds."""
    clock = SystemClock()
    end_ns = clock.monotonic_ns() + int(LIMIT_S * 1e9)
    while clock.monotonic_ns() < end_ns:
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        await clock.sleep(0.02)
    pytest.fail(f"{what}: not within {LIMIT_S} s")


@dataclass
class WebHome:
    """A running home and its web server."""

    clock: Clock
    broker: LocalBroker
    database: Database
    desk: Desk
    web: RunningServer
    ids: UuidSource
    alerts: asyncio.Task[None]
    sequence: int = 0

    def publish(self, kind: EventKind, resident: str = "resident-1", **values: object) -> Event:
        """Let a gateway say something now."""
        self.sequence += 1
        moment = now_us(self.clock)
        event = Event(
            schema=EVENT_SCHEMA,
            id=self.ids.new(),
            kind=kind,
            home=HOME,
            gateway=GATEWAY,
            session="session-of-a-gateway",
            sequence=self.sequence,
            boot="boot",
            clock="synced",
            emitted_at_us=moment,
            **{
                "at_us": moment,
                "age_ms": 0,
                "resident": resident,
                "device": resident.replace("resident", "wearable"),
                "zone": "corridor-2",
                "key": f"{resident}-{kind}-{self.sequence}",
                **values,
            },
        )
        self.broker.publish(topics.event_topic(HOME, GATEWAY, kind), encode(event))
        return event

    def heartbeat(self, *, online: bool = True) -> None:
        """Let the gateway be heard, or its last will."""
        self.sequence += 1
        status = Status(
            schema=MESSAGE_SCHEMA,
            role=Role.GATEWAY,
            name=GATEWAY,
            session="session-of-a-gateway",
            sequence=self.sequence,
            online=online,
            at_us=now_us(self.clock),
            beds=["2/F 212-B", "2/F 214-A"],
        )
        topic = topics.build(HOME, GATEWAY, topics.STATUS)
        self.broker.publish(topic, encode(status), retain=True)

    async def fall(self, resident: str = "resident-1") -> str:
        """A fall detected; returns the incident's id once the board has it."""
        before = {view.id for view in self.desk.board().incidents}
        event = self.publish(
            EventKind.FALL_DETECTED,
            resident,
            fall_id=f"fall-{self.sequence}",
            detail="Impact of 3.1 g, then lying still.",
        )

        def fresh() -> list[str]:
            return [view.id for view in self.desk.board().incidents if view.id not in before]

        await _eventually(lambda: bool(fresh()), f"incident for {event.kind}")
        return fresh()[0]

    async def silence_alerts(self) -> None:
        """Kill the alert service, and let as much time pass in the records as makes it
        silent."""
        self.alerts.cancel()
        await asyncio.gather(self.alerts, return_exceptions=True)
        with self.database.transaction(HOME) as session:
            session.execute(
                update(Service).where(Service.role == Role.ALERTS).values(heard_at_us=0)
            )

    async def watched(self) -> None:
        """Wait until everything is being watched and the board says so."""
        self.heartbeat()
        with self.database.transaction(HOME) as session:
            session.execute(update(Resident).values(last_heard_us=now_us(self.clock)))
        await _eventually(
            lambda: all(view.state == "ok" for view in self.desk.board().residents),
            "every resident watched",
        )

    def client(self, staff: str | None = None, **options: object) -> httpx.AsyncClient:
        """A browser: it says where its posts come from; with `staff` it has chosen a name."""
        return httpx.AsyncClient(
            base_url=self.web.url,
            headers={"Origin": self.web.url.rstrip("/")},
            cookies={"wardlight_staff": staff} if staff else None,
            follow_redirects=True,
            timeout=LIMIT_S,
            **options,
        )


@pytest.fixture(scope="session")
def entered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of a home with two residents and two carers, to be copied for each test."""
    path = tmp_path_factory.mktemp("entered") / "alerts.sqlite"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    directory = Directory(database, HOME, SystemClock())
    for number, (name, bed) in enumerate(
        (("Chan Tai Man", "2/F 212-B"), (NASTY_NAME, "2/F 214-A")), start=1
    ):
        resident = f"resident-{number}"
        directory.add_resident(resident, name=name, bed=bed, floor="2", zone="room-212")
        address = f"AA:BB:CC:00:00:0{number}"
        directory.add_wearable(
            f"wearable-{number}", address=address, identity=number, resident=resident
        )
    directory.add_gateway(GATEWAY, zone="corridor-2")
    directory.add_staff("mei", name="Wong Mei", floor="2")
    directory.add_staff("ka-yan", name="Lau Ka Yan", role=StaffRole.HEALTH_WORKER)
    database.close()
    return path


@asynccontextmanager
async def _home(entered: Path, folder: Path) -> AsyncIterator[WebHome]:
    clock = SystemClock()
    ids = UuidSource(clock)
    database = Database(f"sqlite:///{shutil.copy(entered, folder)}")
    broker = LocalBroker()
    bus = LocalBus(broker, "alerts", clock)
    service = AlertService(HOME, clock, ids, bus, database, [], "session-of-alerts")
    desk = Desk(database, clock, ids, HOME)
    task = asyncio.create_task(service.run())
    web = await serve(create_app(desk, clock, home_name="Sunshine Home"))
    try:

        def heard() -> bool:
            services = desk.board().services
            return bus.connected and any(
                each.role == Role.ALERTS and each.online for each in services
            )

        await _eventually(lambda: task.done() or heard(), "alert service heard")
        if task.done():
            task.result()
        yield WebHome(clock, broker, database, desk, web, ids, task)
    finally:
        await web.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        database.close()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool | Awaitable[bool]], str], Awaitable[None]]:
    """``await eventually(condition, "what is waited for")``."""
    return _eventually


@pytest.fixture
def web_home(
    entered: Path, tmp_path: Path
) -> Callable[[Callable[[WebHome], Awaitable[None]]], None]:
    """Runs a scene in a home: ``web_home(scene)``."""

    def run(scene: Callable[[WebHome], Awaitable[None]]) -> None:
        async def main() -> None:
            async with _home(entered, tmp_path) as home:
                await scene(home)

        asyncio.run(main())

    return run


@pytest.fixture
def events_of() -> Callable[..., AsyncIterator[tuple[str, str]]]:
    """Reads server-sent events: ``async for name, data in events_of(response)``."""

    async def read(response: httpx.Response) -> AsyncIterator[tuple[str, str]]:
        name, data = "message", []
        async for line in response.aiter_lines():
            if not line:
                if data:
                    yield name, "\n".join(data)
                name, data = "message", []
            elif line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data:"):
                data.append(line.removeprefix("data:").removeprefix(" "))

    return read


@pytest.fixture
def section() -> Callable[[str, str], str]:
    """The text of one element of a page by its id: ``section(html, "alerts")``."""

    def cut(html: str, element_id: str) -> str:
        found = re.search(rf'<(\w+)[^>]*\bid="{re.escape(element_id)}".*?</\1>', html, re.DOTALL)
        assert found, f"no element {element_id!r} in the page"
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0])).strip()

    return cut


JSON_TYPES: Final = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
NOTES: Final = frozenset({"title", "description", "default", "examples"})


class SchemaChecker:
    """Holds values to a published OpenAPI document. It knows every keyword that we publish, so
    that an unknown one fails instead of passing unseen (no JSON Schema library is needed)."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]
        self._rules: dict[str, Callable[[Any, Any], bool]] = {
            "type": self._type,
            "required": lambda value, rule: set(rule) <= set(value),
            "enum": lambda value, rule: value in rule,
            "minLength": lambda value, rule: len(value) >= rule,
            "maxLength": lambda value, rule: len(value) <= rule,
            "pattern": lambda value, rule: re.search(rule, value) is not None,
            "minimum": lambda value, rule: value >= rule,
            "additionalProperties": self._more,
        }

    def check(self, value: Any, schema: dict[str, Any], where: str = "$") -> None:
        """Fail unless `value` fits `schema`."""
        for keyword, rule in schema.items():
            if keyword in NOTES:
                continue
            if keyword == "$ref":
                self.check(value, self._schemas[rule.rsplit("/", 1)[1]], where)
            elif keyword == "anyOf":
                assert any(self._fits(value, each) for each in rule), f"{where}: {value!r}"
            elif keyword == "items":
                for index, item in enumerate(value):
                    self.check(item, rule, f"{where}[{index}]")
            elif keyword == "properties":
                assert set(value) <= set(rule), f"{where}: {set(value) - set(rule)} unpublished"
                for name in value:
                    self.check(value[name], rule[name], f"{where}.{name}")
            else:
                assert self._rules[keyword](value, rule), f"{where}: {value!r}, {keyword} {rule}"

    def _fits(self, value: Any, schema: dict[str, Any]) -> bool:
        try:
            self.check(value, schema)
        except AssertionError:
            return False
        return True

    def _more(self, value: Any, rule: Any) -> bool:
        """False where all are published one by one; of a mapping a schema of its values."""
        return rule is False or all(self._fits(each, rule) for each in value.values())

    @staticmethod
    def _type(value: Any, rule: str) -> bool:
        return isinstance(value, JSON_TYPES[rule]) and (
            rule == "boolean" or not isinstance(value, bool)
        )


@pytest.fixture
def schema_checker() -> type[SchemaChecker]:
    """``schema_checker(document).check(value, schema)``."""
    return SchemaChecker
