"""Running the web pages inside a program that has other work: started and stopped by hand.

uvicorn normally owns the process (signal handlers, `sys.exit` when a port is taken, a
shutdown that waits for open connections). Here it is a guest: the port is bound first so
that failure is an `OSError`, signals stay with the host, and `stop` ends event streams.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from contract.clock import SystemClock
from dashboards.web.live import BoardFeed

_log = structlog.get_logger(__name__)

STOP_LIMIT_S: Final = 0.5
"""Real seconds that requests in hand get at `stop` before their connections are cut."""

CUT_LIMIT_S: Final = 0.3
"""Real seconds that uvicorn then gets to notice, in steps of 0.1 s, and to end the feed. The
whole stays below the one second that people wait before they press Ctrl-C again."""

_START_LOOK_S: Final = 0.01
"""Real seconds between two looks at whether uvicorn listens; it takes about 20 ms."""

_BACKLOG: Final = 256
"""Connections waiting to be accepted: every phone of a home reconnects at once after an
outage."""

_ANY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


class _GuestServer(uvicorn.Server):
    """uvicorn that leaves the host's signal handlers alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class RunningServer:
    """A started web server; made by `serve`.

    Attributes
    ----------
    host, port
        Where it listens; `port` is the real one when 0 was asked for.
    url
        The address of the board.
    """

    def __init__(
        self,
        server: uvicorn.Server,
        task: asyncio.Task[None],
        feed: BoardFeed | None,
        address: str,
        port: int,
    ) -> None:
        self._server = server
        self._task = task
        self._feed = feed
        self.host = address
        self.port = port
        shown = "localhost" if address in _ANY_ADDRESS else address
        shown = f"[{shown}]" if ":" in shown else shown
        self.url = f"http://{shown}:{port}/"

    async def stop(self) -> None:
        """End within a second, whatever is connected; may be called twice.

        The limit counts in real seconds: closing sockets is the machine's business, also
        when everything else runs on a faster clock.
        """
        if self._feed is not None:
            self._feed.close()
        self._server.should_exit = True
        if not await self._ended_within(STOP_LIMIT_S):
            state = self._server.server_state
            _log.warning("web_connections_cut", connections=len(state.connections))
            for request in tuple(state.tasks):
                request.cancel()
            for connection in tuple(state.connections):
                connection.transport.abort()
            if not await self._ended_within(CUT_LIMIT_S):
                self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _ended_within(self, seconds: float) -> bool:
        limit = asyncio.ensure_future(SystemClock().sleep(seconds))
        try:
            await asyncio.wait({self._task, limit}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            limit.cancel()
        return self._task.done()

    async def finished(self) -> None:
        """Return when the server has ended; raises what ended it, if it was not `stop`."""
        await asyncio.shield(self._task)


async def serve(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> RunningServer:
    """Start serving `app` in the running event loop, and return when it listens.

    Parameters
    ----------
    app
        From `create_app`, or another whose ``state.feed`` is none.
    host, port
        Where to listen; port 0 takes any free one.

    Raises
    ------
    OSError
        If the address cannot be bound (in use, or not this machine's).
    RuntimeError
        If the application failed to start.
    """
    listener = _bind(host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        # A phone that fell asleep leaves its connection open: let go of idle ones soon.
        timeout_keep_alive=5,
    )
    server = _GuestServer(config)
    task = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]), name="web")
    clock = SystemClock()
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the web application did not start; its log says why")
            await clock.sleep(_START_LOOK_S)
    except BaseException:
        task.cancel()
        listener.close()
        raise
    address, bound_port = listener.getsockname()[:2]
    _log.info("web_listening", host=address, port=bound_port)
    return RunningServer(server, task, app.state.feed, address, bound_port)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
