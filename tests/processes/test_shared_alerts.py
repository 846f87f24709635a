"""Two alert workers on PostgreSQL share the work, and one of them may die."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from contract import topics
from contract.clock import now_us
from contract.events import EVENT_SCHEMA, Event, EventKind
from contract.ids import UuidSource
from contract.messages import AlertState, Outcome, Receipt, Status
from contract.wire import decode, encode
from messaging import MqttBus

RATE = 10.0


@pytest.fixture
def phones():
    """Counts what each phone was sent: Apprise's ``json://`` posts to a path of its own."""
    rung: Counter[str] = Counter()

    class Phone(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            rung[self.path.strip("/")] += 1
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Phone) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        rung.url = f"json://127.0.0.1:{server.server_port}"
        yield rung
        server.shutdown()
        thread.join()


class FakeGateway:
    """Publishes calls for help and reads everything that a gateway is told."""

    def __init__(self, home):
        self.ids = UuidSource(home.clock)
        self.clock = home.clock
        self.bus = MqttBus(home.mosquitto.url, "gateway-a", home.clock)
        self.receipts = {}
        self.sessions = []
        self.state = None
        self.statuses = []

    async def run(self):
        filters = [
            topics.build("demo", "gateway-a", topics.RECEIPT),
            topics.build("demo", "gateway-a", topics.ALERT_STATE),
            topics.build("demo", "alerts", topics.STATUS),
        ]
        await self.bus.run(filters, self._take)

    async def _take(self, messages):
        for message in messages:
            branch = topics.parse(message.topic).branch
            if branch == topics.RECEIPT:
                receipt = decode(message.payload, Receipt)
                for event in receipt.ids:
                    self.receipts.setdefault(event, []).append(receipt.outcome)
            elif branch == topics.STATUS:
                self.statuses.append(decode(message.payload, Status))
            else:
                self.state = decode(message.payload, AlertState)
                if self.state.session not in self.sessions[-1:]:
                    self.sessions.append(self.state.session)

    async def call_for_help(self, number):
        event = Event(
            schema=EVENT_SCHEMA,
            id=self.ids.new(),
            kind=EventKind.HELP_REQUESTED,
            home="demo",
            gateway="gateway-a",
            session="test",
            sequence=number,
            boot="boot",
            clock="synced",
            at_us=now_us(self.clock),
            emitted_at_us=now_us(self.clock),
            age_ms=0,
            resident=f"resident-{number}",
            device=f"wearable-{number}",
        )
        await self.bus.publish(topics.event_topic("demo", "gateway-a", event.kind), encode(event))
        return event.id


def test_each_step_calls_once_in_all_also_when_one_worker_is_killed(make_home, eventually, phones):
    home = make_home(rate=RATE, database="postgresql")
    home.contact = {name: f"{phones.url}/{name}" for name in ("mei", "kin", "siu")}

    async def main():
        await home.mosquitto.start()
        workers = [home.start("alerts", log=f"alerts-{number}") for number in (1, 2)]
        gateway = FakeGateway(home)
        listening = asyncio.create_task(gateway.run())
        for worker in workers:
            await eventually(lambda worker=worker: worker.lines("broker_connected"), "connected")
        sent = [await gateway.call_for_help(number) for number in range(1, 7)]
        # Both give receipts, and the second one's is as good.
        await eventually(
            lambda: all(len(gateway.receipts.get(event, [])) == 2 for event in sent), "receipts"
        )
        for event in sent:
            assert sorted(gateway.receipts[event]) == [Outcome.DUPLICATE, Outcome.STORED]
        await eventually(lambda: phones["mei"] + phones["kin"] >= 6, "the assigned are called")
        # Two that start at once may both speak until each has looked at the other: gateways listen
        # to the later one (`edge.inbox`). By now one does, and dies before the second step is due.
        await home.clock.sleep(10)
        gateway.sessions = gateway.sessions[-1:]
        (dying,) = (worker for worker in workers if _speaks(worker))
        spoken = gateway.state.session
        await dying.end(signal.SIGKILL)
        assert phones == {"mei": 3, "kin": 3}
        await eventually(lambda: phones["mei"] + phones["kin"] >= 18, "the floor is called")
        # Looked at before the other one speaks: until then the third step may be due.
        await home.clock.sleep(10)
        assert phones == {"mei": 9, "kin": 9}, "each step, each incident, each person: once"
        await eventually(lambda: gateway.state.session != spoken, "the other one speaks")
        assert len(gateway.sessions) == len(set(gateway.sessions)), "none comes back"
        await eventually(lambda: gateway.statuses[-1].online, "the service is online")
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    asyncio.run(main())


def _speaks(worker):
    """Whether this worker tells gateways where things stand, as its log has it."""
    words = [
        line["event"] == "speaks" or line.get("speaks", False)
        for line in worker.all_lines()
        if line["event"] in ("alerts_started", "speaks", "silent")
    ]
    return words[-1]


def test_a_second_worker_on_sqlite_waits_and_takes_over(make_home, eventually):
    home = make_home(rate=RATE)

    async def main():
        await home.mosquitto.start()
        first = home.start("alerts", log="alerts-1")
        await eventually(lambda: first.lines("broker_connected"), "the first one runs")
        second = home.start("alerts", log="alerts-2")
        await eventually(second.waits, "the second one waits")
        assert "takes over when it ends" in second.lines("waiting_for")[0]["reason"]
        assert not second.lines("broker_connected")
        await first.end(signal.SIGKILL)
        await eventually(lambda: second.lines("broker_connected"), "the second one runs")

    asyncio.run(main())
