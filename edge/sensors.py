"""What a gateway knows of each enrolled room sensor: what it says, and when it was heard."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from contract.advert import MalformedPacketError
from contract.devices import Quantity, Reading, RefusedAdvertError, SensorDecoder
from contract.events import FaultCause
from contract.messages import GatewayConfig, SensorConfig
from contract.protocols import HeardAdvert
from contract.units import seconds_to_ns
from edge.counters import ADVERTS_REPEATED, Counts
from edge.decode import Registry, UnusableKindError
from edge.wearables import HEARD_NS, NEVER, RSSI_SMOOTHING

SENSOR_READINGS: Final = "sensor_readings"
"""Counted: what room sensors said that was new."""

MOTION_HELD_NS: Final = seconds_to_ns(60)
"""Many motion sensors never say that it is over, and are blind for half a minute after each word.
Motion that is told again after so long has begun again."""

REJECTED_IN_A_ROW: Final = 10
"""Adverts of one sensor that could not be read, with none between that could, before a fault: two
or three bursts. A radio's checksum lets one damaged packet in 16 million through."""

CHANGES_KEPT: Final = 1_024
"""For whoever looks once a second; forty sensors change some dozen times a minute."""

STATES: Final = frozenset({Quantity.MOTION, Quantity.OPENING, Quantity.OCCUPIED})
"""What is either so or not; a change of one is a happening."""


class Said(NamedTuple):
    """One thing that a sensor has said."""

    value: float
    since_ns: int
    """Since when it has said nothing else, monotonic."""
    at_ns: int
    """When it said so last, monotonic."""


class Change(NamedTuple):
    """A state that is another than before, or is known for the first time."""

    number: int
    """Counts all changes, from 1."""
    device: str
    zone: str
    quantity: Quantity
    value: float
    before: float | None
    """None where it was not known."""
    at_ns: int
    """When it was heard, monotonic."""


class Press(NamedTuple):
    """A call point was pressed."""

    sensor: Sensor
    value: int
    """As in `Quantity.PRESS`."""
    mark: int | None
    """As in `Reading.mark`."""
    at_ns: int
    is_doubtful: bool = False
    """It may be a copy of an earlier one."""


class Refusal(NamedTuple):
    """What a sensor seemed to say and was not believed."""

    sensor: Sensor
    cause: FaultCause
    reason: str
    at_ns: int


class Sensor:
    """One enrolled sensor. Times are monotonic nanoseconds."""

    __slots__ = ("config", "decoder", "device", "heard_ns", "rejected", "rssi_dbm", "said")

    def __init__(self, config: SensorConfig, decoder: SensorDecoder) -> None:
        self.config = config
        self.device = config.device
        self.decoder = decoder
        self.heard_ns = NEVER
        """When an advert of it was last understood."""
        self.rssi_dbm: float | None = None
        self.said: dict[Quantity, Said] = {}
        """All that it has said so far, but for presses."""
        self.rejected = 0
        """Adverts since then that were not."""

    @property
    def zone(self) -> str:
        """Where it hangs."""
        return self.config.zone

    @property
    def battery_percent(self) -> int | None:
        """What it said last, if it ever did."""
        said = self.said.get(Quantity.BATTERY_PERCENT)
        return None if said is None else round(said.value)

    def hear(self, rssi_dbm: int, arrival_ns: int) -> None:
        """An advert was understood: remember when, and how strong it was."""
        if self.rssi_dbm is None or arrival_ns - self.heard_ns > HEARD_NS:
            self.rssi_dbm = float(rssi_dbm)
        else:
            self.rssi_dbm += RSSI_SMOOTHING * (rssi_dbm - self.rssi_dbm)
        self.heard_ns = arrival_ns
        self.rejected = 0

    def heard_within(self, nanoseconds: int, now_ns: int) -> bool:
        """Whether it was heard at most so long ago."""
        return now_ns - self.heard_ns <= nanoseconds


class SensorBoard:
    """The enrolled sensors, by address and device; reads their adverts.

    What follows from an advert (a press, a refusal) is collected, for `take_presses` and
    `take_refusals`; a change of state is kept for whoever asks for it by number.

    Parameters
    ----------
    registry
        Gives each its decoder.
    counts
        Where readings and rejections are counted.
    """

    def __init__(self, registry: Registry, counts: Counts) -> None:
        self._registry = registry
        self._counts = counts
        self.by_address: dict[str, Sensor] = {}
        self.by_device: dict[str, Sensor] = {}
        self.unusable: dict[str, str] = {}
        """Sensors of the configuration that cannot be read, and why."""
        self.changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self.latest_change = 0
        """Number of the latest."""
        self._presses: list[Press] = []
        self._refusals: list[Refusal] = []

    def __iter__(self) -> Iterator[Sensor]:
        return iter(self.by_device.values())

    def __len__(self) -> int:
        return len(self.by_device)

    def apply(self, config: GatewayConfig) -> list[Sensor]:
        """Enrol what `config` says and forget the others; returns those that are new.

        A sensor whose address, kind, key or enrolment changed is a new one.
        """
        known = self.by_device
        self.by_device, self.unusable = {}, {}
        added = []
        for wanted in config.sensors:
            sensor = known.get(wanted.device)
            if sensor is not None and _radio_of(sensor.config) == _radio_of(wanted):
                sensor.config = wanted
            else:
                try:
                    sensor = Sensor(wanted, self._registry.sensor(wanted))
                except UnusableKindError as error:
                    self.unusable[wanted.device] = str(error)
                    continue
                added.append(sensor)
            self.by_device[wanted.device] = sensor
        self.by_address = {each.config.address: each for each in self}
        return added

    def state(self, device: str) -> Sensor | None:
        """What is known of a sensor; None if there is none of that name."""
        return self.by_device.get(device)

    def changes_after(self, number: int) -> list[Change]:
        """Changes since the one of that number, oldest first; begin with `latest_change`."""
        if number >= self.latest_change:
            return []
        return [each for each in self.changes if each.number > number]

    @property
    def has_news(self) -> bool:
        """Whether there is a press or a refusal to take."""
        return bool(self._presses or self._refusals)

    def take_presses(self) -> list[Press]:
        """Presses since the last call."""
        taken, self._presses = self._presses, []
        return taken

    def take_refusals(self) -> list[Refusal]:
        """What was not believed since the last call."""
        taken, self._refusals = self._refusals, []
        return taken

    def hear(self, heard: HeardAdvert) -> bool:
        """Take in one advert; false if it is of nobody here, and was not looked at."""
        sensor = self.by_address.get(heard.address)
        if sensor is None:
            return False
        readings: Sequence[Reading]
        is_doubtful = False
        try:
            readings = sensor.decoder.decode(heard)
        except RefusedAdvertError as error:
            readings = error.readings
            is_doubtful = error.cause is FaultCause.ADVERT_REPLAYED
            self._counts.rejected(str(error))
            self._refusals.append(Refusal(sensor, error.cause, str(error), heard.received_ns))
        except MalformedPacketError as error:
            self._reject(sensor, str(error), heard.received_ns)
            return True
        else:
            sensor.hear(heard.rssi_dbm, heard.received_ns)
        if not readings:
            self._counts[ADVERTS_REPEATED] += 1
            return True
        self._counts[SENSOR_READINGS] += len(readings)
        for reading in readings:
            if reading.quantity is Quantity.PRESS:
                value, mark = round(reading.value), reading.mark
                press = Press(sensor, value, mark, heard.received_ns, is_doubtful)
                self._presses.append(press)
            else:
                self._note(sensor, reading, heard.received_ns)
        return True

    def _note(self, sensor: Sensor, reading: Reading, at_ns: int) -> None:
        quantity, value, _ = reading
        before = sensor.said.get(quantity)
        same = before is not None and before.value == value
        since_ns = before.since_ns if before is not None and same else at_ns
        sensor.said[quantity] = Said(value, since_ns, at_ns)
        if quantity not in STATES:
            return
        begins_again = (
            quantity is Quantity.MOTION
            and value > 0
            and before is not None
            and at_ns - before.at_ns >= MOTION_HELD_NS
        )
        if not same or begins_again:
            was = None if before is None else (0.0 if begins_again else before.value)
            self.latest_change += 1
            self.changes.append(
                Change(self.latest_change, sensor.device, sensor.zone, quantity, value, was, at_ns)
            )

    def _reject(self, sensor: Sensor, reason: str, at_ns: int) -> None:
        self._counts.rejected(reason)
        sensor.rejected += 1
        if sensor.rejected >= REJECTED_IN_A_ROW:
            sensor.rejected = 0
            self._refusals.append(Refusal(sensor, FaultCause.PACKET_REJECTED, reason, at_ns))


def _radio_of(config: SensorConfig) -> tuple[str, str, str | None, int]:
    return config.address, config.kind, config.key, config.enrolled_us
