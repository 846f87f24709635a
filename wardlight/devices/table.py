"""What is heard and what is the home's, side by side: as a table and as JSON."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

import msgspec

from alerts.devices import Enrolled
from wardlight.devices.hearing import Hearing

BARS: Final = "▂▄▆█"
BAR_DBM: Final = (-90, -80, -70, -60)
"""Signal strengths at which a further bar is drawn: below the first a link hardly holds, from the
last on the device lies beside the gateway."""

HEADINGS: Final = ("signal", "address", "is", "enrolled as", "whose", "battery", "heard")

NOTHING_KEPT: Final = (
    "What is not enrolled is shown here and kept nowhere: it is forgotten when this ends."
)


class DeviceRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line, as JSON. Never a name, and never a key."""

    address: str
    kind: str
    model: str = ""
    """What it was taken for; empty where it is not heard now."""
    rssi_dbm: int | None = None
    adverts: int = 0
    identity: int | None = None
    gateway: str | None = None
    """Which hears it best."""
    receiver: str = ""
    device: str | None = None
    """Its name, if it is enrolled."""
    resident: str | None = None
    bed: str | None = None
    zone: str | None = None
    has_key: bool = False
    is_carer: bool = False
    """A tag that staff wear; whose is not known here."""
    battery_days: float | None = None
    heard_s_ago: float | None = None


class DeviceList(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is heard or enrolled."""

    devices: list[DeviceRow]
    gateways_silent: list[str]
    """Asked, and have not answered."""


def device_list(hearing: Hearing | None, enrolled: Sequence[Enrolled]) -> DeviceList:
    """Put both together: what is heard, the strongest first, then what is enrolled and silent."""
    known = {each.device: each for each in enrolled}
    addresses = {each.address: each for each in enrolled if each.address}
    rows, seen = [], set()
    for line in [] if hearing is None else hearing.lines():
        found = line.device
        ours = known.get(found.device or "") or addresses.get(found.address)
        if ours is not None:
            seen.add(ours.device)
        rows.append(
            msgspec.structs.replace(
                _row(ours, hearing) or DeviceRow(address=found.address, kind=found.kind),
                address=found.address,
                model=found.model,
                rssi_dbm=found.rssi_dbm,
                adverts=line.adverts,
                identity=found.identity,
                gateway=line.gateway,
                receiver=found.receiver,
            )
        )
    rows += [row for each in enrolled if each.device not in seen and (row := _row(each, hearing))]
    return DeviceList(devices=rows, gateways_silent=[] if hearing is None else hearing.silent)


def _row(ours: Enrolled | None, hearing: Hearing | None) -> DeviceRow | None:
    if ours is None:
        return None
    return DeviceRow(
        address=ours.address,
        kind=ours.kind,
        device=ours.device,
        resident=ours.resident,
        bed=ours.bed,
        zone=ours.zone,
        has_key=ours.has_key,
        is_carer=ours.is_carer,
        identity=ours.identity or None,
        battery_days=None if hearing is None else hearing.battery_days(ours.device),
        heard_s_ago=None if hearing is None else hearing.heard_s_ago(ours.device),
    )


def render(found: DeviceList) -> str:
    """The table for a terminal."""
    lines = [HEADINGS, *(_cells(row) for row in found.devices)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(_padded, line, widths)) for line in lines]
    if not found.devices:
        text.append("(nothing is heard that any installed decoder knows, and nothing is enrolled)")
    if found.gateways_silent:
        text.append(f"no answer from {', '.join(found.gateways_silent)}: is it running?")
    text.append(NOTHING_KEPT)
    return "\n".join(line.rstrip() for line in text)


def cropped(text: str, columns: int, lines: int) -> str:
    """As much of a text as a terminal shows: a line that wraps could not be replaced."""
    rows = text.split("\n")
    if len(rows) > lines:
        left = len(rows) - lines + 1
        rows = [*rows[: lines - 1], f"… {left} more lines, at the end"]
    return "\n".join(_cut(row, columns) for row in rows)


def _cut(row: str, columns: int) -> str:
    while _width(row) > columns:
        row = row[:-1]
    return row


def bars(rssi_dbm: int | None) -> str:
    """A signal strength for the eye."""
    if rssi_dbm is None:
        return "–"
    strong = sum(rssi_dbm >= limit for limit in BAR_DBM)
    return BARS[:strong] + "·" * (len(BARS) - strong) + f" {rssi_dbm}"


def _cells(row: DeviceRow) -> tuple[str, ...]:
    whose = row.bed or row.zone or ""
    if row.resident is not None:
        whose = f"{whose} ({row.resident})".strip()
    elif row.is_carer:
        whose = "carers"
    elif row.device is not None:
        whose = f"nobody's {whose}".strip()
    where = row.receiver or row.gateway or ""
    heard = f"now, {where}" if row.rssi_dbm is not None else _ago(row.heard_s_ago)
    return (
        bars(row.rssi_dbm),
        row.address or "(rolls)",
        row.model or row.kind,
        row.device or "–",
        whose,
        "" if row.battery_days is None else f"{row.battery_days:.1f} days",
        heard,
    )


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return "not heard"
    return f"{seconds:.0f} s ago" if seconds < 120 else f"{seconds / 60:.0f} min ago"


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Columns on a terminal: Chinese letters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
