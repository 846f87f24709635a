"""Several radios as one: a gateway's own adapters, and receivers in rooms without a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from contract.protocols import AdapterTrouble, HeardAdvert, Radio, RadioLink
from edge.links import MAX_LINKS, CountsSlots
from edge.scanning import AdapterLoad, TellsLoads


class SeveralRadios:
    """Hears with all of them; implements `contract.protocols.Radio`.

    Parameters
    ----------
    own
        The one that links are made with.
    others
        Those that only hear.
    """

    def __init__(self, own: Radio, others: Sequence[Radio]) -> None:
        self._own = own
        self._others = tuple(others)

    async def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        """Adverts of all, as they come. It ends with the own radio's, and with an error of any;
        what the others have meanwhile waits with them.
        """
        batches: asyncio.Queue[Sequence[HeardAdvert] | Exception | None] = asyncio.Queue(maxsize=1)

        async def pass_on(radio: Radio) -> None:
            try:
                async for batch in radio.adverts():
                    await batches.put(batch)
            except Exception as error:  # noqa: BLE001 - raised where the adverts are taken
                await batches.put(error)
            if radio is self._own:
                await batches.put(None)

        tasks = [asyncio.create_task(pass_on(each)) for each in (self._own, *self._others)]
        try:
            while (batch := await batches.get()) is not None:
                if isinstance(batch, Exception):
                    raise batch
                yield batch
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def slots(self) -> int:
        """Links that the own radio holds; see `edge.links.CountsSlots`."""
        return self._own.slots if isinstance(self._own, CountsSlots) else MAX_LINKS

    def loads(self) -> Sequence[AdapterLoad]:
        """Of the own radio, whose scan is what links can starve."""
        return self._own.loads() if isinstance(self._own, TellsLoads) else ()

    async def connect(self, address: str) -> RadioLink:
        return await self._own.connect(address)

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in (self._own, *self._others)))

    def troubles(self) -> Sequence[AdapterTrouble]:
        return [trouble for each in (self._own, *self._others) for trouble in each.troubles()]
