"""Rooms without a gateway: ESP32 receivers that publish the adverts they hear over MQTT.

They are one-way: nothing can be connected to through them. Whether one lives is judged by the
adverts that come of it. Its own last will is not asked: an OpenMQTTGateway has said "online" while
its scan had stopped (FIELD, #1278).

The receivers share the gateway's connection to the broker, whose certificate is for one
(docs/security.md): `MqttProxyRadio.tap` takes their messages out of what the gateway gets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Final, Never

from contract import topics
from contract.advert import MalformedPacketError
from contract.clock import Clock
from contract.events import FaultCause
from contract.messages import ReceiverConfig
from contract.protocols import (
    AdapterTrouble,
    Bus,
    HeardAdvert,
    LastWill,
    LinkLostError,
    Message,
)
from contract.units import NS_PER_S, seconds_to_ns
from edge.counters import Counts
from edge.radio.backlog import Backlog
from edge.radio.proxy_forms import DecodedOnlyError, adverts_of, read_advert

RECEIVER_SILENT_NS: Final = seconds_to_ns(90)
"""As for an adapter (habluetooth's scanner watchdog, FIELD). OpenMQTTGateway's default of a scan
each 55 s, of 10 s, is within it, and too seldom to see anybody fall: docs/receivers.md."""

DECODED_NS: Final = seconds_to_ns(600)
"""So long after an advert without its raw data the receiver is said to be set up wrongly: a room
sensor may speak once in some minutes only."""

MESSAGES_PER_S: Final = 500
"""Of one receiver. An ESP32 hears up to some two hundred adverts a second; more is a defect, or
somebody who floods us, and the others' adverts and receipts shall not wait behind it."""

MOST_RECEIVERS: Final = 256
"""Far above a home's rooms; a configuration is not believed beyond it."""

NAME_LEVEL: Final = "+"
"""The level of a filter where a receiver's name stands: the first of these."""

_OURS: Final = topics.ROOT.split("/", maxsplit=1)[0]

REPAIR: Final = "look at its power, its Wi-Fi and its broker settings"


class _Receiver:
    """What is known of one receiver. Times are monotonic nanoseconds."""

    __slots__ = ("counted", "decoded_ns", "heard_ns", "second", "since_ns", "zone")

    def __init__(self, zone: str, now_ns: int) -> None:
        self.zone = zone
        self.since_ns = now_ns
        """Since when something is expected of it."""
        self.heard_ns: int | None = None
        """When an advert of it was last understood."""
        self.decoded_ns: int | None = None
        """When it last sent one that it had decoded itself, without the raw data."""
        self.second = 0
        self.counted = 0

    def admits(self, now_ns: int) -> bool:
        """Whether this second holds another message of it."""
        second = now_ns // NS_PER_S
        if second != self.second:
            self.second, self.counted = second, 0
        self.counted += 1
        return self.counted <= MESSAGES_PER_S


def check_filter(topic_filter: str) -> str:
    """Return `topic_filter` if it says where a receiver's name stands.

    Raises
    ------
    ValueError
        If it does not, is no filter of MQTT, or would take what is the gateway's.
    """
    levels = topic_filter.split("/")
    if NAME_LEVEL not in levels:
        raise ValueError(
            f"{topic_filter!r}: put + where the receiver's name stands, such as home/+/BTtoMQTT/#"
        )
    if "#" in levels[:-1] or any(len(each) > 1 and set(each) & set("+#") for each in levels):
        raise ValueError(f"{topic_filter!r} is no topic filter of MQTT")
    if levels[0] in {NAME_LEVEL, topics.ROOT.split("/", maxsplit=1)[0]} or levels[0].startswith(
        "$"
    ):
        raise ValueError(f"{topic_filter!r}: begin with the receivers' own topic, such as home")
    return topic_filter


class _Filter:
    """One topic filter, taken apart."""

    def __init__(self, text: str) -> None:
        levels = check_filter(text).split("/")
        self._is_open = levels[-1] == "#"
        self._levels = levels[:-1] if self._is_open else levels
        self._name_at = levels.index(NAME_LEVEL)

    def receiver(self, levels: Sequence[str]) -> str | None:
        """Whose topic this is; None if it does not fit."""
        count = len(self._levels)
        if len(levels) < count or (len(levels) > count and not self._is_open):
            return None
        for wanted, given in zip(self._levels, levels, strict=False):
            if wanted not in {NAME_LEVEL, given}:
                return None
        return levels[self._name_at]


class MqttProxyRadio:
    """Receivers of adverts over MQTT; implements `contract.protocols.Radio`.

    Parameters
    ----------
    filters
        Topics that they publish on; the first ``+`` stands for the receiver's name.

    Raises
    ------
    ValueError
        If a filter cannot be.
    """

    def __init__(self, filters: Sequence[str], clock: Clock) -> None:
        self.filters = tuple(filters)
        self._filters = [_Filter(each) for each in filters]
        self._clock = clock
        self._enrolled: Callable[[], Sequence[ReceiverConfig] | None] = lambda: None
        self._counts = Counts()
        self._backlog = Backlog(clock)
        self._receivers: dict[str, _Receiver] = {}

    def belong_to(
        self, receivers: Callable[[], Sequence[ReceiverConfig] | None], counts: Counts
    ) -> None:
        """Listen for a gateway; before, nobody is enrolled.

        Parameters
        ----------
        receivers
            Those that the home has enrolled, None while that is not known; asked again and
            again. Others are not listened to.
        counts
            Where rejections are counted, by reason.
        """
        self._enrolled = receivers
        self._counts = counts

    @property
    def dropped_adverts(self) -> int:
        """Adverts that nobody took in time, since the start."""
        return self._backlog.dropped

    # -- contract.protocols.Radio ---------------------------------------------------------------

    async def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        async for batch in self._backlog.batches():
            yield batch

    async def connect(self, address: str) -> Never:
        raise LinkLostError(
            f"{address} is heard by a receiver over MQTT only, through which nothing connects"
        )

    async def close(self) -> None:
        self._backlog.close()

    def troubles(self) -> Sequence[AdapterTrouble]:
        now_ns = self._clock.monotonic_ns()
        self._follow(now_ns)
        return [
            AdapterTrouble(FaultCause.RECEIVER_SILENT, name, detail)
            for name, each in sorted(self._receivers.items())
            if (detail := _trouble(name, each, now_ns)) is not None
        ]

    # -- what comes over the broker --------------------------------------------------------------

    def tap(self, bus: Bus) -> TappedBus:
        """`bus`, with the receivers' messages taken out of what comes over it."""
        return TappedBus(bus, self)

    def is_meant(self, topic: str) -> bool:
        """Whether a message on `topic` is a receiver's, and none of the gateway's."""
        return self._name(topic) is not None

    def take(self, messages: Iterable[Message]) -> None:
        """Take in what receivers have published. Whatever it is, no exception comes of it."""
        now_ns = self._clock.monotonic_ns()
        self._follow(now_ns)
        for message in messages:
            try:
                self._take(message, now_ns)
            except MalformedPacketError as error:
                self._counts.rejected(f"over MQTT: {error}")

    def _take(self, message: Message, now_ns: int) -> None:
        if message.retained:
            raise MalformedPacketError("an advert that the broker had kept")
        name = self._name(message.topic)
        receiver = None if name is None else self._receivers.get(name)
        if name is None or receiver is None:
            raise MalformedPacketError("a receiver that is not enrolled")
        if not receiver.admits(now_ns):
            raise MalformedPacketError("a receiver that floods")
        for said in adverts_of(message.payload):
            try:
                heard = read_advert(said, name, now_ns)
            except DecodedOnlyError:
                receiver.decoded_ns = now_ns
                self._counts.rejected("over MQTT: an advert without its raw data")
                continue
            except MalformedPacketError as error:
                # The others of the same message are none the worse.
                self._counts.rejected(f"over MQTT: {error}")
                continue
            receiver.heard_ns = now_ns
            self._backlog.put(heard)

    def _name(self, topic: str) -> str | None:
        levels = topic.split("/")
        for each in self._filters:
            name = each.receiver(levels)
            if name is not None:
                return name
        return None

    def _follow(self, now_ns: int) -> None:
        """Know those that are enrolled, and no others."""
        enrolled = self._enrolled()
        if enrolled is None:
            return
        wanted = {each.name: each.zone for each in enrolled[:MOST_RECEIVERS]}
        for name in [each for each in self._receivers if each not in wanted]:
            del self._receivers[name]
        for name, zone in wanted.items():
            self._receivers.setdefault(name, _Receiver(zone, now_ns)).zone = zone


def _trouble(name: str, receiver: _Receiver, now_ns: int) -> str | None:
    """What is wrong with it, and what a person can do; None while all is well."""
    heard_ns = receiver.since_ns if receiver.heard_ns is None else receiver.heard_ns
    is_silent = now_ns - heard_ns >= RECEIVER_SILENT_NS
    decoded_ns = receiver.decoded_ns
    if decoded_ns is not None and now_ns - decoded_ns < DECODED_NS:
        return (
            f"the receiver {name} sends adverts without their raw data, which cannot be read: "
            f"nobody is monitored by it in {receiver.zone}; publish pubadvdata true to it"
            if is_silent
            else f"the receiver {name} sends some adverts without their raw data, and what they "
            f"say in {receiver.zone} is lost; publish pubadvdata true to it"
        )
    if is_silent:
        return (
            f"the receiver {name} has sent no advert of anything for 90 s: nobody is monitored by "
            f"it in {receiver.zone}; {REPAIR}"
        )
    return None


class TappedBus:
    """A bus whose other messages are receivers'; implements `contract.protocols.Bus`."""

    def __init__(self, bus: Bus, radio: MqttProxyRadio) -> None:
        self._bus = bus
        self._radio = radio

    @property
    def connected(self) -> bool:
        return self._bus.connected

    @property
    def shed(self) -> int:
        return self._bus.shed

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        await self._bus.publish(topic, payload, retain=retain)

    async def run(
        self,
        filters: Sequence[str],
        on_messages: Callable[[Sequence[Message]], Awaitable[None]],
        on_connected: Callable[[], Awaitable[None]] | None = None,
        will: Callable[[], LastWill] | None = None,
    ) -> None:
        async def sort(messages: Sequence[Message]) -> None:
            # What is the gateway's goes first: receipts and commands wait for no advert.
            ours: list[Message] = []
            theirs: list[Message] = []
            for each in messages:
                (theirs if self._radio.is_meant(each.topic) else ours).append(each)
            if ours:
                await on_messages(ours)
            self._radio.take(theirs)

        await self._bus.run((*filters, *self._radio.filters), sort, on_connected, will)
