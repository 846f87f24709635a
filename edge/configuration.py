"""The gateway's configuration: the highest revision that it has seen, kept over restarts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog

from contract import wire
from contract.identity import parse_key
from contract.ids import check_identifier
from contract.messages import GatewayConfig, ReceiverConfig, VolumeHours, WearableConfig
from contract.whereabouts import ZoneConfig
from detectors.room_model import ZONES_AT_MOST
from edge.wearables import OWN_KIND, rolls

_log = structlog.get_logger(__name__)

CONFIG_FILE: Final = "config.json"
_HOURS: Final = 24

_OWNER_ONLY: Final = 0o600


class RejectedConfigError(ValueError):
    """A configuration that cannot be followed; the reason is the message."""


def check_config(config: GatewayConfig, home: str) -> GatewayConfig:
    """Return `config` if it can be followed.

    Raises
    ------
    RejectedConfigError
        If it is another home's, a name is malformed, two wearables share a device name, an
        address, an identity or a key, one has nothing that it is known by, a room sensor shares a
        name or an address with anybody, two zones of the plan share a name, or an hour or the time
        zone does not exist.
    """
    if config.home != home:
        raise RejectedConfigError(f"it is for home {config.home!r}, this is {home!r}")
    try:
        for wearable in config.wearables:
            check_identifier(wearable.device, "device")
        ZoneInfo(config.time_zone)
    except (ValueError, ZoneInfoNotFoundError, OSError) as error:
        raise RejectedConfigError(str(error)) from error
    _check_wearables(config.wearables)
    _check_sensors(config)
    _check_zones(config.zones)
    _check_hours(config.siren_volume)
    return config


def _check_wearables(wearables: list[WearableConfig]) -> None:
    """Each must be told from every other one, by what a radio hears of it."""
    fixed = [each for each in wearables if not rolls(each)]
    for what, values in (
        ("device", [each.device for each in wearables]),
        ("address", [each.address for each in fixed]),
        ("identity", [each.identity for each in fixed if each.kind == OWN_KIND]),
    ):
        twice = [value for value, count in Counter(values).items() if count > 1]
        if twice:
            raise RejectedConfigError(f"two wearables have the {what} {twice[0]}")
    for each in fixed:
        if not each.address or (each.kind == OWN_KIND and each.identity == 0):
            raise RejectedConfigError(
                f"wearable {each.device} needs a key, or its address and identity"
            )
    _check_keys([each for each in wearables if rolls(each)])


def _check_keys(wearables: list[WearableConfig]) -> None:
    holders: dict[bytes, str] = {}
    for each in wearables:
        try:
            key = parse_key(each.key or "")
        except ValueError as error:
            raise RejectedConfigError(f"the key of wearable {each.device}: {error}") from None
        other = holders.setdefault(key, each.device)
        if other != each.device:
            # Which key it is, nobody needs to read.
            raise RejectedConfigError(f"wearables {other} and {each.device} have the same key")


def _check_sensors(config: GatewayConfig) -> None:
    """A sensor of an unknown kind or with a bad key costs that sensor alone (`edge.sensors`); two
    devices that cannot be told apart are another matter.
    """
    try:
        for sensor in config.sensors:
            check_identifier(sensor.device, "device")
            check_identifier(sensor.zone, f"zone of {sensor.device}")
    except ValueError as error:
        raise RejectedConfigError(str(error)) from error
    # An empty address is that of a wearable whose address rolls.
    others = {each.device for each in config.wearables}
    taken = {each.address for each in config.wearables if each.address}
    for sensor in config.sensors:
        for what, value, known in (
            ("device", sensor.device, others),
            ("address", sensor.address, taken),
        ):
            if value in known:
                raise RejectedConfigError(f"two devices have the {what} {value}")
            known.add(value)


def _check_zones(zones: list[ZoneConfig]) -> None:
    """What is next to what may be wrong, and costs only that; which zone is which must be clear."""
    if len(zones) > ZONES_AT_MOST:
        raise RejectedConfigError(f"the plan has {len(zones)} zones; at most {ZONES_AT_MOST}")
    names = set()
    for each in zones:
        try:
            check_identifier(each.zone, "zone of the plan")
        except ValueError as error:
            raise RejectedConfigError(str(error)) from error
        if each.zone in names:
            raise RejectedConfigError(f"two zones of the plan are called {each.zone}")
        names.add(each.zone)


def _check_hours(volumes: list[VolumeHours]) -> None:
    for volume in volumes:
        if not 0 <= volume.from_hour < _HOURS:
            raise RejectedConfigError(f"there is no hour {volume.from_hour}")


class ConfigKeeper:
    """Holds the configuration in force.

    Parameters
    ----------
    folder
        Where it is kept over restarts.
    home
        Whose configurations are accepted.
    """

    def __init__(self, folder: Path, home: str) -> None:
        self._path = folder / CONFIG_FILE
        self._home = home
        self.current: GatewayConfig | None = None

    def receivers(self) -> Sequence[ReceiverConfig] | None:
        """The proxies that are enrolled; None while nobody has said."""
        return None if self.current is None else self.current.receivers

    def begin(self, given: GatewayConfig | None) -> list[str]:
        """Take the newest of what was given and what was kept; returns what was wrong."""
        problems = []
        try:
            kept = self._path.read_bytes()
        except FileNotFoundError:
            kept = None
        except OSError as error:
            kept = None
            problems.append(f"the kept configuration cannot be read: {error}")
        if kept is not None:
            try:
                self.current = check_config(wire.decode(kept, GatewayConfig), self._home)
            except (wire.RejectedMessageError, RejectedConfigError) as error:
                problems.append(f"the kept configuration was rejected: {error}")
        if given is not None:
            try:
                self.offer(given)
            except RejectedConfigError as error:
                problems.append(f"the given configuration was rejected: {error}")
        return problems

    def receive(self, payload: bytes) -> bool:
        """A configuration came over the broker; whether it is now in force.

        Raises
        ------
        RejectedConfigError
            If it cannot be followed; the one in force stays.
        """
        try:
            config = wire.decode(payload, GatewayConfig)
        except wire.RejectedMessageError as error:
            raise RejectedConfigError(error.reason) from error
        return self.offer(config)

    def offer(self, config: GatewayConfig) -> bool:
        """Put `config` in force if its revision is higher; whether it was.

        Raises
        ------
        RejectedConfigError
            If it cannot be followed; the one in force stays.
        """
        check_config(config, self._home)
        if self.current is not None and config.revision <= self.current.revision:
            return False
        self.current = config
        self._keep(config)
        return True

    def _keep(self, config: GatewayConfig) -> None:
        """Write it whole or not at all; if that fails it is still in force until the end."""
        beside = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                # It holds keys: nobody but the gateway's own user reads it.
                os.fchmod(file.fileno(), _OWNER_ONLY)
                file.write(wire.encode(config))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            _log.error("config_not_kept", revision=config.revision, reason=str(error))
