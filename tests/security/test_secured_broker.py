"""The real mosquitto with the configuration of a provisioned home, and those who attack it."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from contract import topics
from contract.clock import VirtualClock
from contract.protocols import NotConnectedError, PublishRefusedError
from contract.wire import MAX_PAYLOAD_BYTES
from messaging import Credentials, MqttBus
from wardlight.provision.cutoff import tell_broker
from wardlight.provision.home import ProvisionedHome
from wardlight.provision.mosquitto import LARGEST_PACKET_BYTES

# paho 2.2 leaves the socket of a failed handshake to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

HOME = "demo"
CUT_OFF_WITHIN_S = 5.0
"""A thief has no longer than this; it takes a tenth of a second on an idle machine."""


def of(gateway: str, branch: str) -> str:
    return topics.build(HOME, gateway, branch)


def test_a_gateway_says_what_is_its_own_and_nothing_of_anybody_else(secured) -> None:
    own = secured.gateway("gateway-a")
    secured.gateway("gateway-b")

    async def scenario() -> None:
        async with secured.ear(secured.bus(own)) as gateway:
            for topic in (
                topics.event_topic(HOME, "gateway-a", "fall_detected"),
                *(of("gateway-a", each) for each in ("telemetry", "status", "presence", "siren")),
                of("gateway-a", "whereabouts"),
            ):
                await gateway.bus.publish(topic, b"own")
            for topic in (
                topics.event_topic(HOME, "gateway-b", "fall_detected"),
                of("gateway-b", "status"),
                of("gateway-b", "presence"),
                of("gateway-b", "whereabouts"),
                of("gateway-a", "receipt"),
                of("gateway-a", "config"),
                of("gateway-a", "alert_state"),
                of("gateway-b", "command"),
                of("alerts", "status"),
                topics.event_topic("other", "gateway-a", "fall_detected"),
                of("provision", "generation-1"),
                "anything",
                "$CONTROL/dynamic-security/v1",
            ):
                with pytest.raises(PublishRefusedError, match="Not authorized"):
                    await gateway.bus.publish(topic, b"another's")

    secured.run(scenario)


def test_a_gateway_hears_what_is_meant_for_it_and_nothing_of_anybody_else(secured) -> None:
    own = secured.gateway("gateway-a")
    secured.gateway("gateway-b")

    async def scenario() -> None:
        async with (
            secured.ear(secured.service_bus("alerts")) as alerts,
            secured.ear(
                secured.bus(own), "#", "$SYS/#", "wardlight/v1/demo/gateway-b/#"
            ) as gateway,
        ):
            for name in ("gateway-a", "gateway-b"):
                await alerts.bus.publish(of(name, "config"), b"beds", retain=True)
                await alerts.bus.publish(of(name, "receipt"), b"")
            await alerts.bus.publish(of("alerts", "status"), b"", retain=True)
            # The last comes after all that was said before it.
            await alerts.bus.publish(of("gateway-a", "alert_state"), b"")
            last = of("gateway-a", "alert_state")
            await secured.until(lambda: last in gateway.topics(), "what is its own")
            heard = {of("gateway-a", each) for each in ("config", "receipt", "alert_state")}
            assert set(gateway.topics()) == heard
        async with secured.ear(secured.bus(own), "wardlight/v1/demo/+/config") as later:
            await secured.until(lambda: later.messages, "what is retained for it")
            assert later.topics() == [of("gateway-a", "config")]

    secured.run(scenario)


def test_a_receiver_is_heard_by_gateways_and_hears_and_says_nothing_else(secured) -> None:
    own = secured.gateway("gateway-a")
    lounge = secured.enrol(secured.home.add_device("lounge", "receiver"))

    async def scenario() -> None:
        async with (
            secured.ear(secured.bus(own), "home/#") as gateway,
            secured.ear(secured.bus(lounge), "#") as receiver,
        ):
            for topic in (of("gateway-a", "status"), of("lounge", "status"), "home/attic/BTtoMQTT"):
                with pytest.raises(PublishRefusedError, match="Not authorized"):
                    await receiver.bus.publish(topic, b"another's")
            with pytest.raises(PublishRefusedError, match="Not authorized"):
                await gateway.bus.publish("home/lounge/BTtoMQTT/1", b"invented")
            await receiver.bus.publish("home/lounge/LWT", b"online")
            await receiver.bus.publish("home/lounge/BTtoMQTT/1", b"{}")
            await secured.until(lambda: gateway.messages, "what the receiver heard")
            assert gateway.topics() == ["home/lounge/BTtoMQTT/1"]
            assert receiver.topics() == []

    secured.run(scenario)


def test_services_may_do_what_their_work_needs_and_no_more(secured) -> None:
    own = secured.gateway("gateway-a")

    async def scenario() -> None:
        event = topics.event_topic(HOME, "gateway-a", "fall_detected")
        async with (
            secured.ear(secured.service_bus("ingest"), "wardlight/v1/demo/#") as ingest,
            secured.ear(secured.service_bus("alerts"), "wardlight/v1/demo/#") as alerts,
            secured.ear(secured.service_bus("web"), "wardlight/v1/demo/#") as web,
            secured.ear(secured.bus(own), of("gateway-a", "receipt")) as gateway,
        ):
            await gateway.bus.publish(of("gateway-a", "telemetry"), b"")
            await gateway.bus.publish(event, b"")
            for bus in (ingest.bus, alerts.bus):
                await bus.publish(of("gateway-a", "receipt"), b"")
            await secured.until(lambda: len(gateway.messages) == 2, "both receipts")
            await secured.until(lambda: event in alerts.topics(), "the event at alerts")
            await secured.until(lambda: event in ingest.topics(), "the event at ingest")
            assert of("gateway-a", "telemetry") in ingest.topics()
            assert of("gateway-a", "telemetry") not in alerts.topics()
            assert web.topics() == []
            for bus, topic in (
                (ingest.bus, of("gateway-a", "config")),
                (ingest.bus, of("gateway-a", "alert_state")),
                (ingest.bus, event),
                (alerts.bus, event),
                (web.bus, of("gateway-a", "command")),
            ):
                with pytest.raises(PublishRefusedError, match="Not authorized"):
                    await bus.publish(topic, b"")

    secured.run(scenario)


def test_who_enrols_devices_may_ask_gateways_and_hear_what_they_hear(secured) -> None:
    honest = secured.gateway("gateway-a")

    async def scenario() -> None:
        async with (
            secured.ear(secured.service_bus("devices"), of("+", "discovered")) as devices,
            secured.ear(secured.bus(honest), of("gateway-a", "command")) as gateway,
        ):
            await devices.bus.publish(of("gateway-a", "command"), b"discover")
            await secured.until(lambda: gateway.messages, "the question")
            await gateway.bus.publish(of("gateway-a", "discovered"), b"heard")
            await secured.until(lambda: devices.messages, "the answer")
            for refused in ("config", "alert_state", "receipt", "discovered"):
                with pytest.raises(PublishRefusedError):
                    await devices.bus.publish(of("gateway-a", refused), b"")
            with pytest.raises(PublishRefusedError):
                await gateway.bus.publish(of("gateway-b", "command"), b"")

    secured.run(scenario)


def test_workers_of_ingest_share_what_comes_and_may_probe(secured) -> None:
    own = secured.gateway("gateway-a")
    shared = topics.shared("ingest", of("+", "telemetry"))
    probe = of("ingest", topics.PROBE)

    async def scenario() -> None:
        async with (
            secured.ear(secured.service_bus("ingest", "one"), shared, probe) as one,
            secured.ear(secured.service_bus("ingest", "two"), shared) as two,
            secured.ear(secured.bus(own)) as gateway,
        ):
            await two.bus.publish(probe, b"")
            await secured.until(lambda: probe in one.topics(), "the probe")
            for number in range(20):
                await gateway.bus.publish(of("gateway-a", "telemetry"), b"%d" % number)
            await secured.until(
                lambda: len(one.messages) - 1 + len(two.messages) == 20, "each message once"
            )

    secured.run(scenario)


def test_nobody_throws_another_off_by_his_name(secured) -> None:
    """Without `use_username_as_clientid` a thief with one gateway's certificate silences all."""
    honest, thief = secured.gateway("gateway-a"), secured.gateway("gateway-b")

    async def scenario() -> None:
        name = "wardlight-demo-gateway-a"
        async with secured.ear(secured.bus(honest, name)) as victim:
            for stolen in (name, "gateway-a", "alerts"):
                async with secured.ear(secured.bus(thief, stolen)):
                    await victim.bus.publish(of("gateway-a", "status"), b"still here")
            assert victim.connects == 1

    secured.run(scenario)


def test_a_gateways_certificate_is_none_for_services(secured) -> None:
    own = secured.gateway("gateway-a")

    async def scenario() -> None:
        said = await secured.trouble(secured.bus(own, services=True))
        assert "another home" in said

    secured.run(scenario)


def test_a_certificate_of_another_home_is_refused_although_its_names_are_the_same(
    secured, tmp_path
) -> None:
    other = ProvisionedHome(tmp_path / "other", secured.clock, lambda: b"")
    other.create(secured.options, None)
    stranger = secured.enrol(other.add_device("gateway-a", "gateway"), "stranger")
    ours = secured.gateway("gateway-a")
    half = Credentials(ca_file=ours.ca_file, certificate_file=stranger.certificate_file)
    without = Credentials(ca_file=ours.ca_file)

    async def scenario() -> None:
        said = await secured.trouble(secured.bus(stranger))
        assert "not the home's broker" in said, "it does not trust our broker either"
        said = await secured.trouble(secured.bus(half))
        assert "another home" in said or "calls himself this home's authority" in said
        async with secured.ear(secured.bus(without), connects=False) as nobody:
            await secured.until(lambda: nobody.bus.trouble, "a refusal")
            assert nobody.connects == 0

    secured.run(scenario)


def test_an_expired_certificate_is_refused_and_says_so(secured) -> None:
    long_ago = VirtualClock(datetime.now(UTC) - timedelta(days=800))
    expired = secured.enrol(secured.at(long_ago).add_device("gateway-a", "gateway"))

    async def scenario() -> None:
        assert "expired" in await secured.trouble(secured.bus(expired))

    secured.run(scenario)


def test_a_stolen_gateway_is_cut_off_within_seconds_and_does_not_come_back(secured) -> None:
    stolen, honest = secured.gateway("gateway-a"), secured.gateway("gateway-b")

    async def scenario() -> None:
        async with (
            secured.ear(secured.service_bus("alerts"), "wardlight/v1/demo/+/event/+") as alerts,
            secured.ear(secured.bus(honest)) as other,
            secured.ear(secured.bus(stolen, "whatever-it-likes")) as thief,
        ):
            event = topics.event_topic(HOME, "gateway-a", "fall_detected")
            await thief.bus.publish(event, b"before")
            await secured.until(lambda: alerts.messages, "an event of before")

            secured.home.revoke("gateway-a")
            told = await tell_broker(secured.home, ("gateway-a",), secured.clock)
            assert told.thrown_out == ("gateway-a",)
            assert told.took_s < CUT_OFF_WITHIN_S
            await secured.until(lambda: not thief.bus.connected, "the end of its connection")
            with pytest.raises(NotConnectedError):
                await thief.bus.publish(event, b"after")
            await secured.until(lambda: thief.bus.certificate_trouble, "a refusal")
            assert "revoked" in str(thief.bus.certificate_trouble)
            assert thief.connects == 1
            await other.bus.publish(of("gateway-b", "status"), b"undisturbed")
            assert other.connects == 1
            assert len(alerts.messages) == 1

    secured.run(scenario)


def test_a_connection_that_stands_may_nothing_once_the_access_list_is_read(secured) -> None:
    """Between the signal and the end of the connection nothing gets through either."""
    stolen = secured.gateway("gateway-a")

    async def scenario() -> None:
        async with (
            secured.ear(secured.service_bus("alerts")) as alerts,
            secured.ear(secured.bus(stolen), of("gateway-a", "config")) as thief,
        ):
            secured.home.revoke("gateway-a")
            await tell_broker(secured.home, (), secured.clock)
            assert thief.bus.connected
            with pytest.raises(PublishRefusedError, match="Not authorized"):
                await thief.bus.publish(of("gateway-a", "telemetry"), b"")
            await alerts.bus.publish(of("gateway-a", "config"), b"secret", retain=True)
            async with secured.ear(secured.service_bus("doctor"), "$SYS/broker/version"):
                pass
            assert thief.messages == []

    secured.run(scenario)


def test_a_replaced_gateway_may_have_the_name_of_the_stolen_one(secured) -> None:
    stolen = secured.gateway("gateway-a")
    secured.home.revoke("gateway-a")
    new = secured.enrol(secured.home.add_device("gateway-a", "gateway"), "new")

    async def scenario() -> None:
        assert "revoked" in await secured.trouble(secured.bus(stolen))
        async with secured.ear(secured.bus(new)) as gateway:
            await gateway.bus.publish(of("gateway-a", "status"), b"")

    secured.run(scenario)


def test_a_rotation_loses_nothing_and_needs_no_restart(secured) -> None:
    """What is not acknowledged is sent again, as the outbox does."""
    credentials = secured.gateway("gateway-a")
    count = 60

    async def scenario() -> None:
        async with (
            secured.ear(secured.service_bus("ingest"), "wardlight/v1/demo/+/telemetry") as ingest,
            secured.ear(secured.bus(credentials)) as gateway,
        ):

            async def say(number: int) -> None:
                while True:
                    try:
                        await gateway.bus.publish(of("gateway-a", "telemetry"), b"%d" % number)
                    except NotConnectedError:
                        await secured.clock.sleep(0.02)
                    else:
                        return

            for number in range(count):
                await say(number)
                if number == count // 3:
                    made = secured.home.rotate("gateway-a")
                    await tell_broker(secured.home, (), secured.clock)
                    secured.enrol(made)
                if number == 2 * count // 3:
                    secured.home.revoke("gateway-a", older_only=True)
                    await tell_broker(secured.home, ("gateway-a",), secured.clock)
            await secured.until(
                lambda: (
                    {message.payload for message in ingest.messages}
                    == {b"%d" % number for number in range(count)}
                ),
                "every message",
            )
            assert gateway.connects == 2, "once before, once with the new certificate"

    secured.run(scenario)


def test_the_brokers_own_certificate_is_renewed_while_it_runs(secured) -> None:
    own = secured.gateway("gateway-a")

    async def scenario() -> None:
        def shown() -> bytes:
            address = ("127.0.0.1", secured.options.services_port)
            return ssl.get_server_certificate(address).encode()

        async with secured.ear(secured.bus(own)) as gateway:
            before = await asyncio.to_thread(shown)
            secured.home.rotate("broker")
            await tell_broker(secured.home, (), secured.clock)
            assert await asyncio.to_thread(shown) != before
            await gateway.bus.publish(of("gateway-a", "status"), b"undisturbed")
            assert gateway.connects == 1

    secured.run(scenario)


def test_what_is_too_large_is_refused_before_it_ends_the_connection(secured) -> None:
    own = secured.gateway("gateway-a")

    async def scenario() -> None:
        async with secured.ear(secured.bus(own)) as gateway:
            await gateway.bus.publish(of("gateway-a", "telemetry"), bytes(MAX_PAYLOAD_BYTES))
            with pytest.raises(PublishRefusedError, match="at most"):
                await gateway.bus.publish(
                    of("gateway-a", "telemetry"), bytes(MAX_PAYLOAD_BYTES + 1)
                )
            assert gateway.connects == 1
            # A stranger's client does not ask: it is thrown out.
            connection = gateway.bus._connection
            connection._client.publish(of("gateway-a", "telemetry"), bytes(LARGEST_PACKET_BYTES), 1)
            await secured.until(lambda: connection.loss is not None, "the end of its connection")

    secured.run(scenario)


def test_old_tls_and_no_tls_are_refused(secured) -> None:
    own = secured.gateway("gateway-a")

    async def scenario() -> None:
        old = own.context()
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            old.minimum_version = ssl.TLSVersion.TLSv1
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        for url, tls in (
            (f"mqtts://127.0.0.1:{secured.options.port}", old),
            (f"mqtt://127.0.0.1:{secured.options.port}", None),
            (f"mqtt://127.0.0.1:{secured.options.services_port}", None),
        ):
            bus = MqttBus(url, "old", secured.clock, tls=tls)
            async with secured.ear(bus, connects=False) as ear:
                await secured.until(lambda bus=bus: bus.trouble is not None, "a refusal")
                assert ear.connects == 0

    secured.run(scenario)


def test_a_wrong_host_name_is_noticed(secured) -> None:
    own = secured.gateway("gateway-a")

    async def scenario() -> None:
        bus = MqttBus(f"mqtts://127.0.0.2:{secured.options.port}", "x", secured.clock, tls=own)
        assert "another address" in await secured.trouble(bus)

    secured.run(scenario)


def test_a_gateway_without_the_time_still_reaches_the_broker(secured) -> None:
    """Its clock stands before the broker's certificate: an alarm must not wait for NTP."""
    future = VirtualClock(datetime.now(UTC) + timedelta(days=30))
    secured.at(future).rotate("broker")
    own = secured.gateway("gateway-a")
    lost = Credentials(
        ca_file=own.ca_file,
        certificate_file=own.certificate_file,
        clock_is_right=lambda: False,
    )

    async def scenario() -> None:
        assert "not valid yet" in await secured.trouble(secured.bus(own))
        async with secured.ear(secured.bus(lost)) as gateway:
            await gateway.bus.publish(of("gateway-a", "status"), b"")

    secured.run(scenario)
