"""What a gateway knows of each enrolled wearable, and where its rows are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from contract.advert import WearableAdvert
from contract.identities import Identities
from contract.identity import parse_key
from contract.messages import GatewayConfig, WearableConfig
from contract.units import seconds_to_ns
from edge.strengths import SecondMeans
from edge.timebase import MAX_DRIFT, MAX_DRIFT_OF_OTHERS, DeviceTime

OWN_KIND: Final = "wardlight"
"""Our own wearables. Their adverts carry counters that wait for this gateway, so they are read by
`edge.decode.wearable`; the registry of kinds only recognises them for who enrols devices."""

NEVER: Final = -(2**62)
"""A monotonic time before every other: not heard yet."""

RSSI_SMOOTHING: Final = 0.3
"""Weight of the newest reading in the mean; the α that habluetooth found to follow a person
who walks and to ignore one lucky packet (FIELD)."""

HEARD_NS: Final = seconds_to_ns(10)
"""An older advert cannot win a room (FIELD, Bermuda)."""

RECEIVER_DB: Final = 6.0
"""How much better another receiver must hear a wearable to be the one that is told of: readings of
one place scatter by as much (FIELD: +6 dB to take back)."""


class Wearable:
    """One enrolled wearable. Times are monotonic nanoseconds."""

    __slots__ = (
        "address",
        "advert",
        "boot_changes_ns",
        "changed_ns",
        "config",
        "delay_ns",
        "device",
        "heard_ns",
        "in_conflict",
        "latest_second",
        "left",
        "measured_ns",
        "model",
        "not_worn_since_ns",
        "pulse",
        "pulse_ns",
        "raw",
        "receiver",
        "rejections_ns",
        "row",
        "rssi_dbm",
        "sampled_ns",
        "stream_row",
        "stream_since_ns",
        "strengths",
        "summary_is_new",
        "time",
    )

    def __init__(self, config: WearableConfig, row: int, stream_row: int | None) -> None:
        self.config = config
        self.device = config.device
        """Stays the same through all configurations."""
        self.address = config.address
        """Where it was last heard, and where a link is made to: it changes with an identity that
        rolls."""
        self.left: tuple[str, int] | None = None
        """The address at which it was heard before, and with which identity last."""
        self.row = row
        """Its row in the summary grid."""
        self.stream_row = stream_row
        """Its row in the motion grid, if it may stream."""
        self.time = _clock_of(self.config)
        self.advert: WearableAdvert | None = None
        self.summary_is_new = False
        """Whether that advert brought a second that was not heard before."""
        self.raw: bytes | None = None
        """Bytes of the latest advert: most adverts only repeat it."""
        self.changed_ns = NEVER
        """When they were heard first."""
        self.latest_second = NEVER
        """Device second of the latest summary, unwrapped."""
        self.heard_ns = NEVER
        """When an advert of it was last understood."""
        self.sampled_ns = NEVER
        """When a sample of its stream last arrived."""
        self.stream_since_ns: int | None = None
        """Since when its stream has come to this gateway without a gap."""
        self.delay_ns = 0
        """How much later its stream is laid into the grid than it was measured: its packets span
        longer than a second stays open."""
        self.rssi_dbm: float | None = None
        self.receiver = ""
        """Who hears it so strongly: a proxy by its name, or an adapter of this gateway."""
        self.measured_ns = NEVER
        """When that was measured last."""
        self.strengths = SecondMeans()
        """How strongly whoever hears it has heard it of late, unsmoothed."""
        self.model: str | None = None
        """What it calls itself, if it is not ours."""
        self.pulse: int | None = None
        """Heart rate that it last told over a link, in beats per minute; 0: it finds none."""
        self.pulse_ns = NEVER
        """When."""
        self.rejections_ns: list[int] = []
        self.boot_changes_ns: list[int] = []
        self.not_worn_since_ns: int | None = None
        self.in_conflict = False

    def hear(self, rssi_dbm: int, arrival_ns: int, receiver: str = "") -> None:
        """An advert came: remember when, how strong and, if that was a proxy, by whom.

        Strengths at different places are not mixed. What an adapter of this gateway hears counts
        before what any proxy does: links are made by it.
        """
        self.heard_ns = arrival_ns
        self.strengths.add(receiver, rssi_dbm)
        is_old = self.rssi_dbm is None or arrival_ns - self.measured_ns > HEARD_NS
        if receiver != self.receiver:
            if not (is_old or receiver == "" or self._is_better(rssi_dbm)):
                return
            is_old = True
        if self.rssi_dbm is None or is_old:
            self.rssi_dbm = float(rssi_dbm)
        else:
            self.rssi_dbm += RSSI_SMOOTHING * (rssi_dbm - self.rssi_dbm)
        self.receiver, self.measured_ns = receiver, arrival_ns

    def _is_better(self, rssi_dbm: int) -> bool:
        """Whether a proxy with this reading takes over from the proxy that is told of."""
        assert self.rssi_dbm is not None
        return self.receiver != "" and rssi_dbm >= self.rssi_dbm + RECEIVER_DB

    def forget_place(self) -> None:
        """Nobody shall know any more where it was heard last, nor when it was here."""
        self.rssi_dbm, self.receiver, self.measured_ns = None, "", NEVER
        self.heard_ns = NEVER

    def speak(self, arrival_ns: int) -> None:
        """Something came over a held link: it is heard, though many do not advertise meanwhile."""
        self.heard_ns = max(self.heard_ns, arrival_ns)

    def heard_within(self, nanoseconds: int, now_ns: int) -> bool:
        """Whether it was heard at most so long ago."""
        return now_ns - self.heard_ns <= nanoseconds

    def restart(self) -> None:
        """It booted: its clock and counters began again."""
        self.time = _clock_of(self.config)
        self.delay_ns = 0
        self.latest_second = NEVER
        self.stream_since_ns = None


def _clock_of(config: WearableConfig) -> DeviceTime:
    """A device's clock of which nothing is known yet."""
    return DeviceTime(MAX_DRIFT if config.kind == OWN_KIND else MAX_DRIFT_OF_OTHERS)


class Roster:
    """The enrolled wearables, by device; our own by address and identity as well.

    A wearable keeps its row through changes of the configuration, so that what detectors
    know of it survives somebody else's enrolment; a freed row is given to the next.
    """

    def __init__(self) -> None:
        self.by_address: dict[str, Wearable] = {}
        self.by_device: dict[str, Wearable] = {}
        self.by_identity: dict[int, Wearable] = {}
        self.by_row: dict[int, Wearable] = {}
        self.by_stream_row: dict[int, Wearable] = {}
        self._keyed: list[Wearable] = []
        self._identities = Identities(())

    def __iter__(self) -> Iterator[Wearable]:
        return iter(self.by_device.values())

    def __len__(self) -> int:
        return len(self.by_device)

    @property
    def rows(self) -> int:
        """Rows that a summary grid must have."""
        return max(self.by_row, default=-1) + 1

    @property
    def stream_rows(self) -> int:
        """Rows that a motion grid must have."""
        return max(self.by_stream_row, default=-1) + 1

    def apply(self, config: GatewayConfig) -> list[Wearable]:
        """Enrol what `config` says and forget the others; returns those that are new.

        A wearable whose kind or key changed is a new one, and one without a key also with another
        address or identity.

        Raises
        ------
        ValueError
            If a key is none (`edge.configuration` lets none pass).
        """
        known = self.by_device
        kept: list[tuple[Wearable, WearableConfig]] = []
        new: list[WearableConfig] = []
        for wanted in config.wearables:
            wearable = known.get(wanted.device)
            if wearable is not None and _same_radio(wearable.config, wanted):
                kept.append((wearable, wanted))
            else:
                new.append(wanted)
        self.by_row = {wearable.row: wearable for wearable, _ in kept}
        self.by_stream_row = {}
        for wearable, wanted in kept:
            wearable.config = wanted
            if not wanted.streaming:
                wearable.stream_row = None
            elif wearable.stream_row is not None:
                self.by_stream_row[wearable.stream_row] = wearable
        for wearable, _ in kept:
            self._give_stream_row(wearable)
        added = []
        for wanted in new:
            wearable = Wearable(wanted, _lowest_free(self.by_row), None)
            self.by_row[wearable.row] = wearable
            self._give_stream_row(wearable)
            added.append(wearable)
        order = {wearable.device: wearable for wearable in self.by_row.values()}
        self.by_device = {each.device: order[each.device] for each in config.wearables}
        self._know(each for each in self if each.config.kind == OWN_KIND)
        return added

    def _know(self, ours: Iterable[Wearable]) -> None:
        """Find our own by what stands in their adverts: identity and address, or the key alone."""
        self.by_address, self.by_identity = {}, {}
        before, self._keyed = [each.config.key for each in self._keyed], []
        for wearable in ours:
            if not rolls(wearable.config):
                self.by_address[wearable.address] = wearable
                self.by_identity[wearable.config.identity] = wearable
            else:
                self._keyed.append(wearable)
                if wearable.heard_ns != NEVER:
                    self.by_address[wearable.address] = wearable
        keys = [each.config.key or "" for each in self._keyed]
        if keys != before:
            self._identities = Identities([parse_key(key) for key in keys])

    def by_key(self, data: bytes) -> Wearable | None:
        """Whose key has made the identity in this manufacturer data, which is of our layout."""
        if not self._keyed:
            return None
        number = self._identities.find(data)
        return None if number is None else self._keyed[number]

    def follow(self, wearable: Wearable, address: str) -> None:
        """A wearable that rolls is heard from another address now. An address that stands in the
        configuration stays with whom it says.
        """
        owner = self.by_address.get(address)
        if owner is not None and not rolls(owner.config):
            return
        if self.by_address.get(wearable.address) is wearable:
            del self.by_address[wearable.address]
        wearable.address = address
        self.by_address[address] = wearable

    def _give_stream_row(self, wearable: Wearable) -> None:
        if wearable.config.streaming and wearable.stream_row is None:
            wearable.stream_row = _lowest_free(self.by_stream_row)
            self.by_stream_row[wearable.stream_row] = wearable


def rolls(config: WearableConfig) -> bool:
    """Whether it is one of ours that is known by its key alone (`contract.identity`)."""
    return config.kind == OWN_KIND and config.key is not None


def _same_radio(one: WearableConfig, other: WearableConfig) -> bool:
    if (one.kind, one.key) != (other.kind, other.key):
        return False
    return rolls(one) or (one.address, one.identity) == (other.address, other.identity)


def _lowest_free(taken: dict[int, Wearable]) -> int:
    row = 0
    while row in taken:
        row += 1
    return row
