"""Adverts between the radio that hears them and the gateway that takes them, in batches."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final

from contract.clock import Clock
from contract.protocols import HeardAdvert

BATCH_S: Final = 0.05
"""Between two batches. A hundred devices at two adverts a second are ten adverts a batch, and
twenty wake-ups a second instead of two hundred; of the second that a pressed button has, it takes
a twentieth. What comes after a rest is handed over at once."""

LIMIT: Final = 20_000
"""Adverts that wait for a gateway which does not take them: a hundred seconds of a hundred devices
at two adverts a second, some ten megabytes. A wearable repeats what matters until it is answered,
so the oldest go first."""


class Backlog:
    """What was heard and not taken yet. One reader."""

    def __init__(self, clock: Clock, limit: int = LIMIT) -> None:
        self._clock = clock
        self._limit = limit
        self._waiting: deque[HeardAdvert] = deque(maxlen=limit)
        self._reader: asyncio.Future[None] | None = None
        self._closed = False
        self.dropped = 0
        """Adverts that were let go because nobody took them, since the start."""

    def put(self, heard: HeardAdvert) -> None:
        """An advert came. Called for each; does nothing that it need not."""
        waiting = self._waiting
        if len(waiting) == self._limit:
            self.dropped += 1
        waiting.append(heard)
        if self._reader is not None:
            self._wake()

    def close(self, *, closed: bool = True) -> None:
        """End `batches` once it has handed over what is there; or let it go on again."""
        self._closed = closed
        self._wake()

    async def batches(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        """Everything that has come since the last batch, until closed."""
        while True:
            while not self._waiting:
                if self._closed:
                    return
                self._reader = asyncio.get_running_loop().create_future()
                try:
                    await self._reader
                finally:
                    self._reader = None
            batch, self._waiting = self._waiting, deque(maxlen=self._limit)
            yield batch
            await self._clock.sleep(BATCH_S)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
