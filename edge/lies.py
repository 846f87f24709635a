"""What a slide to the floor is worth, by where it was and how the wearable is worn.

A detector cannot tell a chair from the floor by a wrist (`detectors.long_lie`), so a slide calls
somebody only where neither a chair nor a bed explains it. After an impact none of this matters.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

from contract.clock import Clock
from contract.events import EventKind
from contract.messages import GatewayConfig
from contract.units import seconds_to_ns
from detectors.detection import Detection
from edge.counters import Counts
from edge.pipeline import Finding, Pipeline
from edge.presence import Neighbours
from edge.wearables import Wearable

TRUNK: Final = frozenset({"waist", "pendant"})
"""Placements that turn as the trunk does: who sits keeps them near upright."""

TRUNK_LIES_DEG: Final = 60.0
"""Turn of the trunk, from walking, that is lying; the back of an easy chair leans by 30 to 45."""

TRUNK_SEAT_MIN: Final = 15.0
"""Stage from which a lying trunk is told of where there are chairs: a sofa or a reclined chair is
got up from or seen by then."""


LEFT_TO_NEAREST_NS: Final = seconds_to_ns(15)
"""How long a slide is left to the gateway that hears best. Two gateways look each 10 s
(`detectors.long_lie.LOOK_EACH_S`), and presence is a second or two old; beside the five minutes
that a slide has lasted then, it is nothing."""

TURNED: Final = "turned_deg"
"""A long lie without an impact has this feature."""


class Place(Enum):
    """What may lie under somebody who does not walk."""

    BED = "bed"
    """Where her bed is, or nobody knows where."""
    SEAT = "seat"
    FLOOR = "floor"
    """Nobody sits or lies here (`GatewayConfig.resting`)."""


class Undecided(Enum):
    """Why nothing is decided on a slide."""

    WAITS = "waits"
    """The nearest gateway may yet do it."""
    NOT_OURS = "not ours"
    """It has, or she lies no longer."""


class SlidePolicy:
    """Decides which slides are told, and by whom.

    The gateway that hears a wearable best decides at once. Another one waits: for that one's word
    that it has, or until itself hears best. When neither comes (the nearest has not noticed the
    slide, or they took each other for the nearest) it decides in its stead, by the nearest's
    place. So of those who noticed a slide at least one decides; two are one alert.
    """

    def __init__(
        self, neighbours: Neighbours, counts: Counts, clock: Clock, pipeline: Pipeline
    ) -> None:
        self._neighbours = neighbours
        self._counts = counts
        self._clock = clock
        self._pipeline = pipeline
        self._pending: dict[str, tuple[Finding, int]] = {}
        """By device, and until when, monotonic."""

    def awaits(self, device: str) -> bool:
        """Whether a slide of this wearable is still to be decided on."""
        return device in self._pending

    def due(self, findings: Iterable[Finding], config: GatewayConfig | None) -> list[Finding]:
        """What is to become events now: every finding, but slides that rest explains.

        To be called each second, also without findings.
        """
        due = []
        now_ns = self._clock.monotonic_ns()
        for finding in findings:
            if _is_slide(finding.detection):
                self._pending[finding.wearable.device] = finding, now_ns + LEFT_TO_NEAREST_NS
            else:
                due.append(finding)
        for device, (finding, until_ns) in list(self._pending.items()):
            place = self._place(finding, config, is_over=now_ns >= until_ns)
            if place is Undecided.WAITS:
                continue
            del self._pending[device]
            if isinstance(place, Place) and self._is_told(finding, place):
                due.append(finding)
        return due

    def _place(
        self, finding: Finding, config: GatewayConfig | None, *, is_over: bool
    ) -> Place | Undecided:
        """Where she lies, if it is on this gateway to decide now."""
        wearable = finding.wearable
        if not self._pipeline.still_slid(wearable, finding.detection.impact_ns):
            return Undecided.NOT_OURS
        nearest = self._neighbours.nearest(wearable)
        if nearest is None:
            zone, resting = (config.zone, config.resting) if config is not None else (None, True)
            return place_of(wearable, zone, resting=resting)
        if self._neighbours.has_judged(wearable):
            self._counts["slides_left_to_neighbour"] += 1
            return Undecided.NOT_OURS
        if not is_over:
            return Undecided.WAITS
        return place_of(wearable, nearest.zone, resting=nearest.resting)

    def _is_told(self, finding: Finding, place: Place) -> bool:
        wearable, features = finding.wearable, finding.detection.features
        told = place is Place.FLOOR
        if place is Place.SEAT and wearable.config.placement in TRUNK:
            is_late = features["stage_min"] >= TRUNK_SEAT_MIN
            told = is_late and features[TURNED] >= TRUNK_LIES_DEG
        self._counts["slides_told" if told else "slides_taken_for_rest"] += 1
        self._neighbours.note_judged(wearable)
        return told


def _is_slide(detection: Detection) -> bool:
    return detection.kind is EventKind.LONG_LIE and TURNED in detection.features


def place_of(wearable: Wearable, zone: str | None, *, resting: bool) -> Place:
    """Where a wearable is that the gateway of this zone hears best."""
    if zone is None or zone == wearable.config.zone:
        return Place.BED
    return Place.SEAT if resting else Place.FLOOR
