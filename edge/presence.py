"""What the gateways of a home tell each other once a second, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple, Protocol

import msgspec

from contract import topics, wire
from contract.clock import Clock
from contract.events import FaultCause
from contract.messages import MESSAGE_SCHEMA, Presence
from contract.units import NS_PER_US, seconds_to_ns
from contract.whereabouts import SensorChange
from edge import lead
from edge.lead import Heard
from edge.reporter import Sender
from edge.wearables import HEARD_NS, NEVER, Roster, Wearable

NEAR_ENOUGH_DB: Final = 3.0
"""A gateway that hears a wearable almost as well as the nearest reports its telemetry, too: the
readings are a second old on the other's side, and a second told twice is better than none."""

JUDGED_NS: Final = seconds_to_ns(30)
"""How long others are told that a slide was judged here: they notice its stage up to two looks
(`detectors.long_lie.LOOK_EACH_S`) later, and a message or two may be lost."""

RSSI_DECIMALS: Final = 1
"""Of a signal strength in a presence message. Gateways compare theirs as told: with more digits of
its own each of two that are equal could take the other for the nearer one."""


BY_PROXY_DBM: Final = -127.0
"""What is told of a wearable that only a receiver over MQTT hears, the weakest that HCI knows: it
is heard, and whoever can connect to it, however far away, goes before."""


FORGOTTEN_NS: Final = seconds_to_ns(60)
"""Of a gateway that has fallen silent; see `Neighbours`."""


BEHIND: Final = 1_000_000
"""Added to the priority number of a gateway that does not look after the home at the moment: it
leads where no other could, and then as its own number says. Far more than a home has gateways."""


class Device(Protocol):
    """Whatever advertises: a wearable or a room sensor."""

    @property
    def device(self) -> str:
        """Its name."""
        ...

    @property
    def heard_ns(self) -> int:
        """When this gateway heard it last, monotonic."""
        ...

    @property
    def rssi_dbm(self) -> float | None:
        """How strongly, smoothed."""
        ...

    def heard_within(self, nanoseconds: int, now_ns: int) -> bool:
        """Whether it was heard at most so long ago."""
        ...


class Sighting(NamedTuple):
    """Who hears a wearable best at the moment."""

    gateway: str
    zone: str | None
    """Where that one stands."""
    rssi_dbm: float


class Shared(NamedTuple):
    """What this gateway tells of its latest second; as in `Presence`."""

    strengths: dict[str, dict[str, float]]
    movement_g: dict[str, float]
    states: dict[str, dict[str, float]]
    changes: Sequence[SensorChange]


class Neighbours:
    """Where one gateway stands among those of its home.

    Parameters
    ----------
    priority
        For the choice of the lead; the lowest number leads.
    """

    def __init__(self, sender: Sender, priority: int, roster: Roster, clock: Clock) -> None:
        self._sender = sender
        self._priority = priority
        self._roster = roster
        self._clock = clock
        self._sequence = 0
        self._others: dict[str, Heard] = {}
        self._latest: dict[str, tuple[str, int]] = {}
        self._heard_elsewhere_ns: dict[str, int] = {}
        self._said: dict[str, Presence] = {}
        self._since_ns: dict[str, int] = {}
        """When the present session of a gateway was heard first."""
        self._started_ns = clock.monotonic_ns()
        self.told: Callable[[], list[str]] = list
        """What of whereabouts this gateway has told (`edge.episodes`)."""
        self.judges: Callable[[], bool] = lambda: True
        """Whether it knows the home, and its rounds go on (`edge.wanderers`)."""
        self.sensors: Iterable[Device] = ()
        """What else of the home advertises; others are told of it, too."""
        self._low_battery: dict[str, int] = {}
        """By device, as others have said it last."""
        self.share: Callable[[int], Shared] = lambda _: Shared({}, {}, {}, ())
        """Gives what this gateway tells of the second that is over, by the message's number."""
        self._judged_ns: dict[str, int] = {}
        """When this gateway has judged the slide of a device."""
        self.receiver_zones: Mapping[str, str] = {}
        """Where the receivers stand that hear for this gateway, by name."""
        self.zone: str | None = None
        self.resting = True
        """Of this gateway, as in `GatewayConfig`."""
        self.gateway = sender.gateway
        self.topic = topics.build(sender.home, sender.gateway, topics.PRESENCE)

    def message(
        self, distrusted: dict[str, list[str]], low_battery: dict[str, int] | None = None
    ) -> bytes:
        """The presence message of this second; the parameters as in `Presence`. Made each second,
        whether it can be sent or not.
        """
        self._sequence += 1
        now_ns = self._clock.monotonic_ns()
        self._forget(now_ns)
        shared = self.share(self._sequence)
        return wire.encode(
            Presence(
                schema=MESSAGE_SCHEMA,
                gateway=self._sender.gateway,
                session=self._sender.session,
                sequence=self._sequence,
                at_us=max(self._clock.now_ns() // NS_PER_US, 0),
                heard=_heard_now(chain(self._roster, self.sensors), now_ns),
                priority=self._number(),
                distrusted=distrusted,
                low_battery=low_battery or {},
                zone=self.zone,
                resting=self.resting,
                strengths=shared.strengths,
                movement_g=shared.movement_g,
                states=shared.states,
                changes=list(shared.changes),
                told=self.told(),
                unworn=self._unworn(now_ns),
                judged=sorted(
                    device
                    for device, at_ns in self._judged_ns.items()
                    if now_ns - at_ns <= JUDGED_NS
                ),
            )
        )

    def hear(self, presence: Presence) -> bool:
        """Another gateway has spoken; what is older than what it said before is ignored.

        Returns
        -------
        bool
            Whether it is new.
        """
        if presence.gateway == self._sender.gateway:
            return False
        session, sequence = self._latest.get(presence.gateway, ("", 0))
        if presence.session == session and presence.sequence <= sequence:
            return False
        self._latest[presence.gateway] = (presence.session, presence.sequence)
        now_ns = self._clock.monotonic_ns()
        if presence.session != session:
            self._since_ns[presence.gateway] = now_ns
        self._others[presence.gateway] = Heard(
            presence.gateway, presence.priority, now_ns, presence.heard
        )
        self._said[presence.gateway] = presence
        for device in presence.heard:
            self._heard_elsewhere_ns[device] = now_ns
            self._low_battery.pop(device, None)
        self._low_battery.update(presence.low_battery)
        return True

    def leader(self) -> str:
        """The gateway that leads; alone, this one does."""
        now_ns = self._clock.monotonic_ns()
        own = self._own({}, now_ns)
        return lead.lead([own, *self._others.values()], now_ns) or own.gateway

    def is_lead(self) -> bool:
        """Whether this gateway leads."""
        return self.leader() == self._sender.gateway

    def lead_since_ns(self) -> int:
        """Since when the session of whoever leads has been heard here, monotonic."""
        return self._since_ns.get(self.leader(), self._started_ns)

    def told_elsewhere(self) -> frozenset[str]:
        """What other gateways have said they told, also those that are silent now."""
        return frozenset(chain.from_iterable(each.told for each in self._said.values()))

    def says_unworn(self, wearable: Wearable) -> bool:
        """Whether another live gateway hears it say that it is off or charging."""
        return any(wearable.device in each.unworn for each in self._live())

    def _unworn(self, now_ns: int) -> list[str]:
        """Those heard here that say so. Of a carer's tag nothing is told but how strongly it is
        heard, and how much it moves.
        """
        return sorted(
            each.device
            for each in self._roster
            if not each.config.is_carer
            and each.advert is not None
            and (each.advert.worn is False or each.advert.charging)
            and each.heard_within(HEARD_NS, now_ns)
        )

    def rank(self, wearable: Wearable) -> int:
        """How many live gateways hear `wearable` better than this one."""
        now_ns = self._clock.monotonic_ns()
        own = _heard_now([wearable], now_ns)
        everyone = [self._own(own, now_ns), *self._others.values()]
        return lead.rank(self._sender.gateway, wearable.device, everyone, now_ns)

    def best_elsewhere_dbm(self, device: Device) -> float | None:
        """The strongest reading of any other live gateway."""
        best: float | None = None
        oldest_ns = self._clock.monotonic_ns() - lead.LIVE_NS
        for other in self._others.values():
            if other.at_ns >= oldest_ns:
                rssi = other.rssi_dbm.get(device.device)
                if rssi is not None and (best is None or rssi > best):
                    best = rssi
        return best

    def strongest(self, wearable: Wearable) -> Sighting | None:
        """Who of all live gateways hears it best; None if nobody does. Of equals the first by name,
        as for `rank`.
        """
        seen = [
            Sighting(each.gateway, each.zone, each.heard[wearable.device])
            for each in self._live()
            if wearable.device in each.heard
        ]
        own = _heard_now([wearable], self._clock.monotonic_ns()).get(wearable.device)
        if own is not None and wearable.rssi_dbm is not None:
            zone = self.receiver_zones.get(wearable.receiver, self.zone)
            seen.append(Sighting(self.gateway, zone, round(wearable.rssi_dbm, RSSI_DECIMALS)))
        return min(seen, key=lambda each: (-each.rssi_dbm, each.gateway), default=None)

    def best_here(self, devices: Iterable[str]) -> list[str]:
        """Those of `devices` that no other live gateway hears better."""
        best_dbm: dict[str, float] = {}
        for each in self._live():
            for device, rssi_dbm in each.heard.items():
                best_dbm[device] = max(rssi_dbm, best_dbm.get(device, rssi_dbm))
        found = []
        for device in devices:
            wearable = self._roster.by_device.get(device)
            own_dbm = None if wearable is None else _told_dbm(wearable)
            if own_dbm is not None and own_dbm >= best_dbm.get(device, own_dbm):
                found.append(device)
        return found

    def silent_since_ns(self, gateway: str) -> int | None:
        """When another gateway that is silent now spoke last, monotonic; None if it lives."""
        other = self._others.get(gateway)
        if other is None or self._clock.monotonic_ns() - other.at_ns <= lead.LIVE_NS:
            return None
        return other.at_ns

    def low_battery(self, wearable: Wearable) -> int | None:
        """What another gateway has said last of its battery, if that was low; in percent."""
        return self._low_battery.get(wearable.device)

    def nearest(self, wearable: Wearable) -> Presence | None:
        """What the gateway says that hears `wearable` best; None if that is this one."""
        if self.rank(wearable) == 0:
            return None
        hearing = [each for each in self._live() if wearable.device in each.heard]
        # It may have fallen silent between the one look and the other.
        return min(
            hearing, key=lambda each: (-each.heard[wearable.device], each.gateway), default=None
        )

    def note_judged(self, wearable: Wearable) -> None:
        """Tell the others that this gateway has decided whether to tell the slide of `wearable`."""
        self._judged_ns[wearable.device] = self._clock.monotonic_ns()

    def has_judged(self, wearable: Wearable) -> bool:
        """Whether another gateway has."""
        return any(wearable.device in each.judged for each in self._live())

    def distrusts(self, cause: FaultCause, wearable: Wearable) -> bool:
        """Whether another live gateway that hears it holds this fault of it open, too."""
        return any(
            wearable.device in each.heard and _holds(each, cause, wearable) for each in self._live()
        )

    def holder(self, cause: FaultCause, wearable: Wearable) -> str | None:
        """Another live gateway that holds this fault open, whether it still hears it or not."""
        held = (each.gateway for each in self._live() if _holds(each, cause, wearable))
        return min(held, default=None)

    def reports(self, device: Device) -> bool:
        """Whether this gateway is the one, or one of those, to report its telemetry."""
        if not self._others:
            return True
        elsewhere = self.best_elsewhere_dbm(device)
        if elsewhere is None:
            return True
        own = device.rssi_dbm
        return own is not None and own >= elsewhere - NEAR_ENOUGH_DB

    def heard_anywhere_ns(self, device: Device) -> int:
        """When any gateway of the home last heard it, monotonic."""
        return max(device.heard_ns, self._heard_elsewhere_ns.get(device.device, NEVER))

    def _forget(self, now_ns: int) -> None:
        """What a gateway that is silent heard last is where people, staff among them, were then:
        since when it is silent is kept, and what it has told.
        """
        for gateway, said in self._said.items():
            other = self._others[gateway]
            if (said.heard or said.strengths) and now_ns - other.at_ns > FORGOTTEN_NS:
                self._others[gateway] = other._replace(rssi_dbm={})
                self._said[gateway] = msgspec.structs.replace(
                    said, heard={}, strengths={}, movement_g={}
                )

    def _live(self) -> list[Presence]:
        """What the other gateways say that live."""
        oldest_ns = self._clock.monotonic_ns() - lead.LIVE_NS
        return [
            self._said[gateway]
            for gateway, other in self._others.items()
            if other.at_ns >= oldest_ns
        ]

    def _own(self, rssi_dbm: Mapping[str, float], now_ns: int) -> Heard:
        """What the others know of this gateway."""
        return Heard(self._sender.gateway, self._number(), now_ns, rssi_dbm)

    def _number(self) -> int:
        """Its priority at the moment. Heartbeats say that a process is up; whose rounds stand still
        behind them, on a card that hangs, would lead and tell nothing.
        """
        return self._priority if self.judges() else self._priority + BEHIND


def _heard_now(devices: Iterable[Device], now_ns: int) -> dict[str, float]:
    """Signal strength of those that can be counted on, by device, as it is told."""
    return {
        each.device: rssi_dbm
        for each in devices
        if each.heard_within(HEARD_NS, now_ns) and (rssi_dbm := _told_dbm(each)) is not None
    }


def _told_dbm(device: Device) -> float | None:
    """Its signal strength as others are told of it."""
    if device.rssi_dbm is None:
        return None
    return BY_PROXY_DBM if _is_by_proxy(device) else round(device.rssi_dbm, RSSI_DECIMALS)


def _is_by_proxy(device: Device) -> bool:
    """Whether nothing connects to it from here."""
    return isinstance(device, Wearable) and device.receiver != ""


def _holds(presence: Presence, cause: FaultCause, wearable: Wearable) -> bool:
    return cause.value in presence.distrusted.get(wearable.device, ())
