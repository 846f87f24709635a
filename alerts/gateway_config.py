"""What gateways are told of a home: who wears what, what hangs where, who is away."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts import choices
from alerts.records.models import (
    Absence,
    Gateway,
    Home,
    Receiver,
    Resident,
    Sensor,
    VitalPolicy,
    Wearable,
    Zone,
)
from contract import messages
from contract.messages import (
    MESSAGE_SCHEMA,
    AbsenceKind,
    GatewayConfig,
    ReceiverConfig,
    SensorConfig,
    VitalLimits,
    VolumeHours,
    WearableConfig,
)
from contract.whereabouts import ZoneConfig, ZoneUse


def gateway_configs(
    session: Session, home: str, gateways: Sequence[str]
) -> list[tuple[str, GatewayConfig]]:
    """The configuration of each of `gateways`; all share the lists of devices."""
    record = session.get_one(Home, home)
    records = {
        each.name: each for each in session.scalars(select(Gateway).where(Gateway.home == home))
    }
    wearables, sensors = _wearables(session, home), _sensors(session, home)
    receivers = [
        ReceiverConfig(name=row.name, zone=row.zone)
        for row in session.scalars(
            select(Receiver).where(Receiver.home == home).order_by(Receiver.name)
        )
    ]
    zones = _zones(session, home)
    places = {name: entry.zone for name, entry in records.items() if entry.zone is not None}
    volume = [VolumeHours(**hours) for hours in record.siren_volume]
    return [
        (
            gateway,
            GatewayConfig(
                schema=MESSAGE_SCHEMA,
                home=home,
                revision=record.config_revision,
                time_zone=record.time_zone,
                wearables=wearables,
                sensors=sensors,
                receivers=receivers,
                zones=zones,
                rooms=record.rooms,
                gateway_zones=places,
                siren_volume=volume,
                zone=None if entry is None else entry.zone,
                resting=entry is None or entry.resting,
            ),
        )
        for gateway, entry in ((name, records.get(name)) for name in gateways)
    ]


def _zones(session: Session, home: str) -> list[ZoneConfig]:
    return [
        ZoneConfig(zone=row.id, use=ZoneUse(row.use), next_to=list(row.next_to))
        for row in session.scalars(select(Zone).where(Zone.home == home).order_by(Zone.id))
    ]


def _wearables(session: Session, home: str) -> list[WearableConfig]:
    away = {
        row.resident: messages.Absence(
            kind=AbsenceKind(row.kind), since_us=row.since_us, until_us=row.until_us
        )
        for row in session.scalars(
            select(Absence).where(Absence.home == home, Absence.ended_at_us.is_(None))
        )
    }
    limits = {
        row.resident: VitalLimits(
            high_bpm=row.high_bpm, low_bpm=row.low_bpm, persistence_s=row.persistence_s
        )
        for row in session.scalars(select(VitalPolicy).where(VitalPolicy.home == home))
    }
    asked = choices.choices(session, home)
    return [
        WearableConfig(
            device=wearable.device,
            address=wearable.address,
            identity=wearable.identity,
            key=wearable.key,
            kind=wearable.kind,
            resident=wearable.resident,
            bed=None if resident is None else resident.bed,
            zone=wearable.zone if resident is None else resident.zone,
            placement=wearable.placement,
            streaming=wearable.streaming,
            vitals=limits.get(wearable.resident or ""),
            absence=away.get(wearable.resident or ""),
            whereabouts=asked.get(wearable.resident or "", choices.QUIET),
            is_carer=wearable.is_carer,
        )
        for wearable, resident in session.execute(
            select(Wearable, Resident)
            .outerjoin(
                Resident, (Resident.home == Wearable.home) & (Resident.id == Wearable.resident)
            )
            .where(Wearable.home == home, Wearable.retired_at_us.is_(None))
            .order_by(Wearable.device)
        )
    ]


def _sensors(session: Session, home: str) -> list[SensorConfig]:
    return [
        SensorConfig(
            device=sensor.device,
            address=sensor.address,
            zone=sensor.zone,
            kind=sensor.kind,
            key=sensor.key,
            enrolled_us=sensor.enrolled_at_us or 0,
            resident=sensor.resident,
            bed=None if resident is None else resident.bed,
        )
        for sensor, resident in session.execute(
            select(Sensor, Resident)
            .outerjoin(Resident, (Resident.home == Sensor.home) & (Resident.id == Sensor.resident))
            .where(Sensor.home == home, Sensor.retired_at_us.is_(None))
            .order_by(Sensor.device)
        )
    ]
