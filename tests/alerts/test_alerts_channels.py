"""The real Apprise to a real server on this machine."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from alerts import AlertService, AppriseChannel, ChannelError, Desk, Notice
from contract import topics
from contract.clock import ScaledClock, SystemClock
from contract.events import EventKind
from contract.ids import UuidSource
from contract.messages import IncidentState, Priority
from contract.wire import encode
from messaging import LocalBroker, LocalBus

LIMIT_S = 20
BOARD = "http://board.example/"


class Receiver:
    """A JSON endpoint that can be told to fail or to hang."""

    def __init__(self):
        self.bodies = []
        self.status = 200
        self.release = threading.Event()
        self.hangs = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.hangs:
                    receiver.release.wait(LIMIT_S)
                receiver.bodies.append(body.decode())
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def notice(contact):
    return Notice("i1", Priority.HIGH, "fall_detected", "2/F 211", "floor", "mei", contact)


def test_a_message_is_delivered_and_tells_nothing(receiver):
    channel = AppriseChannel(SystemClock(), BOARD)
    asyncio.run(channel.send(notice(receiver.url)))
    (body,) = receiver.bodies
    message = json.loads(body)
    assert message["title"] == "Wardlight"
    assert message["message"] == f"Wardlight: someone needs you. Open the board: {BOARD}"
    for secret in ("fall", "2/F", "211", "mei", "high", "floor"):
        assert secret not in body.lower().replace(BOARD, "")


def test_a_refusal_is_an_error_without_the_address(receiver):
    receiver.status = 500
    channel = AppriseChannel(SystemClock(), BOARD)
    with pytest.raises(ChannelError) as caught:
        asyncio.run(channel.send(notice(receiver.url + "/?secret=hunter2")))
    assert "hunter2" not in str(caught.value)


def test_nobody_there_is_an_error(receiver):
    receiver.close()
    with pytest.raises(ChannelError):
        asyncio.run(AppriseChannel(SystemClock(), BOARD).send(notice(receiver.url)))


def test_a_hanging_service_is_given_up_by_our_clock(receiver):
    receiver.hangs = True
    channel = AppriseChannel(ScaledClock(20), BOARD)
    with pytest.raises(ChannelError, match="10 s"):
        asyncio.run(channel.send(notice(receiver.url)))


def test_what_it_accepts():
    channel = AppriseChannel(SystemClock(), BOARD)
    assert channel.accepts("mailto://user:pass@example.com")
    assert not channel.accepts("carrier-pigeon://7")
    assert not channel.accepts("nonsense")


def test_a_fall_reaches_a_phone_through_everything_real(ward, receiver):
    """Service, records, threads and Apprise on a real event loop; time runs ten times as
    fast, the first carer's phone is dead, and the floor is called in her place."""
    clock = ScaledClock(10)
    ids = UuidSource(clock)
    ward.clock = clock
    ward.directory.add_staff("mei", name="Mei", floor="2/F", contact="json://127.0.0.1:9")
    for staff in ("wai", "ka", "boss"):
        ward.directory.add_staff(staff, name=staff.title(), floor="2/F", contact=receiver.url)
    desk = Desk(ward.database, clock, ids, "demo")
    broker = LocalBroker()

    async def until(condition):
        for _ in range(round(LIMIT_S / 0.01)):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it never came")

    async def main():
        service = AlertService(
            "demo",
            clock,
            ids,
            LocalBus(broker, "alerts", clock),
            ward.database,
            [AppriseChannel(clock, BOARD)],
            "run",
        )
        task = asyncio.create_task(service.run())
        await until(lambda: "alerts" in broker.clients)
        event = ward.event(EventKind.FALL_DETECTED, fall_id="f1")
        broker.publish(topics.event_topic("demo", "gateway-a", event.kind), encode(event))
        await until(lambda: receiver.bodies)
        incident = desk.board().incidents[0]
        desk.acknowledge(incident.id, "wai")
        await until(lambda: any(line.what == "notified" for line in desk.incident(incident.id).log))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return desk.incident(incident.id)

    incident = asyncio.run(main())
    assert incident.state is IncidentState.ACKNOWLEDGED
    assert any(fault.cause == "channel_failed" for fault in desk.board().faults)
