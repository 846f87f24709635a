"""A broker inside the process (amqtt), so that the demo needs nothing installed.

It speaks MQTT 3.1.1, lets everybody in, listens on 127.0.0.1 alone, and forgets everything
when it stops: for a demo and for tests. A home runs mosquitto (DESIGN 4).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Final

from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.broker import Broker
from amqtt.errors import NoDataError
from amqtt.session import Session

HOST: Final = "127.0.0.1"
"""Nothing else: it asks nobody for a password."""

_LISTENER: Final = "default"
_NEWEST_LEVEL: Final = 4
"""MQTT 3.1.1."""

_VERSION_REFUSED: Final = bytes((0x20, 2, 0, 1))
"""CONNACK: unacceptable protocol version (MQTT 3.1.1, 3.2.2.3)."""

_END_OF_CONVERSATION_S: Final = 0.3
"""The machine's seconds. A conversation whose socket is gone ends within milliseconds."""

_LONGEST_FIXED_HEADER: Final = 5
_LONGEST_NAME: Final = 6
"""``MQIsdp`` of MQTT 3.1; it is ``MQTT`` since."""


class _Reread(ReaderAdapter):  # type: ignore[misc]
    """A reader that begins with bytes which were read before."""

    def __init__(self, reader: ReaderAdapter, head: bytes) -> None:
        self._reader = reader
        self._head = head

    async def read(self, n: int = -1) -> bytes:
        if not self._head:
            return bytes(await self._reader.read(n))
        if n < 0:
            taken, self._head = self._head, b""
            return taken + bytes(await self._reader.read(n))
        taken, self._head = self._head[:n], self._head[n:]
        missing = n - len(taken)
        return taken + bytes(await self._reader.read(missing)) if missing else taken

    def feed_eof(self) -> None:
        self._reader.feed_eof()


async def _head_of_connect(reader: ReaderAdapter) -> bytes:
    """A CONNECT up to its protocol level (MQTT 3.1.1, 3.1.2.2), which is the last byte.

    amqtt 0.12 reads a whole CONNECT as one of 3.1.1 before it looks at the level, and waits
    for ever where a newer one with a will misleads it.
    """
    head: bytes = await reader.read(2)
    while head[-1] & 0x80 and len(head) < _LONGEST_FIXED_HEADER:
        head += await reader.read(1)
    name_length: bytes = await reader.read(2)
    name: bytes = await reader.read(min(int.from_bytes(name_length), _LONGEST_NAME))
    level: bytes = await reader.read(1)
    return head + name_length + name + level


class _Broker(Broker):  # type: ignore[misc] # amqtt.* is not followed by mypy
    """amqtt's broker, which can also be asked for its port and leaves no task behind."""

    def __init__(self, port: int) -> None:
        super().__init__(
            {
                "listeners": {_LISTENER: {"type": "tcp", "bind": f"{HOST}:{port}"}},
                "plugins": {
                    "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
                },
            }
        )
        self._conversations: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    def port(self) -> int:
        return int(self._servers[_LISTENER].instance.sockets[0].getsockname()[1])

    async def _client_connected(
        self, listener_name: str, reader: ReaderAdapter, writer: WriterAdapter
    ) -> None:
        try:
            head = await _head_of_connect(reader)
            if head[-1] > _NEWEST_LEVEL:
                writer.write(_VERSION_REFUSED)
                return
            await super()._client_connected(listener_name, _Reread(reader, head), writer)
        except (NoDataError, asyncio.IncompleteReadError, ConnectionError):
            # Someone looked in and left, as a check of the port does.
            return
        finally:
            # amqtt 0.12 leaves a client hanging whose CONNECT it could not read.
            with contextlib.suppress(OSError):
                await writer.close()

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        # amqtt 0.12 gives a newcomer the retained messages of everybody's subscriptions.
        subscribers = self._subscriptions.get(subscription[0], [])
        if any(each is session for each, _ in subscribers):
            await super()._publish_retained_messages_for_subscription(subscription, session)

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations[task] = writer
        try:
            await super().stream_connected(reader, writer, listener_name)
        finally:
            del self._conversations[task]

    async def shutdown(self) -> None:
        """End every conversation first.

        amqtt's own way, cancelling their tasks, waits for ever where data arrives in the
        same instant (`asyncio.wait_for` of Python 3.11 then loses the cancellation).
        """
        for server in self._servers.values():
            server.instance.close()
        conversations = dict(self._conversations)
        for writer in conversations.values():
            writer.transport.abort()
        if conversations:
            await asyncio.wait(conversations, timeout=_END_OF_CONVERSATION_S)
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)
        await super().shutdown()


class EmbeddedBroker:
    """amqtt in this event loop, on 127.0.0.1; may be stopped and started again."""

    def __init__(self) -> None:
        self._broker: _Broker | None = None
        self._port = 0

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._broker is not None

    @property
    def port(self) -> int:
        """Where it listens, or listened last; 0 before the first start."""
        return self._port

    @property
    def url(self) -> str:
        """For `messaging.mqtt.MqttBus`."""
        return f"mqtt://{HOST}:{self._port}"

    async def start(self, port: int = 0) -> int:
        """Listen, and return the port.

        Parameters
        ----------
        port
            0 takes a free one at the first start and the same one afterwards.

        Raises
        ------
        amqtt.errors.BrokerError
            If the port is taken.
        """
        if self._broker is None:
            # It warns of every client that tries MQTT 5 first, which ours do.
            logging.getLogger("amqtt").setLevel(logging.ERROR)
            broker = _Broker(port or self._port)
            await broker.start()
            self._broker = broker
            self._port = broker.port()
        return self._port

    async def stop(self) -> None:
        """Close every connection and the listening socket; all retained messages are gone."""
        broker, self._broker = self._broker, None
        if broker is not None:
            await broker.shutdown()
