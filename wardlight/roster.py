"""Who lives and works in the home, from the settings into the alert service's records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog

from alerts import Directory, StaffRole
from alerts.devices import SETTINGS
from alerts.sheet import Contact
from contract.messages import VolumeHours
from contract.whereabouts import WhereaboutsPolicy, ZoneConfig
from detectors import room_file
from firmware_sim import HomePlan, WearablePlan
from wardlight.settings import GatewayEntry, HomeSettings, Settings, StaffSettings
from wardlight.settings_devices import CarerTagSettings, ResidentSettings, SensorSettings
from wardlight.settings_plan import WhereaboutsSettings, ZoneSettings

_log = structlog.get_logger(__name__)


def enrol(settings: Settings, directory: Directory) -> None:
    """Bring the records to what the settings say; what stands there already stays."""
    directory.set_home(
        time_zone=settings.home.time_zone,
        siren_volume=[
            VolumeHours(from_hour=each.from_hour, volume_percent=each.volume_percent)
            for each in settings.home.siren_volume
        ],
    )
    directory.set_plan(
        [
            ZoneConfig(zone=each.id, use=each.use, next_to=list(each.next_to))
            for each in settings.zones
        ],
        {each.id: each.floor for each in settings.zones},
    )
    for entry in settings.gateways:
        directory.add_gateway(entry.name, zone=entry.zone, resting=entry.resting, floor=entry.floor)
    for receiver in settings.receivers:
        directory.add_receiver(receiver.name, zone=receiver.zone)
    for resident in settings.residents:
        directory.add_resident(
            resident.id,
            name=resident.name,
            bed=resident.bed,
            zone=resident.zone,
            floor=resident.floor,
            plan=resident.plan,
            contacts=[
                Contact(name=each.name, relation=each.relation, phone=each.phone)
                for each in resident.contacts
            ],
        )
        if resident.vitals is not None:
            directory.set_vitals(resident.id, **resident.vitals.model_dump())
    _enter_all(
        [partial(_enrol_wearable, each, directory) for each in settings.residents]
        + [partial(_enrol_sensor, each, directory) for each in settings.sensors]
        + [partial(_enrol_carer_tag, each, directory) for each in settings.carer_tags],
        "device_not_entered",
    )
    _enter_all([partial(_enter_rooms, settings.home.rooms, directory)], "rooms_not_entered")
    _enter_all(
        [partial(_enter_whereabouts, each, directory) for each in settings.residents],
        "whereabouts_not_entered",
    )
    for person in settings.staff:
        directory.add_staff(
            person.id,
            name=person.name,
            role=StaffRole(person.role),
            floor=person.floor or None,
            contact=person.contact,
            phone=person.phone,
        )
        for resident_id in person.residents:
            directory.assign(person.id, resident_id)


def _enter_all(entries: Sequence[Callable[[], None]], complaint: str) -> None:
    """Enter each; one that cannot be keeps no other from it, and no service from starting.

    What is refused is tried again after all others: one device's old address may have become
    another's in the same edit.
    """
    again = [enter for enter in entries if _refusal(enter) is not None]
    for enter in again:
        reason = _refusal(enter)
        if reason is not None:
            _log.error(complaint, reason=reason)


def _refusal(enter: Callable[[], None]) -> str | None:
    try:
        enter()
    except ValueError as error:
        return str(error)
    return None


def _enrol_wearable(resident: ResidentSettings, directory: Directory) -> None:
    if resident.device is None or resident.address is None:
        return
    directory.add_wearable(
        resident.device,
        address=resident.address,
        identity=resident.identity or 0,
        resident=resident.id,
        placement=resident.placement,
        streaming=resident.streaming,
        kind=resident.kind,
        key=resident.key,
        by=SETTINGS,
    )


def _enrol_sensor(sensor: SensorSettings, directory: Directory) -> None:
    directory.add_sensor(
        sensor.id,
        address=sensor.address,
        zone=sensor.zone,
        kind=sensor.kind,
        key=sensor.secret(),
        resident=sensor.resident,
        by=SETTINGS,
    )


def _enrol_carer_tag(tag: CarerTagSettings, directory: Directory) -> None:
    directory.add_wearable(
        tag.device,
        address=tag.address,
        identity=tag.identity,
        kind=tag.kind,
        key=tag.key,
        is_carer=True,
        by=SETTINGS,
    )


def _enter_rooms(path: Path | None, directory: Directory) -> None:
    """A calibration that cannot be used leaves the one that stands: rooms are told worse without.

    Raises
    ------
    ValueError
        If there is none in the file.
    """
    if path is None:
        directory.set_rooms(None)
        return
    try:
        packed = room_file.pack(room_file.decode(path.read_bytes()))
    except OSError as error:
        raise ValueError(f"[home] rooms: {path} cannot be read: {error.strerror}") from error
    except room_file.RoomFileError as error:
        raise ValueError(f"[home] rooms: {path}: {error}") from error
    directory.set_rooms(packed)


def _enter_whereabouts(resident: ResidentSettings, directory: Directory) -> None:
    asked = resident.whereabouts
    if asked is not None:
        values = asked.model_dump() | {"safe_zones": list(asked.safe_zones)}
        directory.set_whereabouts(resident.id, WhereaboutsPolicy(**values), by=SETTINGS)


DEMO_NAMES: Final = (
    "陳美玲 Mrs Chan",
    "黃志強 Mr Wong",
    "李鳳英 Mrs Lee",
    "張國華 Mr Cheung",
    "何秀珍 Mrs Ho",
    "林桂芳 Mrs Lam",
)
"""Invented; any likeness is by chance."""

DEMO_STAFF: Final = (
    StaffSettings(id="mei", name="Mei 美儀", role="care_worker", floor="2/F"),
    StaffSettings(id="kin", name="Kin 健明", role="health_worker", floor="2/F"),
    StaffSettings(id="siu", name="Siu 小蓮", role="manager", floor=""),
)


def zones_of(plan: HomePlan) -> tuple[ZoneSettings, ...]:
    """A plan's zones as settings; none if it does not say what they are for."""
    return tuple(
        ZoneSettings(
            id=each.zone,
            use=each.use,
            next_to=tuple(each.next_to),
            floor=f"{plan.zone(each.zone).floor or 'G'}/F",
        )
        for each in plan.zone_configs()
    )


def sensors_of(plan: HomePlan) -> tuple[SensorSettings, ...]:
    """A plan's room sensors as settings."""
    return tuple(
        SensorSettings(
            id=each.config.device,
            address=each.config.address,
            zone=each.config.zone,
            kind=each.config.kind,
            key=each.config.key,
            resident=each.config.resident,
        )
        for each in plan.sensors
    )


def whereabouts_of(wearable: WearablePlan) -> WhereaboutsSettings | None:
    """What a plan asks for one resident, as settings; None if only what is asked for everybody."""
    if wearable.whereabouts == WhereaboutsPolicy():
        return None
    return WhereaboutsSettings.model_validate(msgspec.to_builtins(wearable.whereabouts))


def demo_settings(plan: HomePlan, base: Settings, rooms: Path | None = None) -> Settings:
    """Settings of the simulated home: its plan, with people's names added, and what a walk has
    taught of its rooms (`wardlight.demo_walk`).
    """
    residents = tuple(
        ResidentSettings(
            id=wearable.resident,
            name=name,
            bed=wearable.bed,
            zone=wearable.zone,
            floor=wearable.bed.split(" ")[0],
            device=wearable.device,
            address=wearable.address,
            identity=wearable.identity,
            key=wearable.key,
            placement="wrist",
            streaming=wearable.streaming,
            whereabouts=whereabouts_of(wearable),
        )
        for wearable, name in zip(plan.wearables, DEMO_NAMES, strict=False)
    )
    first, *others = DEMO_STAFF
    half = len(residents) // 2
    ids = tuple(resident.id for resident in residents)
    staff = (
        first.model_copy(update={"residents": ids[:half]}),
        others[0].model_copy(update={"residents": ids[half:]}),
        *others[1:],
    )
    return base.model_copy(
        update={
            "home": HomeSettings(
                id=plan.home,
                name="Wardlight demo home",
                time_zone=base.home.time_zone,
                rooms=rooms,
            ),
            "residents": residents,
            "staff": staff,
            "zones": zones_of(plan),
            "gateways": tuple(
                GatewayEntry(name=gateway.name, zone=gateway.zone, resting=gateway.resting)
                for gateway in plan.gateways
            ),
            "sensors": sensors_of(plan),
        }
    )
