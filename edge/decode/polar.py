"""Polar's sensors (Verity Sense at the arm, H10 at the chest): acceleration and heart rate.

The measurement service's control point (source: see `edge.decode.polar_frames`) is written and
answers by indication: ``F0``, the operation, the measurement, an error, whether more follows, and
parameters. A setting is its number, how many values follow, and these.

==== ============================ ====================================================
byte operation                    parameters
==== ============================ ====================================================
0x01 which settings are there     measurement
0x02 start                        measurement, one value of each setting
0x03 stop                         measurement
==== ============================ ====================================================
"""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Mapping
from typing import Final

import structlog

from contract.advert import MalformedPacketError
from contract.clock import Clock
from contract.devices import DeviceKind, SensorDecoder, WearableDecoder, WearableSink
from contract.messages import SensorConfig, WearableConfig
from contract.protocols import HeardAdvert, LinkLostError, RadioLink
from contract.screen import GRID_HZ
from contract.units import NS_PER_S
from edge.decode import standard
from edge.decode.heart_rate import heart_rate_handler
from edge.decode.polar_frames import ACCELERATION, decode_frame
from edge.decode.uuids import BATTERY_LEVEL, HEART_RATE_MEASUREMENT
from edge.waiting import WaitedTooLongError, within

_log = structlog.get_logger(__name__)

POLAR_COMPANY_ID: Final = 0x006B
CONTROL_POINT: Final = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
MEASUREMENTS: Final = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"

_ANSWER: Final = 0xF0
_GET_SETTINGS: Final = 0x01
_START: Final = 0x02
_STOP: Final = 0x03

_RATE: Final = 0x00
_RESOLUTION: Final = 0x01
_RANGE: Final = 0x02
_RANGE_MILLI: Final = 0x03
_CHANNELS: Final = 0x04
_FACTOR: Final = 0x05
_SETTING_BYTES: Final[Mapping[int, int]] = {
    _RATE: 2,
    _RESOLUTION: 2,
    _RANGE: 2,
    _RANGE_MILLI: 4,
    _CHANNELS: 1,
    _FACTOR: 4,
}

_ALREADY_RUNS: Final = 6
_ERRORS: Final[Mapping[int, str]] = {
    1: "it does not know the operation",
    2: "it does not know the measurement",
    3: "it does not have the measurement",
    4: "the command has a wrong length",
    5: "the command has a wrong parameter",
    _ALREADY_RUNS: "it does so already",
    7: "it does not have the resolution",
    8: "it does not have the rate",
    9: "it does not have the range",
    10: "its packets are too short",
    11: "it does not have so many channels",
    12: "it is in another mode",
    13: "it stands in its charger",
}

ANSWER_LIMIT_S: Final = 3.0
ASKED_AT_MOST: Final = 3
"""The answer is an indication, which is lost if it comes before the radio has subscribed: it is
asked again. An answer takes two connection events, at most a tenth of a second."""

WANTED_RANGE_G: Final = 8
"""Impacts after the low-pass reach 8 g in one of a hundred recorded falls; a greater range would
only be coarser."""
WANTED_BITS: Final = 16

RATE_TOLERANCE: Final = 0.1
"""By so much the rate between two frames may differ from the one that was asked for. A sensor's own
oscillator is good to some per cent; a lost frame makes it half or less."""


class PolarDecoder:
    """Reads one sensor.

    Parameters
    ----------
    streams
        Whether its acceleration is wanted, which costs battery.
    """

    def __init__(self, *, streams: bool) -> None:
        self._streams = streams

    def advert(self, heard: HeardAdvert, sink: WearableSink) -> None:
        """Nothing: what Polar's adverts hold is not in its published documents."""

    async def hold(self, link: RadioLink, sink: WearableSink, clock: Clock) -> None:
        await standard.introduce(link, sink, clock)
        always = {HEART_RATE_MEASUREMENT: heart_rate_handler(sink)}
        wanted = {BATTERY_LEVEL: standard.battery_handler(sink)}
        if not self._streams:
            await standard.listen(link, sink, always, wanted=wanted)
            return
        stream = _Acceleration(link, sink, clock)
        await standard.listen(
            link,
            sink,
            {CONTROL_POINT: stream.answered, MEASUREMENTS: stream.measured},
            wanted={**always, **wanted},
            beside=stream.start,
        )


class _Acceleration:
    """The acceleration of one link: asked for, and put together."""

    def __init__(self, link: RadioLink, sink: WearableSink, clock: Clock) -> None:
        self._link = link
        self._sink = sink
        self._clock = clock
        self._answer: asyncio.Future[bytes] | None = None
        self._operation = 0
        self._rate_hz = float(GRID_HZ)
        self._factor = 1.0
        self._last_ns: int | None = None

    async def start(self) -> None:
        """Look which settings there are, choose, and start.

        Raises
        ------
        LinkLostError
            If the sensor refuses or does not answer: such a link is of no use.
        """
        offered = decode_settings(await self._ask(_GET_SETTINGS))
        chosen = choose_settings(offered)
        self._rate_hz = float(chosen.get(_RATE, GRID_HZ))
        settings = encode_settings(chosen)
        try:
            told = await self._ask(_START, settings)
        except _RefusedError as error:
            if error.code != _ALREADY_RUNS:
                raise
            # By another's settings, or by ours from before: begin anew, so that they are known.
            await self._ask(_STOP)
            told = await self._ask(_START, settings)
        factor = decode_settings(told).get(_FACTOR)
        if factor:
            (self._factor,) = struct.unpack("<f", struct.pack("<I", factor[0]))
        if not math.isfinite(self._factor) or self._factor <= 0:
            raise LinkLostError("the sensor told a factor that cannot be")
        _log.info("polar_started", rate_hz=self._rate_hz, factor=self._factor)

    def answered(self, data: bytes, arrival_ns: int) -> None:
        """An indication of the control point."""
        if len(data) < 4 or data[0] != _ANSWER:
            raise MalformedPacketError("an answer that is none")
        is_awaited = self._answer is not None and not self._answer.done()
        if is_awaited and data[1:3] == bytes((self._operation, ACCELERATION)):
            assert self._answer is not None
            self._answer.set_result(data)

    def measured(self, data: bytes, arrival_ns: int) -> None:
        """A notification of samples."""
        frame = decode_frame(data, self._factor)
        count = frame.samples_g.shape[1]
        rate_hz = self._rate_between(frame.last_ns, count)
        self._last_ns = frame.last_ns
        first_ns = frame.last_ns - round((count - 1) * NS_PER_S / rate_hz)
        self._sink.motion(frame.samples_g, rate_hz, first_ns, arrival_ns)

    def _rate_between(self, last_ns: int, count: int) -> float:
        """The rate since the frame before, by the sensor's own clock, where nothing was lost."""
        if self._last_ns is not None and last_ns > self._last_ns:
            rate_hz = count * NS_PER_S / (last_ns - self._last_ns)
            if abs(rate_hz - self._rate_hz) <= RATE_TOLERANCE * self._rate_hz:
                return rate_hz
        return self._rate_hz

    async def _ask(self, operation: int, parameters: bytes = b"") -> bytes:
        """Write a command; returns the parameters of its answer."""
        command = bytes((operation, ACCELERATION)) + parameters
        self._operation = operation
        for _ in range(ASKED_AT_MOST):
            self._answer = asyncio.get_running_loop().create_future()
            await standard.write(self._link, self._clock, CONTROL_POINT, command)
            try:
                answer = await within(self._clock, ANSWER_LIMIT_S, self._answer, "an answer")
            except WaitedTooLongError:
                continue
            if answer[3] != 0:
                raise _RefusedError(answer[3])
            return answer[5:]
        raise LinkLostError(f"the sensor did not answer {ASKED_AT_MOST} times")


class _RefusedError(LinkLostError):
    def __init__(self, code: int) -> None:
        super().__init__(f"the sensor refuses: {_ERRORS.get(code, f'error {code}')}")
        self.code = code


def decode_settings(data: bytes) -> dict[int, tuple[int, ...]]:
    """Values by setting; what is behind one that is not known is left aside."""
    found: dict[int, tuple[int, ...]] = {}
    position = 0
    while len(data) - position >= 2:
        number, count = data[position], data[position + 1]
        size = _SETTING_BYTES.get(number)
        end = position + 2 + count * (size or 0)
        if size is None or end > len(data):
            break
        values = range(position + 2, end, size)
        found[number] = tuple(int.from_bytes(data[at : at + size], "little") for at in values)
        position = end
    return found


def choose_settings(offered: Mapping[int, tuple[int, ...]]) -> dict[int, int]:
    """One value of each setting that is offered: what a fall is best seen with, and no more."""
    wishes = {_RATE: GRID_HZ, _RESOLUTION: WANTED_BITS, _RANGE: WANTED_RANGE_G}
    chosen = {}
    for number, values in sorted(offered.items()):
        if number == _FACTOR or not values:
            continue
        wish = wishes.get(number)
        enough = [value for value in values if wish is not None and value >= wish]
        chosen[number] = min(enough) if enough else max(values)
    return chosen


def encode_settings(chosen: Mapping[int, int]) -> bytes:
    """One value of each setting, as it is written."""
    return b"".join(
        bytes((number, 1)) + value.to_bytes(_SETTING_BYTES[number], "little")
        for number, value in chosen.items()
    )


class PolarKind:
    """Verity Sense, OH1 and H10."""

    name: str = "polar"

    def recognise(self, heard: HeardAdvert) -> str | None:
        if heard.local_name.startswith("Polar "):
            return heard.local_name
        return "Polar sensor" if POLAR_COMPANY_ID in heard.manufacturer_data else None

    def wearable(self, config: WearableConfig) -> WearableDecoder | None:
        return PolarDecoder(streams=config.streaming)

    def sensor(self, config: SensorConfig) -> SensorDecoder | None:
        return None


KIND: Final[DeviceKind] = PolarKind()
