"""What wearables of many makers have in common: Battery, Device Information, and a link that is
held while several characteristics speak.

Layouts: Bluetooth SIG, GATT Specification Supplement (Battery Level, the strings of Device
Information).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

import structlog

from contract.advert import MalformedPacketError
from contract.clock import Clock
from contract.devices import WearableSink
from contract.protocols import LinkLostError, RadioLink
from edge.decode.uuids import BATTERY_LEVEL, FIRMWARE_REVISION, MANUFACTURER_NAME, MODEL_NUMBER
from edge.waiting import WaitedTooLongError, within

_log = structlog.get_logger(__name__)

Handler = Callable[[bytes, int], None]
"""Takes a notification and its arrival, monotonic ns; raises `MalformedPacketError`."""

CALL_LIMIT_S: Final = 5.0
"""A read or a write takes two connection events, tens of milliseconds; a link that takes seconds is
lost, whatever it says."""

MAX_DESCRIPTION: Final = 80
"""Characters that are shown of what a device calls itself: its firmware may say anything."""

_NOTHING: Final[Mapping[str, Handler]] = MappingProxyType({})


def battery_percent(data: bytes) -> int:
    """The percentage that a Battery Level value holds.

    Raises
    ------
    MalformedPacketError
        If it is not one byte, or above 100.
    """
    if len(data) != 1:
        raise MalformedPacketError(f"a battery level of {len(data)} bytes")
    if data[0] > 100:
        raise MalformedPacketError("a battery level above 100 percent")
    return data[0]


async def read_if_there(link: RadioLink, clock: Clock, characteristic: str) -> bytes | None:
    """A value, or None from a device that does not have it.

    A radio cannot always tell a characteristic that is not there from a link that is gone; of the
    second whatever is done next will tell.
    """
    try:
        return await within(clock, CALL_LIMIT_S, link.read(characteristic), "a read")
    except (LinkLostError, WaitedTooLongError) as error:
        _log.debug("not_read", characteristic=characteristic, reason=repr(error))
        return None


async def introduce(link: RadioLink, sink: WearableSink, clock: Clock) -> None:
    """Read what a device is called, and how full its battery is; whatever of it there is."""
    words = []
    for characteristic in (MANUFACTURER_NAME, MODEL_NUMBER, FIRMWARE_REVISION):
        value = await read_if_there(link, clock, characteristic)
        # Some firmware ends its strings as C does.
        text = "" if value is None else value.decode("utf-8", "replace").split("\0")[0]
        words.append("".join(each for each in text if each.isprintable()).strip())
    description = " ".join(word for word in words if word)
    if description:
        sink.described(description[:MAX_DESCRIPTION])
    level = await read_if_there(link, clock, BATTERY_LEVEL)
    if level is not None:
        take(battery_handler(sink), sink, level, clock.monotonic_ns())


def battery_handler(sink: WearableSink) -> Handler:
    """Hands Battery Level notifications to `sink`."""
    return lambda data, _: sink.battery(battery_percent(data))


def take(handler: Handler, sink: WearableSink, data: bytes, arrival_ns: int) -> None:
    """Hand a value over; one that cannot be is counted and ends nothing."""
    try:
        handler(data, arrival_ns)
    except MalformedPacketError as error:
        sink.rejected(str(error), arrival_ns)


async def write(link: RadioLink, clock: Clock, characteristic: str, data: bytes) -> None:
    """Write within `CALL_LIMIT_S`; raises `LinkLostError`."""
    try:
        await within(clock, CALL_LIMIT_S, link.write(characteristic, data), "a write")
    except WaitedTooLongError as error:
        raise LinkLostError(str(error)) from error


async def listen(
    link: RadioLink,
    sink: WearableSink,
    needed: Mapping[str, Handler],
    *,
    wanted: Mapping[str, Handler] = _NOTHING,
    beside: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Subscribe to characteristics and hand over what they notify, until the link is gone.

    Parameters
    ----------
    needed
        By characteristic. Without one of these the link is of no use.
    wanted
        The same for what a device may not have.
    beside
        Runs once everything is being subscribed to: to ask for what is to be notified. It may end
        before the link does.

    Raises
    ------
    LinkLostError
        When the link is gone.
    """
    pumps = {
        asyncio.ensure_future(_pump(link, sink, each, handler)) for each, handler in needed.items()
    }
    others = {
        asyncio.ensure_future(_pump_if_there(link, sink, each, handler))
        for each, handler in wanted.items()
    }
    if beside is not None:
        others.add(asyncio.ensure_future(beside()))
    try:
        while pumps:
            done, _ = await asyncio.wait(pumps | others, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            pumps -= done
            others -= done
    finally:
        for task in pumps | others:
            task.cancel()
        await asyncio.gather(*pumps, *others, return_exceptions=True)


async def _pump(link: RadioLink, sink: WearableSink, characteristic: str, handler: Handler) -> None:
    async for payload, arrival_ns in link.notifications(characteristic):
        take(handler, sink, payload, arrival_ns)
    raise LinkLostError(f"the notifications of {characteristic} ended")


async def _pump_if_there(
    link: RadioLink, sink: WearableSink, characteristic: str, handler: Handler
) -> None:
    try:
        await _pump(link, sink, characteristic, handler)
    except LinkLostError as error:
        _log.debug("not_subscribed", characteristic=characteristic, reason=repr(error))
