"""Receivers over MQTT: their adverts reach the gateway, and who falls silent is a fault."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import wire
from contract.clock import SystemClock, VirtualClock
from contract.events import EventKind, FaultCause
from contract.messages import Presence, ReceiverConfig
from contract.protocols import AdapterTrouble, HeardAdvert, LinkLostError, Message
from contract.units import seconds_to_ns
from edge.counters import Counts
from edge.presence import BY_PROXY_DBM
from edge.radio.mqtt_proxy import MESSAGES_PER_S, MqttProxyRadio, check_filter
from edge.radio.several import SeveralRadios
from edge.wearables import Wearable
from messaging import LocalBus, Mosquitto, MqttBus

OMG = "home/+/BTtoMQTT/#"
TOPIC = "home/lounge/BTtoMQTT/C0DE00000001"
WEARABLE = "C0:DE:00:00:00:01"
LOUNGE = ReceiverConfig(name="lounge", zone="lounge")
TOILET = ReceiverConfig(name="toilet", zone="toilet-2")
SILENT = FaultCause.RECEIVER_SILENT


def said(data=b"\x01", address=WEARABLE, rssi=-60, **more):
    return json.dumps(
        {"id": address, "rssi": rssi, "manufacturerdata": "ffff" + data.hex(), **more}
    ).encode()


class Proxy:
    """A radio of receivers, without a broker."""

    def __init__(self, clock, receivers=(LOUNGE, TOILET)):
        self.clock = clock
        self.receivers = receivers
        self.counts = Counts()
        self.radio = MqttProxyRadio([OMG], clock)
        self.radio.belong_to(lambda: self.receivers, self.counts)

    def publish(self, payload, topic=TOPIC, retained=False):
        self.radio.take([Message(topic, payload, retained)])

    async def heard(self):
        """Everything so far; the radio is closed."""
        await self.radio.close()
        return [each async for batch in self.radio.adverts() for each in batch]

    @property
    def rejected(self):
        return {name: count for name, count in self.counts.items() if count}

    @property
    def troubles(self):
        return {each.adapter: each.detail for each in self.radio.troubles()}


@pytest.fixture
def proxy(clock):
    return Proxy(clock)


def test_adverts_come_with_the_name_of_who_heard_them_and_our_time(clock, proxy):
    async def main():
        await clock.sleep(7)
        now_ns = clock.monotonic_ns()
        proxy.publish(said(rssi=-70))
        proxy.publish(said(rssi=-80), topic="home/toilet/BTtoMQTT/C0DE00000001")
        heard = await proxy.heard()
        assert [(each.receiver, each.rssi_dbm) for each in heard] == [
            ("lounge", -70),
            ("toilet", -80),
        ]
        assert {each.received_ns for each in heard} == {now_ns}

    clock.run(main())


def test_nothing_connects_through_a_receiver(clock, proxy):
    with pytest.raises(LinkLostError, match="over MQTT only"):
        clock.run(proxy.radio.connect(WEARABLE))


@pytest.mark.parametrize(
    ("reason", "publish"),
    [
        ("no JSON", lambda proxy: proxy.publish(b"online")),
        ("the broker had kept", lambda proxy: proxy.publish(said(), retained=True)),
        ("not enrolled", lambda proxy: proxy.publish(said(), topic="home/stranger/BTtoMQTT/1")),
        ("too long", lambda proxy: proxy.publish(b" " * 100_000)),
        ("without its strength", lambda proxy: proxy.publish(said(rssi="near"))),
        (
            "without its raw data",
            lambda proxy: proxy.publish(b'{"id": "C0:DE:00:00:00:01", "rssi": -6, "model": "X"}'),
        ),
    ],
)
def test_what_is_refused_is_counted_by_its_reason(clock, proxy, reason, publish):
    async def main():
        publish(proxy)
        assert await proxy.heard() == []

    clock.run(main())
    assert [name for name in proxy.rejected if reason in name], proxy.rejected
    assert sum(proxy.rejected.values()) == 1


def test_one_bad_advert_of_many_costs_only_itself(clock, proxy):
    async def main():
        good = json.loads(said())
        proxy.publish(json.dumps([good, good | {"id": "?"}, good]).encode())
        assert len(await proxy.heard()) == 2

    clock.run(main())
    assert proxy.rejected == {"rejected: over MQTT: an address that is none": 1}


def test_a_flood_of_one_receiver_costs_the_others_nothing(clock, proxy):
    async def main():
        for _ in range(3 * MESSAGES_PER_S):
            proxy.publish(said())
        proxy.publish(said(), topic="home/toilet/BTtoMQTT/1")
        await clock.sleep(1)
        proxy.publish(said())
        heard = await proxy.heard()
        assert len(heard) == MESSAGES_PER_S + 2
        assert [each.receiver for each in heard[-2:]] == ["toilet", "lounge"]

    clock.run(main())
    assert proxy.rejected == {"rejected: over MQTT: a receiver that floods": 2 * MESSAGES_PER_S}


def test_before_the_configuration_nobody_is_enrolled_and_nobody_is_missed(clock):
    proxy = Proxy(clock, receivers=None)

    async def main():
        proxy.publish(said())
        await clock.sleep(600)
        assert proxy.troubles == {}
        proxy.receivers = (LOUNGE,)
        assert proxy.troubles == {}, "it has 90 s from now on"
        await clock.sleep(91)
        assert list(proxy.troubles) == ["lounge"]

    clock.run(main())


def test_a_receiver_that_sends_no_adverts_is_silent_whatever_else_it_says(clock, proxy):
    async def main():
        for _ in range(100):
            proxy.publish(said())
            proxy.publish(b"online", topic="home/toilet/BTtoMQTT/LWT")
            await clock.sleep(1)
        assert list(proxy.troubles) == ["toilet"]
        assert "toilet-2" in proxy.troubles["toilet"]
        proxy.publish(said(), topic="home/toilet/BTtoMQTT/C0DE00000001")
        assert proxy.troubles == {}
        proxy.receivers = (LOUNGE,)
        await clock.sleep(80)
        proxy.publish(said())
        await clock.sleep(80)
        assert proxy.troubles == {}, "who is no longer enrolled is not missed"

    clock.run(main())


def test_a_receiver_that_keeps_the_raw_data_to_itself_is_told_so(clock, proxy):
    decoded = json.dumps({"id": WEARABLE, "rssi": -60, "model_id": "X", "tempc": 20}).encode()

    async def main():
        proxy.publish(said())
        proxy.publish(said(), topic="home/toilet/BTtoMQTT/1")
        proxy.publish(decoded)
        assert list(proxy.troubles) == ["lounge"]
        assert "pubadvdata" in proxy.troubles["lounge"]
        for _ in range(61):
            await clock.sleep(10)
            proxy.publish(said())
            proxy.publish(said(), topic="home/toilet/BTtoMQTT/1")
        assert proxy.troubles == {}

    clock.run(main())


@pytest.mark.parametrize(
    "wrong",
    ["home/lounge/BTtoMQTT/#", "#", "+/+/BTtoMQTT/#", "wardlight/+/x", "a/#/+", "a/b+/+", "$SYS/+"],
)
def test_a_filter_that_cannot_be_is_refused_with_what_to_write(wrong):
    with pytest.raises(ValueError, match=r"\+|topic"):
        check_filter(wrong)


@given(st.binary(max_size=120), st.text(max_size=30))
def test_no_exception_comes_of_anything(payload, topic):
    proxy = Proxy(VirtualClock())
    for each in (topic, TOPIC):
        proxy.publish(payload, topic=each)
    proxy.radio.troubles()


# -- several radios ------------------------------------------------------------------------------


class Script:
    """A radio that says these batches and then ends, fails or waits."""

    def __init__(self, batches, end="waits", name=""):
        self.batches = batches
        self.end = end
        self.name = name
        self.is_closed = False

    async def adverts(self):
        for batch in self.batches:
            yield batch
        if self.end == "fails":
            raise OSError(f"{self.name} broke")
        if self.end == "waits":
            await asyncio.Event().wait()

    async def connect(self, address):
        return f"{self.name} to {address}"

    async def close(self):
        self.is_closed = True

    def troubles(self):
        return [AdapterTrouble(SILENT, self.name, "is silent")]


def one(number):
    return [HeardAdvert(f"{number}", -60, {}, {}, number)]


def test_several_radios_are_heard_each_in_its_order(clock):
    own, other = Script([one(1), one(2)], name="hci0"), Script([one(11), one(12)], name="lounge")

    async def main():
        both = SeveralRadios(own, [other])
        found = []
        batches = both.adverts()
        while len(found) < 4:
            found.extend(int(each.address) for each in await anext(batches))
        await batches.aclose()
        assert [each for each in found if each < 10] == [1, 2]
        assert [each for each in found if each > 10] == [11, 12]
        assert await both.connect("x") == "hci0 to x"
        assert [each.adapter for each in both.troubles()] == ["hci0", "lounge"]
        await both.close()
        assert own.is_closed
        assert other.is_closed

    clock.run(main())


@pytest.mark.parametrize("failing", ["own", "other"])
def test_an_error_of_any_radio_is_an_error_of_all(clock, failing):
    own = Script([one(1)], end="fails" if failing == "own" else "waits", name="own")
    other = Script([one(2)], end="fails" if failing == "other" else "waits", name="other")

    async def main():
        async def hear():
            return [batch async for batch in SeveralRadios(own, [other]).adverts()]

        with pytest.raises(OSError, match=f"{failing} broke"):
            await hear()

    clock.run(main())


def test_it_ends_with_the_own_radio_and_nothing_of_that_is_lost(clock):
    own = Script([one(each) for each in range(50)], end="ends")

    async def main():
        both = SeveralRadios(own, [Script([one(99)])]).adverts()
        found = [int(each.address) async for batch in both for each in batch]
        assert [each for each in found if each < 99] == list(range(50))

    clock.run(main())


# -- in a gateway --------------------------------------------------------------------------------


def heard_by(bench, make_config, receivers=(LOUNGE,)):
    """A gateway whose adapter hears nobody, with receivers on the same broker."""
    current = make_config(receivers=list(receivers))
    proxy = MqttProxyRadio([OMG], bench.clock)
    proxy.belong_to(lambda: current.receivers, Counts())
    bus = LocalBus(bench.broker, "gateway-a", bench.clock)
    bench.radio.connectable = False
    return bench.gateway(
        radio=SeveralRadios(bench.radio, [proxy]), bus=proxy.tap(bus), config=current
    )


def test_a_candidate_heard_by_a_receiver_alone_is_told_within_its_minute(
    bench, make_config, make_advert
):
    gateway = heard_by(bench, make_config)

    async def main():
        async with bench.running(gateway):
            for second in range(100, 160):
                candidate = (
                    {
                        "candidate_counter": 1,
                        "candidate_pending": True,
                        "candidate_age_s": second - 110,
                        "candidate_peak_g": 5.0,
                    }
                    if second > 110
                    else {}
                )
                bench.broker.publish(TOPIC, said(make_advert(second, **candidate)))
                await bench.clock.sleep(1)
            (told,) = bench.far_end.of(EventKind.FALL_SUSPECTED)
            first = min(at for at, topic, _ in bench.far_end.payloads if "fall_suspected" in topic)
            assert told.device == "wearable-1"
            assert first < 60
            assert bench.far_end.faults(FaultCause.WINDOW_NOT_FETCHED)
            assert not bench.far_end.faults(FaultCause.RADIO_SILENT)

    bench.clock.run(main())


def test_whoever_can_connect_goes_before_and_the_room_is_the_receivers(
    bench, make_config, make_advert
):
    gateway = heard_by(bench, make_config)

    def told():
        return wire.decode(gateway.neighbours.message({}), Presence).heard

    async def main():
        async with bench.running(gateway):
            bench.broker.publish(TOPIC, said(make_advert(100), rssi=-40))
            await bench.clock.sleep(1)
            assert told() == {"wearable-1": BY_PROXY_DBM}
            sighting = gateway.neighbours.strongest(gateway.roster.by_device["wearable-1"])
            assert (sighting.zone, sighting.rssi_dbm) == ("lounge", -40)
            pressed = make_advert(101, button_counter=1, button_pending=True)
            bench.broker.publish(TOPIC, said(pressed, rssi=-40))
            await bench.clock.sleep(1)
            assert bench.far_end.of(EventKind.HELP_REQUESTED)[0].zone == "lounge"
            bench.radio.hear(WEARABLE, make_advert(102), rssi=-95)
            await bench.clock.sleep(1)
            assert told() == {"wearable-1": -95}

    bench.clock.run(main())


def test_strengths_at_different_places_are_not_mixed(make_wearable):
    worn = Wearable(make_wearable(), 0, None)

    def hear(rssi, second, receiver=""):
        worn.hear(rssi, seconds_to_ns(second), receiver)
        return worn.receiver, worn.rssi_dbm

    assert hear(-80, 1) == ("", -80)
    assert hear(-40, 2, "lounge") == ("", -80), "an adapter of ours hears it"
    assert worn.heard_ns == seconds_to_ns(2)
    assert hear(-40, 12, "lounge") == ("lounge", -40), "not any more"
    assert hear(-38, 13, "toilet") == ("lounge", -40)
    assert hear(-30, 14, "toilet") == ("toilet", -30)
    assert hear(-90, 15) == ("", -90), "through us it can be connected to"


def test_a_pressed_button_reaches_the_far_end_through_a_receiver(bench, make_config, make_advert):
    gateway = heard_by(bench, make_config)

    async def main():
        async with bench.running(gateway):
            bench.broker.publish(TOPIC, said(make_advert(100)))
            await bench.clock.sleep(1)
            pressed = make_advert(101, button_counter=1, button_pending=True)
            bench.broker.publish(TOPIC, said(pressed))
            await bench.clock.sleep(1)
            assert len(bench.far_end.of(EventKind.HELP_REQUESTED)) == 1

    bench.clock.run(main())


def test_a_silent_receiver_is_a_fault_of_its_own(bench, make_config, make_advert):
    gateway = heard_by(bench, make_config, receivers=(LOUNGE, TOILET))

    async def main():
        async with bench.running(gateway):
            for second in range(100, 220):
                bench.broker.publish(TOPIC, said(make_advert(second)))
                await bench.clock.sleep(1)
            (fault,) = bench.far_end.faults(SILENT)
            assert fault.device == "gateway-a/toilet"
            bench.broker.publish("home/toilet/BTtoMQTT/1", said(make_advert(230)))
            await bench.clock.sleep(10)
            assert bench.far_end.faults(SILENT)[-1].kind is EventKind.FAULT_CLEARED

    bench.clock.run(main())


def test_the_gateways_own_messages_still_come(bench, make_config, make_advert):
    gateway = heard_by(bench, make_config)

    async def main():
        async with bench.running(gateway):
            pressed = make_advert(101, button_counter=1, button_pending=True)
            bench.broker.publish(TOPIC, said(pressed))
            await bench.clock.sleep(5)
            assert gateway.outbox.pending == {}, "its receipts were heard"

    bench.clock.run(main())


async def connected(bus, filters, take):
    """A task that runs `bus`, once it is connected."""
    there = asyncio.Event()

    async def note():
        there.set()

    task = asyncio.create_task(bus.run(filters, take, note))
    await asyncio.wait_for(there.wait(), 10)
    return task


def test_receivers_and_gateway_share_one_connection_to_a_real_broker(tmp_path):
    clock = SystemClock()
    radio = MqttProxyRadio([OMG], clock)
    radio.belong_to(lambda: (LOUNGE,), Counts())
    own = []
    there = asyncio.Event()

    async def take(messages):
        own.extend(messages)
        there.set()

    async def heard(count):
        found, batches = [], radio.adverts()
        while len(found) < count:
            found.extend(await anext(batches))
        return found

    async def main(broker):
        gateway = radio.tap(MqttBus(broker.url, "gateway-a", clock))
        esp32 = MqttBus(broker.url, "esp32", clock)
        tasks = [await connected(gateway, ["wardlight/v1/#"], take)]
        tasks.append(await connected(esp32, [], take))
        for rssi in range(-80, -60):
            await esp32.publish(TOPIC, said(rssi=rssi))
        await esp32.publish("wardlight/v1/demo/gateway-a/config", b"{}")
        found = await asyncio.wait_for(heard(20), 10)
        assert [each.rssi_dbm for each in found] == list(range(-80, -60))
        await asyncio.wait_for(there.wait(), 10)
        assert [each.topic for each in own] == ["wardlight/v1/demo/gateway-a/config"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def with_broker():
        broker = Mosquitto(tmp_path, clock)
        await broker.start()
        try:
            await main(broker)
        finally:
            broker.stop()

    asyncio.run(with_broker())


def test_a_silent_receiver_waits_its_ninety_seconds_out(clock, proxy):
    async def main():
        proxy.publish(said())
        await clock.sleep(89)
        assert "lounge" not in proxy.troubles
        await clock.sleep(1)
        assert "lounge" in proxy.troubles
        assert clock.monotonic_ns() >= seconds_to_ns(90)

    clock.run(main())
