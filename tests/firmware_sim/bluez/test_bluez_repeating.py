"""Devices that repeat themselves at their advertising interval, in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter

from contract.clock import VirtualClock
from contract.protocols import HeardAdvert
from firmware_sim.bluez import Repeating

DEVICES = [f"C0:DE:00:00:00:{number:02X}" for number in range(20)]
SENSOR = HeardAdvert("A4:C1:38:00:00:01", -70, {}, {"fcd2": b"\x44"}, 0)
SECONDS = 30


class EachSecond:
    """Twenty devices that have something new each second, all at once, for half a minute."""

    def __init__(self, clock):
        self._clock = clock

    async def adverts(self):
        for second in range(SECONDS):
            now_ns = self._clock.monotonic_ns()
            yield [HeardAdvert(each, -60, {1: bytes((second,))}, {}, now_ns) for each in DEVICES]
            await self._clock.sleep(1.0)
        await asyncio.Event().wait()


def hear(standing=()):
    clock = VirtualClock()
    heard: list[tuple[int, HeardAdvert]] = []

    async def main():
        repeating = Repeating(EachSecond(clock), clock, standing=standing, seed=1)

        async def listen():
            async for batch in repeating.adverts():
                heard.extend((clock.monotonic_ns(), advert) for advert in batch)

        listening = asyncio.create_task(listen())
        await clock.sleep(2.0 * SECONDS)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    clock.run(main())
    return heard


def test_each_device_says_everything_about_twice_in_its_own_moments():
    heard = hear()
    said = Counter((advert.address, advert.manufacturer_data[1]) for _, advert in heard)
    # The jitter of 10 ms moves some of an advertiser's events over a second's border.
    assert {1, 2, 3} >= set(said.values())
    assert len(said) == len(DEVICES) * SECONDS
    rates = Counter(advert.address for _, advert in heard)
    assert all(1.9 * SECONDS <= count <= 2.4 * SECONDS for count in rates.values())
    moments = {at_ns // 10_000_000 for at_ns, _ in heard if at_ns < 1_000_000_000}
    assert len(moments) >= len(DEVICES), "spread over the second, not all at once"
    assert len({advert.rssi_dbm for _, advert in heard}) > 5, "people move"


def test_what_comes_out_of_turn_waits_for_nothing():
    clock = VirtualClock()
    heard: list[tuple[int, bytes]] = []

    class Pressed(EachSecond):
        async def adverts(self):
            for data in (b"quiet", b"pressed"):
                yield [HeardAdvert(DEVICES[0], -60, {1: data}, {}, clock.monotonic_ns())]
                await clock.sleep(0.61)
            await asyncio.Event().wait()

    async def main():
        async def listen():
            async for batch in Repeating(Pressed(clock), clock).adverts():
                heard.extend((clock.monotonic_ns(), a.manufacturer_data[1]) for a in batch)

        listening = asyncio.create_task(listen())
        await clock.sleep(3.0)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    clock.run(main())
    first_ns = next(at_ns for at_ns, data in heard if data == b"pressed")
    assert 610_000_000 <= first_ns < 615_000_000


def test_who_falls_silent_is_silent_after_a_second():
    last_ns = max(at_ns for at_ns, _ in hear())
    assert (SECONDS - 1) * 1e9 < last_ns < (SECONDS + 0.5) * 1e9


def test_a_sensor_says_for_ever_what_it_said_last():
    times = [at_ns for at_ns, advert in hear([SENSOR]) if advert.address == SENSOR.address]
    assert times[-1] > (2 * SECONDS - 1) * 1e9
    assert 1.9 * 2 * SECONDS <= len(times) <= 2.1 * 2 * SECONDS
