"""A home's rooms as `detectors.location` takes them: from the calibration walk and the plan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from contract.messages import GatewayConfig
from detectors.room_file import RoomFileError, unpack
from detectors.room_model import UNKNOWN, RoomModel
from detectors.room_plan import for_home

_log = structlog.get_logger(__name__)

NO_ZONE: Final = ""


class Rooms:
    """Makes the model of the configuration in force.

    Parameters
    ----------
    gateway
        Its own name: it is a receiver, whether anybody has said where it stands or not.
    """

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._packed: str | None = None
        self._calibrated: RoomModel | None = None
        self.problem: str | None = None
        """Why the calibration of the configuration in force cannot be used."""

    def made_of(self, config: GatewayConfig) -> tuple[object, ...]:
        """What a model is made of: two configurations with the same of it have the same model."""
        return (
            config.zones,
            config.rooms,
            self._standing(config),
            [(each.device, each.zone) for each in config.sensors],
        )

    def model(self, config: GatewayConfig) -> RoomModel | None:
        """The home by `config`; None without a plan. Zones, sensors and proxies are in its order,
        behind the gateways by name.
        """
        if not config.zones:
            return None
        stands_in = self._standing(config)
        return for_home(
            self._calibration(config.rooms),
            zones=[each.zone for each in config.zones],
            near=near(config),
            receivers=list(stands_in),
            stands_in={name: zone for name, zone in stands_in.items() if zone != NO_ZONE},
            sensors=[each.device for each in config.sensors],
            sees={each.device: each.zone for each in config.sensors},
        )

    def _standing(self, config: GatewayConfig) -> dict[str, str]:
        """Zone of each receiver."""
        own = config.gateway_zones.get(self._gateway, config.zone or NO_ZONE)
        gateways = {**config.gateway_zones, self._gateway: own}
        proxies = {each.name: each.zone for each in config.receivers if each.name not in gateways}
        return {**dict(sorted(gateways.items())), **proxies}

    def _calibration(self, packed: str | None) -> RoomModel | None:
        if packed != self._packed:
            self._packed, self._calibrated, self.problem = packed, None, None
            if packed is not None:
                try:
                    self._calibrated = unpack(packed)
                except RoomFileError as error:
                    self.problem = str(error)
                    _log.error("calibration_unusable", reason=self.problem)
        return self._calibrated


def near(config: GatewayConfig) -> NDArray[np.bool_]:
    """(zones, zones) which are next to each other; what is no zone of the plan is left out."""
    number = {each.zone: index for index, each in enumerate(config.zones)}
    graph = np.zeros((len(number), len(number)), np.bool_)
    for each in config.zones:
        others = [number[other] for other in each.next_to if other in number]
        graph[number[each.zone], others] = True
    return graph | graph.T


def covered(model: RoomModel, alive: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(zones,) whether somebody there would be heard: one of its own receivers works; of a zone
    that has none, one next door, or anywhere if there is none either.
    """
    zones = len(model.zones)
    own, works = np.zeros(zones, np.bool_), np.zeros(zones, np.bool_)
    standing = model.stands_in != UNKNOWN
    own[model.stands_in[standing]] = True
    works[model.stands_in[standing & alive]] = True
    has_next_door = model.near @ own
    next_door = np.where(has_next_door, model.near @ works, alive.any())
    return np.where(own, works, next_door)


def by_name(names: Iterable[str]) -> dict[str, int]:
    """Number of each."""
    return {name: number for number, name in enumerate(names)}
