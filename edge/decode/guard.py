"""Between the gateway and a decoder that somebody else wrote: a defect in it is a rejected packet.

An exception that a decoder lets escape would end the watch over everybody. Here it becomes what
the protocol allows it to raise. What no guard can help against is a decoder that never returns.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from contract.advert import MalformedPacketError
from contract.clock import Clock
from contract.devices import (
    Quantity,
    Reading,
    RefusedAdvertError,
    SensorDecoder,
    WearableDecoder,
    WearableSink,
)
from contract.protocols import HeardAdvert, LinkLostError, RadioLink

_log = structlog.get_logger(__name__)


class _Guard:
    """Says what went wrong in a few words that do not depend on the packet, and logs the rest the
    first time: a broken decoder fails with each advert.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._told: set[str] = set()

    def _failed(self, error: Exception) -> str:
        name = type(error).__name__
        if name not in self._told:
            self._told.add(name)
            _log.error("decoder_failed", kind=self._kind, exc_info=error)
        return f"the decoder {self._kind!r} failed ({name})"


class GuardedSensor(_Guard):
    """A `SensorDecoder` that raises nothing but what the protocol allows, and returns readings."""

    def __init__(self, kind: str, decoder: SensorDecoder) -> None:
        super().__init__(kind)
        self._decoder = decoder
        self._decode = decoder.decode

    def decode(self, heard: HeardAdvert) -> Sequence[Reading]:
        try:
            readings = self._decode(heard)
            return readings if readings == () else _checked(readings)
        except RefusedAdvertError as error:
            error.readings = self._checked_of(error)
            raise
        except MalformedPacketError:
            raise
        except Exception as error:
            raise MalformedPacketError(self._failed(error)) from error

    def memory(self) -> bytes:
        try:
            return bytes(self._decoder.memory())
        except Exception as error:  # noqa: BLE001 - told by what it calls
            self._failed(error)
            return b""

    def recall(self, memory: bytes) -> None:
        try:
            self._decoder.recall(memory)
        except Exception as error:  # noqa: BLE001 - told by what it calls
            self._failed(error)

    def _checked_of(self, refused: RefusedAdvertError) -> Sequence[Reading]:
        try:
            return _checked(refused.readings)
        except Exception as error:  # noqa: BLE001 - told by what it calls
            self._failed(error)
            return ()


def _checked(readings: Sequence[Reading]) -> list[Reading]:
    return [Reading(Quantity(quantity), float(value), *mark) for quantity, value, *mark in readings]


class GuardedWearable(_Guard):
    """A `WearableDecoder` that raises nothing but what the protocol allows."""

    def __init__(self, kind: str, decoder: WearableDecoder) -> None:
        super().__init__(kind)
        self._decoder = decoder

    def advert(self, heard: HeardAdvert, sink: WearableSink) -> None:
        try:
            self._decoder.advert(heard, sink)
        except MalformedPacketError:
            raise
        except Exception as error:
            raise MalformedPacketError(self._failed(error)) from error

    async def hold(self, link: RadioLink, sink: WearableSink, clock: Clock) -> None:
        try:
            await self._decoder.hold(link, sink, clock)
        except LinkLostError:
            raise
        except Exception as error:
            raise LinkLostError(self._failed(error)) from error
        # A decoder that is done while the link stands leaves it without a use.
        raise LinkLostError(f"the decoder {self._kind!r} let go of its link")
