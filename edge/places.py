"""Where residents are told to be: by this gateway itself, or by the one that leads.

The lead says it to everybody (`contract.whereabouts.Whereabouts`), so that the events of one home
name one place, whichever gateway they are of. Without its word a gateway goes by what it
finds itself. Carers' tags have no place here: none can be told that is not known.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract import topics, wire
from contract.clock import Clock, now_us
from contract.messages import MESSAGE_SCHEMA
from contract.units import seconds_to_ns
from contract.whereabouts import WHEREABOUTS_S, Place, Whereabouts
from detectors.room_model import UNKNOWN
from edge.lead import LIVE_NS
from edge.presence import Neighbours
from edge.reporter import Sender
from edge.wearables import Wearable

FRESH_NS: Final = seconds_to_ns(3 * WHEREABOUTS_S)
"""Two messages may be lost; an older word says where somebody was."""

SAY_NS: Final = seconds_to_ns(WHEREABOUTS_S)

DECIMALS: Final = 2


class _Told(NamedTuple):
    message: Whereabouts
    at_ns: int
    """Monotonic."""


class Places:
    """Where everybody but carers is."""

    def __init__(self, *, sender: Sender, clock: Clock, neighbours: Neighbours) -> None:
        self._sender = sender
        self._clock = clock
        self._neighbours = neighbours
        self.topic = topics.build(sender.home, sender.gateway, topics.WHEREABOUTS)
        self._zones: tuple[str, ...] = ()
        self._residents: tuple[str, ...] = ()
        self._row: dict[str, int] = {}
        self._zone = np.zeros(0, np.int64)
        self._probability = np.zeros(0, np.float32)
        self._since_us = np.zeros(0, np.int64)
        self._begun_ns = clock.monotonic_ns()
        self._noted_ns: int | None = None
        self._leader = sender.gateway
        self._told: dict[str, _Told] = {}
        self._sequence = 0
        self._said_ns: int | None = None
        self._said: list[int] = []
        """Zones as they were said last."""

    def follow(
        self,
        zones: tuple[str, ...],
        residents: tuple[str, ...],
        rows: dict[str, int],
        old: NDArray[np.int64],
    ) -> None:
        """Follow a configuration.

        Parameters
        ----------
        zones
            Of the home.
        residents
            By row: the first rows are theirs.
        rows
            Row of each device that may be told of.
        old
            (rows,) former row of each row, `UNKNOWN` for somebody new.
        """
        known = np.flatnonzero(old != UNKNOWN) if zones == self._zones else np.zeros(0, np.int64)
        self._zones, self._residents, self._row = zones, residents, rows
        zone, probability = np.full(len(old), UNKNOWN), np.zeros(len(old), np.float32)
        since_us = np.zeros(len(old), np.int64)
        zone[known] = self._zone[old[known]]
        probability[known] = self._probability[old[known]]
        since_us[known] = self._since_us[old[known]]
        self._zone, self._probability, self._since_us = zone, probability, since_us
        self._said_ns = None

    def note(self, zone: NDArray[np.int64], probability: NDArray[np.float32], at_us: int) -> None:
        """What this gateway has decided of one more second.

        Parameters
        ----------
        zone, probability
            (rows,) as in `detectors.location.Places`.
        at_us
            When that was, wall time.
        """
        self._since_us[zone != self._zone] = at_us
        self._zone, self._probability = zone, probability
        self._noted_ns = self._clock.monotonic_ns()
        self._leader = self._neighbours.leader()

    def place_of(self, wearable: Wearable) -> Place | None:
        """Where its wearer is held to be; None where nobody can tell, or may."""
        if wearable.device not in self._row or not self._zones:
            return None
        now_ns = self._clock.monotonic_ns()
        resident = wearable.config.resident
        told = self._told.get(self._leader)
        if self._leader != self._sender.gateway and told is not None and resident is not None:
            place = told.message.places.get(resident)
            if place is not None and now_ns - told.at_ns <= FRESH_NS:
                return place if place.zone is not None else None
        if self._noted_ns is None or now_ns - self._noted_ns > FRESH_NS:
            return None
        place = self._place(self._row[wearable.device])
        return place if place.zone is not None else None

    def zone_of(self, wearable: Wearable) -> str | None:
        """The zone of that."""
        place = self.place_of(wearable)
        return None if place is None else place.zone

    def _place(self, row: int) -> Place:
        zone = int(self._zone[row])
        return Place(
            zone=None if zone == UNKNOWN else self._zones[zone],
            probability=round(float(self._probability[row]), DECIMALS),
            since_us=int(self._since_us[row]),
        )

    # -- between gateways ------------------------------------------------------------------------

    def hear(self, message: Whereabouts) -> None:
        """Another gateway leads, or believes so; what is older than its word before is ignored."""
        before = self._told.get(message.gateway)
        if (
            before is not None
            and before.message.session == message.session
            and message.sequence <= before.message.sequence
        ):
            return
        self._told[message.gateway] = _Told(message, self._clock.monotonic_ns())

    def message(self) -> bytes | None:
        """What the lead has to say now; None if there is nothing new, or somebody else leads. To be
        asked once a second.
        """
        now_ns = self._clock.monotonic_ns()
        if self._noted_ns is None or now_ns - self._begun_ns < LIVE_NS:
            # Until it has heard whether anybody leads, it says nothing: it knows nothing yet.
            return None
        if now_ns - self._noted_ns > LIVE_NS:
            return None  # Heartbeats go on where its rounds stand still: that was then.
        if not self._neighbours.is_lead():
            self._said_ns = None
            return None
        zones = self._zone[: len(self._residents)].tolist()
        is_due = self._said_ns is None or now_ns - self._said_ns >= SAY_NS
        if not is_due and zones == self._said:
            return None
        self._said_ns, self._said = now_ns, zones
        self._sequence += 1
        return wire.encode(
            Whereabouts(
                schema=MESSAGE_SCHEMA,
                gateway=self._sender.gateway,
                session=self._sender.session,
                sequence=self._sequence,
                at_us=max(now_us(self._clock), 0),
                places={name: self._place(row) for row, name in enumerate(self._residents)},
            )
        )
