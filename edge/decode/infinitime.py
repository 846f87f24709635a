"""PineTime watches with InfiniTime's firmware: acceleration, heart rate and battery.

Source: github.com/InfiniTimeOrg/InfiniTime, doc/MotionService.md (the raw motion values are three
int16, x y z), src/drivers/Bma421.cpp (a range of 2 g in 12 bits: 1,024 counts per g) and
src/components/motion/MotionController.cpp (values are polled at 10 Hz and notified when they differ
from those before); the heart rate is the Bluetooth SIG's service, notified when it changes.

What that means: an impact lasts a tenth of a second and reaches beyond 2 g, so most falls do not
show in these samples. They are good for stillness, wear, and long lies.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.advert import MalformedPacketError
from contract.clock import Clock
from contract.devices import DeviceKind, SensorDecoder, WearableDecoder, WearableSink
from contract.messages import SensorConfig, WearableConfig
from contract.protocols import HeardAdvert, LinkLostError, RadioLink
from contract.units import NS_PER_S
from edge.decode import standard
from edge.decode.heart_rate import decode_heart_rate
from edge.decode.uuids import BATTERY_LEVEL, HEART_RATE_MEASUREMENT, offers

MOTION_SERVICE: Final = "00030000-78fc-48fe-8e23-433b3a1942d0"
MOTION_VALUES: Final = "00030002-78fc-48fe-8e23-433b3a1942d0"

COUNTS_PER_G: Final = 1_024
POLLED_HZ: Final = 10.0
"""How often the firmware looks at its sensor."""

HELD_AT_MOST_S: Final = 2.0
"""What is notified only when it changes was the same until then; beyond this a silence is taken for
a loss all the same. Twice what `QUIET_READ_S` allows, and a read that was missed."""

QUIET_READ_S: Final = 0.5
"""A watch that lies still notifies nothing: its values are read twice a second then, so that it is
heard, and so that a second's samples are there before the second is closed."""

ECHO_NS: Final = NS_PER_S // 20
"""BlueZ notifies whoever has subscribed of what was read, too: the same values sooner than half a
poll after are an echo."""

RATE_READ_S: Final = 5.0
"""A heart rate that stays the same is not notified again: it is read. The watch itself takes
several seconds for each value."""

_VALUES: Final = struct.Struct("<3h")


def decode_motion(data: bytes) -> NDArray[np.float32]:
    """Raw motion values in g, shape (3,).

    Raises
    ------
    MalformedPacketError
        If they are not six bytes.
    """
    if len(data) != _VALUES.size:
        raise MalformedPacketError(f"motion values of {len(data)} bytes")
    return np.array(_VALUES.unpack(data), np.float32) / np.float32(COUNTS_PER_G)


class InfiniTimeDecoder:
    """Reads one watch.

    Parameters
    ----------
    streams
        Whether its acceleration is wanted, which costs battery.
    """

    def __init__(self, *, streams: bool) -> None:
        self._streams = streams

    def advert(self, heard: HeardAdvert, sink: WearableSink) -> None:
        """Nothing: its adverts hold a name and the services."""

    async def hold(self, link: RadioLink, sink: WearableSink, clock: Clock) -> None:
        await standard.introduce(link, sink, clock)
        watch = _Watch(link, sink, clock)
        needed = {MOTION_VALUES: watch.moved} if self._streams else {}
        await standard.listen(
            link,
            sink,
            {**needed, BATTERY_LEVEL: standard.battery_handler(sink)},
            beside=watch.read_moving if self._streams else watch.read_rate_forever,
        )


class _Watch:
    """One link to a watch. It has no clock that it tells: samples are timed by their arrival."""

    def __init__(self, link: RadioLink, sink: WearableSink, clock: Clock) -> None:
        self._link = link
        self._sink = sink
        self._clock = clock
        self._latest: NDArray[np.float32] | None = None
        self._latest_ns = 0

    def moved(self, data: bytes, arrival_ns: int) -> None:
        """New values; those of the polls since the ones before were the same as these."""
        values = decode_motion(data)
        passed_ns = arrival_ns - self._latest_ns
        held = round(passed_ns * POLLED_HZ / NS_PER_S) - 1
        samples, latest = values[:, None], self._latest
        if latest is not None:
            if passed_ns < ECHO_NS and np.array_equal(values, latest):
                return
            if 0 < held <= HELD_AT_MOST_S * POLLED_HZ:
                samples = np.concatenate([np.repeat(latest[:, None], held, 1), samples], axis=1)
        count = samples.shape[1]
        # Of a burst, what came together was not measured together.
        rate_hz = POLLED_HZ if count == 1 else count * NS_PER_S / passed_ns
        self._latest, self._latest_ns = values, arrival_ns
        first_ns = arrival_ns - round((count - 1) * NS_PER_S / rate_hz)
        self._sink.motion(samples, rate_hz, first_ns, arrival_ns)

    async def read_moving(self) -> None:
        """Read the motion where nothing is notified, and now and then the heart rate."""
        rate_ns = self._clock.monotonic_ns()
        while True:
            await self._clock.sleep(QUIET_READ_S)
            now_ns = self._clock.monotonic_ns()
            if now_ns - self._latest_ns >= QUIET_READ_S * NS_PER_S:
                data = await self._read(MOTION_VALUES)
                standard.take(self.moved, self._sink, data, self._clock.monotonic_ns())
            if now_ns >= rate_ns:
                rate_ns = now_ns + round(RATE_READ_S * NS_PER_S)
                await self._read_rate()

    async def read_rate_forever(self) -> None:
        """Read the heart rate alone; and the battery, which shows that the link lives."""
        while True:
            await self._read_rate()
            level = await self._read(BATTERY_LEVEL)
            battery = standard.battery_handler(self._sink)
            standard.take(battery, self._sink, level, self._clock.monotonic_ns())
            await self._clock.sleep(RATE_READ_S)

    async def _read_rate(self) -> None:
        data = await self._read(HEART_RATE_MEASUREMENT)
        standard.take(self._rate, self._sink, data, self._clock.monotonic_ns())

    def _rate(self, data: bytes, arrival_ns: int) -> None:
        """A rate of 0 means that the wearer has not started the measurement, or ended it: that says
        nothing of the heart.
        """
        rate = decode_heart_rate(data).beats_per_minute
        if rate is not None:
            self._sink.heart_rate(rate, None, arrival_ns)

    async def _read(self, characteristic: str) -> bytes:
        data = await standard.read_if_there(self._link, self._clock, characteristic)
        if data is None:
            raise LinkLostError(f"{characteristic} could not be read")
        return data


class InfiniTimeKind:
    """PineTime."""

    name: str = "infinitime"

    def recognise(self, heard: HeardAdvert) -> str | None:
        is_one = heard.local_name == "InfiniTime" or offers(heard, MOTION_SERVICE)
        return "PineTime (InfiniTime)" if is_one else None

    def wearable(self, config: WearableConfig) -> WearableDecoder | None:
        return InfiniTimeDecoder(streams=config.streaming)

    def sensor(self, config: SensorConfig) -> SensorDecoder | None:
        return None


KIND: Final[DeviceKind] = InfiniTimeKind()
