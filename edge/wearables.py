"""What a gateway knows of each enrolled wearable, and where its rows are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from contract.advert import WearableAdvert
from contract.messages import GatewayConfig, WearableConfig
from contract.units import seconds_to_ns
from edge.timebase import DeviceTime

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


class Wearable:
    """One enrolled wearable. Times are monotonic nanoseconds."""

    __slots__ = (
        "address",
        "advert",
        "boot_changes_ns",
        "config",
        "device",
        "heard_ns",
        "in_conflict",
        "latest_second",
        "not_worn_since_ns",
        "raw",
        "rejections_ns",
        "row",
        "rssi_dbm",
        "sampled_ns",
        "stream_row",
        "stream_since_ns",
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
        self.row = row
        """Its row in the summary grid."""
        self.stream_row = stream_row
        """Its row in the motion grid, if it may stream."""
        self.time = DeviceTime()
        self.advert: WearableAdvert | None = None
        self.summary_is_new = False
        """Whether that advert brought a second that was not heard before."""
        self.raw: bytes | None = None
        """Bytes of the latest advert: most adverts only repeat it."""
        self.latest_second = NEVER
        """Device second of the latest summary, unwrapped."""
        self.heard_ns = NEVER
        """When an advert of it was last understood."""
        self.sampled_ns = NEVER
        """When a sample of its stream last arrived."""
        self.stream_since_ns: int | None = None
        """Since when its stream has come to this gateway without a gap."""
        self.rssi_dbm: float | None = None
        self.rejections_ns: list[int] = []
        self.boot_changes_ns: list[int] = []
        self.not_worn_since_ns: int | None = None
        self.in_conflict = False

    def hear(self, rssi_dbm: int, arrival_ns: int) -> None:
        """An advert came: remember when, and how strong."""
        if self.rssi_dbm is None or arrival_ns - self.heard_ns > HEARD_NS:
            self.rssi_dbm = float(rssi_dbm)
        else:
            self.rssi_dbm += RSSI_SMOOTHING * (rssi_dbm - self.rssi_dbm)
        self.heard_ns = arrival_ns

    def heard_within(self, nanoseconds: int, now_ns: int) -> bool:
        """Whether it was heard at most so long ago."""
        return now_ns - self.heard_ns <= nanoseconds

    def restart(self) -> None:
        """It booted: its clock and counters began again."""
        self.time = DeviceTime()
        self.latest_second = NEVER
        self.stream_since_ns = None


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

        A wearable whose kind, address or identity changed is a new one.
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
        ours = [each for each in self if each.config.kind == OWN_KIND]
        self.by_address = {each.config.address: each for each in ours}
        self.by_identity = {each.config.identity: each for each in ours}
        return added

    def _give_stream_row(self, wearable: Wearable) -> None:
        if wearable.config.streaming and wearable.stream_row is None:
            wearable.stream_row = _lowest_free(self.by_stream_row)
            self.by_stream_row[wearable.stream_row] = wearable


def _same_radio(one: WearableConfig, other: WearableConfig) -> bool:
    return (one.kind, one.address, one.identity) == (other.kind, other.address, other.identity)


def _lowest_free(taken: dict[int, Wearable]) -> int:
    row = 0
    while row in taken:
        row += 1
    return row
