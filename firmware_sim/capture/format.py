"""The format of a capture: what one gateway heard and did over the air, in one folder.

==================== ======================================================================
file                 holds
==================== ======================================================================
`SCENE_FILE`         which home and gateway, who wore what where, what truly happened
`ADVERTS`            every advert as the radio gave it, in its batches
`LINKS`              every link: asked for, up or failed, writes, notifications, lost, let go
`NEIGHBOURS`         what the other gateways of the home said over the broker
`MOTION_FOLDER`      a parquet file per wearable, decoded from the links; for analysts
==================== ======================================================================

Times in the tables are the recording gateway's monotonic clock, nanoseconds; the scene says
at which wall time it stood where. ``sequence`` counts through all tables, so that what
happened in the same instant keeps its order. While a capture is being written its tables are
Arrow streams, to which a record batch is added at each flush: whatever had been added when
the process was killed can be read. Sealing turns them into parquet.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from contract.clock import Clock
from contract.messages import WearableConfig
from contract.units import us_to_datetime
from firmware_sim.capture.pinning import pinned
from firmware_sim.home import TruthEntry
from firmware_sim.recordings import RecordingError

CAPTURE_FORMAT: Final = 1
"""Grows when a column or a field of the scene changes its meaning."""

SCENE_FILE: Final = "scene.yaml"
MOTION_FOLDER: Final = "motion"

_HEADER: Final = """\
# A capture by wardlight: the radio traffic of one gateway. It holds no names, but it is about
# people: the residents below, and the Bluetooth addresses of whatever else was in earshot.
#
# truth: what really happened, for scoring. Once the capture has ended, add what you know (from
# a nurse's note, a video), such as
#   - at: 2026-11-21 03:12:05        # local time of the home, or with an offset: ...+08:00
#     resident: resident-3
#     what: fall_impact
#     zone: room-212                 # optional
#     detail: slid off the chair     # optional
"""


class CaptureError(RecordingError):
    """A capture that cannot be written, or cannot be read as one; the message says why."""


class CapturedGateway(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who listened."""

    name: str
    zone: str | None = None


class CapturedClock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both clocks of the gateway as the capture began, nanoseconds.

    ``wall = wall_ns + (monotonic - monotonic_ns)``; a wall clock that was set in mid-capture
    does not show.
    """

    wall_ns: int
    """Since 1970 UTC."""
    monotonic_ns: int
    """Since an arbitrary start; the times of all tables."""
    synced: bool


class CapturedWearable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one resident wore."""

    device: str
    address: str
    identity: int
    resident: str | None = None
    """Pseudonymous id, never a name."""
    placement: str = "wrist"
    streaming: bool = False
    kind: str = "wardlight"
    """Which decoder read it, as in `WearableConfig`."""

    @classmethod
    def of(cls, config: WearableConfig) -> CapturedWearable:
        """The same wearable without what a capture does not tell: no bed, no zone, no key."""
        address, identity = pinned(config)
        return cls(
            device=config.device,
            address=address,
            identity=identity,
            resident=config.resident,
            placement=config.placement,
            streaming=config.streaming,
            kind=config.kind,
        )

    def config(self) -> WearableConfig:
        """The same as a gateway is told it; the device's name stands for the bed."""
        return WearableConfig(
            device=self.device,
            address=self.address,
            identity=self.identity,
            resident=self.resident,
            bed=self.device,
            placement=self.placement,
            streaming=self.streaming,
            kind=self.kind,
        )


class CapturedTruth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that truly happened, as a person or the simulator knows it."""

    at: datetime
    """Without an offset: local time of the home (`CaptureScene.time_zone`)."""
    resident: str
    what: str
    """As in `firmware_sim.TruthEntry`, or in a person's own words."""
    zone: str | None = None
    detail: str = ""


class CaptureEnd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a capture ended; it is there once the capture is sealed."""

    monotonic_ns: int
    reason: str


class CaptureScene(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SCENE_FILE`."""

    format: int
    """`CAPTURE_FORMAT`."""
    recorded_by: str
    """Program and version."""
    home: str
    gateway: CapturedGateway
    time_zone: str
    """IANA name, of the home."""
    started_at: datetime
    """For people; `clock` says the same to the nanosecond."""
    clock: CapturedClock
    ended: CaptureEnd | None = None
    wearables: list[CapturedWearable] = []
    truth: list[CapturedTruth] = []

    def truth_at(self, line: CapturedTruth) -> datetime:
        """When it happened, aware."""
        return line.at if line.at.tzinfo else line.at.replace(tzinfo=ZoneInfo(self.time_zone))


class _Peek(msgspec.Struct):
    format: int


def new_scene(
    clock: Clock,
    *,
    home: str,
    gateway: str,
    gateway_zone: str | None,
    time_zone: str,
    wearables: Iterable[WearableConfig],
    recorded_by: str,
) -> CaptureScene:
    """The scene of a capture that begins now.

    Raises
    ------
    CaptureError
        If the time zone is unknown on this machine.
    """
    wall_ns, monotonic_ns = clock.now_ns(), clock.monotonic_ns()
    zone = _zone(time_zone)
    return CaptureScene(
        format=CAPTURE_FORMAT,
        recorded_by=recorded_by,
        home=home,
        gateway=CapturedGateway(name=gateway, zone=gateway_zone),
        time_zone=time_zone,
        started_at=us_to_datetime(wall_ns // 1_000).astimezone(zone),
        clock=CapturedClock(wall_ns=wall_ns, monotonic_ns=monotonic_ns, synced=clock.synced()),
        wearables=[CapturedWearable.of(config) for config in wearables],
    )


def truth_lines(entries: Iterable[TruthEntry], time_zone: str) -> list[CapturedTruth]:
    """A simulator's ground truth as lines of a scene, in local time."""
    zone = _zone(time_zone)
    return [
        CapturedTruth(
            at=us_to_datetime(entry.at_us).astimezone(zone),
            resident=entry.resident,
            what=entry.what,
            zone=entry.zone,
            detail=entry.detail,
        )
        for entry in entries
    ]


def load_scene(folder: Path) -> CaptureScene:
    """Read `SCENE_FILE`, version first.

    Raises
    ------
    CaptureError
        If it is missing, no YAML, of an unknown format, or a field is wrong.
    """
    path = folder / SCENE_FILE
    try:
        text = path.read_bytes()
        version = msgspec.yaml.decode(text, type=_Peek).format
        if version != CAPTURE_FORMAT:
            raise CaptureError(
                f"{path}: format {version} is unknown; this version reads {CAPTURE_FORMAT}"
            )
        scene = msgspec.yaml.decode(text, type=CaptureScene)
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CaptureError(f"{path}: not the scene of a capture: {error}") from error
    _zone(scene.time_zone)
    return scene


def save_scene(folder: Path, scene: CaptureScene) -> None:
    """Write `SCENE_FILE`, whole or not at all; raises `OSError`."""
    path = folder / SCENE_FILE
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(_HEADER.encode() + msgspec.yaml.encode(scene))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def is_capture(path: Path) -> bool:
    """Whether `path` is the folder of a capture."""
    return (path / SCENE_FILE).is_file()


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise CaptureError(f"time zone {name!r} is unknown on this machine") from error


class LinkStep(StrEnum):
    """What a row of `LINKS` tells."""

    ASKED = "asked"
    """The gateway asked for a link."""
    CONNECTED = "connected"
    FAILED = "failed"
    """It did not come up; ``reason`` says why."""
    SUBSCRIBED = "subscribed"
    WRITTEN = "written"
    """The wearable took ``data``."""
    WRITE_FAILED = "write_failed"
    READ = "read"
    """The gateway read ``data``."""
    READ_FAILED = "read_failed"
    """It could not; ``reason`` says why. A link that is gone shows in what comes next."""
    NOTIFIED = "notified"
    """``data`` came; ``arrival_ns`` is when the radio says that it did."""
    LOST = "lost"
    """The gateway found the link gone."""
    LET_GO = "let_go"
    """The gateway ended it."""


class Table(NamedTuple):
    """One of the raw tables."""

    name: str
    columns: tuple[tuple[str, str], ...]
    """Name and Arrow type."""
    since: int = 0
    """So many columns at the end are younger than the format: an older capture lacks them."""

    def sealed(self, folder: Path) -> Path:
        """The parquet file."""
        return folder / f"{self.name}.parquet"

    def unsealed(self, folder: Path) -> Path:
        """The Arrow stream of a capture that is being written, or was killed."""
        return folder / f"{self.name}.arrows"

    def schema(self) -> Any:
        """As Arrow knows it."""
        arrow = import_arrow()
        types = {
            "more": arrow.list_(
                arrow.struct(
                    [
                        ("company_id", arrow.uint16()),
                        ("service", arrow.string()),
                        ("data", arrow.binary()),
                    ]
                )
            )
        }
        return arrow.schema(
            [
                arrow.field(name, types.get(kind) or arrow.type_for_alias(kind))
                for name, kind in self.columns
            ],
            metadata={"wardlight.capture": str(CAPTURE_FORMAT)},
        )


ADVERTS: Final = Table(
    "adverts",
    (
        ("sequence", "int64"),
        # When the gateway took it; rows of one batch share sequence and time.
        ("at_ns", "int64"),
        ("received_ns", "int64"),
        ("address", "string"),
        ("rssi_dbm", "int16"),
        ("company_id", "uint16"),
        ("data", "binary"),
        # Further manufacturer data, and service data by its UUID.
        ("more", "more"),
        # The proxy that heard it; null for the gateway's own adapter.
        ("receiver", "string"),
    ),
    since=1,
)

LINKS: Final = Table(
    "links",
    (
        ("sequence", "int64"),
        ("at_ns", "int64"),
        # Counts the attempts at a link, from 1.
        ("link", "int32"),
        ("address", "string"),
        ("step", "string"),
        ("characteristic", "string"),
        ("data", "binary"),
        ("arrival_ns", "int64"),
        ("reason", "string"),
    ),
)

NEIGHBOURS: Final = Table(
    "neighbours",
    (("sequence", "int64"), ("at_ns", "int64"), ("topic", "string"), ("payload", "binary")),
)

TABLES: Final = (ADVERTS, LINKS, NEIGHBOURS)


def import_arrow() -> Any:
    """pyarrow, which a gateway that records nothing does without.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed; says which extra brings it.
    """
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "captures need pyarrow and PyYAML: pip install 'wardlight[recordings]'"
        ) from error
    return pyarrow
