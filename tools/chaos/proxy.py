"""A TCP proxy that misbehaves as networks do, between two parts of a home."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from contract.clock import Clock

CHUNK_BYTES: Final = 16_384
SLOW_CHUNK_BYTES: Final = 1_024
"""A few packets."""

SLOW_PAUSE_S: Final = 0.05
"""The machine's seconds before each of those: 20 kB/s, a poor wireless link; a batch of
telemetry of twenty residents takes half a second."""


class Way(StrEnum):
    """How a link treats what goes over it."""

    PASS = "pass"  # noqa: S105 - no password
    CUT = "cut"
    """Connections end, and new ones too."""
    HANG = "hang"
    """Nothing goes through, and nobody is told; what waited goes on afterwards."""
    SLOW = "slow"
    HALF_OPEN = "half_open"
    """Whoever is connected talks to nobody until the end of it; new connections work."""


class Proxy:
    """Listens on 127.0.0.1 and passes everything on to another port there.

    Parameters
    ----------
    target_port
        Where to.
    clock
        The machine's, for `Way.SLOW`.
    """

    def __init__(self, target_port: int, clock: Clock) -> None:
        self.port = 0
        """Where it listens; known after `start`."""
        self.way = Way.PASS
        self.swallowed = 0
        """Bytes that went nowhere."""
        self._target_port = target_port
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._goes_on = asyncio.Event()
        self._goes_on.set()
        self._open: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def set_way(self, way: Way) -> None:
        """From now on."""
        if self.way is Way.HALF_OPEN:
            # A router forgets what is dead in the end, and says so.
            self._abort(connection for connection in set(self._open) if connection.dead)
        self.way = way
        if way is Way.HANG:
            self._goes_on.clear()
        else:
            self._goes_on.set()
        if way is Way.CUT:
            self._abort(set(self._open))
        if way is Way.HALF_OPEN:
            for connection in self._open:
                connection.dead = True

    async def stop(self) -> None:
        """End all of it."""
        if self._server is not None:
            self._server.close()
        self._goes_on.set()
        self._abort(set(self._open))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @staticmethod
    def _abort(connections: Iterable[_Connection]) -> None:
        for connection in connections:
            connection.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "the server calls this in a task"
        self._tasks.add(task)
        try:
            await self._pass_on(reader, writer)
        except asyncio.CancelledError:
            pass  # of `stop`; asyncio's server would log it as an error
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._goes_on.wait()
        if self.way is Way.CUT:
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            return  # whoever connected finds the connection gone, as without us
        connection = _Connection(writer, far_writer)
        self._open.add(connection)
        there = asyncio.create_task(self._pump(connection, reader, far_writer))
        back = asyncio.create_task(self._pump(connection, far_reader, writer))
        try:
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.discard(connection)
            connection.abort()
            for pump in (there, back):
                pump.cancel()
            await asyncio.gather(there, back, return_exceptions=True)

    async def _pump(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await reader.read(
                SLOW_CHUNK_BYTES if self.way is Way.SLOW else CHUNK_BYTES
            ):
                await self._goes_on.wait()
                if self.way is Way.SLOW:
                    await self._clock.sleep(SLOW_PAUSE_S)
                if connection.dead:
                    self.swallowed += len(data)
                    continue
                writer.write(data)
                await writer.drain()
        except OSError:
            return  # one end is gone: so will be the other


class _Connection:
    """Both ends of what goes through."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._ends = (near, far)
        self.dead = False
        """Whether nothing arrives any more, and nobody was told."""

    def abort(self) -> None:
        """End both without a word more than a reset."""
        for end in self._ends:
            end.transport.abort()
