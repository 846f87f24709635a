"""Settings: one TOML file, overridden by the environment, checked whole before anything runs.

``WARDLIGHT_BROKER__URL`` in the environment overrides ``url`` in the table ``[broker]``.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import zoneinfo
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from contract.ids import SERVICE_NAMES
from wardlight.settings_devices import (
    CarerTagSettings,
    ContactSettings,
    ReceiverSettings,
    ResidentSettings,
    SensorSettings,
    VitalsSettings,
    device_contradictions,
)
from wardlight.settings_plan import (
    Identifier,
    Table,
    WhereaboutsSettings,
    ZoneSettings,
    plan_contradictions,
)


def _check_time_zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone of IANA's, such as Asia/Hong_Kong") from error
    return name


TimeZone = Annotated[str, AfterValidator(_check_time_zone)]


class SettingsError(ValueError):
    """Settings that cannot be used; the message names each fault and what would be right."""


class VolumeSettings(Table):
    """One entry of ``siren_volume``."""

    from_hour: int = Field(ge=0, le=23, description="hour of the day, in the home's time zone")
    volume_percent: int = Field(
        ge=10, le=100, description="volume from then on; a siren is never muted by the hour"
    )


class HomeSettings(Table):
    """``[home]``: which home this is."""

    id: Identifier = Field("home", description="identifier of the home in every topic")
    name: str = Field("Home", description="its name, as the board shows it")
    time_zone: TimeZone = Field("Asia/Hong_Kong", description="IANA name of its time zone")
    siren_volume: tuple[VolumeSettings, ...] = Field(
        (), description="how loud sirens are by the hour; full where nothing is said"
    )
    rooms: Path | None = Field(
        None, description="what its rooms sound like: a file of `wardlight calibrate rooms`"
    )


class ClockSettings(Table):
    """``[clock]``: for engineers; a home leaves it alone."""

    rate: float = Field(1.0, gt=0, description="seconds of product time per second")
    origin_us: int | None = Field(
        None, ge=0, description="microseconds since 1970 at which a scaled clock is right"
    )


class BrokerSettings(Table):
    """``[broker]``: where the MQTT broker is."""

    url: str = Field("mqtt://127.0.0.1:1883", description="mqtt://host:port, mqtts://host:port")
    username: str | None = Field(None, description="user name, if the broker wants one")
    password_file: Path | None = Field(
        None, description="file that holds the password and nothing else"
    )
    ca_file: Path | None = Field(
        None, description="who may have issued the broker's certificate; default the system's"
    )
    certificate_file: Path | None = Field(
        None,
        description="certificate to show the broker, with its key; {service} in its name stands "
        "for the service that reads it (ingest, alerts, doctor …)",
    )
    key_file: Path | None = Field(
        None, description="the certificate's key, if it is in a file of its own; {service} as above"
    )


class GatewaySettings(Table):
    """``[gateway]``: this machine, when it is a gateway."""

    name: Identifier = Field("gateway-a", description="name of this gateway in every topic")
    folder: Path = Field(Path("var/gateway"), description="folder for outbox and cache")
    priority: int = Field(100, ge=0, description="the lowest number of the home leads")
    telemetry_megabytes: int = Field(
        1024,
        ge=16,
        description="what unsent telemetry may take of the card; beyond, the oldest is thinned, "
        "then dropped, with a fault (alarms have space of their own)",
    )
    page_host: str = Field("127.0.0.1", description="address of the gateway's own page")
    page_port: int | None = Field(
        None, ge=0, le=65535, description="its port; without one there is no page"
    )
    radio: Literal["bluez", "simulated", "remote"] = Field(
        "bluez",
        description="what it hears with: this machine's Bluetooth; for engineers a home simulated "
        "in this process, or in another one",
    )
    adapters: tuple[Annotated[str, Field(pattern=r"^hci\d{1,3}$")], ...] = Field(
        (),
        description="Bluetooth adapters to use, such as hci0; all that there are if none is named",
    )
    scan: Literal["auto", "passive", "active"] = Field(
        "auto",
        description="auto: passively where BlueZ can and it proves itself, else actively (devices "
        "are asked for more than their advert, which costs them battery)",
    )
    reboot_when_deaf: bool = Field(
        False,
        description="restart this machine when no adapter hears anything and nothing else helped; "
        "otherwise a fault asks a person to",
    )
    proxy_topics: tuple[str, ...] = Field(
        (),
        description="MQTT topics on which receivers in other rooms publish the adverts they hear; "
        "+ stands for the receiver's name, such as home/+/BTtoMQTT/#",
    )
    radio_socket: Path | None = Field(
        None, description="socket of the simulated home, where radio is remote"
    )
    seed: int = Field(0, description="of the simulated residents' motion")
    fall_after_s: float | None = Field(
        None, ge=0, description="seconds after the start at which a simulated resident falls"
    )
    faller: Identifier = Field("resident-3", description="the resident that falls then")


class InfluxSettings(Table):
    """``[ingest.influx]``: an InfluxDB server, where ``kind = "influx"``."""

    url: str = Field(
        "http://127.0.0.1:8086", pattern=r"^https?://[^/@]+(/[^@]*)?$", description="its address"
    )
    api: Literal["1", "2"] = Field(
        "1", description="how it is written: 1 is /write of 1.x, 2 is /api/v2/write of 2.x and 3.x"
    )
    database: str = Field(
        "wardlight",
        min_length=1,
        description="database (1.x, 3.x) or bucket (2.x) of seconds and events; minutes and hours "
        "go to those of the same name with -minutes and -hours",
    )
    retention_policy: str | None = Field(
        None, description="1.x: of seconds and events, where it is not the database's default one"
    )
    username: str | None = Field(None, description="1.x: user name, if it wants one")
    password_file: Path | None = Field(None, description="1.x: file with the password alone")
    org: str = Field("wardlight", description="2.x: organisation")
    token_file: Path | None = Field(None, description="2.x and 3.x: file with the token alone")
    ca_file: Path | None = Field(None, description="certificates to believe, for https")
    durable: bool = Field(
        True,
        description="whether it keeps what it acknowledged over a kill; else a journal is",
    )
    journal_s: float = Field(
        300.0, gt=0, description="after which it has surely written that to its disk"
    )


class SirenSettings(Table):
    """``[siren]``: what this gateway makes itself heard with; all of it at once."""

    loudspeaker: Literal["auto", "yes", "no"] = Field(
        "auto", description="yes: a missing one is a fault; auto: used where there is one"
    )
    sounds: Mapping[Literal["alarm", "system_down", "test"], Path] = Field(
        {}, description="the home's own WAV file (16 bits) in the place of a built-in tone"
    )
    gpio_pin: int | None = Field(
        None,
        ge=0,
        le=27,
        description="pin of a relay, in Broadcom's numbering; needs wardlight[gpio]",
    )
    gpio_active_high: bool = Field(True, description="whether the relay draws at the high level")
    mqtt: bool = Field(True, description="tell sounders on the gateway's siren topic")


class IngestSettings(Table):
    """``[ingest]``: where telemetry and events are kept."""

    kind: Literal["sqlite", "influx"] = Field("sqlite", description="where measures are kept")
    store: Path = Field(
        Path("var/store.sqlite"),
        description="SQLite file of the time series; with influx, of the ledger alone",
    )
    raw_days: int = Field(30, ge=1, description="days for which seconds are kept")
    minute_days: int = Field(
        730, ge=2, description="days for which minutes and events are kept; then hours of the home"
    )
    influx: InfluxSettings = InfluxSettings()

    @model_validator(mode="after")
    def _coarser_is_longer(self) -> IngestSettings:
        if self.minute_days <= self.raw_days:
            raise ValueError("minute_days must be more than raw_days")
        return self


class AlertsSettings(Table):
    """``[alerts]``: the alert service."""

    database: str = Field(
        "sqlite:///var/records.sqlite", description="SQLAlchemy URL of the records"
    )
    manual_check_minutes: int = Field(
        30, ge=5, le=240, description="between two looks at a bed that is not being monitored"
    )
    board_url: str = Field(
        "http://127.0.0.1:8080/", description="address of the board, sent in notifications"
    )


class WebSettings(Table):
    """``[web]``: the board and the API."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="port; 0 takes a free one")


class StaffSettings(Table):
    """``[[staff]]``: one person who may be called."""

    id: Identifier = Field(description="as the audit log names her")
    name: str = Field(description="as colleagues call her; on the board")
    role: Literal["care_worker", "health_worker", "nurse", "manager"] = Field(
        "care_worker", description="managers are called last, on duty or not"
    )
    floor: str = Field("", description="floor that she works on, as in the residents' floor")
    contact: str | None = Field(None, description="Apprise URL that reaches her phone")
    residents: tuple[Identifier, ...] = Field((), description="residents assigned to her")
    phone: str | None = Field(None, description="to be dialled; printed on the downtime sheet")


class GatewayEntry(Table):
    """``[[gateways]]``: one gateway of the home."""

    name: Identifier = Field(description="its name in every topic")
    zone: Identifier = Field(description="zone in which it stands")
    resting: bool = Field(
        True,
        description="whether people sit or lie there for long; false for corridors, stairs and "
        "showers with gateways of their own, so that a slide to the floor there is told",
    )
    floor: str = Field("", description="floor of that zone, where no resident's bed tells it")


class Settings(BaseSettings):
    """Everything that can be set; see `load_settings`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="WARDLIGHT_", env_nested_delimiter="__"
    )

    home: HomeSettings = HomeSettings()
    clock: ClockSettings = ClockSettings()
    broker: BrokerSettings = BrokerSettings()
    gateway: GatewaySettings = GatewaySettings()
    siren: SirenSettings = SirenSettings()
    ingest: IngestSettings = IngestSettings()
    alerts: AlertsSettings = AlertsSettings()
    web: WebSettings = WebSettings()
    residents: tuple[ResidentSettings, ...] = ()
    staff: tuple[StaffSettings, ...] = ()
    gateways: tuple[GatewayEntry, ...] = ()
    sensors: tuple[SensorSettings, ...] = ()
    receivers: tuple[ReceiverSettings, ...] = ()
    zones: tuple[ZoneSettings, ...] = ()
    carer_tags: tuple[CarerTagSettings, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then what the file gave."""
        return env_settings, init_settings


def load_settings(path: Path | None) -> Settings:
    """Read the file (if any) and the environment.

    Raises
    ------
    SettingsError
        If the file cannot be read, a key is unknown (with the nearest known name), or a value
        is wrong.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: no valid TOML: {error}") from error
    where = str(path) if path is not None else "environment"
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(where, error))) from error
    faults = list(_contradictions(settings))
    if faults:
        raise SettingsError("\n".join(f"{where}: {fault}" for fault in faults))
    return settings


def _explain(where: str, error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        location = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            yield f"{where}: unknown key {location!r}{_nearest(fault['loc'])}"
        else:
            # An address may hold a password, and this ends up in a log.
            value = re.sub(r"//[^/@]*@", "//…@", repr(fault["input"]))
            is_table = isinstance(fault["input"], Mapping | list)  # with whatever else is in it
            given = "" if is_table or _is_secret(fault["loc"]) else f" (given: {value})"
            yield f"{where}: {location}: {fault['msg']}{given}"


_SECRETS: Final = frozenset(
    {"contact", "contacts", "database", "key", "password", "phone", "plan", "token"}
)
"""Settings whose values are, or may hold, what gives access to something or to somebody."""


def _is_secret(location: tuple[int | str, ...]) -> bool:
    return any(part in _SECRETS for part in location)


def _nearest(location: tuple[int | str, ...]) -> str:
    model: type[BaseModel] = Settings
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        inner = _TABLES.get(part)
        if inner is None:
            return ""
        model = inner
    close = difflib.get_close_matches(str(location[-1]), list(model.model_fields), n=1, cutoff=0.5)
    known = ", ".join(model.model_fields)
    return f"; did you mean {close[0]!r}?" if close else f"; known here: {known}"


_TABLES: Mapping[str, type[BaseModel]] = {
    "home": HomeSettings,
    "siren_volume": VolumeSettings,
    "clock": ClockSettings,
    "broker": BrokerSettings,
    "gateway": GatewaySettings,
    "siren": SirenSettings,
    "ingest": IngestSettings,
    "influx": InfluxSettings,
    "alerts": AlertsSettings,
    "web": WebSettings,
    "residents": ResidentSettings,
    "vitals": VitalsSettings,
    "contacts": ContactSettings,
    "staff": StaffSettings,
    "gateways": GatewayEntry,
    "sensors": SensorSettings,
    "receivers": ReceiverSettings,
    "zones": ZoneSettings,
    "whereabouts": WhereaboutsSettings,
    "carer_tags": CarerTagSettings,
}


def _contradictions(settings: Settings) -> Iterator[str]:
    """Faults that no single value shows: somebody would not be called, or a bed not covered."""
    for what, ids in (
        ("residents", [resident.id for resident in settings.residents]),
        ("staff", [person.id for person in settings.staff]),
        ("gateways", [gateway.name for gateway in settings.gateways]),
        ("receivers", [receiver.name for receiver in settings.receivers]),
    ):
        for repeated in sorted({value for value in ids if ids.count(value) > 1}):
            yield f"{what}: {repeated!r} stands twice"
    known = {resident.id for resident in settings.residents}
    for person in settings.staff:
        for assigned in person.residents:
            if assigned not in known:
                yield f"staff {person.id!r}: unknown resident {assigned!r}"
    for name in {settings.gateway.name, *(entry.name for entry in settings.gateways)}:
        if name in SERVICE_NAMES:
            yield f"gateway {name!r}: this name belongs to a service"
    yield from _broker_contradictions(settings.broker)
    yield from device_contradictions(settings.residents, settings.sensors, settings.carer_tags)
    places = [(f"resident {each.id!r}", each.zone) for each in settings.residents]
    places += [(f"sensor {each.id!r}", each.zone) for each in settings.sensors]
    places += [(f"gateway {each.name!r}", each.zone) for each in settings.gateways]
    places += [(f"receiver {each.name!r}", each.zone) for each in settings.receivers]
    asked = [(each.id, each.whereabouts) for each in settings.residents if each.whereabouts]
    yield from plan_contradictions(settings.zones, places, asked)


def _broker_contradictions(broker: BrokerSettings) -> Iterator[str]:
    files = (broker.ca_file, broker.certificate_file, broker.key_file)
    if any(files) and not broker.url.startswith("mqtts:"):
        yield "broker: certificates need a url that begins with mqtts://"
    if broker.key_file is not None and broker.certificate_file is None:
        yield "broker: key_file without certificate_file"
