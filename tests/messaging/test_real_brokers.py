"""What only a socket shows: hanging, vanishing and refusing brokers, TLS, clean ends."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import ssl
import subprocess
import warnings
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import structlog.testing
from amqtt.broker import Broker
from amqtt.errors import BrokerError

from contract.clock import ScaledClock, SystemClock
from contract.protocols import LastWill, Message, NotConnectedError
from contract.units import ns_to_seconds
from messaging import connection
from messaging.backoff import FIRST_WAIT_S, LONGEST_WAIT_S, Backoff
from messaging.embedded import EmbeddedBroker
from messaging.mosquitto import Mosquitto, MosquittoFailedError, free_port
from messaging.mqtt import MqttBus

CLOCK = SystemClock()
LIMIT_S = 8.0


async def until(condition: Callable[[], bool]) -> None:
    started = CLOCK.monotonic_ns()
    while not condition():
        assert ns_to_seconds(CLOCK.monotonic_ns() - started) < LIMIT_S, "waited in vain"
        await CLOCK.sleep(0.005)


async def nothing(_: Sequence[Message]) -> None:
    return


def start(bus: MqttBus, *filters: str, will: LastWill | None = None) -> asyncio.Task[None]:
    return asyncio.create_task(
        bus.run(filters, nothing, will=(lambda: will) if will is not None else None)
    )


async def cancel(task: asyncio.Task[None]) -> float:
    """Cancel, and say how many seconds the end took."""
    started = CLOCK.monotonic_ns()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return ns_to_seconds(CLOCK.monotonic_ns() - started)


def with_mosquitto(
    broker: Mosquitto, scenario: Callable[[], Awaitable[None]], *, debug: bool = False
) -> None:
    async def main() -> None:
        await broker.start()
        await scenario()

    try:
        asyncio.run(main(), debug=debug)
    finally:
        broker.kill()


def test_a_publish_under_way_fails_when_the_broker_is_killed(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, CLOCK)

    async def scenario() -> None:
        bus = MqttBus(broker.url, "speaker", CLOCK)
        task = start(bus)
        await until(lambda: bus.connected)
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        publishes = [asyncio.create_task(bus.publish("x", b"%d" % n)) for n in range(300)]
        await CLOCK.sleep(0.05)
        assert not any(each.done() for each in publishes)
        broker.kill()
        outcomes = await asyncio.gather(*publishes, return_exceptions=True)
        assert all(isinstance(each, NotConnectedError) for each in outcomes)
        await broker.start()
        await until(lambda: bus.connected)
        await bus.publish("x", b"works again")
        await cancel(task)

    with_mosquitto(broker, scenario)


def test_a_cancelled_publish_leaves_the_session_usable(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, CLOCK)

    async def scenario() -> None:
        bus = MqttBus(broker.url, "speaker", CLOCK)
        task = start(bus)
        await until(lambda: bus.connected)
        publishes = [asyncio.create_task(bus.publish("x", b"")) for _ in range(400)]
        await asyncio.sleep(0)
        for each in publishes[::2]:
            each.cancel()
        outcomes = await asyncio.gather(*publishes, return_exceptions=True)
        assert [each for each in outcomes[1::2] if each is not None] == []
        await cancel(task)

    with_mosquitto(broker, scenario)


def test_cancelling_ends_soon_although_the_broker_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT_S", 0.3)
    broker = Mosquitto(tmp_path, CLOCK)

    async def scenario() -> None:
        standing = MqttBus(broker.url, "standing", CLOCK)
        task = start(standing)
        await until(lambda: standing.connected)
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        assert await cancel(task) < 2
        opening = start(MqttBus(broker.url, "opening", CLOCK))
        await CLOCK.sleep(0.05)
        assert await cancel(opening) < 2
        assert [each for each in asyncio.all_tasks() if each is not asyncio.current_task()] == []

    with_mosquitto(broker, scenario)


def test_a_broker_that_never_answers_is_left_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT_S", 0.1)
    connects = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connects
        connects += 1
        await reader.read()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        bus = MqttBus(f"mqtt://127.0.0.1:{port}", "patient", CLOCK)
        task = start(bus)
        await until(lambda: connects >= 4)
        assert not bus.connected
        await cancel(task)
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_a_broker_that_hangs_up_is_noticed_at_once_and_said() -> None:
    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        clock = ScaledClock(100)
        with structlog.testing.capture_logs() as logs:
            task = start(MqttBus(f"mqtt://127.0.0.1:{port}", "patient", clock))
            await until(lambda: len(logs) >= 7)
            await cancel(task)
        assert {entry["event"] for entry in logs} == {"broker_not_reached"}
        assert all(entry["reason"] for entry in logs)
        waits = [entry["next_try_s"] for entry in logs[:7]]
        assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_waits_grow_to_their_limit_and_begin_anew_after_a_session() -> None:
    backoff = Backoff()
    waits = [backoff.next_wait_s() for _ in range(10)]
    assert waits[0] == FIRST_WAIT_S
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT_S
    backoff.reset()
    assert backoff.next_wait_s() == FIRST_WAIT_S


def test_mosquitto_speaks_mqtt_5_and_amqtt_3_1_1(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, CLOCK)

    async def version_of(url: str) -> str | None:
        bus = MqttBus(url, "asker", CLOCK)
        assert bus.mqtt_version is None
        task = start(bus, "x", will=LastWill("wills/asker", b"gone"))
        await until(lambda: bus.connected)
        await cancel(task)
        return bus.mqtt_version

    async def scenario() -> None:
        assert await version_of(broker.url) == "V5"
        embedded = EmbeddedBroker()
        await embedded.start()
        assert await version_of(embedded.url) == "V311"
        await embedded.stop()

    with_mosquitto(broker, scenario)


def test_a_bus_finds_the_newer_broker_that_took_the_older_ones_place(tmp_path: Path) -> None:
    port = free_port()
    newer = Mosquitto(tmp_path, CLOCK, port=port)

    async def main() -> None:
        older = EmbeddedBroker()
        await older.start(port)
        bus = MqttBus(older.url, "stays", CLOCK)
        task = start(bus)
        await until(lambda: bus.connected)
        await older.stop()
        await until(lambda: not bus.connected)
        await newer.start()
        await until(lambda: bus.connected)
        assert bus.mqtt_version == "V5"
        await cancel(task)

    try:
        asyncio.run(main())
    finally:
        newer.kill()


def test_half_deaf_is_not_connected() -> None:
    async def main() -> None:
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": "127.0.0.1:0"}},
                "plugins": {
                    "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
                    "amqtt.plugins.topic_checking.TopicTabooPlugin": {},
                },
            }
        )
        await broker.start()
        port = broker._servers["default"].instance.sockets[0].getsockname()[1]
        bus = MqttBus(f"mqtt://127.0.0.1:{port}", "listener", CLOCK)
        with structlog.testing.capture_logs() as logs:
            task = start(bus, "allowed", "prohibited")
            await until(lambda: any("prohibited" in str(entry.get("reason")) for entry in logs))
            assert not bus.connected
            await cancel(task)
        await broker.shutdown()

    asyncio.run(main())


def make_certificate(folder: Path) -> tuple[Path, Path]:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, certificate


# paho 2.2 leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_works_and_a_stranger_is_not_trusted(tmp_path: Path) -> None:
    key, certificate = make_certificate(tmp_path)
    broker = Mosquitto(tmp_path, CLOCK, settings=(f"certfile {certificate}", f"keyfile {key}"))

    async def scenario() -> None:
        url = f"mqtts://localhost:{broker.port}"
        trusting = ssl.create_default_context(cafile=certificate)
        bus = MqttBus(url, "knows", CLOCK, tls=trusting)
        task = start(bus, "x")
        await until(lambda: bus.connected)
        await bus.publish("x", bytes(200_000))
        await cancel(task)
        with structlog.testing.capture_logs() as logs:
            stranger = MqttBus(url, "does-not-know", CLOCK)
            task = start(stranger)
            await until(lambda: any("certificate" in str(e.get("reason")).lower() for e in logs))
            assert not stranger.connected
            await cancel(task)
        gc.collect()

    with_mosquitto(broker, scenario)


def test_a_wrong_password_is_refused_with_its_reason(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    broker = Mosquitto(
        tmp_path, CLOCK, settings=("allow_anonymous false", f"password_file {passwords}")
    )

    async def scenario() -> None:
        bus = MqttBus(broker.url, "x", CLOCK, username="gateway-a", password="wrong")
        with structlog.testing.capture_logs() as logs:
            task = start(bus)
            await until(lambda: len(logs) >= 2)
            await cancel(task)
        assert all("uthori" in str(entry["reason"]) for entry in logs)

    with_mosquitto(broker, scenario)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://localhost", "begin with mqtt"),
        ("localhost:1883", "begin with mqtt"),
        ("mqtt://", "no host"),
        ("mqtt://user:secret@localhost", "apart"),
        ("mqtt://localhost/home", "nothing may follow"),
        ("mqtt://localhost:99999", "Port out of range"),
    ],
)
def test_a_wrong_url_is_refused_with_its_reason(url: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        MqttBus(url, "x", CLOCK)
    assert "secret" not in str(caught.value)


def test_certificates_without_tls_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="mqtts"):
        MqttBus("mqtt://localhost", "x", CLOCK, tls=ssl.create_default_context())


def test_the_embedded_broker_stops_within_a_second_and_leaves_nothing_behind() -> None:
    async def main() -> None:
        broker = EmbeddedBroker()
        port = await broker.start()
        assert port == broker.port
        assert await broker.start() == port, "starting twice is starting once"
        bus = MqttBus(broker.url, "stays", CLOCK)
        task = start(bus, "x")
        await until(lambda: bus.connected)
        look_in = socket.create_connection(("127.0.0.1", port))
        half = socket.create_connection(("127.0.0.1", port))
        half.sendall(b"\x10")
        await asyncio.gather(*(bus.publish("x", bytes(1000)) for _ in range(50)))
        look_in.close()
        started = CLOCK.monotonic_ns()
        await broker.stop()
        await broker.stop()
        assert ns_to_seconds(CLOCK.monotonic_ns() - started) < 1
        assert not broker.running
        half.close()
        await until(lambda: not bus.connected)
        await cancel(task)
        left = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        assert left == []
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port)).close()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main(), debug=True)
        gc.collect()


def test_a_taken_port_is_an_error_and_a_free_one_works_afterwards() -> None:
    async def main() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            broker = EmbeddedBroker()
            with pytest.raises(BrokerError):
                await broker.start(taken.getsockname()[1])
        assert not broker.running
        assert await broker.start() > 0
        await broker.stop()

    asyncio.run(main())


def test_mosquitto_says_why_it_does_not_start(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, CLOCK, settings=("no_such_setting 1",))
    with pytest.raises(MosquittoFailedError, match="no_such_setting"):
        asyncio.run(broker.start())
    assert not broker.running


def test_mosquitto_keeps_retained_messages_over_a_kill_only_if_persistent(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, CLOCK, persistent=True)

    async def scenario() -> None:
        bus = MqttBus(broker.url, "speaker", CLOCK)
        task = start(bus)
        await until(lambda: bus.connected)
        await bus.publish("kept", b"x", retain=True)
        await broker.restart()
        heard: list[Message] = []

        async def hear(messages: Sequence[Message]) -> None:
            heard.extend(messages)

        listener = asyncio.create_task(MqttBus(broker.url, "late", CLOCK).run(["kept"], hear))
        await until(lambda: bool(heard))
        assert heard == [Message("kept", b"x", retained=True)]
        await cancel(listener)
        await cancel(task)

    with_mosquitto(broker, scenario)


def test_thousands_of_messages_arrive_each_once(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, CLOCK)
    count = 5_000

    async def scenario() -> None:
        heard: list[bytes] = []

        async def hear(messages: Sequence[Message]) -> None:
            heard.extend(message.payload for message in messages)

        listener = MqttBus(broker.url, "listener", CLOCK)
        hearing = asyncio.create_task(listener.run(["x/#"], hear))
        speaker = MqttBus(broker.url, "speaker", CLOCK)
        speaking = start(speaker)
        await until(lambda: listener.connected and speaker.connected)
        await asyncio.gather(*(speaker.publish("x/y", b"%d" % n) for n in range(count)))
        await until(lambda: len(heard) >= count)
        assert heard == [b"%d" % n for n in range(count)]
        await cancel(speaking)
        await cancel(hearing)

    with_mosquitto(broker, scenario)
