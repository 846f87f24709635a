"""A home as arrays: which row stands for whom, and what its configuration asks of each.

Every gateway makes them of the configuration alone, so that a row means the same at all of them.
"""

from __future__ import annotations

from typing import NamedTuple

from contract.messages import GatewayConfig
from contract.whereabouts import ZoneUse


class Rows(NamedTuple):
    """Who and what the rows of a `detectors.whereabouts.Scene` are."""

    zones: tuple[str, ...] = ()
    residents: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    """Of each resident her wearable; of several the one that is enrolled first."""
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
    for each in config.wearables:
        if each.resident is not None and not each.is_carer:
            hers.setdefault(each.resident, each.device)
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
