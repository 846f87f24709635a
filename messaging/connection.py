"""One MQTT connection, from CONNECT to its end; `messaging.mqtt` makes a new one after it.

aiomqtt (2.5) does the protocol. What is added here is what an alarm cannot do without, and
what aiomqtt leaves out: the reason code of a PUBACK is read, so that a refused publish is
an error; an end before the CONNACK is noticed at once; incoming messages wait in bounded
memory, and those beyond it are counted; the number of unacknowledged publishes follows the
broker's limit; and the connection can be broken off so that the last will is published.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from contract.protocols import LastWill, Message, NotConnectedError, PublishRefusedError
from messaging.packets import PacketReader, join_acknowledgements
from messaging.refusal import refusal_of_payload, refusal_of_topic

QOS: Final = 1
"""At least once: receipts and ids make a double harmless, and QoS 2 costs two round trips."""

KEEPALIVE_S: Final = 10
"""A dead peer is noticed within twice this, and the broker publishes the will after one and
a half times: 15 s, the budget after which an alarm without a receipt sounds the siren
(DESIGN 4). Shorter would cut off a gateway whose SD card stalls for some seconds."""

ANSWER_TIMEOUT_S: Final = 4.0
"""For CONNACK, SUBACK and a TCP connection in the home's own network. The machine's seconds:
network timeouts do not run faster in a replay."""

MAX_IN_FLIGHT: Final = 200
"""Publishes without an acknowledgement at one time, unless the broker allows fewer. At 1 ms
for a round trip that is 200,000 messages/s, far above what a broker takes."""

MAX_WAITING_BYTES: Final = 32 * 1024 * 1024
"""Messages that have come and were not taken yet. A store that stands still for a minute behind
sixty gateways gets a tenth of it; beyond it somebody floods us, and memory must not grow."""

MESSAGE_BYTES: Final = 512
"""What a message takes beside its payload."""

_NEVER_WAIT_FOR: Final = 65_535
"""MQTT 5, 3.2.2.3.3: what a broker allows that states no receive maximum."""

_FAILURE: Final = 0x80
"""MQTT 5, 2.4: reason codes from here on say no."""

_log = logging.getLogger(__name__)
_log.setLevel(logging.WARNING)


class Address(NamedTuple):
    """Where a broker is and how to introduce oneself."""

    host: str
    port: int
    client_id: str
    username: str | None
    password: str | None
    tls: ssl.SSLContext | None


class SubscriptionRefusedError(ConnectionError):
    """The broker does not let this client hear something that it needs."""


class Connection(aiomqtt.Client):
    """A connection that stands at most once.

    Parameters
    ----------
    address
        The broker.
    protocol
        MQTT version to speak.
    will
        What the broker publishes if this connection ends without a goodbye.
    """

    def __init__(
        self, address: Address, protocol: aiomqtt.ProtocolVersion, will: LastWill | None
    ) -> None:
        is_5 = protocol is aiomqtt.ProtocolVersion.V5
        super().__init__(
            address.host,
            address.port,
            username=address.username,
            password=address.password,
            identifier=address.client_id,
            protocol=protocol,
            clean_session=None if is_5 else True,
            clean_start=True if is_5 else paho.MQTT_CLEAN_START_FIRST_ONLY,
            will=None
            if will is None
            else aiomqtt.Will(will.topic, will.payload, qos=QOS, retain=True),
            tls_context=address.tls,
            timeout=ANSWER_TIMEOUT_S,
            keepalive=KEEPALIVE_S,
            max_inflight_messages=MAX_IN_FLIGHT,
            logger=_log,
        )
        self._client.connect_timeout = ANSWER_TIMEOUT_S
        self._client.on_log = self._note
        self._reader = PacketReader(self._client)
        self._is_5 = is_5
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._unacknowledged: dict[int, asyncio.Future[ReasonCode]] = {}
        self._inbox: list[Message] = []
        self._waiting_bytes = 0
        self._gone = asyncio.Event()
        self._last_trouble = ""
        self.changed = asyncio.Event()
        """Set when a message has come or the connection is gone."""
        self.loss: str | None = None
        """Why the connection is gone, once it is."""
        self.reached = False
        """Whether a TCP connection was made."""
        self.unreadable = 0
        """Messages whose topic is no UTF-8: a broker that lets this pass is broken."""
        self.shed = 0
        """Messages let go because too many waited; without a receipt, they come again."""

    async def open(self) -> None:
        """Connect and wait for the broker's answer.

        Raises
        ------
        aiomqtt.MqttError
            If there is no broker, or it says no.
        """
        opening = asyncio.ensure_future(self.__aenter__())
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The socket is opened in a thread that cannot be cancelled: wait, then close.
            with contextlib.suppress(aiomqtt.MqttError):
                await opening
            await self.close(cleanly=True)
            raise
        except aiomqtt.MqttError:
            await self._shut_socket()
            raise
        self._disconnected.add_done_callback(
            lambda future: self._lose("closed" if future.cancelled() else str(future.exception()))
        )

    async def listen(self, filters: list[str]) -> None:
        """Subscribe to all of `filters`.

        Raises
        ------
        SubscriptionRefusedError
            If the broker refuses one: half deaf is not connected.
        aiomqtt.MqttError
            If the connection broke.
        """
        if not filters:
            return
        wanted: Any = [(each, SubscribeOptions(qos=QOS) if self._is_5 else QOS) for each in filters]
        for each, answer in zip(filters, await self.subscribe(wanted), strict=True):
            code = answer.value if isinstance(answer, ReasonCode) else int(str(answer))
            if code >= _FAILURE:
                raise SubscriptionRefusedError(f"subscription to {each!r} refused: {answer}")

    async def send(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish and wait for the acknowledgement; see `contract.protocols.Bus.publish`."""
        reason = refusal_of_topic(topic) or refusal_of_payload(payload)
        if reason is not None:
            raise PublishRefusedError(reason)
        async with self._slots:
            if self.loss is not None:
                raise NotConnectedError(self.loss)
            try:
                sent = self._client.publish(topic, payload, QOS, retain)
            except ValueError as error:
                raise PublishRefusedError(f"topic {topic!r}: {error}") from error
            if sent.rc != paho.MQTT_ERR_SUCCESS:
                raise NotConnectedError(paho.error_string(sent.rc))
            answer: asyncio.Future[ReasonCode] = self._loop.create_future()
            self._unacknowledged[sent.mid] = answer
            try:
                code = await answer
            finally:
                self._unacknowledged.pop(sent.mid, None)
        if code.value >= _FAILURE:
            raise PublishRefusedError(f"topic {topic!r}: {code}")

    def take(self) -> list[Message]:
        """Every message that has come since the last call."""
        taken, self._inbox = self._inbox, []
        self._waiting_bytes = 0
        return taken

    async def close(self, *, cleanly: bool) -> None:
        """End the connection: with a goodbye, or so that the broker publishes the will."""
        if cleanly and self.loss is None and self._connected.done():
            # A broker that has stopped reading never takes the goodbye.
            with contextlib.suppress(aiomqtt.MqttError):
                await self.__aexit__(None, None, None)
        await self._shut_socket()
        self._lose("closed")

    async def _shut_socket(self) -> None:
        """Close without a goodbye, whatever state the connection is in."""
        open_socket = self._client.socket()
        if isinstance(open_socket, socket.socket):
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            # The loop's reader sees the end and lets paho close the socket.
            await self._gone.wait()
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()

    def _lose(self, reason: str) -> None:
        """The connection is gone: tell everyone who waits for something from it."""
        if self.loss is not None:
            return
        self.loss = reason
        self._gone.set()
        for answer in self._unacknowledged.values():
            if not answer.done():
                answer.set_exception(NotConnectedError(reason))
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError(reason))
            self._connected.exception()
        self.changed.set()

    def _on_socket_open(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        self.reached = True
        super()._on_socket_open(client, userdata, sock)
        # In the place of aiomqtt's, and as it is: paho may call this from a thread.
        self._loop.call_soon_threadsafe(
            self._loop.add_reader, sock.fileno(), self._or_broken, self._reader.read
        )

    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        def write() -> None:
            join_acknowledgements(client)
            client.loop_write()

        self._loop.call_soon_threadsafe(
            self._loop.add_writer, sock.fileno(), self._or_broken, write
        )

    def _or_broken(self, work: Callable[[], None]) -> None:
        """Read or write; what paho raises then means that the connection is broken."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - as aiomqtt does: it ends the connection
            if not self._disconnected.done():
                self._disconnected.set_exception(error)

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        allowed = getattr(properties, "ReceiveMaximum", _NEVER_WAIT_FOR)
        if allowed < MAX_IN_FLIGHT:
            self._slots = asyncio.Semaphore(allowed)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        reason = str(reason_code)
        if reason_code.value == _FAILURE and not flags.is_disconnect_packet_from_server:
            # paho says "Unspecified error", and the cause only to its log.
            reason = self._last_trouble or "connection lost"
        # While connecting, paho calls this from a thread.
        self._loop.call_soon_threadsafe(self._lose, reason)
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _note(self, _client: paho.Client, _userdata: Any, level: int, text: str) -> None:
        if level == paho.MQTT_LOG_ERR:
            self._last_trouble = text.removeprefix("failed to receive on socket: ")

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self.unreadable += 1
            return
        size = len(message.payload) + MESSAGE_BYTES
        if self._waiting_bytes + size > MAX_WAITING_BYTES:
            self.shed += 1
            return
        self._waiting_bytes += size
        self._inbox.append(Message(topic, bytes(message.payload), message.retain))
        self.changed.set()

    def _on_publish(
        self,
        client: paho.Client,
        userdata: Any,
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        answer = self._unacknowledged.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(reason_code)
