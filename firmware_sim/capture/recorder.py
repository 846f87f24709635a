"""A tee around any radio: the gateway works as without it, and everything is written down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from contract.clock import Clock
from contract.protocols import AdapterTrouble, HeardAdvert, LinkLostError, Radio, RadioLink
from firmware_sim.capture.format import LinkStep
from firmware_sim.capture.writer import CaptureWriter


class RecordingRadio:
    """Hands everything on as it comes, at once; implements `contract.protocols.Radio`.

    Adverts of devices that are not this home's are handed on and not written down: nobody collects
    who passes by.

    Parameters
    ----------
    inner
        The radio itself.
    writer
        Where it is written down.
    clock
        The gateway's: the one that stamps `inner`'s arrivals.
    """

    def __init__(self, inner: Radio, writer: CaptureWriter, clock: Clock) -> None:
        self._inner = inner
        self._writer = writer
        self._clock = clock
        self._links = 0

    async def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        async for batch in self._inner.adverts():
            ours = [heard for heard in batch if self._writer.is_ours(heard)]
            if ours:
                self._writer.advert_batch(self._clock.monotonic_ns(), ours)
            yield batch

    async def connect(self, address: str) -> RecordingLink:
        self._links += 1
        note = _Note(self._writer, self._clock, self._links, address)
        note(LinkStep.ASKED)
        try:
            link = await self._inner.connect(address)
        except LinkLostError as error:
            note(LinkStep.FAILED, reason=str(error))
            raise
        except Exception as error:
            note(LinkStep.FAILED, reason=repr(error))
            raise
        except BaseException:
            note(LinkStep.FAILED, reason="the gateway gave it up")
            raise
        note(LinkStep.CONNECTED)
        return RecordingLink(link, note)

    async def close(self) -> None:
        await self._inner.close()

    def troubles(self) -> Sequence[AdapterTrouble]:
        return self._inner.troubles()


class _Note:
    """Writes down what happens to one link."""

    def __init__(self, writer: CaptureWriter, clock: Clock, number: int, address: str) -> None:
        self._writer = writer
        self._clock = clock
        self._number = number
        self._address = address
        self._over = False

    def __call__(self, step: LinkStep, **more: Any) -> None:
        self._writer.link(self._clock.monotonic_ns(), self._number, self._address, step, **more)

    def over(self, step: LinkStep, reason: str | None = None) -> None:
        """The link's end, which shows in every call that is under way; the first one counts."""
        if not self._over:
            self._over = True
            self(step, reason=reason)


class RecordingLink:
    """A link of a `RecordingRadio`; implements `contract.protocols.RadioLink`."""

    def __init__(self, inner: RadioLink, note: _Note) -> None:
        self._inner = inner
        self._note = note

    async def write(self, characteristic: str, data: bytes) -> None:
        try:
            await self._inner.write(characteristic, data)
        except LinkLostError as error:
            self._note.over(LinkStep.LOST, str(error))
            raise
        except Exception as error:
            self._note(
                LinkStep.WRITE_FAILED, characteristic=characteristic, data=data, reason=repr(error)
            )
            raise
        self._note(LinkStep.WRITTEN, characteristic=characteristic, data=data)

    async def read(self, characteristic: str) -> bytes:
        try:
            data = await self._inner.read(characteristic)
        except Exception as error:
            self._note(LinkStep.READ_FAILED, characteristic=characteristic, reason=str(error))
            raise
        self._note(LinkStep.READ, characteristic=characteristic, data=data)
        return data

    def notifications(self, characteristic: str) -> AsyncIterator[tuple[bytes, int]]:
        try:
            inner = self._inner.notifications(characteristic)
        except LinkLostError as error:
            self._note.over(LinkStep.LOST, str(error))
            raise
        self._note(LinkStep.SUBSCRIBED, characteristic=characteristic)
        return _Notifications(inner, characteristic, self._note)

    async def disconnect(self) -> None:
        self._note.over(LinkStep.LET_GO)
        await self._inner.disconnect()


class _Notifications:
    """What is notified, on its way through.

    No generator: a gateway that gives up waiting for one notification may wait for the next.
    """

    def __init__(
        self, inner: AsyncIterator[tuple[bytes, int]], characteristic: str, note: _Note
    ) -> None:
        self._inner = inner
        self._characteristic = characteristic
        self._note = note

    def __aiter__(self) -> AsyncIterator[tuple[bytes, int]]:
        return self

    async def __anext__(self) -> tuple[bytes, int]:
        try:
            payload, arrival_ns = await anext(self._inner)
        except LinkLostError as error:
            self._note.over(LinkStep.LOST, str(error))
            raise
        self._note(
            LinkStep.NOTIFIED,
            characteristic=self._characteristic,
            data=payload,
            arrival_ns=arrival_ns,
        )
        return payload, arrival_ns
