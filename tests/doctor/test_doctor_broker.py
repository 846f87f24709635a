"""The broker in every state it can be in: real ones, each set up to be wrong in its way."""

from __future__ import annotations

import asyncio
import gc
import subprocess

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from contract.clock import SystemClock
from messaging import EmbeddedBroker
from messaging.mosquitto import free_port
from wardlight.doctor import Level


def test_a_stopped_broker_is_one_fault_and_not_ten(looking, found) -> None:
    settings = looking.settings(broker={"url": f"mqtt://127.0.0.1:{free_port()}"})
    report = looking.now(settings, "broker", "gateways", "services")
    connection = found(report, "broker / connection")
    assert connection.level is Level.FAULT
    assert connection.because is None
    assert "refused" in connection.found
    assert "systemctl start mosquitto" in connection.advice
    others = [entry for entry in report.entries if entry is not connection]
    assert len(others) >= 8
    assert {entry.because for entry in others} == {"broker / connection"}
    assert {entry.level for entry in others} == {Level.FAULT}, "not known is not in order"
    assert report.entries[0] is connection, "what is to be mended comes first"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1883", "begin with mqtt://"),
        ("mqtt://no-such-host.invalid:1883", "no-such-host.invalid"),
    ],
)
def test_a_wrong_address_is_named(looking, found, url: str, said: str) -> None:
    report = looking.now(looking.settings(broker={"url": url}), "broker")
    entry = found(report, "broker / connection")
    assert entry.level is Level.FAULT
    assert said in entry.found
    assert "[broker]" in entry.advice


def test_a_wrong_password_is_told_from_a_dead_broker(with_broker, looking, found, tmp_path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    mine = tmp_path / "mine"
    mine.write_text("wrong\n")

    async def scenario(broker) -> None:
        settings = looking.settings(
            broker={"url": broker.url, "username": "gateway-a", "password_file": mine}
        )
        entry = found(await looking.look(settings, "broker"), "broker / connection")
        assert entry.level is Level.FAULT
        assert "lets nobody in" in entry.found
        assert "uthori" in entry.found
        assert "wrong" not in entry.found

    with_broker(scenario, settings=("allow_anonymous false", f"password_file {passwords}"))


def test_an_access_list_that_forgets_us_is_found(with_broker, looking, found) -> None:
    async def scenario(broker) -> None:
        report = await looking.look(looking.settings(broker={"url": broker.url}), "broker")
        assert found(report, "broker / connection").level is Level.OK
        for check in ("round trip", "retained messages"):
            entry = found(report, f"broker / {check}")
            assert entry.level is Level.FAULT
            assert "access list" in entry.advice

    with_broker(scenario, access=("topic readwrite elsewhere/#",))


def test_a_broker_that_forgets_is_found(with_broker, looking, found) -> None:
    async def scenario(broker) -> None:
        report = await looking.look(looking.settings(broker={"url": broker.url}), "broker")
        assert found(report, "broker / round trip").level is Level.OK
        entry = found(report, "broker / retained messages")
        assert entry.level is Level.FAULT
        assert "hung up on a retained message" in entry.found
        assert "retain_available" in entry.advice

    with_broker(scenario, settings=("retain_available false",))


# amqtt may leave a transport of a session that just ended to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_old_broker_is_a_warning(looking, found) -> None:
    async def main() -> None:
        broker = EmbeddedBroker()
        await broker.start()
        try:
            report = await looking.look(looking.settings(broker={"url": broker.url}), "broker")
        finally:
            await broker.stop()
        entry = found(report, "broker / connection")
        assert entry.level is Level.WARNING
        assert "3.1.1" in entry.found
        assert found(report, "broker / round trip").level is Level.OK
        assert found(report, "broker / retained messages").level is Level.OK
        assert found(report, "broker / dropped messages").level is Level.OK, "it cannot say"

    asyncio.run(main())
    gc.collect()


def test_what_mosquitto_dropped_asks_for_a_longer_queue(with_broker, looking, found) -> None:
    keep = Properties(PacketTypes.CONNECT)
    keep.SessionExpiryInterval = 600

    def client(broker, name: str) -> aiomqtt.Client:
        return aiomqtt.Client(
            "127.0.0.1",
            broker.port,
            identifier=name,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=keep,
        )

    async def scenario(broker) -> None:
        async with client(broker, "sleeper") as sleeper:
            await sleeper.subscribe("busy", qos=1)
        async with client(broker, "speaker") as speaker:
            for _ in range(20):
                await speaker.publish("busy", b"x", qos=1)
        settings = looking.settings(broker={"url": broker.url})
        clock = SystemClock()
        for _ in range(40):  # $SYS is renewed once a second
            entry = found(await looking.look(settings, "broker"), "broker / dropped messages")
            if entry.level is Level.WARNING:
                break
            await clock.sleep(0.1)
        assert entry.level is Level.WARNING, entry
        assert entry.figures["dropped"] > 0
        assert "max_queued_messages" in entry.advice

    with_broker(scenario, settings=("max_queued_messages 5", "sys_interval 1"))


def make_certificate(folder, days: int) -> tuple[str, str]:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", str(days), "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return str(key), str(certificate)


@pytest.mark.parametrize(("days", "level"), [(5, Level.WARNING), (300, Level.OK)])
def test_a_certificate_near_its_end_is_a_warning(
    *, with_broker, looking, found, tmp_path, monkeypatch, days: int, level: Level
) -> None:
    key, certificate = make_certificate(tmp_path, days)
    monkeypatch.setenv("SSL_CERT_FILE", certificate)

    async def scenario(broker) -> None:
        settings = looking.settings(broker={"url": f"mqtts://localhost:{broker.port}"})
        report = await looking.look(settings, "broker", "certificates")
        entry = found(report, "certificates / broker")
        assert entry.level is level
        assert entry.figures["certificate_days"] == pytest.approx(days, abs=0.1)
        assert found(report, "broker / round trip").level is Level.OK

    with_broker(scenario, settings=(f"certfile {certificate}", f"keyfile {key}"))


# paho 2.2 leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_certificate_of_a_stranger_is_a_fault(with_broker, looking, found, tmp_path) -> None:
    key, certificate = make_certificate(tmp_path, 300)

    async def scenario(broker) -> None:
        settings = looking.settings(broker={"url": f"mqtts://localhost:{broker.port}"})
        report = await looking.look(settings, "certificates")
        entry = found(report, "certificates / broker")
        assert entry.level is Level.FAULT
        assert "self-signed" in entry.found.replace("self signed", "self-signed")
        assert "SSL_CERT_FILE" in entry.advice

    with_broker(scenario, settings=(f"certfile {certificate}", f"keyfile {key}"))


def test_no_certificate_says_what_can_be_read(looking, found) -> None:
    for url, said in (
        ("mqtt://127.0.0.1:1", "other machines"),
        ("mqtt://broker.example", "where residents are"),
    ):
        report = looking.now(looking.settings(broker={"url": url}), "certificates")
        entry = found(report, "certificates / broker")
        assert entry.level is Level.WARNING
        assert entry.found.startswith("unencrypted")
        assert said in entry.found
        assert "mqtts://" in entry.advice
