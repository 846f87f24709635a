"""Another maker's wearable, recorded and played: the same fall is found in the recording."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from contract.clock import VirtualClock
from contract.ids import seeded_ids
from contract.messages import MESSAGE_SCHEMA, GatewayConfig, WearableConfig
from edge import Gateway, LogSiren
from firmware_sim.bluez.gadgets import GadgetLink, Gadgets
from firmware_sim.capture import Capture, CaptureRadio, CaptureWriter, RecordingRadio, new_scene
from firmware_sim.polar import PolarSensor
from firmware_sim.straps import Wrist
from messaging import LocalBroker, LocalBus

ADDRESS = "A0:9E:1A:00:00:01"
WEARABLE = WearableConfig(
    device="polar-1", address=ADDRESS, kind="polar", resident="resident-1", streaming=True
)


class Air(Gadgets):
    """A radio for the recorder: what the gadgets say."""

    def __init__(self, clock, gadgets):
        super().__init__(clock, gadgets)
        self.links: list[GadgetLink] = []

    async def connect(self, address):
        self.links.append(await super().connect(address))
        return self.links[-1]

    async def close(self):
        for link in self.links:
            link.drop("the radio was closed")

    def troubles(self):
        return ()


def gateway(folder, clock, radio):
    config = GatewayConfig(schema=MESSAGE_SCHEMA, home="demo", revision=1, wearables=[WEARABLE])
    return Gateway(
        home="demo",
        name="gateway-a",
        folder=folder,
        clock=clock,
        ids=seeded_ids(clock, 1),
        radio=radio,
        bus=LocalBus(LocalBroker(), "gateway-a", clock),
        siren=LogSiren(),
        boot="boot-1",
        session="session-1",
        config=config,
    )


async def lived(gateway, work):
    """Run a gateway while `work` goes on; what it found, and what it decoded."""
    running = asyncio.ensure_future(gateway.run())
    await work
    found = [
        (event.kind.value, event.evidence.features if event.evidence else None)
        for event in (each.event for each in gateway.outbox.pending.values())
        if event.cause is None
    ]
    samples = gateway.counts["samples_decoded"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return found, samples


def test_a_recorded_polar_sensor_falls_again(tmp_path):
    clock = VirtualClock(datetime(2026, 3, 1, 2, 30, tzinfo=UTC))
    wrist = Wrist(seed=3)

    async def record():
        scene = new_scene(
            clock,
            home="demo",
            gateway="gateway-a",
            gateway_zone=None,
            time_zone="Asia/Hong_Kong",
            wearables=[WEARABLE],
            recorded_by="test",
        )
        writer = CaptureWriter(tmp_path / "capture", scene)
        radio = RecordingRadio(
            Air(clock, [PolarSensor(ADDRESS, clock, wrist=wrist)]), writer, clock
        )

        async def story():
            await clock.sleep(20)
            wrist.fall()
            await clock.sleep(50)

        then = await lived(gateway(tmp_path / "then", clock, radio), story())
        await writer.close(clock.monotonic_ns(), "the test was over")
        return then

    then = clock.run(record())
    assert [kind for kind, _ in then[0]] == ["fall_suspected", "fall_detected"]

    later = VirtualClock(datetime(2026, 9, 1, 7, 0, tzinfo=UTC))

    async def play():
        radio = CaptureRadio(Capture(tmp_path / "capture"), later)
        assert radio.wearables[0].kind == "polar"
        return await lived(gateway(tmp_path / "now", later, radio), radio.run())

    now = later.run(play())
    assert now == then
