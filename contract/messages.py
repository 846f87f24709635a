"""What travels beside events and telemetry: receipts, status, alert state, config, commands."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from contract.events import Receiver
from contract.whereabouts import SensorChange, WhereaboutsPolicy, ZoneConfig

MESSAGE_SCHEMA: Final = 1


class Outcome(StrEnum):
    """What became of a message at the far end."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    """It was durable already: as good as stored."""
    REJECTED = "rejected"
    """It will never be accepted; the sender keeps it as a dead letter and raises a fault."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Proof that messages are durable at the far end (PUBACK is none).

    Either `ids` names events, or `session` and `up_to_sequence` name every telemetry batch
    of that session up to and with that one; with `rejected` that one alone.
    """

    schema: int
    by: Receiver
    outcome: Outcome
    at_us: int
    ids: list[str] = []
    session: str | None = None
    up_to_sequence: int | None = None
    reason: str | None = None
    """For `rejected`: why, in words."""


class Role(StrEnum):
    """Who a status is about."""

    GATEWAY = "gateway"
    INGEST = "ingest"
    ALERTS = "alerts"


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A heartbeat, retained; as a last will with `online` false.

    A will counts only for the session it names, and within a session the highest sequence
    wins: a superseded client's will can arrive after its successor's "online".
    """

    schema: int
    role: Role
    name: str
    session: str
    sequence: int
    """Counts within the session; a will carries 2**53 - 1, after everything."""
    online: bool
    at_us: int
    boot: str = ""
    clock: str = "unsynced"
    version: str = ""
    started_at_us: int = 0
    beds: list[str] = []
    """Bed labels that this gateway covers: named when it falls silent."""
    counts: dict[str, float] = {}
    """Adverts heard, samples decoded, events waiting … since the start unless named so."""
    faults: list[str] = []
    """Causes that stand now."""


LAST_SEQUENCE: Final = 2**53 - 1
"""Sequence of a last will: the largest integer that every JSON reader holds exactly."""


class Priority(StrEnum):
    """How soon somebody must come."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class IncidentState(StrEnum):
    """Where an incident stands; each stage is timed apart."""

    UNPAGED = "unpaged"
    """A fall in the making: nobody is called before its deadline."""
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ARRIVED = "arrived"
    RESOLVED = "resolved"


class AlertStateItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One incident as gateways need to know it."""

    incident: str
    state: IncidentState
    priority: Priority
    kind: str
    opened_at_us: int
    event_ids: list[str] = []
    fall_ids: list[str] = []
    keys: list[str] = []
    bed: str | None = None
    """Label of the bed; of a device that is nobody's, the zone where it was heard."""
    device: str | None = None
    sound: bool = False
    """The escalation has reached the sounder: gateways sound until this is false."""


class AlertState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every incident that is not resolved, and those resolved in the last minute; whole each
    time, so that one message heard is enough. It is also the alert service's heartbeat.
    """

    schema: int
    session: str
    sequence: int
    at_us: int
    alerts: list[AlertStateItem] = []


class VitalLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is unusual for one resident, as a clinician has said."""

    high_bpm: int | None = None
    low_bpm: int | None = None
    persistence_s: int | None = None
    """How long it must last before it is told; none: the detector's own."""


class AbsenceKind(StrEnum):
    """Why a wearable is not to be worn or heard for a while."""

    BATHING = "bathing"
    CHARGING = "charging"
    LEAVE = "leave"


class Absence(msgspec.Struct, frozen=True, kw_only=True):
    """Staff have said so: that it is off or away is no fault until then."""

    kind: AbsenceKind
    since_us: int
    until_us: int
    """Expected end. Beyond it what is missing is a fault as at any time."""


class WearableConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One enrolled wearable, as a gateway must know it. No names."""

    device: str
    address: str
    """Bluetooth address, upper case with colons."""
    identity: int = 0
    """The 32-bit identity in its adverts; 0 where they hold none, or it rolls (`key`)."""
    key: str | None = None
    """Hexadecimal, 16 bytes: what its rolling identity is made with (`contract.identity`). With it
    address and identity change; it is known by the key. Secret."""
    kind: str = "wardlight"
    """Which decoder reads it: a name of the entry points `contract.devices.GROUP`."""
    resident: str | None = None
    bed: str | None = None
    """Label of the assigned bed, such as ``2/F 212-B``."""
    zone: str | None = None
    placement: str = "wrist"
    streaming: bool = False
    """A held link with continuous samples, for the few who need it."""
    vitals: VitalLimits | None = None
    absence: Absence | None = None
    whereabouts: WhereaboutsPolicy = WhereaboutsPolicy()
    is_carer: bool = False
    """A tag that staff wear: it excuses a resident's exit while it moves with her. Nothing of it is
    stored; gateways tell each other how strongly it is heard and how much it moves."""


class SensorConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One enrolled room sensor, as a gateway must know it."""

    device: str
    address: str
    """Bluetooth address, upper case with colons."""
    zone: str
    kind: str = "bthome"
    """Which decoder reads it: a name of the entry points `contract.devices.GROUP`."""
    key: str | None = None
    """Hexadecimal, 16 bytes: with it nothing that is not encrypted is believed. Secret."""
    enrolled_us: int = 0
    """When it was enrolled, or enrolled anew: from then on its counter may begin anywhere."""
    resident: str | None = None
    """Whose bed or chair it is, where it is one person's alone."""
    bed: str | None = None
    """Label of that bed."""


class ReceiverConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy that hears adverts where no gateway stands."""

    name: str
    """As in the topics that it publishes on."""
    zone: str


class VolumeHours(msgspec.Struct, frozen=True, kw_only=True):
    """Siren volume from one hour of the day (home's local time) on."""

    from_hour: int
    volume_percent: int


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a home tells its gateways: who wears what, and how loud to be. Retained."""

    schema: int
    home: str
    revision: int
    """Grows with each change; a gateway keeps the highest it has seen."""
    time_zone: str = "Asia/Hong_Kong"
    wearables: list[WearableConfig] = []
    sensors: list[SensorConfig] = []
    receivers: list[ReceiverConfig] = []
    zones: list[ZoneConfig] = []
    """The plan of the home; none: nobody can tell where anybody is but by who hears her best."""
    rooms: str | None = None
    """What the calibration walk has taught of the rooms, packed into text (base64 of zlib of
    MessagePack: `detectors.room_file.pack`). None: `zones` and receivers alone tell them."""
    gateway_zones: dict[str, str] = {}
    """Where each gateway of the home stands, by name."""
    siren_volume: list[VolumeHours] = []
    zone: str | None = None
    """Where the gateway that reads this stands."""
    resting: bool = True
    """Whether people sit or lie there for long. Where nobody does (a corridor, stairs, a shower)
    who does not walk on after a turn without impact is taken to have slid to the floor."""


class CommandName(StrEnum):
    """What a service may ask of a gateway."""

    VIBRATE = "vibrate"
    TEST_SIREN = "test_siren"
    DISCOVER = "discover"
    """Say for a while which devices that can be decoded are heard, enrolled or not."""


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Asked once, done at most once, and not after `expires_at_us`."""

    schema: int
    id: str
    name: CommandName
    expires_at_us: int
    device: str | None = None


class DiscoveredDevice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device that a gateway heard while it was asked to look."""

    address: str
    kind: str
    """Which decoder knows it: a name of the entry points `contract.devices.GROUP`."""
    model: str
    """What that decoder takes it for, for a person."""
    rssi_dbm: int
    adverts: int
    """Heard since the command."""
    identity: int | None = None
    device: str | None = None
    """Its name, if it is enrolled."""
    receiver: str = ""


class Discovered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a gateway hears that could be enrolled; only while a `DISCOVER` command lasts, once a
    second, whole each time. Nobody keeps it.
    """

    schema: int
    gateway: str
    command: str
    """Id of the command that is answered."""
    at_us: int
    devices: list[DiscoveredDevice] = []


class Tone(StrEnum):
    """What people hear of a siren."""

    ALARM = "alarm"
    """Somebody needs help, and nobody is known to be coming."""
    SYSTEM_DOWN = "system_down"
    """The alert service is silent: look after the beds yourselves."""
    TEST = "test"


class SirenMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a sounder at a staff point is told. It stops by itself when it hears nothing for
    `SOUNDER_HOLDS_S`: a gateway that died must not sound for ever.
    """

    schema: int
    gateway: str
    sounding: bool
    tone: Tone | None = None
    reason: str | None = None
    """For the sounder's own log; kinds, beds and devices, never a name."""
    volume_percent: int = 0


SOUNDER_HOLDS_S: Final = 15.0
"""Three messages may be lost before a sounder falls silent."""


class Presence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one gateway hears, for the other gateways of the home, once a second."""

    schema: int
    gateway: str
    session: str
    sequence: int
    at_us: int
    heard: dict[str, float]
    """Device to smoothed RSSI in dBm, for each heard within the last 10 s (FIELD: an older
    advert cannot win a room)."""
    priority: int = 100
    """For the choice of the lead: the lowest number heard within 5 s leads."""
    distrusted: dict[str, list[str]] = {}
    """Device to the causes of the faults of its wear or sensor that this gateway holds open: who
    hears it no longer leaves those to it, and who hears it now takes them over."""
    low_battery: dict[str, int] = {}
    """Device to percent, of those heard now whose battery is low: if it falls silent, whoever leads
    can say why."""
    zone: str | None = None
    """Where it stands, as in `GatewayConfig`."""
    resting: bool = True
    """Likewise: a slide is judged by the place of the gateway that hears its wearer best, whoever
    has noticed it."""
    strengths: dict[str, dict[str, float]] = {}
    """What was heard in the second before: receiver ("" is the gateway's own radio) to device to
    mean RSSI in dBm of that second's adverts, not smoothed. It says in which room somebody is. A
    receiver that works and heard none of them is there with nothing in it; the silence of one that
    is not there says nothing."""
    movement_g: dict[str, float] = {}
    """Device to standard deviation of |a| in its latest closed second, of those heard best here."""
    states: dict[str, dict[str, float]] = {}
    """Room sensor to quantity (``motion``, ``opening``, ``occupied``) to what it said last."""
    changes: list[SensorChange] = []
    """Of the last five seconds: four messages in a row may be lost, and no door was missed."""
    told: list[str] = []
    """Keys of the whereabouts events that it told in the last ten minutes and the alert service
    has; with ``:excused`` behind it where a carer was with her. Whoever leads next tells them not
    again, and those that are missing."""
    unworn: list[str] = []
    """Residents' wearables heard here that say they are off or charging: where they are nobody
    is."""
    judged: list[str] = []
    """Devices of whose slide to the floor it has decided in the last half minute whether to tell
    it: nobody else need."""
