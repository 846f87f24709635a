"""Faults of wearables as a gateway tells them, alone and between several."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from contract import topics, wire
from contract.events import EventKind, FaultCause
from contract.gatt import Operation
from contract.messages import MESSAGE_SCHEMA, Presence
from contract.units import NS_PER_S
from edge import drift, swaps, timekeeping
from edge.battery import BATTERY_FILE
from edge.swaps import SWAPS_FILE

NOT_HEARD = FaultCause.WEARABLE_NOT_HEARD


async def neighbour(bench, seconds: int, rssi: float | None = -50.0, **said) -> None:
    """Another gateway at the entrance that hears the wearable, as far as presence tells."""
    for sequence in range(seconds):
        presence = Presence(
            schema=MESSAGE_SCHEMA,
            gateway="gateway-b",
            session=f"b-{bench.clock.monotonic_ns()}",
            sequence=sequence + 1,
            at_us=0,
            heard={} if rssi is None else {"wearable-1": rssi},
            **{"zone": "entrance", **said},
        )
        bench.broker.publish(topics.build("demo", "gateway-b", "presence"), wire.encode(presence))
        await bench.clock.sleep(1.0)


def test_last_heard_at_the_entrance_it_may_have_left_the_building(bench):
    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(30, battery_percent=60)
            await neighbour(bench, 30)
            await neighbour(bench, 120, rssi=None)
            (fault,) = bench.far_end.faults(NOT_HEARD)
            assert "may have left the building" in fault.detail
            assert "at entrance" in fault.detail
            assert fault.zone == "entrance", "and not where the gateway stands that says so"
            assert fault.evidence.detector == "not_heard/1:left_the_building"
            assert fault.evidence.features["rssi_dbm"] == -50
            await neighbour(bench, 10)
            assert bench.far_end.faults(NOT_HEARD)[-1].kind is EventKind.FAULT_CLEARED

    bench.clock.run(main())


def test_the_battery_that_another_gateway_read_explains_the_silence(bench):
    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(5, battery_percent=60)
            await neighbour(bench, 30, low_battery={"wearable-1": 2})
            await neighbour(bench, 120, rssi=None)
            (fault,) = bench.far_end.faults(NOT_HEARD)
            assert "its battery is probably flat" in fault.detail
            assert fault.evidence.features["battery_percent"] == 2

    bench.clock.run(main())


def test_a_gateway_that_fell_silent_with_it_is_the_reason(bench):
    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(5)
            await neighbour(bench, 30)
            await bench.clock.sleep(120)
            (fault,) = bench.far_end.faults(NOT_HEARD)
            assert "gateway gateway-b, which heard it last, fell silent with it" in fault.detail

    bench.clock.run(main())


def test_of_several_gateways_the_nearest_says_that_a_battery_is_low(bench):
    gateway = bench.gateway()

    async def main():
        async with bench.running(gateway):
            hearing = asyncio.create_task(neighbour(bench, 20, rssi=-40.0))
            await bench.advertise(20, battery_percent=9)
            await hearing
            assert bench.far_end.faults(FaultCause.BATTERY_LOW) == []
            await bench.advertise(20, first=120, battery_percent=9)
            (fault,) = bench.far_end.faults(FaultCause.BATTERY_LOW)
            assert fault.detail.startswith("wearable-1 has 9 % of battery left")
            # The other one hears it now, and holds the fault: it is not ended here.
            await neighbour(bench, 120, distrusted={"wearable-1": ["battery_low"]})
            assert len(bench.far_end.faults(FaultCause.BATTERY_LOW)) == 1
            assert not gateway.faults.stands(FaultCause.BATTERY_LOW, "wearable-1")

    bench.clock.run(main())


def test_low_batteries_are_told_to_the_others(bench):
    gateway = bench.gateway()

    async def main():
        async with bench.running(gateway):
            await bench.advertise(5, battery_percent=80)
            assert gateway.health.wearables.low_batteries() == {}
            await bench.advertise(5, first=105, battery_percent=12)
            assert gateway.health.wearables.low_batteries() == {"wearable-1": 12}

    bench.clock.run(main())


def test_days_of_battery_are_told_in_the_status_also_after_a_restart(bench):
    hour = bench.clock.now_ns() // (3_600 * NS_PER_S)
    history = {"wearable-1": [(hour - ago, 44.0 + ago) for ago in range(24, 0, -1)]}
    folder = bench.folder / "gateway-a"
    folder.mkdir()
    (folder / BATTERY_FILE).write_bytes(json.dumps(history).encode())
    gateway = bench.gateway()

    async def main():
        async with bench.running(gateway):
            await bench.advertise(10, battery_percent=44)
            counts = gateway.health.status_counts(bench.clock.monotonic_ns())
            assert counts["battery_days: wearable-1"] == pytest.approx(44 / 24, abs=0.1)
            (fault,) = bench.far_end.faults(FaultCause.BATTERY_LOW)
            assert fault.detail.startswith(
                "wearable-1 has 44 % of battery left, about 1.8 days at its rate"
            )
            await bench.advertise(130, first=110, battery_percent=44, charging=True)
            assert len(bench.far_end.faults(FaultCause.BATTERY_LOW)) == 2, "it is being charged"
        assert json.loads((folder / BATTERY_FILE).read_bytes()) == {}

    bench.clock.run(main())


def test_a_clock_that_runs_away_is_told_with_figures(bench, make_advert, monkeypatch):
    monkeypatch.setattr(drift, "BLOCK_NS", 20 * NS_PER_S)

    async def main():
        async with bench.running(bench.gateway()):
            # 1,000 ppm slow: a thousand of its seconds are one of ours longer.
            for second in range(170):
                bench.radio.hear("C0:DE:00:00:00:01", make_advert(second))
                await bench.clock.sleep(1.001)
            (fault,) = bench.far_end.faults(FaultCause.CLOCK_DRIFT)
            assert fault.device == "wearable-1"
            assert "ppm slow" in fault.detail
            (told,) = re.findall(r"runs (\d+) ppm", fault.detail)
            assert float(told) == pytest.approx(1_000, abs=30)

    bench.clock.run(main())


def test_a_wearable_is_told_the_time_on_a_link_that_stands_anyway(bench, monkeypatch):
    monkeypatch.setattr(timekeeping, "SET_AGAIN_NS", 100 * NS_PER_S)

    async def press(first: int, counter: int, boot: int = 7) -> list[int]:
        before = len(bench.radio.written)
        pressed = {"button_counter": counter, "boot_counter": boot}
        await bench.advertise(1, first=first, button_pending=True, **pressed)
        await bench.advertise(1, first=first + 1, **pressed)
        written = bench.radio.written[before:]
        return [each[2][0] for each in written if each[1] is Operation.SET_TIME]

    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(5, first=100)
            assert bench.radio.connects == 0, "never for its own sake"
            (told_us,) = await press(105, 1)
            assert told_us * 1_000 == pytest.approx(bench.clock.now_ns(), abs=3 * NS_PER_S)
            assert await press(107, 2) == [], "it was told just now"
            assert len(await press(1, 1, boot=8)) == 1, "it has booted"
            await bench.clock.sleep(110)
            bench.clock.set_synced(False)
            assert await press(115, 2, boot=8) == [], "nobody knows"
            bench.clock.set_synced(True)
            assert len(await press(117, 3, boot=8)) == 1

    bench.clock.run(main())


def test_streams_rest_while_links_keep_the_radio_from_hearing(
    bench, make_config, make_wearable, make_advert
):
    wearables = [make_wearable(number, streaming=number == 1) for number in range(1, 7)]
    gateway = bench.gateway(config=make_config(*wearables))

    async def live(seconds: int) -> None:
        nonlocal second
        for _ in range(seconds):
            second += 1
            # While a link stands, one advert in five seconds gets through.
            if not gateway.pool.count or second % 5 == 0:
                for number in range(1, 7):
                    address = f"C0:DE:00:00:00:{number:02X}"
                    bench.radio.hear(address, make_advert(second, identity=number))
            if gateway.pool.count:
                # Its packets come: the stream is alive.
                gateway.roster.by_device["wearable-1"].sampled_ns = bench.clock.monotonic_ns()
            await bench.clock.sleep(1.0)

    second = 100

    async def main():
        bench.radio.connectable = False
        async with bench.running(gateway):
            await live(120)
            bench.radio.connectable = True
            await live(400)
            assert gateway.streams.held == 0, "it is let go of"
            (fault,) = bench.far_end.faults(FaultCause.SCAN_STARVED)
            assert fault.detail.startswith("the radio hears 1.2 adverts a second while links stand")
            assert bench.radio.connects > 0
            counts = gateway.health.status_counts(bench.clock.monotonic_ns())
            assert counts["adverts_per_s_without_links"] == pytest.approx(6, abs=0.5)
            # A window is fetched all the same.
            before = bench.radio.connects
            data = make_advert(
                second + 1,
                identity=2,
                candidate_counter=1,
                candidate_pending=True,
                candidate_age_s=1,
                candidate_peak_g=4.0,
            )
            bench.radio.hear("C0:DE:00:00:00:02", data)
            await bench.clock.sleep(1.0)
            assert bench.radio.connects == before + 1

    bench.clock.run(main())


def test_two_that_were_each_worn_at_the_others_bed_are_told_with_one_sentence(
    bench, make_config, make_wearable, monkeypatch
):
    monkeypatch.setattr(swaps, "LEAST_MINUTES", 2)
    one, other = make_wearable(1, zone="corridor"), make_wearable(2, zone="room-b")
    slept = [
        {"device": "wearable-1", "home_zone": "corridor", "zone": "room-b"},
        {"device": "wearable-2", "home_zone": "room-b", "zone": "corridor"},
    ]
    folder = bench.folder / "gateway-a"
    folder.mkdir()
    # It is four in the morning of the 2nd of January; the night before this one is kept.
    (folder / SWAPS_FILE).write_bytes(json.dumps({"nights": {"2025-12-31": slept}}).encode())
    gateway = bench.gateway(config=make_config(one, other))
    bench.clock.pass_time(116 * 60 * NS_PER_S)

    async def main():
        async with bench.running(gateway):
            there = asyncio.create_task(neighbour(bench, 330, zone="room-b"))
            await bench.advertise(330, number=2)
            await there
            told = bench.far_end.faults(FaultCause.WEARABLES_SWAPPED)
            assert {each.device for each in told} == {"wearable-1", "wearable-2"}
            assert len({each.detail for each in told}) == 1
            # Each is given to who wears it.
            swapped = [
                make_wearable(1, zone="room-b", resident="resident-2"),
                make_wearable(2, zone="corridor", resident="resident-1"),
            ]
            gateway._apply_config(make_config(*swapped, revision=2))
            await bench.clock.sleep(70)
            kinds = [each.kind for each in bench.far_end.faults(FaultCause.WEARABLES_SWAPPED)]
            assert kinds.count(EventKind.FAULT_CLEARED) == 2

    bench.clock.run(main())
