"""Which devices are the home's, and whose each is: entered by the settings file, or on the spot.

Two speak of one device: the settings file, at each start, and people, with `wardlight devices`
and on the board. The later word counts. What the file says is remembered, and at the next start
only what it says *otherwise than before* is done: a restart undoes nothing that people did, and
an edit of the file is followed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts import device_changes, faults
from alerts.device_changes import (
    Device,
    DeviceChange,
    all_devices,
    check_free,
    find,
    in_use,
    rename_faults,
    write_log,
)
from alerts.entries import Entries
from alerts.records.models import Gateway, Receiver, Resident, Sensor, Wearable
from contract.clock import now_us
from contract.ids import check_gateway, check_identifier

MAX_IDENTITY: Final = 0xFFFF_FFFF
"""The advert has four bytes for it."""

OWN_KIND: Final = "wardlight"
SENSOR_KIND: Final = "bthome"

SETTINGS: Final = "settings"
"""Who enters what the settings file says."""

PROGRAM: Final = "program"

_ADDRESS: Final = re.compile(r"([0-9A-F]{2}:){5}[0-9A-F]{2}")
_KEY: Final = re.compile(r"[0-9a-f]{32}")
_KIND: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")
_RECEIVER: Final = re.compile(r"[^\x00-\x1f\x7f/+#]{1,64}")
"""One level of an MQTT topic."""

_RADIO: Final = frozenset({"address", "identity", "key", "kind"})
"""What makes it another device under the same name."""

_FINGERPRINT_BYTES: Final = 8


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """One device of the home. Whether it has a key is told, and never the key."""

    device: str
    address: str
    kind: str
    is_sensor: bool
    identity: int = 0
    has_key: bool = False
    resident: str | None = None
    resident_name: str | None = None
    bed: str | None = None
    zone: str | None = None
    is_retired: bool = False
    is_carer: bool = False


class DeviceEntries(Entries):
    """The devices of one home."""

    def add_wearable(
        self,
        device: str,
        *,
        address: str,
        identity: int = 0,
        resident: str | None = None,
        placement: str = "wrist",
        streaming: bool = False,
        kind: str = OWN_KIND,
        key: str | None = None,
        zone: str | None = None,
        is_carer: bool = False,
        by: str = PROGRAM,
    ) -> None:
        """Enter a wearable, and who wears it.

        Parameters
        ----------
        address
            Empty where it rolls, and a key tells whose it is.
        identity
            In its adverts; 0 where they hold none, or it rolls (`key`).
        kind
            Which decoder reads it.
        key
            32 hexadecimal digits.
        zone
            Where it belongs while nobody wears it.
        is_carer
            It is a tag that staff wear; whose is not entered anywhere.
        by
            Who says so; `SETTINGS` undoes nothing that people did since it said so last.

        Raises
        ------
        ValueError
            Also if the resident is unknown, the identity no uint32, the kind or key malformed, or
            address, identity or key another device's.
        """
        if is_carer and resident is not None:
            raise ValueError(f"{device!r} is a carer's tag: it is no resident's")
        if not 0 <= identity <= MAX_IDENTITY:
            raise ValueError(f"identity {identity} of {device!r} is no 32-bit number")
        values = self._radio_values(device, address, kind, key) | {
            "identity": identity,
            "resident": resident,
            "placement": placement,
            "streaming": streaming,
            "zone": _checked_zone(zone),
            "is_carer": is_carer,
        }
        self._add(Wearable, device, values, by)

    def add_sensor(
        self,
        device: str,
        *,
        address: str,
        zone: str,
        kind: str = SENSOR_KIND,
        key: str | None = None,
        resident: str | None = None,
        by: str = PROGRAM,
    ) -> None:
        """Enter a room sensor; parameters and errors as of `add_wearable`."""
        values = self._radio_values(device, address, kind, key) | {
            "zone": check_identifier(zone, "zone"),
            "resident": resident,
        }
        self._add(Sensor, device, values, by)

    def add_receiver(self, name: str, *, zone: str) -> None:
        """Enter a proxy that hears adverts where no gateway stands.

        Raises
        ------
        ValueError
            If its name cannot stand in a topic.
        """
        if not _RECEIVER.fullmatch(name):
            raise ValueError(f"receiver {name!r}: one level of a topic, 1 to 64 characters")
        check_identifier(zone, "zone")
        self._upsert(Receiver, {"name": name}, {"zone": zone}, config=True)

    def add_gateway(
        self, gateway: str, *, zone: str | None = None, resting: bool = True, floor: str = ""
    ) -> None:
        """Enter a gateway, where it stands, and whether people sit or lie there for long."""
        check_gateway(gateway)
        values = {"zone": _checked_zone(zone), "resting": resting, "floor": floor or None}
        self._upsert(Gateway, {"name": gateway}, values, config=True)

    # --- afterwards ------------------------------------------------------------------------

    def pair(
        self,
        device: str,
        *,
        resident: str | None = None,
        zone: str | None = None,
        by: str = PROGRAM,
    ) -> None:
        """Give a wearable to a resident or to a zone, or a sensor to a zone or one person's bed.

        Raises
        ------
        ValueError
            If there is no such device or resident.
        """
        _checked_zone(zone)
        with self._database.transaction(self._home) as session:
            row = in_use(session, self._home, device)
            if resident is not None and session.get(Resident, (self._home, resident)) is None:
                raise ValueError(
                    f"resident {resident!r} is unknown: residents are entered in the settings"
                )
            if resident is not None and getattr(row, "is_carer", False):
                raise ValueError(f"{device!r} is a carer's tag: retire it before a resident has it")
            values: dict[str, Any] = {"resident": resident}
            if zone is not None:
                values["zone"] = zone
            if self._change(session, row, values, config=True):
                rename_faults(session, self._home, device, resident)
                self._log(session, row, DeviceChange.PAIRED, by)

    def unpair(self, device: str, *, by: str = PROGRAM) -> None:
        """Nobody wears it any more; it still alarms, by where it is heard.

        Raises
        ------
        ValueError
            If there is no such device.
        """
        with self._database.transaction(self._home) as session:
            row = in_use(session, self._home, device)
            if self._change(session, row, {"resident": None}, config=True):
                rename_faults(session, self._home, device, None)
                self._log(session, row, DeviceChange.UNPAIRED, by)

    def exchange(self, one: str, other: str, *, by: str = PROGRAM) -> None:
        """Two residents wear each other's: give each wearable to who wears it.

        Raises
        ------
        ValueError
            If either is unknown or nobody's.
        """
        with self._database.transaction(self._home) as session:
            device_changes.exchange(
                session, self._home, one, other, by=by, moment_us=now_us(self._clock)
            )

    def set_key(self, device: str, key: str | None, *, by: str = PROGRAM) -> None:
        """Set what it encrypts or rolls its identity with; None takes it away.

        Raises
        ------
        ValueError
            If there is no such device, or the key is malformed or another device's.
        """
        key = _checked_key(device, key)
        with self._database.transaction(self._home) as session:
            row = in_use(session, self._home, device)
            check_free(session, self._home, device, {"key": key})
            if self._change(session, row, {"key": key}, config=True):
                self._log(session, row, DeviceChange.KEY_SET, by)

    def retire(self, device: str, *, by: str = PROGRAM) -> None:
        """Take it out of use: gateways forget it, and its faults end. Its past stays.

        Raises
        ------
        ValueError
            If there is no such device.
        """
        moment_us = now_us(self._clock)
        with self._database.transaction(self._home) as session:
            row = in_use(session, self._home, device)
            values = {"retired_at_us": moment_us, "resident": None, "key": None}
            self._change(session, row, values, config=True)
            faults.end_of_device(session, self._home, device, now_us=moment_us)
            self._log(session, row, DeviceChange.RETIRED, by)

    def devices(self, *, retired: bool = False) -> list[Enrolled]:
        """Every device of the home by name; those taken out of use only if asked for."""
        with self._database.session() as session:
            residents = {
                row.id: row
                for row in session.scalars(select(Resident).where(Resident.home == self._home))
            }
            rows = all_devices(session, self._home)
        return [
            _enrolled(row, residents.get(row.resident or ""))
            for row in rows
            if retired or row.retired_at_us is None
        ]

    def _log(self, session: Session, row: Device, what: DeviceChange, by: str) -> None:
        write_log(session, row, what, by=by, moment_us=now_us(self._clock))

    # --- how -------------------------------------------------------------------------------

    def _radio_values(
        self, device: str, address: str, kind: str, key: str | None
    ) -> dict[str, Any]:
        check_identifier(device, "device")
        if not _ADDRESS.fullmatch(address.upper()) and (address or key is None):
            raise ValueError(f"address {address!r} of {device!r}: six bytes, as C0:DE:5A:00:00:07")
        if not _KIND.fullmatch(kind):
            raise ValueError(f"kind {kind!r} of {device!r}: lower-case letters and digits")
        return {"address": address.upper(), "kind": kind, "key": _checked_key(device, key)}

    def _add(
        self, model: type[Wearable] | type[Sensor], device: str, values: dict[str, Any], by: str
    ) -> None:
        try:
            with self._database.transaction(self._home) as session:
                row = find(session, self._home, device)
                if row is not None and not isinstance(row, model):
                    raise ValueError(f"{device!r} is a device of another sort already")
                said = _fit_to_remember(values) if by == SETTINGS else None
                news = values
                if row is not None and said is not None:
                    news = _said_otherwise(row.said, said, values)
                if row is None or row.retired_at_us is None or _RADIO & news.keys():
                    # Another device under the name of one that is out of use: all of it is news.
                    entered = news if row is not None and row.retired_at_us is None else values
                    check_free(session, self._home, device, entered)
                    row = self._write(session, row or model(home=self._home), device, entered, by)
                if said is not None:
                    row.said = said
        except IntegrityError as error:
            raise ValueError(
                f"{device!r} is for resident {values.get('resident')!r}, who was not entered"
            ) from error

    def _write(
        self, session: Session, row: Device, device: str, values: dict[str, Any], by: str
    ) -> Device:
        """Enter it, or change what differs; one that was out of use is in use again."""
        moment_us = now_us(self._clock)
        is_new = row.device is None or row.retired_at_us is not None
        if row.device is None:
            row.device = device
        if is_new:
            values = values | {"retired_at_us": None, "enrolled_at_us": moment_us}
        changed = {name for name, value in values.items() if getattr(row, name) != value}
        if not changed:
            return row
        for name in changed:
            setattr(row, name, values[name])
        session.add(row)
        session.flush()
        self._touch(session, config=True)
        if "resident" in changed:
            rename_faults(session, self._home, device, row.resident)
        what = DeviceChange.ENROLLED if is_new else DeviceChange.CHANGED
        write_log(session, row, what, by=by, moment_us=moment_us)
        return row


def _enrolled(row: Device, resident: Resident | None) -> Enrolled:
    is_sensor = isinstance(row, Sensor)
    return Enrolled(
        device=row.device,
        address=row.address,
        kind=row.kind,
        is_sensor=is_sensor,
        identity=0 if isinstance(row, Sensor) else row.identity,
        has_key=row.key is not None,
        resident=row.resident,
        resident_name=None if resident is None else resident.name,
        bed=None if resident is None else resident.bed,
        zone=row.zone if is_sensor or resident is None else resident.zone,
        is_retired=row.retired_at_us is not None,
        is_carer=not isinstance(row, Sensor) and row.is_carer,
    )


def _checked_zone(zone: str | None) -> str | None:
    return None if zone is None else check_identifier(zone, "zone")


def _checked_key(device: str, key: str | None) -> str | None:
    if key is None:
        return None
    lower = key.lower()
    if not _KEY.fullmatch(lower):
        raise ValueError(f"the key of {device!r} is no 16 bytes in hexadecimal (32 digits)")
    return lower


def _fit_to_remember(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the key's fingerprint in its place."""
    key = values["key"]
    mark = None
    if key is not None:
        mark = hashlib.blake2s(bytes.fromhex(key), digest_size=_FINGERPRINT_BYTES).hexdigest()
    return {**values, "key": mark}


def _said_otherwise(
    before: Mapping[str, Any] | None, said: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """What the settings say otherwise than the last time; all, if they never spoke of it."""
    if before is None:
        return dict(values)
    return {name: value for name, value in values.items() if before.get(name) != said[name]}
