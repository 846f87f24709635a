"""One after the other, where who has the turn can tell that others wait."""

from __future__ import annotations

import asyncio


class Turns:
    """A lock that is given in the order in which it was asked for."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._wanted = asyncio.Event()

    async def take(self) -> None:
        """Wait for our turn."""
        self._waiting += 1
        self._wanted.set()
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._wanted.clear()

    def give(self) -> None:
        """It is the next one's turn."""
        self._lock.release()

    async def wanted(self) -> None:
        """Return once somebody waits."""
        await self._wanted.wait()
