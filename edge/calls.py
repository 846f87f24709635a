"""Calls of a radio: each within its limit, and what goes wrong costs one link alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import AsyncGeneratorType
from typing import Final, TypeVar

import structlog

from contract.clock import Clock
from contract.protocols import LinkLostError, RadioLink
from edge.waiting import WaitedTooLongError, end, within

T = TypeVar("T")

_log = structlog.get_logger(__name__)

CALL_LIMIT_S: Final = 5.0
"""A write or a read takes two connection events, tens of milliseconds; a link that takes seconds is
lost, whatever it says (supervision time-outs are 4 to 6 s)."""

CLOSE_LIMIT_S: Final = 5.0
"""For a link to be let go, or a subscription to be ended. Both take a connection event or two, and
where BlueZ does not answer the link is dead or will be by its supervision time-out."""


async def called(clock: Clock, limit_s: float, call: Awaitable[T], what: str) -> T:
    """A call of the radio: within its limit, and whatever goes wrong costs this link alone.

    Raises
    ------
    LinkLostError
        If the link is lost, the call takes too long, or the radio has a defect: a driver that
        fails for one wearable must not end the watch over all others.
    """
    try:
        return await within(clock, limit_s, call, what)
    except LinkLostError:
        raise
    except WaitedTooLongError as error:
        raise LinkLostError(str(error)) from error
    except Exception as error:
        _log.exception("radio_defect", what=what)
        raise LinkLostError(f"{what} failed: {error!r}") from error


async def closed(clock: Clock, call: Awaitable[object], what: str) -> None:
    """The end of a link or a subscription, which is over whatever becomes of the call."""
    try:
        await called(clock, CLOSE_LIMIT_S, call, what)
    except LinkLostError as error:
        _log.info("not_closed", what=what, reason=str(error))


class LimitedLink:
    """A link each of whose calls ends within its limit; a `contract.protocols.RadioLink`.

    Also a decoder of somebody else's device, which gets it, cannot wait for ever.
    """

    __slots__ = ("_clock", "_link")

    def __init__(self, link: RadioLink, clock: Clock) -> None:
        self._link = link
        self._clock = clock

    async def write(self, characteristic: str, data: bytes) -> None:
        await called(self._clock, CALL_LIMIT_S, self._link.write(characteristic, data), "a write")

    async def read(self, characteristic: str) -> bytes:
        return await called(self._clock, CALL_LIMIT_S, self._link.read(characteristic), "a read")

    async def notifications(self, characteristic: str) -> AsyncGenerator[tuple[bytes, int], None]:
        """As the link's own; whoever reads decides how long silence may last."""
        packets = self._link.notifications(characteristic)
        try:
            while True:
                try:
                    packet = await anext(packets)
                except StopAsyncIteration:
                    return
                except LinkLostError:
                    raise
                except Exception as error:
                    _log.exception("radio_defect", what="notifications")
                    raise LinkLostError(f"notifications failed: {error!r}") from error
                yield packet
        finally:
            if isinstance(packets, AsyncGenerator):
                await closed(self._clock, packets.aclose(), "the end of a subscription")

    async def disconnect(self) -> None:
        await closed(self._clock, self._link.disconnect(), "letting go of a link")


async def asked(
    clock: Clock, link: RadioLink, characteristic: str, ask: Callable[[], Awaitable[None]]
) -> AsyncGenerator[tuple[bytes, int], None]:
    """Subscribe, then ask, then yield what is notified.

    A link may subscribe only when its iterator is first awaited; had we asked before, the
    answer's beginning would be lost.

    Raises
    ------
    LinkLostError
        When the link is gone.
    """
    packets = link.notifications(characteristic)
    first = asyncio.ensure_future(_first(packets))
    try:
        try:
            await clock.sleep(0)
            await ask()
            # Whoever is cancelled here must not hand that on to a call which may not end by it.
            await asyncio.wait((first,))
            yield first.result()
        finally:
            await end(clock, first, "a subscription")
        async for packet in packets:
            yield packet
    finally:
        # One that hangs in a call cannot be closed, and ends with its link.
        if isinstance(packets, AsyncGenerator) and first.done():
            await packets.aclose()


@asynccontextmanager
async def closing(packets: AsyncGenerator[T, None], what: str) -> AsyncIterator[None]:
    """Close `packets` at the end, unless a call in it hangs: then it ends with its link."""
    try:
        yield
    finally:
        if isinstance(packets, AsyncGeneratorType) and packets.ag_running:
            _log.warning("left_open", what=what)
        else:
            await packets.aclose()


async def _first(packets: AsyncIterator[tuple[bytes, int]]) -> tuple[bytes, int]:
    async for packet in packets:
        return packet
    raise LinkLostError("the link ended before it brought anything")
