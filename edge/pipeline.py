"""From samples and summaries to detections, once a second.

Held streams go through the motion grid and the fall detector; every wearable's summary,
from the grid or from its adverts, goes through the summary grid, the confirmation and the timers
of who lies, and minute by minute through what judges wear and sensors. All times are grid times
(`edge.timebase`), so nothing here notices a wall clock that jumps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.events import EventKind
from contract.packets import MAX_RATE_HZ, MIN_RATE_HZ, MotionPacket
from contract.screen import SCREEN_IMPACT_G
from contract.units import NS_PER_S, seconds_to_ns
from detectors.confirmation import FallConfirmation, KeptFall
from detectors.detection import Detection
from detectors.fall import FallDetector
from detectors.fall_excerpt import Excerpt
from detectors.fall_model import FallModel, load_model
from detectors.grid import LATENESS_S, Block, Grid
from detectors.long_lie import KeptLie, LongLie
from detectors.minute import Minutes
from detectors.sensor import SensorTrust, StreamTrust
from detectors.summary import SummaryBlock, SummaryGrid
from detectors.wear import WearWatch
from edge import counters
from edge.counters import Counts
from edge.excerpts import StreamExcerpts
from edge.timebase import SessionTime
from edge.wearables import Roster, Wearable

SUMMARY_LATENESS_S: Final = 2.0 + LATENESS_S
"""How long after its end a second stays open for summaries: to the second tick after the one that
closes its motion. An advert that carries it is sent from its end on for a second, a wearable's
seconds lie up to 0.75 s beside the grid's (`edge.timebase.SECOND_HYSTERESIS_NS`), and a radio hands
adverts over up to a second late. The confirmation waits for tens of seconds, so this costs
nothing."""

STREAM_GAP_NS: Final = seconds_to_ns(1.5)
"""Two packets further apart than this had a loss between them: the longest packet holds 0.76 s."""

LONGEST_PACKET_NS: Final = seconds_to_ns(0.76)
"""What a packet of our own holds at most. The first sample of a longer one would be older than a
second stays open for (`detectors.grid.LATENESS_S`): such a stream is laid that much later."""

MOST_DELAYED_NS: Final = seconds_to_ns(1.5)
"""A Verity Sense fills its packets: 71 samples at 52 Hz are usual, 1.4 s (polar-ble-sdk, issue
317). A fall is told that much later: so no stream may make one wait for more than 7 s after its
impact."""

_LATENESS_NS: Final = seconds_to_ns(LATENESS_S)
_SUMMARY_LATENESS_NS: Final = seconds_to_ns(SUMMARY_LATENESS_S)

ROWS_AT_A_TIME: Final = 8
"""Grids grow by so many rows, so that enrolling one wearable does not begin them anew each
time; an unused row costs next to nothing."""


class Finding(NamedTuple):
    """What a detector said of a wearable."""

    wearable: Wearable
    detection: Detection
    excerpt: Excerpt | None
    """Of a suspicion, the motion around it, which grows with what comes."""


class Second(NamedTuple):
    """What one tick brought."""

    findings: list[Finding]
    summaries: list[SummaryBlock]


class Lying(NamedTuple):
    """What is open of one wearer's falls and lies. Times are grid times."""

    followed: list[KeptFall]
    """Falls after which walking is still waited for."""
    lie: KeptLie | None
    falls: list[int]
    """Impacts of the falls that the lie may be timed from."""

    def __bool__(self) -> bool:
        return bool(self.followed or self.falls) or self.lie is not None


class _HeldSummary(NamedTuple):
    """An advert's summary of a wearable that streams: used if the stream does not give one."""

    second: int
    row: int
    values: tuple[float, ...]
    worn: bool | None


class Pipeline:
    """Grids and detectors of one gateway.

    Parameters
    ----------
    roster
        Whose rows these are; `resize` follows its changes.
    models
        Gives the fall model of a placement; default those that ship.

    Raises
    ------
    detectors.fall_model.ModelError
        If a model's file is not the one that was measured.
    """

    def __init__(
        self,
        roster: Roster,
        time: SessionTime,
        counts: Counts,
        models: Callable[[str], FallModel] = load_model,
    ) -> None:
        # A model that is not the one that was measured must stop the gateway when it is put into
        # service, and not when the first resident falls.
        for placement in SCREEN_IMPACT_G:
            models(placement)
        self.models = models
        """Gives the fall model of a placement."""
        self._roster = roster
        self._time = time
        self._counts = counts
        self._rows = 0
        self._stream_rows = 0
        self._held: list[_HeldSummary] = []
        self._wearer_of: dict[int, tuple[str, str | None]] = {}
        """Device and resident of each row."""
        self._stream_of: dict[int, Wearable] = {}
        """Who stands in each row of the motion grid."""
        self.closed_until_s = 0
        """Grid second up to which held streams have been looked at."""
        self._summaries = SummaryGrid(0)
        self._confirmation = FallConfirmation(0)
        self._lies = LongLie(0)
        self._minutes = Minutes(0)
        self.wear = WearWatch(0)
        """By row of the summary grid."""
        self.trust = SensorTrust(0)
        """Likewise."""
        self.stream_trust = StreamTrust(0)
        """By stream row."""
        self._grid: Grid | None = None
        self._late = np.zeros(0, np.int64)
        self._detector: FallDetector | None = None
        self._excerpts = StreamExcerpts(roster)

    def resize(self, added: list[Wearable]) -> None:
        """Follow a change of the roster; `added` are new in their rows."""
        if self._roster.rows > self._rows:
            self._rows = _rounded_up(self._roster.rows)
            self._summaries = SummaryGrid(self._rows)
            for watch in (self._confirmation, self._lies, self._minutes, self.wear, self.trust):
                watch.grow(self._rows)
        for wearable in added:
            self._summaries.reset(wearable.row)
            self._held = [held for held in self._held if held.row != wearable.row]
            for watch in (self._confirmation, self._lies, self._minutes, self.wear, self.trust):
                watch.reset(wearable.row)
        self._change_wearers()
        self._resize_streams()

    def _change_wearers(self) -> None:
        """A fall stays whose it was: better that its deadline pages than that it is told of
        whoever has the row or the wearable now (SAFETY: the wrong bed).
        """
        before = self._wearer_of
        self._wearer_of = {
            row: (each.device, each.config.resident) for row, each in self._roster.by_row.items()
        }
        for row, wearer in self._wearer_of.items():
            if before.get(row) != wearer:
                self._confirmation.forget(row)
                self._lies.reset(row)

    def _resize_streams(self) -> None:
        if self._roster.stream_rows > self._stream_rows:
            self._stream_rows = _rounded_up(self._roster.stream_rows)
            self._grid = Grid(self._stream_rows)
            self._late = self._grid.late.copy()
            self._detector = FallDetector(self._stream_rows, models=self.models)
            self.stream_trust = StreamTrust(self._stream_rows)
            self._stream_of.clear()
        for wearable in self._roster:
            if wearable.stream_row is None:
                wearable.stream_since_ns = None
            elif self._stream_of.get(wearable.stream_row) is not wearable:
                self.reset_stream(wearable)
        self._stream_of = dict(self._roster.by_stream_row)
        if self._detector is not None:
            # A wearable may be worn elsewhere by the new configuration.
            for row, wearable in self._roster.by_stream_row.items():
                self._detector.place(row, wearable.config.placement)

    def reset_stream(self, wearable: Wearable) -> None:
        """Another device stands in this stream's row from now on, or a new grid: what came
        before has not been looked at to its end.
        """
        wearable.stream_since_ns = None
        if self._grid is not None and self._detector is not None:
            assert wearable.stream_row is not None
            self._grid.reset(wearable.stream_row)
            self._detector.reset(wearable.stream_row, placement=wearable.config.placement)
            self.stream_trust.reset(wearable.stream_row)

    def push(self, wearable: Wearable, packet: MotionPacket, arrival_ns: int) -> str | None:
        """Take in a packet of a held stream.

        Returns
        -------
        str or None
            Why it was rejected.
        """
        if self._grid is None or wearable.stream_row is None:
            return "a stream packet of a wearable that is not enrolled for streaming"
        time = wearable.time
        device_ns = time.unwrap_millisecond(packet.device_time_ms, time.device_ns(arrival_ns))
        return self._push(wearable, device_ns, packet.offsets_ns, packet.samples_g, arrival_ns)

    def push_samples(
        self,
        wearable: Wearable,
        device_ns: int,
        rate_hz: float,
        samples_g: NDArray[np.float32],
        arrival_ns: int,
    ) -> str | None:
        """Take in samples of a held stream that is not in our packets.

        Parameters
        ----------
        device_ns
            When the first was measured, by the device's own clock of any origin.
        rate_hz
            As the device says.
        samples_g
            (3, n) in g.
        arrival_ns
            When they came, monotonic.

        Returns
        -------
        str or None
            Why they were rejected.
        """
        if self._grid is None or wearable.stream_row is None:
            return "samples of a wearable that is not enrolled for streaming"
        count = samples_g.shape[1]
        if count == 0 or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            return "samples at a rate that cannot be"
        offsets_ns = (np.arange(count) * (NS_PER_S / rate_hz)).astype(np.int64)
        longer_ns = int(offsets_ns[-1]) - LONGEST_PACKET_NS
        if longer_ns > MOST_DELAYED_NS:
            return "a packet that spans too long"
        wearable.delay_ns = max(wearable.delay_ns, longer_ns)
        return self._push(wearable, device_ns, offsets_ns, samples_g, arrival_ns)

    def _push(
        self,
        wearable: Wearable,
        device_ns: int,
        offsets_ns: NDArray[np.int64],
        samples_g: NDArray[np.float32],
        arrival_ns: int,
    ) -> str | None:
        assert self._grid is not None
        assert wearable.stream_row is not None
        time = wearable.time
        if not time.observe(device_ns + int(offsets_ns[-1]), arrival_ns):
            return "a stream packet of an implausible time"
        if wearable.stream_since_ns is None or arrival_ns - wearable.sampled_ns > STREAM_GAP_NS:
            wearable.stream_since_ns = arrival_ns
        wearable.sampled_ns = arrival_ns
        begin_ns = self._time.grid_ns(device_ns + time.stream_distance_ns(arrival_ns))
        begin_ns += wearable.delay_ns
        self._grid.push(wearable.stream_row, begin_ns + offsets_ns, samples_g)
        self._counts[counters.SAMPLES_DECODED] += len(offsets_ns)
        return None

    def note_summary(self, wearable: Wearable) -> None:
        """Take in the summary of a wearable's newest advert."""
        advert = wearable.advert
        assert advert is not None
        second = wearable.time.grid_second(wearable.latest_second * NS_PER_S, self._time.grid_ns(0))
        if advert.heart_rate_bpm is not None:
            self.wear.note_pulse(wearable.row)
        values = (*advert.mean_g, advert.min_g, advert.max_g, advert.deviation_g)
        if wearable.stream_row is None:
            self._summaries.put(wearable.row, second, values, advert.worn)
        else:
            self._held.append(_HeldSummary(second, wearable.row, values, advert.worn))

    def suspect(self, wearable: Wearable, impact_ns: int) -> None:
        """A fall is suspected at `impact_ns` (grid time): watch what comes after it."""
        self._confirmation.suspect(wearable.row, impact_ns)
        self._lies.suspect(wearable.row, impact_ns)

    def settle(self, wearable: Wearable, until_ns: int) -> None:
        """A person has said what became of this wearer's falls until `until_ns` (grid time)."""
        self._lies.end(wearable.row, until_ns)

    def lying(self, wearable: Wearable) -> Lying:
        """What is open of this wearer."""
        row = wearable.row
        return Lying(
            self._confirmation.following(row), self._lies.lying(row), self._lies.falls(row)
        )

    def resume(self, wearable: Wearable, lying: Lying) -> None:
        """Go on with what was open of this wearer, and with nothing else of hers."""
        second = self._due_second(self._time.grid_now_ns())
        self._confirmation.resume(wearable.row, lying.followed, second)
        self._lies.resume(wearable.row, lying.lie, lying.falls, second)

    def still_slid(self, wearable: Wearable, begun_ns: int) -> bool:
        """Whether she lies whose slide began at `begun_ns` (grid time)."""
        if self._roster.by_row.get(wearable.row) is not wearable:
            return False
        lie = self._lies.lying(wearable.row)
        return lie is not None and lie.slid and lie.begun_ns == begun_ns

    def _due_second(self, now_ns: int) -> int:
        """The first grid second that is not to be closed yet."""
        return (now_ns - _SUMMARY_LATENESS_NS) // NS_PER_S

    def tick(self, now_ns: int) -> Second:
        """Close what can be closed at grid time `now_ns`, and run the detectors over it."""
        findings = self._close_motion((now_ns - _LATENESS_NS) // NS_PER_S)
        until = self._due_second(now_ns)
        if self._held:
            self._release_held(until)
        if self._lies.waits or self._confirmation.waits:
            # Also where nobody is heard any more: silence ends no timer.
            self._summaries.begin(until)
        summaries = []
        for block in self._summaries.close(until):
            summaries.append(block)
            for detection in self._confirmation.step(block):
                if detection.kind is EventKind.MAY_HAVE_GOT_UP:
                    self._lies.end(detection.row, detection.impact_ns)
                self._note(findings, self._roster.by_row.get(detection.row), detection)
            for detection in self._lies.step(block):
                self._note(findings, self._roster.by_row.get(detection.row), detection)
            for minute in self._minutes.push(block):
                self.wear.step(minute)
                self.trust.step(minute)
        return Second(findings, summaries)

    @property
    def late_samples(self) -> int:
        """Samples and summaries that came after their second was closed."""
        late = int(self._summaries.late.sum())
        return late if self._grid is None else late + int(self._grid.late.sum())

    @property
    def rejected_samples(self) -> int:
        """Samples and summaries that could not be, or came twice."""
        rejected = int(self._summaries.rejected.sum())
        return rejected if self._grid is None else rejected + int(self._grid.rejected.sum())

    def _close_motion(self, until: int) -> list[Finding]:
        findings: list[Finding] = []
        self.closed_until_s = until
        if self._grid is None or self._detector is None:
            return findings
        for block in self._grid.close(until):
            self._excerpts.take(block)
            for detection in self._detector.step(block):
                wearable = self._roster.by_stream_row.get(detection.row)
                self._note(findings, wearable, detection)
            self._sum_up(block)
            self.stream_trust.step(block)
        self.stream_trust.judge(until, self._grid)
        late = self._grid.late.copy()
        for row in np.flatnonzero(late[: len(self._late)] != self._late):
            wearable = self._roster.by_stream_row.get(int(row))
            if wearable is not None and wearable.stream_since_ns is not None:
                # The detector has not seen these: what they held, a window has to bring.
                wearable.stream_since_ns = wearable.sampled_ns
        self._late = late
        return findings

    def _sum_up(self, block: Block) -> None:
        """A held link's summary comes from the grid, which has all its samples."""
        for stream_row, wearable in self._roster.by_stream_row.items():
            values = block.summary[:, stream_row]
            if not np.isnan(values[0]):
                worn = wearable.advert.worn if wearable.advert is not None else None
                self._summaries.put(wearable.row, block.second, values.tolist(), worn)

    def _release_held(self, until: int) -> None:
        """Where the stream gave no summary, the advert's is used."""
        keep = []
        for held in self._held:
            if held.second < until:
                self._summaries.put(held.row, held.second, held.values, held.worn)
            else:
                keep.append(held)
        self._held = keep

    def _note(
        self, findings: list[Finding], wearable: Wearable | None, detection: Detection
    ) -> None:
        if wearable is None:
            self._counts["detections_without_wearable"] += 1
        else:
            excerpt = self._excerpts.begin(wearable, detection)
            findings.append(Finding(wearable, detection, excerpt))


def _rounded_up(rows: int) -> int:
    return -(-rows // ROWS_AT_A_TIME) * ROWS_AT_A_TIME
