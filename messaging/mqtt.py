"""A client of a real broker that reconnects by itself."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import aiomqtt
import structlog
from aiomqtt.exceptions import MqttConnectError

from contract.clock import Clock
from contract.protocols import LastWill, Message, NotConnectedError
from messaging.backoff import Backoff
from messaging.connection import Address, Connection, SubscriptionRefusedError
from messaging.tls import CertificatesUnusableError, Credentials, explain

DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}

_UNSUPPORTED_VERSION: Final = 0x84
"""MQTT 5, 3.2.2.2; paho gives it also for the 3.1.1 answer that means the same."""

_VERSIONS: Final = (aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311)
"""In the order of trying. Only MQTT 5 lets a broker say that it refused a publish."""

_UNREACHED: Final = (aiomqtt.MqttError, SubscriptionRefusedError, CertificatesUnusableError)

_NOT_READ_YET: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Stands in an address for certificates that are read at each connect."""

_log = structlog.get_logger(__name__)


def read_url(
    url: str,
    client_id: str,
    username: str | None,
    password: str | None,
    tls: ssl.SSLContext | None,
) -> Address:
    """The broker that `url` names: ``mqtt://host:port`` or, over TLS, ``mqtts://host:port``.

    Raises
    ------
    ValueError
        Saying what is wrong with it.
    """
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError(f"broker {url!r}: begin with mqtt:// or mqtts://")
    if not parts.hostname:
        raise ValueError(f"broker {url!r} names no host")
    if parts.username or parts.password:
        raise ValueError("a broker's URL is logged: give user name and password apart")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"broker {url!r}: nothing may follow the port")
    if parts.scheme == "mqtt" and tls is not None:
        raise ValueError(f"broker {url!r}: certificates need mqtts://")
    if parts.scheme == "mqtts" and tls is None:
        tls = ssl.create_default_context()
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return Address(parts.hostname, port, client_id, username, password, tls)


class MqttBus:
    """A client of an MQTT broker; implements `contract.protocols.Bus`.

    It speaks MQTT 5, and 3.1.1 with a broker that knows nothing newer; it asks anew at each
    connect. With 3.1.1 a broker cannot say that it refused a publish: receipts still tell
    (DESIGN 4), later. Cancelling `run` says goodbye, so no will is published; a handler that
    raises does not.

    Parameters
    ----------
    url
        ``mqtt://host:port`` or ``mqtts://host:port``.
    client_id
        Unique at the broker: a second client of the same id ends the first one's session.
    clock
        For the waits between attempts.
    username, password
        For the broker's access list; None for none.
    tls
        For ``mqtts``: certificates to trust and to show; default the system's to trust. Those of
        `Credentials` are read anew at each connect.

    Raises
    ------
    ValueError
        If `url` cannot be.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        clock: Clock,
        *,
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | Credentials | None = None,
    ) -> None:
        self._shed = 0
        self._credentials = tls if isinstance(tls, Credentials) else None
        context = _NOT_READ_YET if isinstance(tls, Credentials) else tls
        self._address = read_url(url, client_id, username, password, context)
        self._url = url
        self._clock = clock
        self._connection: Connection | None = None
        self._version: aiomqtt.ProtocolVersion | None = None
        self.trouble: str | None = None
        """Why there is no session, after an attempt failed; None while one stands."""
        self.certificate_trouble: str | None = None
        """The same where a certificate is the cause: waiting does not help then."""

    @property
    def connected(self) -> bool:
        return self._connection is not None and self._connection.loss is None

    @property
    def shed(self) -> int:
        connection = self._connection
        return self._shed + (connection.shed if connection is not None else 0)

    @property
    def mqtt_version(self) -> str | None:
        """``V5`` or ``V311``, as spoken in the latest session; None before the first."""
        return self._version.name if self._version is not None else None

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        if self._connection is None:
            raise NotConnectedError(f"no session with {self._url}")
        await self._connection.send(topic, payload, retain=retain)

    async def run(
        self,
        filters: Sequence[str],
        on_messages: Callable[[Sequence[Message]], Awaitable[None]],
        on_connected: Callable[[], Awaitable[None]] | None = None,
        will: Callable[[], LastWill] | None = None,
    ) -> None:
        backoff = Backoff()
        while True:
            try:
                connection = await self._connect(list(filters), will)
            except _UNREACHED as error:
                wait_s = backoff.next_wait_s()
                self._remember(error)
                _log.warning(
                    "broker_not_reached", url=self._url, reason=self.trouble, next_try_s=wait_s
                )
            else:
                backoff.reset()
                self.trouble = self.certificate_trouble = None
                _log.info("broker_connected", url=self._url, mqtt=self.mqtt_version)
                await self._serve(connection, on_messages, on_connected)
                wait_s = backoff.next_wait_s()
                self.trouble = connection.loss
                _log.warning(
                    "broker_lost", url=self._url, reason=connection.loss, next_try_s=wait_s
                )
            await self._clock.sleep(wait_s)

    def _remember(self, error: Exception) -> None:
        if isinstance(error, CertificatesUnusableError):
            self.certificate_trouble = str(error)
        else:
            shown = self._credentials is not None
            self.certificate_trouble = explain(str(error), shown=shown)
        self.trouble = self.certificate_trouble or str(error)

    async def _connect(self, filters: list[str], will: Callable[[], LastWill] | None) -> Connection:
        """A connection whose subscriptions stand."""
        connection = await self._open(will)
        try:
            await connection.listen(filters)
        except BaseException as error:
            await connection.close(cleanly=isinstance(error, asyncio.CancelledError))
            raise
        return connection

    async def _open(self, will: Callable[[], LastWill] | None) -> Connection:
        """A connection in the newest version of MQTT that the broker knows."""
        last_will = will() if will is not None else None
        address = self._address
        if self._credentials is not None:
            address = address._replace(tls=self._credentials.context())
        for version in _VERSIONS:
            connection = Connection(address, version, last_will)
            try:
                await connection.open()
            except aiomqtt.MqttError as error:
                if version is _VERSIONS[-1] or not self._is_too_new(connection, error):
                    raise
                continue
            self._version = version
            return connection
        raise AssertionError("the last version returns or raises")

    def _is_too_new(self, connection: Connection, error: aiomqtt.MqttError) -> bool:
        """Whether the broker may not have understood the version of MQTT."""
        if isinstance(error, MqttConnectError):
            return getattr(error.rc, "value", error.rc) == _UNSUPPORTED_VERSION
        # Some hang up on, or never answer, what they cannot read. One that spoke MQTT 5
        # before is merely in trouble.
        return connection.reached and self._version is not _VERSIONS[0]

    async def _serve(
        self,
        connection: Connection,
        on_messages: Callable[[Sequence[Message]], Awaitable[None]],
        on_connected: Callable[[], Awaitable[None]] | None,
    ) -> None:
        """Hand over what comes until the connection is gone."""
        self._connection = connection
        cleanly = False
        try:
            if on_connected is not None:
                try:
                    await on_connected()
                except NotConnectedError:
                    if connection.loss is None:
                        raise
            await self._pump(connection, on_messages)
        except asyncio.CancelledError:
            cleanly = True
            raise
        finally:
            self._connection = None
            self._shed += connection.shed
            if connection.unreadable:
                _log.warning("unreadable_topics", count=connection.unreadable)
            await connection.close(cleanly=cleanly)

    async def _pump(
        self,
        connection: Connection,
        on_messages: Callable[[Sequence[Message]], Awaitable[None]],
    ) -> None:
        while True:
            batch = connection.take()
            if batch:
                await on_messages(batch)
            elif connection.loss is not None:
                return
            else:
                connection.changed.clear()
                await connection.changed.wait()
