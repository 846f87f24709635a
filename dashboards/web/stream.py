"""A stream of server-sent events to one browser, which ends when either side wants it to."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dashboards.web.live import BoardFeed, Subscription

_RETRY: Final = b"retry: 1000\n\n"
"""A browser whose stream broke tries again after this many milliseconds."""


class EventStream(Response):
    """The feed, sent to one subscriber until it leaves, is evicted, or the feed closes.

    Sending waits when the client's socket is full. That holds up this one response only,
    and what it missed meanwhile is skipped: it then gets the latest.
    """

    media_type = "text/event-stream"

    def __init__(self, feed: BoardFeed, subscription: Subscription) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._feed = feed
        self._subscription = subscription

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tasks = [
            asyncio.ensure_future(self._write(send)),
            asyncio.ensure_future(_until_gone(receive)),
            asyncio.ensure_future(self._subscription.evicted.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._feed.unsubscribe(self._subscription)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, OSError):
                raise result

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await self._send(send, _RETRY)
        while not self._subscription.ended:
            await self._subscription.news.wait()
            if not self._subscription.ended:
                await self._send(send, self._feed.take(self._subscription))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, data: bytes) -> None:
        self._subscription.sending = True
        await send({"type": "http.response.body", "body": data, "more_body": True})
        self._subscription.sending = False


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
