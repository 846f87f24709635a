"""Wearables that nobody wears, or whose data cannot be trusted: faults with their cause."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from contract.events import FaultCause
from contract.units import seconds_to_ns
from detectors.sensor import SensorCause
from detectors.wear import NOT_WORN_MIN, UNKNOWN_MIN, Wear
from edge.absences import Absences
from edge.faults import DISTRUST, FaultBook
from edge.pipeline import Pipeline
from edge.presence import Neighbours
from edge.wearables import Wearable

NOT_WORN_NS: Final = seconds_to_ns(60 * NOT_WORN_MIN)
"""Off the wrist for so long, by its own word, is no longer washing or changing (FIELD: a fault
within ~20 min)."""

LOST_SIGHT_NS: Final = seconds_to_ns(90)
"""Not heard here for so long and heard elsewhere, a wearable is the other gateway's to judge."""

SENSOR_WORDS: Final[Mapping[SensorCause, str]] = MappingProxyType(
    {
        SensorCause.GRAVITY: "its |a| at rest is more than 0.25 g from 1 g",
        SensorCause.SPIKES: "single samples jump while it rests",
        SensorCause.FROZEN: "it has measured exactly the same for 10 min",
        SensorCause.STUCK_AXIS: "one of its axes stands still while the others move",
        SensorCause.LOSS: "a quarter or more of its stream is lost on the way",
        SensorCause.MISTIMED: "a quarter or more of its stream comes too late to be looked at",
        SensorCause.UNUSABLE: "a quarter or more of its samples are no numbers, beyond any "
        "sensor's range or of times that were there before",
    }
)


TAKEN_OVER_WORDS: Final[Mapping[FaultCause, str]] = MappingProxyType(
    {
        FaultCause.NOT_WORN: "has not been worn ({}); put it on its wearer",
        FaultCause.WEAR_UNKNOWN: "shows no sign that it is worn ({}); look at the wrist at the "
        "next round",
        FaultCause.SENSOR_FAULT: "cannot be trusted ({}); exchange it",
    }
)


class TrustKeeper:
    """Raises and clears what the pipeline's watches say of each wearable."""

    def __init__(
        self, faults: FaultBook, neighbours: Neighbours, pipeline: Pipeline, absences: Absences
    ) -> None:
        self._absences = absences
        self._faults = faults
        self._neighbours = neighbours
        self._pipeline = pipeline
        self._begun_ns: int | None = None
        self._was_away: set[str] = set()
        """Devices that have been elsewhere: what was judged of them here was before that."""

    async def check(self, wearable: Wearable, now_ns: int) -> None:
        """Judge one wearable."""
        if self._begun_ns is None:
            self._begun_ns = now_ns
        if self._is_elsewhere(wearable, now_ns):
            self._was_away.add(wearable.device)
            await self._hand_over(wearable)
            return
        if wearable.advert is None:
            return
        if self._neighbours.rank(wearable) == 0:
            await self._take_over(wearable)
            self._was_away.discard(wearable.device)
        if wearable.advert.charging:
            # What rests in its cradle is still for hours, and that says nothing of who wears it
            # afterwards. What was raised before stands.
            self._pipeline.wear.reset(wearable.row)
            self._pipeline.trust.reset(wearable.row)
        await self._check_wear(wearable, now_ns)
        await self._check_sensor(wearable)

    def _is_elsewhere(self, wearable: Wearable, now_ns: int) -> bool:
        assert self._begun_ns is not None
        here_ns = max(wearable.heard_ns, self._begun_ns)
        anywhere_ns = self._neighbours.heard_anywhere_ns(wearable)
        return now_ns - here_ns > LOST_SIGHT_NS >= now_ns - anywhere_ns

    async def _hand_over(self, wearable: Wearable) -> None:
        """For the alert service a fault of a wearable is one, whoever says it: its end, said here,
        would hide one that the gateway which hears it still holds.
        """
        for cause in sorted(DISTRUST):
            if self._neighbours.distrusts(cause, wearable):
                await self._faults.leave(cause, wearable.device)
            else:
                detail = f"{wearable.device} is heard by another gateway now"
                await self._faults.clear(cause, detail, wearable)

    async def _take_over(self, wearable: Wearable) -> None:
        """A wearable that comes from another gateway brings the faults that stand there with it:
        they end when this one has seen the contrary itself, and not because it has seen nothing.
        """
        row = wearable.row
        for cause, words in TAKEN_OVER_WORDS.items():
            of_sensor = cause is FaultCause.SENSOR_FAULT
            verdict = (
                self._pipeline.trust.cause[row] if of_sensor else self._pipeline.wear.state[row]
            )
            unjudged = SensorCause.UNJUDGED if of_sensor else Wear.UNJUDGED
            is_new = wearable.device in self._was_away or verdict == unjudged
            if not is_new or self._faults.stands(cause, wearable.device):
                continue
            if cause is FaultCause.NOT_WORN and _is_used(wearable):
                continue
            holder = self._neighbours.holder(cause, wearable)
            if holder is None:
                continue
            if of_sensor:
                self._pipeline.trust.begin_anew(row)
            else:
                self._pipeline.wear.reset(row)
            detail = f"{wearable.device} {words.format(f'{holder} has found it so')}"
            await self._faults.raise_fault(cause, detail, wearable)

    async def _check_wear(self, wearable: Wearable, now_ns: int) -> None:
        advert = wearable.advert
        assert advert is not None
        name, wear = wearable.device, self._pipeline.wear.state[wearable.row]
        if advert.worn is not False or advert.charging:
            wearable.not_worn_since_ns = None
        elif wearable.not_worn_since_ns is None:
            wearable.not_worn_since_ns = now_ns
        since_ns = wearable.not_worn_since_ns
        absence = self._absences.holds(wearable)
        if absence is not None:
            # That it is off is what staff have said; what was before says nothing of then.
            detail = f"{name} need not be worn until its wearer is back"
            detail = f"{detail} from {self._absences.words(absence)}"
            for cause in (FaultCause.NOT_WORN, FaultCause.WEAR_UNKNOWN):
                await self._faults.clear(cause, detail, wearable)
            return
        expected = self._absences.expected(wearable)
        says_so = since_ns is not None and now_ns - since_ns >= NOT_WORN_NS
        if says_so:
            detail = f"{name} has not been worn for {NOT_WORN_MIN} min; put it on its wearer"
            await self._faults.raise_fault(FaultCause.NOT_WORN, detail + expected, wearable)
        elif advert.worn is True or (wear == Wear.WORN and advert.worn is None):
            await self._faults.clear(FaultCause.NOT_WORN, f"{name} is worn again", wearable)
        elif wear == Wear.NOT_WORN and not advert.charging:
            detail = (
                f"{name} has lain without the least motion for {NOT_WORN_MIN} min, less than "
                "breath makes; put it on its wearer"
            )
            await self._raise_nearest(FaultCause.NOT_WORN, detail + expected, wearable)
        if wear == Wear.UNKNOWN and not advert.charging:
            detail = (
                f"{name} says that it is worn, but for {UNKNOWN_MIN} min showed neither turning "
                "nor breath nor pulse; look at the wrist at the next round"
            )
            await self._raise_nearest(FaultCause.WEAR_UNKNOWN, detail + expected, wearable)
        elif wear in (Wear.WORN, Wear.NOT_WORN):
            detail = f"whether {name} is worn is known again"
            await self._faults.clear(FaultCause.WEAR_UNKNOWN, detail, wearable)

    async def _check_sensor(self, wearable: Wearable) -> None:
        cause = SensorCause(self._pipeline.trust.cause[wearable.row])
        if cause <= SensorCause.NONE and wearable.stream_row is not None:
            of_stream = SensorCause(self._pipeline.stream_trust.cause[wearable.stream_row])
            cause = max(cause, of_stream) if of_stream > SensorCause.NONE else cause
        if cause > SensorCause.NONE:
            detail = f"{wearable.device} cannot be trusted: {SENSOR_WORDS[cause]}; exchange it"
            await self._raise_nearest(FaultCause.SENSOR_FAULT, detail, wearable)
        elif cause is SensorCause.NONE:
            detail = f"{wearable.device} measures as it should"
            await self._faults.clear(FaultCause.SENSOR_FAULT, detail, wearable)

    async def _raise_nearest(self, cause: FaultCause, detail: str, wearable: Wearable) -> None:
        """Of several gateways the nearest, which hears most of it, says so."""
        if not self._faults.stands(cause, wearable.device) and self._neighbours.rank(wearable) == 0:
            await self._faults.raise_fault(cause, detail, wearable)


def _is_used(wearable: Wearable) -> bool:
    """Whether it says itself that it is worn, or stands in its cradle."""
    return wearable.advert is not None and (
        wearable.advert.worn is True or wearable.advert.charging
    )
