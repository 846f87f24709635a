"""A held stream whose packets come late, or not all, without a gap that anyone would notice."""

from __future__ import annotations

import asyncio

import pytest

from contract.gatt import STREAM_UUID
from wardlight.stages import Stage


class SlowRadio:
    """Hands on a stream's packets late, in order, while it is slow."""

    def __init__(self, radio, clock, speed):
        self._radio, self._clock, self._speed = radio, clock, speed

    def __getattr__(self, name):
        return getattr(self._radio, name)

    async def connect(self, address):
        return SlowLink(await self._radio.connect(address), self._clock, self._speed)


class SlowLink:
    def __init__(self, link, clock, speed):
        self._link, self._clock, self._speed = link, clock, speed

    def __getattr__(self, name):
        return getattr(self._link, name)

    def notifications(self, characteristic):
        packets = self._link.notifications(characteristic)
        return self._late(packets) if characteristic == STREAM_UUID else packets

    async def _late(self, packets):
        queue: asyncio.Queue = asyncio.Queue()

        async def fill() -> None:
            try:
                async for packet in packets:
                    queue.put_nowait(packet)
            except OSError as error:
                queue.put_nowait(error)

        filling = asyncio.create_task(fill())
        try:
            while True:
                item = await queue.get()
                if isinstance(item, OSError):
                    raise item
                payload, at_ns = item
                if self._speed.get("lost", 0) > 0:
                    self._speed["lost"] -= 1
                    continue
                due_ns = at_ns + round(self._speed["late_s"] * 1e9)
                await self._clock.sleep(max(0.0, (due_ns - self._clock.monotonic_ns()) / 1e9))
                yield payload, self._clock.monotonic_ns()
        finally:
            filling.cancel()


@pytest.mark.parametrize("late_s", [1.0, 1.2, 1.4])
def test_a_fall_in_late_packets_is_brought_by_its_window(virtual_scene, late_s):
    speed = {"late_s": 0.0}

    async def journey(scene):
        await scene.clock.sleep(60)
        scene.simulation.fall("resident-1")
        speed["late_s"] = late_s
        await scene.clock.sleep(15)
        speed["late_s"] = 0.0
        await scene.watch.reached(Stage.ALERTED, 120)

    virtual_scene(
        journey, "resident-1", wrap_radio=lambda radio, clock: SlowRadio(radio, clock, speed)
    )


@pytest.mark.parametrize("after_s", [3.0, 3.25, 3.5])
def test_a_fall_whose_packet_was_lost_is_brought_by_its_window(virtual_scene, after_s):
    speed = {"late_s": 0.0, "lost": 0}

    async def journey(scene):
        await scene.clock.sleep(60)
        scene.simulation.fall("resident-1")
        await scene.clock.sleep(after_s)
        speed["lost"] = 2  # a second at most: less than what counts as a gap
        await scene.watch.reached(Stage.ALERTED, 120)

    virtual_scene(
        journey, "resident-1", wrap_radio=lambda radio, clock: SlowRadio(radio, clock, speed)
    )
