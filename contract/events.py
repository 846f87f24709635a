"""Events: what a gateway (or a service) says has happened, and how urgent that is.

An event has an id, never changes, and is resent until every receipt it needs has come.
What one looks like on the wire is this struct as JSON; see `contract.wire`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

EVENT_SCHEMA: Final = 1


class EventClass(StrEnum):
    """How an event is treated: its outbox, its receipts, whether a siren stands behind it."""

    ALARM = "alarm"
    NOTICE = "notice"


class Receiver(StrEnum):
    """A service that gives receipts."""

    INGEST = "ingest"
    ALERTS = "alerts"


class EventKind(StrEnum):
    """Everything that can be said of a resident, a device or the system itself."""

    FALL_SUSPECTED = "fall_suspected"
    FALL_DETECTED = "fall_detected"
    LONG_LIE = "long_lie"
    HELP_REQUESTED = "help_requested"
    ELOPEMENT = "elopement"
    LEFT_SAFE_ZONE = "left_safe_zone"
    EXIT_SEEKING = "exit_seeking"
    NIGHT_WANDERING = "night_wandering"
    BED_EXIT = "bed_exit"
    INACTIVE = "inactive"
    NOT_RETURNED = "not_returned"
    MAY_HAVE_GOT_UP = "may_have_got_up"
    WANDERING_EPISODE = "wandering_episode"
    HEART_RATE_HIGH = "heart_rate_high"
    HEART_RATE_LOW = "heart_rate_low"
    HEART_RATE_ABSENT = "heart_rate_absent"
    ACKNOWLEDGED = "acknowledged"
    FAULT = "fault"
    FAULT_CLEARED = "fault_cleared"


class FaultCause(StrEnum):
    """Why something is not being monitored, or not as it should be."""

    WEARABLE_NOT_HEARD = "wearable_not_heard"
    WEARABLE_REBOOTED = "wearable_rebooted"
    ADDRESS_CONFLICT = "address_conflict"
    BATTERY_LOW = "battery_low"
    NOT_WORN = "not_worn"
    WEAR_UNKNOWN = "wear_unknown"
    SENSOR_FAULT = "sensor_fault"
    PACKET_REJECTED = "packet_rejected"
    WINDOW_NOT_FETCHED = "window_not_fetched"
    SAMPLES_LATE = "samples_late"
    CLOCK_UNSYNCED = "clock_unsynced"
    CLOCK_JUMPED = "clock_jumped"
    OUTBOX_UNWRITABLE = "outbox_unwritable"
    TELEMETRY_DROPPED = "telemetry_dropped"
    EVENT_REJECTED = "event_rejected"
    PUBLISH_REFUSED = "publish_refused"
    BROKER_LOST = "broker_lost"
    CERTIFICATE_REFUSED = "certificate_refused"
    CERTIFICATE_EXPIRING = "certificate_expiring"
    GATEWAY_FLOODS = "gateway_floods"
    GATEWAY_SILENT = "gateway_silent"
    SERVICE_SILENT = "service_silent"
    RADIO_SILENT = "radio_silent"
    ADAPTER_SILENT = "adapter_silent"
    RECEIVER_SILENT = "receiver_silent"
    SENSOR_NOT_HEARD = "sensor_not_heard"
    ADVERT_UNENCRYPTED = "advert_unencrypted"
    ADVERT_REPLAYED = "advert_replayed"
    CLOCK_DRIFT = "clock_drift"
    WEARABLES_SWAPPED = "wearables_swapped"
    SCAN_STARVED = "scan_starved"
    STORE_UNWRITABLE = "store_unwritable"
    CHANNEL_FAILED = "channel_failed"
    ESCALATION_STALLED = "escalation_stalled"
    CONFIG_REJECTED = "config_rejected"
    SIREN_SILENT = "siren_silent"
    RECEIVER_STUCK = "receiver_stuck"
    """It tells the same signal strength of whatever it hears: no room is decided by it."""
    DOOR_LEFT_OPEN = "door_left_open"
    """An exit door that does not close, or whose sensor says so: who goes out by it is not seen."""
    ROOMS_UNKNOWN = "rooms_unknown"
    """Where residents are is not known, or by one gateway alone."""
    PAGE_UNREACHABLE = "page_unreachable"


SIREN_BUTTON: Final = "siren-button"
STAFF_POINT: Final = "staff-point"
"""Who gave an acknowledgement that no name is known of: a siren's button, or the page of a gateway,
which asks for no name because it must work for whoever comes by (`Event.by`)."""

_BOTH: Final = frozenset({Receiver.INGEST, Receiver.ALERTS})
_INGEST_ONLY: Final = frozenset({Receiver.INGEST})

EVENT_CLASS: Final[Mapping[EventKind, EventClass]] = MappingProxyType(
    {
        EventKind.FALL_SUSPECTED: EventClass.ALARM,
        EventKind.FALL_DETECTED: EventClass.ALARM,
        EventKind.LONG_LIE: EventClass.ALARM,
        EventKind.HELP_REQUESTED: EventClass.ALARM,
        EventKind.ELOPEMENT: EventClass.ALARM,
        EventKind.LEFT_SAFE_ZONE: EventClass.ALARM,
        EventKind.EXIT_SEEKING: EventClass.ALARM,
        EventKind.NIGHT_WANDERING: EventClass.ALARM,
        EventKind.BED_EXIT: EventClass.ALARM,
        EventKind.INACTIVE: EventClass.ALARM,
        EventKind.NOT_RETURNED: EventClass.ALARM,
        EventKind.MAY_HAVE_GOT_UP: EventClass.NOTICE,
        EventKind.WANDERING_EPISODE: EventClass.NOTICE,
        EventKind.HEART_RATE_HIGH: EventClass.NOTICE,
        EventKind.HEART_RATE_LOW: EventClass.NOTICE,
        EventKind.HEART_RATE_ABSENT: EventClass.NOTICE,
        EventKind.ACKNOWLEDGED: EventClass.NOTICE,
        EventKind.FAULT: EventClass.NOTICE,
        EventKind.FAULT_CLEARED: EventClass.NOTICE,
    }
)

RECEIPTS_NEEDED: Final[Mapping[EventKind, frozenset[Receiver]]] = MappingProxyType(
    {kind: _INGEST_ONLY if kind is EventKind.WANDERING_EPISODE else _BOTH for kind in EventKind}
)
"""An alarm needs both receipts; of the notices only a wandering episode changes nothing on
the alert service's side (DESIGN 4)."""


WAVEFORM_NOT_HEARD: Final = -32_768
"""In a `Waveform`, all three values of a sample that was not heard: the one number of int16 that
no sample that was heard is given."""


class Waveform(msgspec.Struct, frozen=True, kw_only=True):
    """Motion around an impact, for a person to look at; thrice -32768 is a sample not heard."""

    start_us: int
    """Wall time of the first sample, microseconds since 1970."""
    rate_hz: float
    counts_per_g: int
    """Samples are integers; divide by this for g."""
    samples: str
    """Base64 of zlib-compressed little-endian int16, x y z interleaved, low-passed;
    `WAVEFORM_NOT_HEARD` where nothing was."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why a detector said so."""

    detector: str
    """Name and version, such as ``fall_convolution/1``."""
    score: float | None = None
    """0 to 1, higher is surer; not a probability unless the detector's card says so."""
    features: dict[str, float] = {}
    """By name, each with its unit as the last part of the name (``peak_g``)."""
    waveform: Waveform | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event on the wire. Ids are pseudonymous: no names travel."""

    schema: int
    """`EVENT_SCHEMA`. Never omitted: a reader looks at it first."""
    id: str
    """UUIDv7; everything downstream is idempotent by it."""
    kind: EventKind
    home: str
    gateway: str
    session: str
    """Id of the sender's run; a new one at each start."""
    sequence: int
    """Counts a sender's events within its session, from 1."""
    boot: str
    """Id of the machine's boot; monotonic times compare only within one."""
    clock: str
    """``synced`` or ``unsynced``: whether `at_us` can be believed."""
    at_us: int
    """When it happened (for a fall the impact), wall time, microseconds since 1970."""
    emitted_at_us: int
    """When the sender made this event, wall time, microseconds since 1970."""
    age_ms: int | None = None
    """Milliseconds since `at_us` by the monotonic clock, renewed at each send; none after a
    reboot, and then treated as now."""
    key: str | None = None
    """Same for every event about one happening: resident or device, kind, episode."""
    resident: str | None = None
    device: str | None = None
    zone: str | None = None
    """Where its wearer is held to be (`contract.whereabouts.Place`); where nobody can tell, where
    the device was last heard. It need not be where the resident's bed is."""
    fall_id: str | None = None
    """Same for all events about one fall."""
    incident: str | None = None
    """For an acknowledgement: the incident that it answers; from a gateway that has not
    heard of the incident yet, the id or key of one of its events, or its fall's id."""
    by: str | None = None
    """For an acknowledgement: who or what gave it (a staff id, `SIREN_BUTTON`, `STAFF_POINT`)."""
    cause: FaultCause | None = None
    """For a fault or its end: always there."""
    detail: str | None = None
    """One sentence for a person: what happened and what to do."""
    excused: bool = False
    """A carer's tag moves with her: it lowers the alert's priority, and deletes nothing."""
    evidence: Evidence | None = None

    @property
    def event_class(self) -> EventClass:
        """Alarm or notice, by kind."""
        return EVENT_CLASS[self.kind]

    @property
    def receipts_needed(self) -> frozenset[Receiver]:
        """Who must have given a receipt before the sender may forget it."""
        return RECEIPTS_NEEDED[self.kind]
