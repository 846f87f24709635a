"""Changes of who wears what, with their line in the devices' log; what must hold of every device.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from alerts.entries import touch_config
from alerts.records.models import DeviceLog, Fault, Sensor, Wearable

Device = Wearable | Sensor


class DeviceChange(StrEnum):
    """Lines of the devices' log."""

    ENROLLED = "enrolled"
    CHANGED = "changed"
    PAIRED = "paired"
    UNPAIRED = "unpaired"
    EXCHANGED = "exchanged"
    KEY_SET = "key_set"
    RETIRED = "retired"


def all_devices(session: Session, home: str) -> list[Device]:
    """Every wearable and sensor, also those taken out of use, by name."""
    rows: list[Device] = [
        *session.scalars(select(Wearable).where(Wearable.home == home)),
        *session.scalars(select(Sensor).where(Sensor.home == home)),
    ]
    return sorted(rows, key=lambda row: row.device)


def find(session: Session, home: str, device: str) -> Device | None:
    """The device of that name, in use or not."""
    return session.get(Wearable, (home, device)) or session.get(Sensor, (home, device))


def in_use(session: Session, home: str, device: str) -> Device:
    """The device of that name.

    Raises
    ------
    ValueError
        If the home has none; the message says what to do.
    """
    row = find(session, home, device)
    if row is None or row.retired_at_us is not None:
        raise ValueError(
            f"{device!r} is no device of this home: enrol it first "
            f"(wardlight devices enrol ADDRESS --as {device})"
        )
    return row


def check_free(session: Session, home: str, device: str, values: Mapping[str, Any]) -> None:
    """Gateways refuse a configuration in which two devices cannot be told apart.

    Raises
    ------
    ValueError
        If the address, identity or key among `values` is another device's. It holds no key.
    """
    for other in all_devices(session, home):
        if other.device == device or other.retired_at_us is not None:
            continue
        for what in ("address", "identity", "key"):
            wanted = values.get(what)
            if wanted and wanted == getattr(other, what, None):
                raise ValueError(
                    f"the {what} of {device!r} is that of {other.device!r} already: retire "
                    f"that one first (wardlight devices retire {other.device})"
                )


def exchange(session: Session, home: str, one: str, other: str, *, by: str, moment_us: int) -> None:
    """Exchange who wears two wearables.

    Raises
    ------
    ValueError
        If either is unknown or nobody's.
    """
    rows = []
    for device in (one, other):
        row = session.get(Wearable, (home, device))
        if row is None or row.retired_at_us is not None or row.resident is None:
            raise ValueError(f"{device!r} is no wearable that somebody wears")
        rows.append(row)
    first, second = rows
    first.resident, second.resident = second.resident, first.resident
    session.flush()
    touch_config(session, home, moment_us)
    for row in rows:
        rename_faults(session, home, row.device, row.resident)
        write_log(session, row, DeviceChange.EXCHANGED, by=by, moment_us=moment_us)


def rename_faults(session: Session, home: str, device: str, resident: str | None) -> None:
    """What stands of a device is from now on its new wearer's."""
    session.execute(
        update(Fault)
        .where(Fault.home == home, Fault.device == device, Fault.cleared_at_us.is_(None))
        .values(resident=resident)
    )


def write_log(
    session: Session, row: Device, what: DeviceChange, *, by: str, moment_us: int
) -> None:
    """Add a line to the devices' log."""
    session.add(
        DeviceLog(
            home=row.home,
            device=row.device,
            at_us=moment_us,
            what=what,
            by=by,
            resident=row.resident,
            zone=row.zone,
        )
    )
