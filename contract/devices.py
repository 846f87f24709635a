"""What a decoder of somebody else's device must be: one file and one entry point for each.

A package names its decoder under the entry-point group `GROUP`, by the name that stands as
`kind` in a home's configuration::

    [project.entry-points."wardlight.devices"]
    polar = "edge.decode.polar:KIND"

Our own devices are registered in the same way; nothing else knows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from contract.advert import MalformedPacketError
from contract.clock import Clock
from contract.events import FaultCause
from contract.messages import SensorConfig, WearableConfig
from contract.protocols import HeardAdvert, RadioLink

GROUP: Final = "wardlight.devices"


class Quantity(StrEnum):
    """What a room sensor can say. Each has one unit, which its name ends with, or is a state."""

    MOTION = "motion"
    """1 while something warm moves (PIR), else 0."""
    OPENING = "opening"
    """1 while a door or window is open, else 0."""
    PRESS = "press"
    """A press of a call point: 1 short, 2 double, 3 triple, 4 long."""
    OCCUPIED = "occupied"
    """1 while somebody is in the bed or chair, else 0."""
    TEMPERATURE_C = "temperature_c"
    HUMIDITY_PERCENT = "humidity_percent"
    BATTERY_PERCENT = "battery_percent"


class Reading(NamedTuple):
    """One thing that a sensor said."""

    quantity: Quantity
    value: float
    mark: int | None = None
    """The number that the sensor gave this saying, the same in each repetition and for whoever
    hears it; none where it gives none. Where the sensor has a key it never comes again."""


class RefusedAdvertError(MalformedPacketError):
    """An advert that was read and is not believed; a fault with this cause, at once.

    Attributes
    ----------
    readings
        What is told all the same: a call for help, where it cannot be known that it is an old one.
    """

    def __init__(self, cause: FaultCause, reason: str, readings: Sequence[Reading] = ()) -> None:
        super().__init__(reason)
        self.cause = cause
        self.readings = readings


class SensorDecoder(Protocol):
    """Reads the adverts of one enrolled room sensor, and remembers what it needs of them."""

    def decode(self, heard: HeardAdvert) -> Sequence[Reading]:
        """What this advert says that the one before did not; empty for a repetition.

        Raises
        ------
        MalformedPacketError
            If it cannot be read.
        RefusedAdvertError
            If it is not encrypted although the sensor has a key, or was sent before.
        """
        ...

    def memory(self) -> bytes:
        """What must outlive a restart, such as the last counter; empty if nothing must. It holds
        no key.
        """
        ...

    def recall(self, memory: bytes) -> None:
        """Go on from what `memory` gave, of this or an earlier version; called before the first
        advert. What cannot be read is as nothing.
        """
        ...


class WearableSink(Protocol):
    """Takes what a wearable says over a link, or in an advert."""

    def motion(
        self, samples_g: NDArray[np.float32], rate_hz: float, device_ns: int, arrival_ns: int
    ) -> None:
        """Samples, evenly spaced.

        Parameters
        ----------
        samples_g
            (3, n) in g.
        rate_hz
            As the device says.
        device_ns
            When the first was measured, by the device's own clock of any origin.
        arrival_ns
            When the packet came, monotonic.
        """
        ...

    def heart_rate(
        self, beats_per_minute: int | None, is_in_contact: bool | None, arrival_ns: int
    ) -> None:
        """A heart rate; none where the device measures and finds none. Contact is none where
        the device cannot tell.
        """
        ...

    def battery(self, percent: int) -> None:
        """What is left."""
        ...

    def described(self, model: str) -> None:
        """What it calls itself, for a person: maker, model, firmware."""
        ...

    def rejected(self, reason: str, arrival_ns: int) -> None:
        """A packet that cannot be; counted, and a fault when there are many."""
        ...


class WearableDecoder(Protocol):
    """Reads one enrolled wearable of a kind that is not ours."""

    def advert(self, heard: HeardAdvert, sink: WearableSink) -> None:
        """Take in what its advert says, if anything; that it was heard is known already.

        Raises
        ------
        MalformedPacketError
            If it cannot be read.
        """
        ...

    async def hold(self, link: RadioLink, sink: WearableSink, clock: Clock) -> None:
        """Use a held link until it is lost: subscribe, start streams, read what is to be read.

        Raises
        ------
        LinkLostError
            When the link is gone.
        """
        ...


class DeviceKind(Protocol):
    """A kind of device: what an entry point of `GROUP` names."""

    name: str
    """As in the entry point, and in `WearableConfig.kind` or `SensorConfig.kind`."""

    def recognise(self, heard: HeardAdvert) -> str | None:
        """What this is, for a person who enrols devices ("Polar H10"); None if it is not of this
        kind. Asked only while somebody looks for devices; a kind for devices of every maker, which
        has a true attribute ``is_general``, after all others.
        """
        ...

    def wearable(self, config: WearableConfig) -> WearableDecoder | None:
        """A decoder for one enrolled wearable; None if this kind is no wearable."""
        ...

    def sensor(self, config: SensorConfig) -> SensorDecoder | None:
        """A decoder for one enrolled room sensor; None if this kind is none.

        Raises
        ------
        ValueError
            If its key cannot be one.
        """
        ...
