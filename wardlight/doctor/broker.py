"""The broker: reached, a message there and back, retained messages, and what it lost."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import aiomqtt

from contract import topics
from contract.clock import Clock, within
from contract.protocols import Message, NotConnectedError, PublishRefusedError
from contract.units import NS_PER_MS
from messaging import MqttBus
from messaging.connection import Connection
from messaging.mqtt import DEFAULT_PORTS, read_url
from messaging.tls import CertificatesUnusableError, explain
from wardlight.credentials import credentials_of
from wardlight.doctor.context import NAME, Context, in_thread
from wardlight.doctor.findings import Finding, fault, ok, warning
from wardlight.doctor.words import counted, reason

CONNECT_S: Final = 5.0
"""For a session: a little above the 4 s that a client gives each answer
(`messaging.connection.ANSWER_TIMEOUT_S`)."""

TCP_S: Final = 3.0
"""For a TCP connection in the home's own network: one lost SYN is sent again after 1 s."""

ANSWER_S: Final = 3.0
"""For a message to come back. It takes a millisecond on one machine, some on Wi-Fi."""

SLOW_MS: Final = 500.0
"""A round trip that takes longer leaves too little of the second that a detection may take to
the carer's phone (a fall is published, receipted and answered: three trips)."""

TRIPS: Final = 3
"""Three show what the way takes when nothing else of ours is in it."""

PROBE: Final = "probe"
"""The branch of our scratch topic; nobody subscribes to it (`contract.topics`)."""

SYSTEM: Final = "$SYS/broker"
"""Where mosquitto tells of itself (mosquitto(8), "broker status")."""

SYSTEM_S: Final = 1.0
"""How long to wait for what is retained there; a broker that has nothing sends nothing."""

UNSUPPORTED_VERSION: Final = 0x84
"""MQTT 5, 3.2.2.2: what a broker says that knows only 3.1.1."""

_NEWEST: Final = "V5"


def scratch_topic(context: Context) -> str:
    """The one topic that the doctor writes to."""
    return topics.build(context.settings.home.id, NAME, PROBE)


def address(context: Context) -> tuple[str, int]:
    """Host and port of the broker.

    Raises
    ------
    ValueError
        If the URL cannot be.
    """
    url = context.settings.broker.url
    read_url(url, NAME, None, None, None)
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]


class UnreachedError(ConnectionError):
    """No session with the broker; the reason is the message."""


class Client:
    """A client that stands, and what it hears."""

    def __init__(self, bus: MqttBus, clock: Clock) -> None:
        self.bus = bus
        self.messages: list[Message] = []
        self._clock = clock
        self._changed = asyncio.Event()

    async def take(self, messages: Sequence[Message]) -> None:
        self.messages += messages
        self._changed.set()

    async def until(self, wanted: Callable[[Message], bool], seconds: float) -> Message:
        """The first message that `wanted` likes.

        Raises
        ------
        TimeoutError
            If none comes within `seconds` of the machine.
        """

        async def look() -> Message:
            while True:
                for message in self.messages:
                    if wanted(message):
                        return message
                self._changed.clear()
                await self._changed.wait()

        return await within(self._clock, seconds, look())


@asynccontextmanager
async def client(context: Context, purpose: str, filters: Sequence[str]) -> AsyncIterator[Client]:
    """A client of the broker whose subscriptions stand.

    Raises
    ------
    UnreachedError
        If there is no session within `CONNECT_S`.
    """
    bus = context.bus(purpose)
    stands = asyncio.Event()

    async def connected() -> None:
        stands.set()

    it = Client(bus, context.machine)
    running = asyncio.create_task(bus.run(filters, it.take, connected))
    try:
        try:
            await within(context.machine, CONNECT_S, stands.wait())
        except TimeoutError:
            raise UnreachedError(f"no session within {CONNECT_S:.0f} s") from None
        yield it
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _refusal(context: Context) -> str | None:
    """What the broker says against us at one attempt; None if it says nothing we understand.

    `MqttBus` goes on trying, and says why only in the log.
    """
    broker = context.settings.broker
    password = broker.password_file.read_text("utf-8").strip() if broker.password_file else None
    name = f"{NAME}-{context.token}-why"
    try:
        credentials = credentials_of(context.settings, NAME, context.clock)
        tls = None if credentials is None else credentials.context()
    except CertificatesUnusableError as error:
        return str(error)
    attempt = Connection(
        read_url(broker.url, name, broker.username, password, tls),
        aiomqtt.ProtocolVersion.V5,
        None,
    )
    try:
        await attempt.open()
    except aiomqtt.MqttError as error:
        by_certificate = explain(str(error), shown=credentials is not None)
        if by_certificate is not None:
            return by_certificate
        code = getattr(getattr(error, "rc", None), "value", None)
        is_too_new = code == UNSUPPORTED_VERSION or (code is None and attempt.reached)
        return None if is_too_new else reason(error)
    await attempt.close(cleanly=True)
    return None


async def connection(context: Context) -> Finding:
    """Whether a session can be had, and in which version of MQTT."""
    try:
        host, port = address(context)
    except ValueError as error:
        return fault(str(error), "Correct url in the table [broker].")
    where = f"{host}:{port}"
    try:
        await in_thread(lambda: socket.create_connection((host, port), TCP_S).close())
    except socket.gaierror as error:
        return fault(
            f"the name {host!r} is unknown ({error.strerror})",
            "Correct url in the table [broker], or enter the name in the network's DNS.",
        )
    except OSError as error:
        return fault(
            f"nobody answers at {where} ({error.strerror or reason(error)})",
            "Start the broker (systemctl start mosquitto), see that its listener is open to this "
            "machine, or correct url in the table [broker].",
        )
    try:
        refusal = await _refusal(context)
        if refusal is not None:
            raise UnreachedError(refusal)
        async with client(context, "connection", ()) as it:
            version = it.bus.mqtt_version
    except UnreachedError as error:
        return fault(
            f"{where} lets nobody in: {error}",
            "Look at user name, password file and certificate in the table [broker], and at the "
            "broker's own log.",
        )
    if version != _NEWEST:
        return warning(
            f"{where} speaks only MQTT 3.1.1, in which it cannot say that it refused a message",
            "Use a broker that speaks MQTT 5, such as mosquitto 2.",
        )
    return ok(f"{where} speaks MQTT 5")


async def round_trip(context: Context) -> Finding:
    """Messages to ourselves, timed; the quickest counts, because other checks run beside."""
    topic = scratch_topic(context)
    quickest_ms = math.inf
    async with client(context, "round-trip", (topic,)) as it:
        for trip in range(TRIPS):
            payload = f"{context.token} round trip {trip}".encode()
            began_ns = context.machine.monotonic_ns()
            try:
                await within(context.machine, ANSWER_S, it.bus.publish(topic, payload))
                await it.until(partial(_is, payload), ANSWER_S)
            except PublishRefusedError as error:
                return _denied(context, f"refuses what is published ({reason(error)})")
            except TimeoutError:
                return _denied(context, "took a message and never gave it back")
            took_ms = (context.machine.monotonic_ns() - began_ns) / NS_PER_MS
            quickest_ms = min(quickest_ms, took_ms)
    if quickest_ms > SLOW_MS:
        return warning(
            f"a message took {quickest_ms:.0f} ms there and back",
            "Look for what slows the broker's machine or the network between: an alarm makes "
            "this journey three times.",
            round_trip_ms=quickest_ms,
        )
    return ok(f"a message went there and back in {quickest_ms:.1f} ms", round_trip_ms=quickest_ms)


def _is(payload: bytes, message: Message) -> bool:
    return message.payload == payload


def _denied(context: Context, what: str) -> Finding:
    home = context.settings.home.id
    return fault(
        f"the broker {what} on {scratch_topic(context)}",
        f"Let this user read and write {topics.ROOT}/{home}/# in the broker's access list.",
    )


async def retained(context: Context) -> Finding:
    """Whether somebody who comes later learns what was said before: gateways get their
    configuration so. The scratch topic is empty again afterwards.
    """
    topic = scratch_topic(context)
    payload = f"{context.token} retained".encode()
    async with client(context, "keeps", ()) as keeper:
        try:
            await within(context.machine, ANSWER_S, keeper.bus.publish(topic, payload, retain=True))
            async with client(context, "later", (topic,)) as later:
                # Another doctor's will do: it shows the same.
                await later.until(lambda message: message.retained, ANSWER_S)
        except PublishRefusedError as error:
            return _denied(context, f"refuses what shall be retained ({reason(error)})")
        except NotConnectedError as error:
            # MQTT 5, 3.3.1.3: it must hang up where it keeps none.
            return _keeps_none(f"hung up on a retained message ({reason(error)})")
        except TimeoutError:
            return _keeps_none("keeps no retained messages, or gives us none")
        finally:
            with contextlib.suppress(NotConnectedError, PublishRefusedError, TimeoutError):
                await within(context.machine, ANSWER_S, keeper.bus.publish(topic, b"", retain=True))
    return ok("who comes later learns what was said before")


def _keeps_none(what: str) -> Finding:
    return fault(
        f"the broker {what}",
        "Allow them (mosquitto: retain_available true, and read and write of wardlight/v1/# in "
        "the access list): a gateway that starts learns from one who wears what.",
    )


async def dropped(context: Context) -> Finding:
    """What mosquitto says of messages that it had to discard: its queue for each client ends
    at 1,000 unless `max_queued_messages` says otherwise, and it drops the rest in silence.
    """
    try:
        told = await _ask_system(context)
    except UnreachedError:
        told = {}
    version = told.get("version")
    count = re.match(r"\d+", told.get("publish/messages/dropped", ""))
    if version is None or count is None:
        return ok("the broker does not say what it dropped (no $SYS/broker, or not for us)")
    number = int(count.group())
    if number == 0:
        return ok(f"{version}, nothing dropped in {told.get('uptime', 'its life')}", dropped=0.0)
    return warning(
        f"{version} dropped {counted(number, 'message')} in {told.get('uptime', 'its life')}",
        "Set max_queued_messages 100000 in mosquitto.conf; what was dropped is sent again from "
        "the outboxes, later.",
        dropped=float(number),
    )


async def _ask_system(context: Context) -> dict[str, str]:
    wanted = ("version", "uptime", "publish/messages/dropped")
    filters = [f"{SYSTEM}/{each}" for each in wanted]
    async with client(context, "system", filters) as it:
        with contextlib.suppress(TimeoutError):
            await it.until(lambda _: len({m.topic for m in it.messages}) == len(wanted), SYSTEM_S)
        return {
            message.topic.removeprefix(f"{SYSTEM}/"): message.payload.decode("utf-8", "replace")
            for message in it.messages
        }
