"""What keeps a home from knowing where its residents are, and who goes out: faults with a cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.events import FaultCause
from contract.protocols import Bus
from contract.units import NS_PER_S, seconds_to_ns
from edge.faults import FaultBook
from edge.presence import Neighbours

UNKNOWN_NS: Final = seconds_to_ns(60)
"""A gateway, or its broker, that is restarted is there again by then: as for `BROKER_LOST_NS`."""

CLOSED: Final = 0
"""Of a door in a scene."""

ALONE: Final = (
    f"this gateway has had no broker for {UNKNOWN_NS // NS_PER_S} s: it decides by what it hears "
    "alone where residents are, and knows of nobody elsewhere; watch the exits"
)
NOBODY_KNOWS: Final = "no gateway can tell where anybody is; watch the exits"
KNOWN_AGAIN: Final = "where residents are is known again, as far as they are heard"


class WhereaboutsFaults:
    """Says when the exits must be watched by people, and when no more.

    Parameters
    ----------
    started_ns
        When this session began, monotonic: before, nobody can have been heard.
    """

    def __init__(
        self, *, faults: FaultBook, neighbours: Neighbours, bus: Bus, started_ns: int
    ) -> None:
        self._faults = faults
        self._neighbours = neighbours
        self._bus = bus
        self._connected_ns = started_ns
        self._scene_ns = started_ns
        self._unheard_ns: dict[str, int] = {}
        """Exits that nobody hears, and since when."""

    async def check_rooms(
        self, unheard_exits: Sequence[str] | None, *, has_plan: bool, now_ns: int
    ) -> None:
        """Once a second.

        Parameters
        ----------
        unheard_exits
            Those of which no receiver is alive; None where rooms cannot be told at all.
        has_plan
            Whether the home has rooms that could be told.
        """
        if self._bus.connected:
            self._connected_ns = now_ns
        if unheard_exits is not None:
            self._scene_ns = now_ns
        exits = unheard_exits or ()
        self._unheard_ns = {zone: self._unheard_ns.get(zone, now_ns) for zone in exits}
        detail = self._trouble(now_ns) if has_plan else None
        gateway = self._neighbours.gateway
        if detail is not None:
            await self._faults.raise_fault(FaultCause.ROOMS_UNKNOWN, detail, renew=True)
        elif self._faults.stands(FaultCause.ROOMS_UNKNOWN, gateway) and not exits:
            await self._faults.clear(FaultCause.ROOMS_UNKNOWN, KNOWN_AGAIN)

    def _trouble(self, now_ns: int) -> str | None:
        if now_ns - self._connected_ns >= UNKNOWN_NS:
            return ALONE
        if not self._neighbours.is_lead():
            return None
        if now_ns - self._scene_ns >= UNKNOWN_NS:
            return NOBODY_KNOWS
        exits = sorted(
            zone for zone, since_ns in self._unheard_ns.items() if now_ns - since_ns >= UNKNOWN_NS
        )
        if not exits:
            return None
        return f"no receiver at {_listed(exits)} works: who leaves there is not noticed; watch it"

    async def check_doors(
        self,
        zones: Mapping[str, str],
        stuck: NDArray[np.bool_],
        door_open: NDArray[np.int8],
    ) -> None:
        """Once a second.

        Parameters
        ----------
        zones
            Of each exit door's sensor the zone, in the order of the rows of the others.
        stuck
            (doors,) which are judged to be left open.
        door_open
            (doors,) as in a scene.
        """
        standing = self._faults.any_of(FaultCause.DOOR_LEFT_OPEN)
        if not stuck.any() and not standing:
            return
        is_lead = self._neighbours.is_lead()
        for number, (device, zone) in enumerate(zones.items()):
            if stuck[number] and is_lead:
                await self._faults.raise_fault(
                    FaultCause.DOOR_LEFT_OPEN,
                    f"the door at {zone} stands open, or its sensor {device} says so: who goes out "
                    "there is not noticed; close it, or watch it",
                    subject=device,
                    zone=zone,
                )
            elif device in standing and door_open[number] == CLOSED:
                await self._faults.clear(
                    FaultCause.DOOR_LEFT_OPEN,
                    f"the door at {zone} is closed again",
                    subject=device,
                    zone=zone,
                )


def _listed(zones: Iterable[str]) -> str:
    return ", ".join(zones)
