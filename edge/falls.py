"""From detections to fall events: one id for one fall, whoever saw it and however often."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.events import WAVEFORM_NOT_HEARD, Event, EventKind, Evidence, Waveform
from contract.screen import MOTION_HZ, SCREEN_REFRACTORY_S
from contract.units import NS_PER_S, US_PER_S, seconds_to_ns
from detectors.detection import Detection
from detectors.fall import DETECTOR, ONE_FALL_S
from detectors.fall_excerpt import Excerpt
from detectors.long_lie import DETECTOR as LONG_LIE_DETECTOR
from detectors.long_lie import STAGES_MIN
from edge.outbox_rows import Counter
from edge.pipeline import Pipeline
from edge.reporter import About, Reporter
from edge.timebase import SessionTime
from edge.wearables import Wearable

CONFIRMATION_DETECTOR: Final = "fall_confirmation/1"
ADVERT_DETECTOR: Final = "advert_screen/1"
"""The wearable's own screen, when nothing else could be had."""

ONE_FALL_NS: Final = seconds_to_ns(ONE_FALL_S)
"""Impacts of one wearable nearer than this are one fall: overlapping windows of two candidates,
or a stream and a window, show the same impact."""

CANDIDATE: Final = "candidate"
"""What a wearable's screen raises; in `edge.outbox.Counter`."""

AGE_UNKNOWN_S: Final = 255
"""An advert's candidate that is so old or older has no age."""

REMEMBERED_NS: Final = seconds_to_ns(3_600)
"""How long a fall's id is kept for what is still to be said of it; the last long-lie timer is
at an hour (SAFETY)."""

BEFORE_ALL_NS: Final = 0
"""Grid time before every fall."""

SHOWN_FALLS: Final = STAGES_MIN[0] * 60 // ONE_FALL_S
"""Falls of one wearable whose motion is kept, the latest: as many as there can be until a long
lie is told of the first of them. A wearable that suspects without end does not fill the memory."""

WAVEFORM_COUNTS_PER_G: Final = 2_048
"""int16 then reaches ±16 g, what a wearable's sensor does, in steps of half a milli-g."""


class KnownFall(msgspec.Struct, frozen=True):
    """A fall as it outlives the process; the motion around it does not."""

    fall_id: str
    impact_ns: int
    """Grid time."""
    score: float | None = None
    features: dict[str, float] = {}


@dataclass(slots=True)
class _Fall:
    """A fall, and the evidence for all that will be said of it."""

    fall_id: str
    impact_ns: int
    """Grid time."""
    score: float | None
    """Of the suspicion; none if the wearable's word, or no impact at all, began it."""
    features: dict[str, float]
    """Likewise."""
    excerpts: list[Excerpt] = field(default_factory=list)
    """Motion around it, by whoever saw it: a stream that was lost after the impact, and the window
    that was read because it was."""

    def show(self, excerpt: Excerpt | None) -> None:
        """Its motion was seen once more. Two stories of one fall are enough."""
        if excerpt is not None:
            best = max(self.excerpts, key=lambda each: each.heard, default=excerpt)
            self.excerpts = [excerpt] if best is excerpt else [best, excerpt]

    def waveform(self) -> tuple[int, NDArray[np.float32]] | None:
        """The fullest motion, as far as heard by now."""
        best = max(self.excerpts, key=lambda each: each.heard, default=None)
        return None if best is None else best.waveform()


class Falls:
    """Knows the falls of the last hour and reports what is said about them.

    Each event of a fall carries the evidence of its suspicion: score, features, and the motion from
    five seconds before the impact to ten after it, as far as it was heard when the event is made
    (a suspicion is told before the ten seconds are over). No motion is there of a fall that the
    wearable alone has told, of a slide, around whose beginning nothing is kept or fetched, and
    after a restart of the gateway.
    """

    def __init__(self, reporter: Reporter, time: SessionTime, pipeline: Pipeline) -> None:
        self._reporter = reporter
        self._time = time
        self._pipeline = pipeline
        self._known: dict[str, list[_Fall]] = {}
        self.repeated = 0
        """Suspicions of a fall that was suspected already."""

    async def report(
        self,
        wearable: Wearable,
        detection: Detection,
        *,
        candidate: Counter | None = None,
        excerpt: Excerpt | None = None,
    ) -> Event | None:
        """Turn a detection into an event.

        Parameters
        ----------
        candidate
            The candidate in whose window it was seen; none for a stream or a confirmation.
        excerpt
            Of a suspicion, the motion around it; whoever hears more of it adds to it.

        Returns
        -------
        Event or None
            None if this fall was suspected already.
        """
        if detection.kind is EventKind.FALL_SUSPECTED:
            return await self._suspected(wearable, detection, candidate, excerpt)
        fall = self._find(wearable, detection.impact_ns)
        if fall is None:
            fall = self._remember(wearable, detection, None)
        is_lie = detection.kind is EventKind.LONG_LIE
        detector = LONG_LIE_DETECTOR if is_lie else CONFIRMATION_DETECTOR
        return await self._emit(wearable, detection, fall, detector, None)

    def known(self, wearable: Wearable) -> list[KnownFall]:
        """The falls of the last hour."""
        return [
            KnownFall(fall.fall_id, fall.impact_ns, fall.score, fall.features)
            for fall in self._known.get(wearable.device, ())
        ]

    def take_up(self, wearable: Wearable, known: Iterable[KnownFall]) -> None:
        """Know these falls, of an earlier session, and those of this one that are none of them."""
        here = {fall.fall_id: fall for fall in self._known.get(wearable.device, ())}
        kept = []
        for each in known:
            fall = here.pop(each.fall_id, None)
            shown = fall.excerpts if fall is not None else []
            kept.append(_Fall(each.fall_id, each.impact_ns, each.score, each.features, shown))
        self._known[wearable.device] = [*kept, *here.values()]

    def settle(self, wearable: Wearable, fall_ids: Collection[str]) -> int:
        """A person has resolved an incident of these falls: of them nobody lies any longer, nor
        of one before them. A fall that came after, and that nobody has seen to, goes on.

        Returns
        -------
        int
            Until when she has been seen to, grid time.
        """
        settled = (
            fall.impact_ns
            for fall in self._known.get(wearable.device, ())
            if fall.fall_id in fall_ids
        )
        until_ns = max(settled, default=BEFORE_ALL_NS)
        self._pipeline.settle(wearable, until_ns)
        return until_ns

    async def from_advert(
        self, wearable: Wearable, candidate: Counter, peak_g: float, impact_ns: int
    ) -> Event | None:
        """Suspect a fall on the wearable's word alone, when its window cannot be had."""
        detection = Detection(
            row=wearable.row,
            kind=EventKind.FALL_SUSPECTED,
            impact_ns=impact_ns,
            emitted_ns=impact_ns,
            score=None,
            features={"peak_g": peak_g},
            waveform=None,
        )
        return await self._suspected(wearable, detection, candidate, None, ADVERT_DETECTOR)

    def lacks_motion(self, wearable: Wearable, impact_ns: int) -> bool:
        """Whether the motion around a fall is not known to its end."""
        fall = self._find(wearable, impact_ns)
        return fall is not None and not any(each.is_whole for each in fall.excerpts)

    async def _suspected(
        self,
        wearable: Wearable,
        detection: Detection,
        candidate: Counter | None,
        excerpt: Excerpt | None,
        detector: str = DETECTOR,
    ) -> Event | None:
        known = self._find(wearable, detection.impact_ns)
        if known is not None:
            self.repeated += 1
            known.show(excerpt)
            return None
        fall = self._remember(wearable, detection, candidate)
        fall.show(excerpt)
        self._pipeline.suspect(wearable, detection.impact_ns)
        return await self._emit(wearable, detection, fall, detector, candidate)

    async def _emit(
        self,
        wearable: Wearable,
        detection: Detection,
        fall: _Fall,
        detector: str,
        result: Counter | None,
    ) -> Event:
        waveform, shown = None, fall.waveform()
        if shown is not None:
            start_us = self._time.wall_us(self._time.monotonic_ns(shown[0]))
            waveform = encode_waveform(start_us, shown[1])
        evidence = Evidence(
            detector=detector,
            score=fall.score,
            features=fall.features | detection.features,
            waveform=waveform,
        )
        who = wearable.config.resident or wearable.device
        about = About(
            wearable=wearable,
            key=f"{who}:fall:{fall.fall_id}",
            fall_id=fall.fall_id,
            evidence=evidence,
            detail=_in_words(detection, wearable.config.placement),
        )
        return await self._reporter.emit(
            detection.kind,
            about,
            at_monotonic_ns=self._time.monotonic_ns(detection.impact_ns),
            result=result,
        )

    def _find(self, wearable: Wearable, impact_ns: int) -> _Fall | None:
        near = [
            fall
            for fall in self._known.get(wearable.device, ())
            if abs(fall.impact_ns - impact_ns) <= ONE_FALL_NS
        ]
        return min(near, key=lambda fall: abs(fall.impact_ns - impact_ns), default=None)

    def _remember(
        self, wearable: Wearable, detection: Detection, candidate: Counter | None
    ) -> _Fall:
        impact_ns = detection.impact_ns
        if candidate is None:
            candidate = self._screened(wearable, impact_ns)
        if candidate is not None:
            fall_id = f"{candidate.device}:{candidate.boot}:{candidate.counter}"
        else:
            # In wall time, so that it stays the only one after a restart.
            impact_us = self._time.wall_us(self._time.monotonic_ns(impact_ns))
            fall_id = f"{wearable.device}:{impact_us // US_PER_S}"
        is_suspicion = detection.kind is EventKind.FALL_SUSPECTED
        features = detection.features if is_suspicion else {}
        fall = _Fall(fall_id, impact_ns, detection.score, features)
        kept = [
            known
            for known in self._known.get(wearable.device, ())
            if impact_ns - known.impact_ns < REMEMBERED_NS
        ]
        for old in kept[: max(len(kept) + 1 - SHOWN_FALLS, 0)]:
            old.excerpts.clear()
        self._known[wearable.device] = [*kept, fall]
        return fall

    def _screened(self, wearable: Wearable, impact_ns: int) -> Counter | None:
        """The candidate that the wearable made of this impact: another gateway, which fetches
        its window, calls the fall by it.
        """
        advert = wearable.advert
        if advert is None or advert.candidate_age_s >= AGE_UNKNOWN_S:
            return None
        told_ns = wearable.time.monotonic_ns(wearable.latest_second * NS_PER_S)
        candidate_ns = self._time.grid_ns(told_ns - seconds_to_ns(advert.candidate_age_s))
        if abs(candidate_ns - impact_ns) > seconds_to_ns(SCREEN_REFRACTORY_S):
            return None
        return Counter(wearable.device, CANDIDATE, advert.boot_counter, advert.candidate_counter)


def _in_words(detection: Detection, placement: str) -> str | None:
    """Why, in one sentence for the carer who decides how fast to run; None if that was not
    measured. It never fails: no alarm may be lost for a want of words.
    """
    features = detection.features
    waited_s, walking_s = features.get("waited_s"), features.get("walking_s")
    if detection.kind is EventKind.FALL_DETECTED and waited_s is not None:
        heard_s = features.get("heard_s", waited_s)
        # Silence, and the time in which the gateway itself was away, is no sign of anything.
        heard = f", of which {heard_s:.0f} s were heard" if heard_s < waited_s / 2 else ""
        return f"No walking in the {waited_s:.0f} s since the impact{heard}."
    if detection.kind is EventKind.MAY_HAVE_GOT_UP and walking_s is not None:
        return f"Walking for {walking_s:.0f} s after the impact."
    if detection.kind is EventKind.LONG_LIE:
        return _lie_in_words(features)
    peak_g, turned_deg = features.get("peak_g"), features.get("posture_change_deg")
    if peak_g is None:
        return None
    impact = f"Impact of {peak_g:.1f} g at the {placement}"
    if turned_deg is None:
        return f"{impact}."
    return f"{impact}, then lying {turned_deg:.0f}° from the posture before."


def _lie_in_words(features: dict[str, float]) -> str | None:
    stage_min, moved_s = features.get("stage_min"), features.get("moved_s")
    heard_s, turned_deg = features.get("heard_s"), features.get("turned_deg")
    if stage_min is None or moved_s is None or heard_s is None:
        return None
    since = "the impact"
    if turned_deg is not None:
        since = f"a turn by {turned_deg:.0f}° without impact, perhaps a slide to the floor"
    heard = f"movement in {moved_s:.0f} of {heard_s:.0f} s heard"
    return f"No walking for {stage_min:.0f} min since {since}; {heard}."


def encode_waveform(start_us: int, samples_g: NDArray[np.float32]) -> Waveform:
    """Motion of shape (3, n) in g as it travels in an event, NaN as `WAVEFORM_NOT_HEARD`."""
    counts = np.rint(samples_g.T * WAVEFORM_COUNTS_PER_G)
    limits = np.iinfo(np.int16)
    counts = np.where(np.isfinite(counts), counts.clip(-limits.max, limits.max), WAVEFORM_NOT_HEARD)
    data = counts.astype("<i2").tobytes()
    return Waveform(
        start_us=start_us,
        rate_hz=float(MOTION_HZ),
        counts_per_g=WAVEFORM_COUNTS_PER_G,
        samples=base64.b64encode(zlib.compress(data, 6)).decode("ascii"),
    )
