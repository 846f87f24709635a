"""What is heard that could be enrolled: asked for by a person, said while it lasts, then forgotten.

At every other time a device that was never enrolled is discarded unseen. While a command lasts each
kind of device is asked whether it recognises an advert, and what it does recognise is published
once a second. Nothing of it is logged or stored, and what nobody recognises is not even kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from contract import topics, wire
from contract.advert import COMPANY_ID, is_own_layout
from contract.clock import Clock, now_us
from contract.devices import DeviceKind
from contract.messages import (
    MESSAGE_SCHEMA,
    Command,
    Discovered,
    DiscoveredDevice,
    GatewayConfig,
)
from contract.protocols import Bus, HeardAdvert, NotConnectedError, PublishRefusedError
from contract.units import US_PER_S, seconds_to_ns
from edge.counters import Counts
from edge.decode import Registry
from edge.reporter import Sender
from edge.wearables import HEARD_NS, OWN_KIND, RSSI_SMOOTHING, Roster, rolls

_log = structlog.get_logger(__name__)

LONGEST_S: Final = 600.0
"""However far its command's end lies: whoever enrols a device stands beside it, and a screen that
was left open overnight must not collect who goes past the door."""

EACH_S: Final = 1.0

MOST_ASKING: Final = 4
"""Commands at a time; one more, and the oldest is no longer answered."""

MOST_SAID: Final = 200
"""Devices in one message, the strongest: some 40 kB. Who enrols one holds it in her hand."""

MOST_KEPT: Final = 1_000
"""Of recognised devices. Beyond it only a stronger one is taken up, for the weakest."""


class _Found(NamedTuple):
    """A device that some kind recognised."""

    kind: str
    model: str
    rssi_dbm: float
    adverts: int
    heard: HeardAdvert
    """The latest."""


class Discovery:
    """Looks for devices for as long as somebody wants it to."""

    def __init__(
        self,
        *,
        sender: Sender,
        clock: Clock,
        bus: Bus,
        roster: Roster,
        registry: Registry,
        counts: Counts,
        config: Callable[[], GatewayConfig | None],
    ) -> None:
        self._sender = sender
        self._clock = clock
        self._bus = bus
        self._roster = roster
        self._registry = registry
        self._counts = counts
        self._config = config
        self._topic = topics.build(sender.home, sender.gateway, topics.DISCOVERED)
        self._asking: dict[str, int] = {}
        """Commands that are answered, and until when, monotonic ns."""
        self._kinds: list[DeviceKind] = []
        self._found: dict[str, _Found] = {}

    @property
    def active(self) -> bool:
        """Whether adverts are wanted: also where the broker sits on a message, not for longer."""
        return bool(self._asking) and self._clock.monotonic_ns() < max(self._asking.values())

    async def look(self, command: Command) -> None:
        """Look until the command ends. Several people may look at the same time."""
        left_s = min((command.expires_at_us - now_us(self._clock)) / US_PER_S, LONGEST_S)
        until_ns = self._clock.monotonic_ns() + seconds_to_ns(left_s)
        if not self._asking:
            # Who takes devices of every maker is asked last: they may have a kind of their own.
            usable = self._registry.usable()
            self._kinds = sorted(usable, key=lambda kind: getattr(kind, "is_general", False))
        elif len(self._asking) >= MOST_ASKING:
            del self._asking[next(iter(self._asking))]
        self._asking[command.id] = until_ns
        try:
            while command.id in self._asking and self._clock.monotonic_ns() < until_ns:
                await self._clock.sleep(EACH_S)
                if command.id in self._asking:
                    await self._say(command.id)
        finally:
            self._asking.pop(command.id, None)
            if not self._asking:
                self._kinds = []
                self._found.clear()

    def hear(self, heard: HeardAdvert) -> None:
        """Take in an advert of anybody, while looking."""
        name = self._enrolled_as(heard) or heard.address
        before = self._found.get(name)
        if before is not None:
            rssi_dbm = before.rssi_dbm + RSSI_SMOOTHING * (heard.rssi_dbm - before.rssi_dbm)
            self._found[name] = before._replace(
                rssi_dbm=rssi_dbm, adverts=before.adverts + 1, heard=heard
            )
            return
        for kind in list(self._kinds):
            model = self._recognised(kind, heard)
            if model is not None:
                self._keep(name, _Found(kind.name, model, float(heard.rssi_dbm), 1, heard))
                return

    def _recognised(self, kind: DeviceKind, heard: HeardAdvert) -> str | None:
        """What this kind takes it for. One that fails is not asked again: it may be anybody's."""
        try:
            model = kind.recognise(heard)
        except Exception as error:  # noqa: BLE001 - its message may hold a passer-by's address
            _log.error("recognition_failed", kind=kind.name, reason=type(error).__name__)
            self._kinds.remove(kind)
            return None
        return None if model is None else str(model)

    def _keep(self, name: str, found: _Found) -> None:
        if len(self._found) >= MOST_KEPT:
            weakest = min(self._found, key=lambda each: self._found[each].rssi_dbm)
            if self._found[weakest].rssi_dbm >= found.rssi_dbm:
                return
            del self._found[weakest]
        self._found[name] = found

    def _enrolled_as(self, heard: HeardAdvert) -> str | None:
        """Which of our wearables it is, by what it says: also one whose address rolls."""
        data = heard.manufacturer_data.get(COMPANY_ID)
        if data is None or not is_own_layout(data):
            return None
        wearable = self._roster.by_key(data)
        return None if wearable is None else wearable.device

    def message(self, command: str) -> Discovered:
        """What has been found so far, the strongest first."""
        names = self._names()
        strongest = sorted(self._found.items(), key=lambda item: -item[1].rssi_dbm)[:MOST_SAID]
        linked = self._linked(names)
        devices = [
            DiscoveredDevice(
                address=found.heard.address,
                kind=found.kind,
                model=self._model(names.get(name)) or found.model,
                rssi_dbm=round(found.rssi_dbm),
                adverts=found.adverts,
                identity=_identity(found),
                device=name if name != found.heard.address else names.get(name),
                receiver=found.heard.receiver,
            )
            for name, found in strongest
        ]
        devices = sorted([*devices, *linked], key=lambda each: -each.rssi_dbm)[:MOST_SAID]
        return Discovered(
            schema=MESSAGE_SCHEMA,
            gateway=self._sender.gateway,
            command=command,
            at_us=max(now_us(self._clock), 0),
            devices=devices,
        )

    def _model(self, device: str | None) -> str | None:
        """What another maker's enrolled wearable has called itself over a link."""
        wearable = self._roster.by_device.get(device or "")
        return None if wearable is None else wearable.model

    def _linked(self, names: dict[str, str]) -> list[DiscoveredDevice]:
        """Enrolled wearables of other makers that are heard over a link: those do not advertise."""
        now_ns = self._clock.monotonic_ns()
        return [
            DiscoveredDevice(
                address=address,
                kind=wearable.config.kind,
                model=wearable.model,
                rssi_dbm=round(wearable.rssi_dbm or 0),
                adverts=0,
                device=device,
            )
            for address, device in names.items()
            if address not in self._found
            and (wearable := self._roster.by_device.get(device)) is not None
            and wearable.model is not None
            and wearable.heard_within(HEARD_NS, now_ns)
        ]

    def _names(self) -> dict[str, str]:
        """Enrolled devices whose address does not change."""
        config = self._config()
        if config is None:
            return {}
        fixed = {each.address: each.device for each in config.wearables if not rolls(each)}
        return fixed | {each.address: each.device for each in config.sensors}

    async def _say(self, command: str) -> None:
        try:
            await self._bus.publish(self._topic, wire.encode(self.message(command)))
        except NotConnectedError:
            self._counts["discoveries_unsaid"] += 1
        except PublishRefusedError as error:
            self._counts["publishes_refused"] += 1
            _log.warning("discovery_refused", topic=self._topic, reason=str(error))


def _identity(found: _Found) -> int | None:
    if found.kind != OWN_KIND:
        return None
    data = found.heard.manufacturer_data.get(COMPANY_ID, b"")
    return int.from_bytes(data[1:5], "little") if is_own_layout(data) else None
