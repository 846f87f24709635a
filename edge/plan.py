"""A home as arrays: which row stands for whom, and what its configuration asks of each.

Every gateway makes them of the configuration alone, so that a row means the same at all of them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from contract.messages import GatewayConfig, WearableConfig
from contract.whereabouts import ZoneUse
from detectors.whereabouts import Plan, Policies
from edge.wearables import OWN_KIND

NOWHERE: Final = -1
"""Number of a zone that the plan does not have."""


class Rows(NamedTuple):
    """Who and what the rows of a `detectors.whereabouts.Scene` are."""

    zones: tuple[str, ...] = ()
    residents: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    """Of each resident her wearable; of several the first of our own, else the first."""
    carers: tuple[str, ...] = ()
    """Devices of the tags that staff wear."""
    doors: tuple[str, ...] = ()
    """Sensors in the zones before an exit that belong to nobody's bed: contact sensors, and some
    that never say whether anything is open."""
    beds: tuple[tuple[str, ...], ...] = ()
    """Of each resident the sensors that are hers: one of them may know whether she is in bed."""


def rows_of(config: GatewayConfig) -> Rows:
    """The rows that `config` makes; all in its order."""
    hers: dict[str, str] = {}
    # Others, such as a strap for her pulse, are silent while a link to them stands.
    for each in sorted(config.wearables, key=lambda each: each.kind != OWN_KIND):
        if each.resident is not None and not each.is_carer:
            hers.setdefault(each.resident, each.device)
    wearers = dict.fromkeys(each.resident for each in config.wearables)
    hers = {each: hers[each] for each in wearers if each in hers}
    uses = {each.zone: each.use for each in reversed(config.zones)}
    exits = {zone for zone, use in uses.items() if use is ZoneUse.EXIT}
    return Rows(
        zones=tuple(dict.fromkeys(each.zone for each in config.zones)),
        residents=tuple(hers),
        devices=tuple(hers.values()),
        carers=tuple(each.device for each in config.wearables if each.is_carer),
        doors=tuple(
            each.device
            for each in config.sensors
            if each.zone in exits and each.resident is None and each.bed is None
        ),
        beds=tuple(
            tuple(each.device for each in config.sensors if each.resident == resident)
            for resident in hers
        ),
    )


def plan_of(config: GatewayConfig, rows: Rows) -> Plan:
    """The home. A neighbour that is no zone of the plan is left out: what cannot be walked into is
    next to nothing.
    """
    number = {zone: index for index, zone in enumerate(rows.zones)}
    uses = {each.zone: each.use for each in reversed(config.zones)}
    sensor_zone = {each.device: each.zone for each in config.sensors}
    near = np.eye(len(number), dtype=np.bool_)
    for each in config.zones:
        for other in each.next_to:
            if other in number:
                near[number[each.zone], number[other]] = True
                near[number[other], number[each.zone]] = True
    return Plan(
        near=near,
        use=np.array([uses[zone] for zone in rows.zones], dtype=object),
        exit_doors=np.array([number[sensor_zone[each]] for each in rows.doors], dtype=np.int64),
    )


def policies_of(config: GatewayConfig, rows: Rows) -> Policies:
    """What is asked for each resident. Without a safe zone that the plan knows everywhere is safe
    but outside.
    """
    by_device = {each.device: each for each in config.wearables}
    hers = [by_device[device] for device in rows.devices]
    number = {zone: index for index, zone in enumerate(rows.zones)}
    safe = np.array([_safe(each, number) for each in hers], dtype=np.bool_)
    return Policies.of(
        [each.whereabouts for each in hers],
        home_zone=np.array([number.get(each.zone or "", NOWHERE) for each in hers], dtype=np.int64),
        safe=safe.reshape(len(hers), len(number)),
        has_bed_sensor=np.zeros(len(hers), dtype=np.bool_),
    )


def _safe(wearable: WearableConfig, number: dict[str, int]) -> list[bool]:
    """Of each zone whether she may be alone there; in her own room always."""
    chosen = {zone for zone in wearable.whereabouts.safe_zones if zone in number}
    return [not chosen or zone in chosen or zone == wearable.zone for zone in number]
