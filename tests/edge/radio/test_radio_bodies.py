"""Other makers' wearables by bleak's own backend: services, reads, indications, notifications."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import numpy as np
import pytest

from contract.clock import SystemClock
from contract.messages import WearableConfig
from contract.protocols import LinkLostError
from edge.decode import heart_rate, infinitime, polar
from firmware_sim.bluez import Gadgets
from firmware_sim.pinetime import PineTime
from firmware_sim.polar import PolarSensor
from firmware_sim.straps import Strap


class Told:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.samples = 0
        self.first_g: np.ndarray | None = None
        self.rates_hz: list[float] = []
        self.beats: list[int | None] = []
        self.percent: int | None = None
        self.model = ""
        self.reasons: list[str] = []

    def motion(self, samples_g, rate_hz, device_ns, arrival_ns) -> None:
        self.samples += samples_g.shape[1]
        self.first_g = samples_g if self.first_g is None else self.first_g
        self.rates_hz.append(rate_hz)

    def heart_rate(self, beats_per_minute, is_in_contact, arrival_ns) -> None:
        self.beats.append(beats_per_minute)

    def battery(self, percent) -> None:
        self.percent = percent

    def described(self, model) -> None:
        self.model = model

    def rejected(self, reason, arrival_ns) -> None:
        self.reasons.append(reason)


ADDRESS = "A0:9E:1A:00:00:01"
KINDS = {
    "strap": (heart_rate.KIND, lambda clock: Strap(ADDRESS, clock), 0),
    "H10": (polar.KIND, lambda clock: PolarSensor(ADDRESS, clock), 36),
    "Verity Sense": (
        polar.KIND,
        lambda clock: PolarSensor(
            ADDRESS, clock, name="Polar Sense ABCDEF12", rates_hz=(52,), compressed=True
        ),
        71,
    ),
    "PineTime": (infinitime.KIND, lambda clock: PineTime(ADDRESS, clock), 5),
}


@pytest.mark.parametrize(("kind", "make", "samples"), KINDS.values(), ids=KINDS.keys())
def test_what_a_wearable_says_comes_through_dbus_whole(on_air, kind, make, samples):
    clock = SystemClock()
    told = Told()

    async def main():
        gadget = make(clock)
        config = WearableConfig(device="body", address=ADDRESS, kind=kind.name, streaming=True)
        decoder = kind.wearable(config)
        async with on_air({"hci0": [Gadgets(clock, [gadget])]}, clock=clock) as bench:
            await bench.hears_who(gadget)
            assert kind.recognise(bench.adverts[-1]) is not None
            link = await bench.radio.connect(ADDRESS)
            holding = asyncio.ensure_future(decoder.hold(link, told, clock))
            await bench.until(lambda: told.samples >= samples and told.beats and told.model)
            gadget.switch_off()
            with pytest.raises(LinkLostError):
                await asyncio.wait_for(holding, 10)
            with suppress(LinkLostError):
                await link.disconnect()

    asyncio.run(main())
    assert told.percent == 80
    assert told.beats[0] == 70
    assert told.reasons == []
    if samples:
        assert 0.9 < np.linalg.norm(told.first_g, axis=0).mean() < 1.1
